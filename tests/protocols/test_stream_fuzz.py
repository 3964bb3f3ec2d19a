"""Readers of streams are given garbage and never raise: bytes, JSON and every known stream mutated."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.cases import DIALECTS, FIXED, RECEIVED_AT
from protocols.sequences import STREAMS
from protocols.stream_cases import reader
from protocols.test_fuzz import HEADERS, JSON, MUTATIONS, STATUSES, check, mutate, mutated_bytes


def mutated(stream: bytes, chance: Random) -> bytes:
    """Break the bytes anywhere, or the JSON of one event, or drop, repeat or move an event."""
    events = stream.split(b"\n\n")
    at, to = chance.randrange(len(events)), chance.randrange(len(events))
    head, mark, body = events[at].decode("utf-8", "replace").encode().partition(b"data: ")
    edits = (
        lambda: mutated_bytes(stream, chance),
        lambda: b"\n\n".join([*events[:at], head + mark + mutate(body, chance), *events[at + 1 :]]),
        lambda: b"\n\n".join([*events[:at], *events[at + 1 :]]),
        lambda: b"\n\n".join([*events[:at], events[to], *events[at:]]),
    )
    return chance.choice(edits)()


def read(name: str, body: bytes, chance: Random) -> None:
    reading = reader(name, chance.choice((200, 200, 200, *STATUSES)), chance.choice(HEADERS))
    cut = chance.randrange(len(body) + 1)
    for part in (body[:cut], body[cut:]):
        assert msgspec.json.encode(reading.feed(part))
    check(reading.close(RECEIVED_AT))


@pytest.mark.parametrize("name", list(DIALECTS))
def test_mutated_streams_never_raise(name: str) -> None:
    """
    10,000 mutations of the dialect's streams, one to three deep, end as an outcome, each.
    """
    chance = Random(20261123)
    seeds = [stream.body for stream in STREAMS if stream.dialect == name and stream.body]
    for _ in range(MUTATIONS):
        body = chance.choice(seeds)
        for _ in range(chance.choice((1, 1, 2, 3))):
            body = mutated(body, chance)
        read(name, body, chance)


@FIXED
@given(body=st.binary(max_size=200), name=st.sampled_from(list(DIALECTS)))
def test_any_bytes_never_raise(body: bytes, name: str) -> None:
    """
    No bytes make a reader raise, as a stream or not.
    """
    read(name, body, Random(1))
    read(name, b"data: " + body + b"\n\n", Random(1))


@FIXED
@given(
    values=st.lists(JSON, max_size=4),
    types=st.lists(st.sampled_from(["message_start", "content_block_start", "content_block_delta", "message_delta"])),
    name=st.sampled_from(list(DIALECTS)),
)
def test_any_json_never_raises(values: list[object], types: list[str], name: str) -> None:
    """
    Events of any JSON in every known place make no reader raise.
    """
    places = ("delta", "message", "content_block", "usage", "choices", "response", "item", "index")
    odd = [dict.fromkeys(places, value) for value in values]
    named = [{**event, "type": kind} for event in odd for kind in types]
    ends: list[object] = [{"type": "message_stop"}, {"type": "response.completed", "response": values}]
    body = b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in [*values, *odd, *named, *ends])

    read(name, body + b"data: [DONE]\n\n", Random(1))


@pytest.mark.parametrize("name", list(DIALECTS))
def test_monstrous_events_never_raise(name: str) -> None:
    """
    Depth without end, in any part of an event that is put together again, is malformed and not an exception.
    """
    for depth in (100, 480, 900, 990, 1_000, 5_000):
        deep = b"[" * depth + b"]" * depth
        delta = b'{"tool_calls":[{"index":0,"x":%b}],"function_call":{"x":%b}}' % (deep, deep)
        for event in (
            b'{"choices":[{"delta":%b,"finish_reason":"stop"}],"usage":{"x":%b}}' % (delta, deep),
            b'{"type":"message_start","message":{"x":%b}}' % deep,
            b'{"type":"content_block_start","content_block":{"type":"tool_use","input":%b}}' % deep,
            b'{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"%b"}}' % deep,
            b'{"type":"response.output_item.done","item":%b}' % deep,
        ):
            ends = b'{"type":"message_stop"}', b'{"type":"response.completed","response":{"output":[]}}', b"[DONE]"
            read(name, b"".join(b"data: " + each + b"\n\n" for each in (event, *ends)), Random(1))
