"""Decoders are given garbage and never raise: random bytes, random JSON, and the corpus mutated 10,000 times each."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.protocols import WireResponse
from brim.protocols.faults import MESSAGE_LENGTH
from brim.values import Failure, Outcome, Reply
from protocols.cases import CASES, DIALECTS, FIXED

MUTATIONS = 10_000
JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 3.5, 1e300, 2**70, -(2**40), "", "x", "429", "\x00\u2028", "error",
    [], {}, [None], [[]], [{}], {"": None}, {"error": {"code": "429"}}, {"type": "text"}, [{"type": ["text"]}],
)  # fmt: skip
STATUSES = (200, 200, 200, 201, 400, 401, 404, 429, 500, 503, 529, 0, 99, 302, 999, -1)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"retry-after": "nan", "x-request-id": ""},
    {"x-should-retry": "perhaps", "retry-after": "\x00", "x-ratelimit-reset-tokens": "1h-"},
    {"retry-after-ms": "1" * 500, "x-ratelimit-remaining-tokens": "", "x-ratelimit-reset": "9" * 30},
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["error", "choices", "content", "x"]), inner),
    max_leaves=10,
)


def check(outcome: Outcome) -> None:
    """Whatever came in, what comes out can be shown, slept and written to a journal."""
    assert isinstance(outcome, (Reply, Failure))
    assert msgspec.json.encode(outcome)
    if isinstance(outcome, Failure):
        wait = outcome.retry_after
        assert 0 < len(outcome.message) <= MESSAGE_LENGTH
        assert outcome.message.isprintable()
        assert outcome.code is None or 0 < len(outcome.code) <= 100
        assert wait is None or (math.isfinite(wait) and wait >= 0)
    if outcome.usage is not None:
        assert all(0 <= count <= 2**55 for count in msgspec.structs.astuple(outcome.usage))


def response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> WireResponse:
    return WireResponse(status=status, headers=headers or {}, body=body, received_at=1_763_800_000.0)


def mutated_tree(value: Any, chance: Random) -> Any:
    """Put junk in the place of one node, drop one, or rename one."""
    if chance.random() < 0.12 or not value or not isinstance(value, (dict, list)):
        return chance.choice(JUNK)
    if isinstance(value, list):
        at = chance.randrange(len(value))
        return [*value[:at], mutated_tree(value[at], chance), *value[at + 1 :]]
    name = chance.choice(list(value))
    rest = {key: item for key, item in value.items() if key != name}
    if chance.random() < 0.1:
        return rest
    return rest | {name: mutated_tree(value[name], chance)}


def mutated_bytes(body: bytes, chance: Random) -> bytes:
    """Cut, overwrite, insert, repeat or prefix a few bytes."""
    at = chance.randrange(len(body) + 1)
    end = min(len(body), at + chance.randrange(1, 9))
    return chance.choice(
        (
            lambda: body[:at],
            lambda: body[:at] + chance.randbytes(end - at) + body[end:],
            lambda: body[:at] + chance.randbytes(3) + body[at:],
            lambda: body[:end] + body[at:],
            lambda: b"\xef\xbb\xbf\n" + body,
            lambda: body[:at] + b'"\\ud83d' + body[at:],
        )
    )()


def mutate(seed: bytes, chance: Random) -> bytes:
    if chance.random() < 0.5:
        return mutated_bytes(seed, chance)
    try:
        return msgspec.json.encode(mutated_tree(msgspec.json.decode(seed), chance))
    except msgspec.DecodeError:
        return mutated_bytes(seed, chance)


@pytest.mark.parametrize("name", list(DIALECTS))
def test_mutated_bodies_never_raise(name: str) -> None:
    """
    10,000 mutations of the dialect's own corpus end as an outcome, each.
    """
    chance = Random(20261122)
    dialect = DIALECTS[name]
    seeds = [case.wire_body for case in CASES if case.dialect == name]
    for _ in range(MUTATIONS):
        body = mutate(chance.choice(seeds), chance)
        check(dialect.decode(response(body, chance.choice(STATUSES), chance.choice(HEADERS))))


@FIXED
@given(body=st.binary(max_size=200), status=st.integers(-10, 1200))
def test_any_bytes_never_raise(body: bytes, status: int) -> None:
    """
    No bytes and no status make a decoder raise.
    """
    for dialect in DIALECTS.values():
        check(dialect.decode(response(body, status)))


@FIXED
@given(value=JSON, status=st.sampled_from(STATUSES))
def test_any_json_never_raises(value: object, status: int) -> None:
    """
    No JSON, however odd, makes a decoder raise.
    """
    body = msgspec.json.encode(value)
    for dialect in DIALECTS.values():
        check(dialect.decode(response(body, status)))


@FIXED
@given(
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "x-should-retry", "x-request-id", "x-ratelimit-reset"]),
        st.text(max_size=30),
    ),
    status=st.integers(100, 599),
)
def test_any_headers_never_raise(headers: dict[str, str], status: int) -> None:
    """
    No header value makes a decoder raise.
    """
    for dialect in DIALECTS.values():
        check(dialect.decode(response(b'{"error": {"message": "try again in 5s"}}', status, headers)))


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b'{"error":' * 100_000, b"1" * 5_000, b'{"a":' + b"9" * 5_000 + b"}", b"<title>" * 10_000],
    ids=["arrays", "objects", "digits", "number", "titles"],
)
def test_monstrous_bodies_never_raise(body: bytes) -> None:
    """
    Depth and length without end are malformed, not an exception.
    """
    for dialect in DIALECTS.values():
        for status in (200, 500):
            check(dialect.decode(response(body, status)))
