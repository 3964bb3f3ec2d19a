"""Everything that can go wrong, at once, on virtual time: every row right, none lost, none doubled."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import brim
from brim import testing
from brim.config import Limits, Timeouts
from brim.protocols import WireRequest
from brim.protocols.openai import OpenAIChat
from brim.values import Request
from end_to_end.support import MIX, Played, scenario

PROTOCOLS = [("openai:m", "chat"), ("openai:m", "responses"), ("anthropic:m", "chat")]

PASSING = [
    # connections
    "refused", "unreachable", "reset", "close", "lost", "hang", "hang_after_headers", "reset_after_headers",
    # bodies
    "truncated", "truncated_chunked", "truncated_silent", "garbage", "html", "empty_body", "not_http", "bad_chunk",
    "two_lengths", "gzip_cut", "dribble",
    # answers all the same
    "huge_header", "gzip", "wrong_type", "slow_drip", "blank_lines", "stuck",
    # errors that pass
    "throttled", "slow_down", "too_many_at_once", "no_capacity", "in_flight_budget", "wrapped_429",
    "wrapped_429_as_503", "overloaded", "busy", "loading", "server_error", "bad_gateway", "unavailable",
    "unavailable_empty", "gateway_timeout", "cdn_error", "cdn_timeout", "request_timeout", "conflict", "too_early",
]  # fmt: skip

K = brim.FailureKind
FATES = {
    "quota": K.QUOTA, "credit_exhausted": K.QUOTA, "spend_limit": K.QUOTA, "project_spend_limit": K.QUOTA,
    "usage_limit": K.QUOTA, "hard_limit": K.QUOTA, "billing": K.QUOTA, "on_hold": K.DENIED,
    "bad_key": K.DENIED, "bad_address": K.DENIED, "region": K.DENIED, "permission": K.DENIED,
    "unknown_model": K.UNKNOWN_MODEL, "context_too_long": K.TOO_LARGE, "invalid": K.INVALID,
    "unprocessable": K.INVALID, "precondition": K.INVALID, "not_implemented": K.INVALID,
    "body_too_large": K.TOO_LARGE, "content_filter": K.REFUSED, "invalid_prompt": K.REFUSED, "moderation": K.REFUSED,
}  # fmt: skip


@pytest.mark.parametrize(("model", "api"), PROTOCOLS)
@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_costs_no_row(fault: str, model: str, api: str) -> None:
    """
    Half of all requests meet the fault twice before they are answered: every row is right all the same.
    """
    rule = testing.FaultRule(kind=fault, chance=0.5, times=2, seconds=3.0)
    world = testing.Scenario(faults=[rule], latency=testing.Latency(first=0.5))

    played = Played(world, 60, model=model, api=api, timeouts=Timeouts(total=20.0))

    assert played.failures == []
    assert len(played.results) == 60
    assert played.is_right


@pytest.mark.parametrize(("model", "api"), PROTOCOLS)
@pytest.mark.parametrize("error", FATES)
def test_what_does_not_pass_is_told_apart(error: str, model: str, api: str) -> None:
    """
    Final errors cost one call each; what stops a lane stops it within a handful of calls, rows untouched.
    """
    world = testing.Scenario(faults=[testing.FaultRule(kind=error)], latency=testing.Latency(first=0.5))

    played = Played(world, 20, model=model, api=api)

    kind = FATES[error]
    assert {result.failure.kind for result in played.results if result.failure} == {kind}
    assert len(played.results) == 20
    assert all(result.is_untouched is kind.parks_lane for result in played.results)
    calls = played.transport.provider.tally.arrived
    assert calls <= 8 if kind.parks_lane else calls == 20


@pytest.mark.parametrize(("model", "api"), PROTOCOLS)
def test_a_limit_per_day_parks_what_it_does_not_let_through(model: str, api: str) -> None:
    """
    Twelve requests a day: twelve rows are answered, the rest stays untouched, and nobody waits for midnight.
    """
    world = testing.Scenario(limits=[testing.Limit(of="requests", amount=12, per="day", window="fixed")])

    played = Played(world, 100, model=model, api=api)

    assert sum(result.text is not None for result in played.results) == 12
    assert {result.failure.kind for result in played.results if result.failure} == {K.DAILY}
    assert all(result.is_untouched for result in played.results if result.failure)
    assert played.seconds < 10.0


@settings(max_examples=25, deadline=None)
@given(
    faults=st.dictionaries(st.sampled_from(PASSING), st.floats(0.0, 0.05), min_size=1, max_size=12),
    seed=st.integers(0, 10_000),
    protocol=st.sampled_from(PROTOCOLS),
)
def test_any_mix_loses_nothing(faults: dict[str, float], seed: int, protocol: tuple[str, str]) -> None:
    """
    Whatever mix of passing faults: one result each, and every answer is the answer to its own prompt.
    """
    played = Played(scenario(faults, seed=seed), 100, model=protocol[0], api=protocol[1], timeouts=Timeouts(total=9.0))

    assert [result.request.position for result in played.results] == list(range(100))
    for result in played.results:
        if result.text is not None:
            assert result.text.startswith(testing.answer_to(f"prompt {result.request.position}"))
        else:
            assert result.attempts >= 4, "only a row that used up its attempts may fail"


def oracle(world: testing.Scenario, rows: int) -> float:
    """Seconds that the client needs which keeps 100 calls out, repeats at once and hangs up after 5 s."""
    dialect = OpenAIChat(base_url="http://127.0.0.1:1")
    url, headers = dialect.url("http://127.0.0.1:1"), dialect.headers(None)
    asked = (Request(messages=[{"role": "user", "content": f"prompt {n}"}]) for n in range(rows))
    wires = [WireRequest(url=url, headers=headers, body=dialect.encode(each, model="m")) for each in asked]
    return testing.steadfast(world, wires, slots=100, timeout=5.0).ended


@pytest.mark.parametrize(("first", "refusal"), [(0.1, 0.1), (1.0, 0.0), (3.0, 3.0)])
def test_the_mix_that_a_night_brings(first: float, refusal: float) -> None:
    """
    3,000 rows, one call in six goes wrong, 5 s timeout, 100 in flight: all right, within 1.3 x of a perfect client.

    Whether answers take a tenth of a second or three, and errors come at once or as late as answers.
    """
    world = scenario(MIX, first=first, refusal=refusal)

    played = Played(world, 3_000, limits=Limits(concurrency=100), timeouts=Timeouts(total=5.0))

    assert played.failures == []
    assert len(played.results) == 3_000
    assert played.is_right
    assert played.seconds <= 1.3 * oracle(world, 3_000)
