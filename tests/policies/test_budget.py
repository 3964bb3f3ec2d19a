"""Money: what a call may cost at the very most, what it did cost, and an account that never overdraws."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.errors import ConfigError, InputError
from brim.policies.budget import Account, Bill, nanos, read_cap
from brim.policies.prices import FREE, Price, Rates, parse_price, price_of
from brim.policies.tokens import estimate_tokens
from brim.values import Failure, FailureKind, Outcome, Reply, Sent, Usage

K = FailureKind
PRICE = parse_price("1/10")
"""One dollar for a million tokens in: 1,000 nano-dollars a token."""


def body(**fields: Any) -> bytes:
    return msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields})


def parts(*parts: dict[str, Any]) -> bytes:
    return body(messages=[{"role": "user", "content": [*parts]}], max_tokens=5)


def test_the_worst_case_is_every_byte_a_token_and_the_whole_cap() -> None:
    """
    Bytes and what templates add at the price of input, the cap at that of output, in whole nano-dollars.
    """
    asked = body(max_tokens=100)

    assert Bill(PRICE).worst(asked) == (len(asked) + 256) * 1_000 + 100 * 10_000


@given(text=st.text(), made=st.integers(0, 50))
def test_no_answer_costs_more_than_its_worst_case(text: str, made: int) -> None:
    """
    Whatever the text, its tokens as estimated and any answer within the cap are paid for.
    """
    asked = body(messages=[{"role": "user", "content": text}], max_tokens=50)
    usage = Usage(input_tokens=round(estimate_tokens(text.encode())), output_tokens=made)
    bill = Bill(PRICE)

    charge = bill.charge(Reply(text="", usage=usage))

    assert charge is not None
    assert charge <= bill.worst(asked)


@pytest.mark.parametrize("cap", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_the_cap_is_read_in_every_spelling(cap: str) -> None:
    """
    Chat's two names and that of Responses; several answers cost several times as much.
    """
    one, three = body(**{cap: 50}), body(**{cap: 50}, n=3)

    assert Bill(PRICE).worst(one) == (len(one) + 256) * 1_000 + 50 * 10_000
    assert Bill(PRICE).worst(three) == (len(three) + 256) * 1_000 + 150 * 10_000


def test_the_dearest_rate_that_may_hold_is_taken() -> None:
    """
    Writing to the cache is dearer than reading afresh, and a long input is dearer from its tier on.
    """
    base = Rates(fresh=1e-6, cache_read=1e-7, cache_write=2e-6, output=1e-5)
    long = Rates(fresh=3e-6, cache_read=3e-7, cache_write=6e-6, output=2e-5)
    bill = Bill(Price(base=base, tiers=((1_000, long),)))
    short, wide = body(max_tokens=1), body(max_tokens=1, user="u" * 1_000)

    assert bill.worst(short) == (len(short) + 256) * 2_000 + 10_000
    assert bill.worst(wide) == (len(wide) + 256) * 6_000 + 20_000


def test_tools_of_ones_own_are_text() -> None:
    """
    Functions, and tools that the caller runs, are paid by their bytes and what providers say about them.
    """
    asked = body(max_tokens=1, tools=[{"type": "function"}, {"name": "f"}, {"type": "bash_20250124"}])

    assert Bill(PRICE).worst(asked) == (len(asked) + 1_024) * 1_000 + 10_000


def test_without_a_cap_nothing_is_bounded() -> None:
    """
    The message says which option helps.
    """
    with pytest.raises(InputError, match="--max-tokens"):
        Bill(PRICE).worst(body())


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"web_search_options": {}}, "web_search_options"),
        ({"models": ["dear"]}, "models"),
        ({"tools": [{"type": "web_search_20260209"}]}, "tools: web_search_20260209"),
        ({"tools": [{"type": "file_search"}]}, "tools: file_search"),
    ],
)
def test_what_nothing_bounds_may_not_go(fields: dict[str, Any], named: str) -> None:
    """
    Tools that the provider runs, and other models to fall back on: the message names the field.
    """
    with pytest.raises(InputError, match=named):
        Bill(PRICE).worst(body(max_tokens=5, **fields))


FOREIGN = [
    (parts({"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {}}), "image_url"),
    (parts({"type": "tool_result", "content": [{"type": "image"}]}), "image"),
    (body(messages=[{"role": "assistant", "audio": {"id": "a"}}], max_tokens=5), "audio"),
    (body(input=[{"type": "item_reference", "id": "x"}], max_tokens=5), "item_reference"),
    (body(system=[{"type": "document"}], max_tokens=5), "document"),
    (body(previous_response_id="r", max_tokens=5), "previous_response_id"),
]


@pytest.mark.parametrize(("asked", "named"), FOREIGN)
def test_what_is_no_text_takes_the_whole_context(asked: bytes, named: str) -> None:
    """
    Where the model's context is known, that is what it may cost; where it is not, it may not go.
    """
    wide = msgspec.structs.replace(PRICE, context=10_000)

    assert Bill(wide).worst(asked) == 10_000 * 1_000 + 5 * 10_000
    with pytest.raises(InputError, match=named):
        Bill(PRICE).worst(asked)


def test_a_body_that_makes_no_sense_is_refused_in_words() -> None:
    """
    A cap that is no number bounds nothing.
    """
    with pytest.raises(InputError, match="max_tokens"):
        Bill(PRICE).worst(body(max_tokens="many"))


def failed(
    kind: FailureKind, *, sent: Sent = Sent.YES, status: int | None = None, usage: Usage | None = None
) -> Failure:
    return Failure(kind=kind, message="", sent=sent, status=status, usage=usage)


USAGE = Usage(input_tokens=7, output_tokens=2)


@pytest.mark.parametrize(
    ("outcome", "charge"),
    [
        (Reply(text="", usage=USAGE), 27_000),
        (Reply(text=""), None),
        (failed(K.REFUSED, usage=USAGE, status=200), 27_000),
        (failed(K.REFUSED, status=200), None),
        (failed(K.REFUSED, status=400), 0),
        (failed(K.TIMEOUT), None),
        (failed(K.TIMEOUT, sent=Sent.NO), 0),
        (failed(K.CONNECTION, sent=Sent.MAYBE), None),
        (failed(K.CONNECTION, sent=Sent.NO), 0),
        (failed(K.MALFORMED, status=200), None),
        (failed(K.SERVER, status=500), 0),
        (failed(K.SERVER, status=504), None),
        (failed(K.SERVER, status=200), None),
        (failed(K.THROTTLED, status=429), 0),
        (failed(K.OVERLOADED, status=529), 0),
        (failed(K.INVALID, status=400), 0),
        (failed(K.QUOTA, status=429), 0),
    ],
)
def test_a_charge_is_the_cost_or_nothing_or_unknown(outcome: Outcome, charge: int | None) -> None:
    """
    What was answered costs its usage, what was turned away nothing, and what may have been executed nobody knows.
    """
    assert Bill(PRICE).charge(outcome) == charge


@given(
    calls=st.lists(st.tuples(st.integers(1, 50), st.none() | st.integers(0, 50), st.booleans())),
    cap=st.integers(1, 200),
)
def test_an_account_never_overdraws(calls: list[tuple[int, int | None, bool]], cap: int) -> None:
    """
    Whatever calls ask for, however they end and in whatever order: spent and held stay within the cap.
    """
    account, under_way = Account(cap), list[tuple[int, int | None]]()
    for worst, charge, ends_first in calls:
        if ends_first and under_way:
            account.settle(*under_way.pop(0))
        if account.can_pay(worst):
            account.hold(worst)
            under_way.append((worst, None if charge is None else min(charge, worst)))
        assert account.spent + account.held <= cap
    for each in under_way:
        account.settle(*each)

    assert account.held == 0
    assert account.unsure <= account.spent <= cap


def test_amounts_are_whole_and_never_too_small() -> None:
    """
    A cap is exact, a cost is rounded up, and a million small ones don't drift.
    """
    account = Account(read_cap(0.29))
    for _ in range(1_000_000):
        account.settle(0, nanos(2.9e-7))

    assert account.cap == 290_000_000
    assert account.spent == account.cap
    assert nanos(1e-10) == 1


@pytest.mark.parametrize("usd", [0.0, -1.0, float("inf"), float("nan")])
def test_a_budget_is_a_number_above_zero(usd: float) -> None:
    """
    Nothing else is taken for one.
    """
    with pytest.raises(ConfigError, match="must be a number above 0"):
        read_cap(usd)


def test_a_price_is_written_as_people_say_it() -> None:
    """
    Dollars for a million tokens in and out; cached input costs the same.
    """
    usage = Usage(input_tokens=1_000_000, cache_read_tokens=400_000, output_tokens=100_000)

    assert parse_price("0.25/2").cost(usage) == pytest.approx(0.45)
    assert parse_price(" 0 / 0 ") == FREE


@pytest.mark.parametrize("text", ["", "1", "1/", "/1", "1/2/3", "a/b", "-1/2", "1/-2", "nan/1", "1/inf", "2000000/1"])
def test_no_other_spelling_of_a_price_is_taken(text: str) -> None:
    """
    The message shows how it should look.
    """
    with pytest.raises(ConfigError, match=r"0\.25/2"):
        parse_price(text)


def test_the_list_knows_the_context() -> None:
    """
    So that images may go under a budget.
    """
    price = price_of("claude-haiku-4-5", "anthropic")

    assert price is not None
    assert price.context == 200_000
