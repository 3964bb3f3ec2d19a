"""The gate: every limit must agree, and what each says when it does not."""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.errors import ConfigError
from brim.simulator import Change, Headers, Limit, Provider, Ramp, Rival, Scenario
from brim.simulator.limits import Gate, RampGate
from simulator.support import CHAT, HEADERS, MESSAGES, chat, head, provider_of, read, send

RPM = Limit(of="requests", amount=60, burst=2)


def through(provider: Provider, seconds: int, *, every: float = 0.25) -> list[float]:
    """When calls were accepted, of one sent each *every* seconds."""
    times = [step * every for step in range(round(seconds / every))]
    return [now for step, now in enumerate(times) if not send(provider, f"call {step}", now).refusal]


def test_one_refusing_limit_leaves_the_others_untouched() -> None:
    """
    A call that one limit refuses takes nothing from any other.
    """
    provider = provider_of(limits=[RPM, Limit(of="tokens", amount=6_000, burst=100)])

    refused = send(provider, max_tokens=101)
    snapshot = provider.snapshot(0.0)["limits"]

    assert refused.refusal == "too_large_for_limit"
    assert [limit["remaining"] for limit in snapshot] == [2, 100]


def test_the_limit_with_the_longest_wait_is_named() -> None:
    """
    Of two exhausted limits the refusal names the one that takes longer, with its numbers and the wait.
    """
    provider = provider_of(limits=[RPM, Limit(of="tokens", amount=60, burst=100)])
    for step in range(2):
        send(provider, f"call {step}", max_tokens=50)

    refused = send(provider, "one more", max_tokens=50)

    assert refused.delivery.status == 429
    assert (
        "tokens per min (TPM): Limit 60, Used 100, Requested 50. Please try again in 50s."
        in read(refused)["error"]["message"]
    )
    assert head(provider, refused)["retry-after"] == "50"


def test_a_refusal_may_name_its_limit_or_no_more_than_its_kind() -> None:
    """
    The size that is named is that of the moment; without it the words tell what is counted, and how long to wait.
    """
    limits = [Limit(of="input", amount=600, burst=10)]
    halved = provider_of(limits=limits, changes=[Change(at=5.0, factor=0.5)])
    vague = provider_of(limits=limits, headers=Headers(words="kind"))
    crowded = provider_of(concurrency=1, headers=Headers(words="kind"))
    for provider in (halved, vague, crowded):
        send(provider, "one")

    assert "input tokens per min (ITPM): Limit 300," in read(send(halved, "one more", 5.0))["error"]["message"]
    said = read(send(vague, "one more"))["error"]["message"]
    assert said.startswith("Rate limit reached for input tokens. Please try again in ")
    assert read(send(crowded, "one more"))["error"]["message"] == "Rate limit reached for requests."


def test_the_wait_that_is_told_is_enough() -> None:
    """
    A client that waits exactly as long as told is admitted, and a millisecond earlier it is not.
    """
    provider = provider_of(limits=[RPM])
    for step in range(2):
        send(provider, f"call {step}")

    assert send(provider, "too soon", 0.999).refusal == "throttled"
    assert send(provider, "in time", 1.0).refusal == ""


def test_a_request_that_can_never_fit_is_told_so() -> None:
    """
    More tokens than the limit holds is "Request too large", not to be retried, and names no wait.
    """
    provider = provider_of(limits=[Limit(of="tokens", amount=30_000)])

    refused = send(provider, max_tokens=30_601)
    lines = head(provider, refused)

    assert read(refused)["error"]["message"].startswith("Request too large for m in organization org-sim on tokens")
    assert "Limit 30000, Requested 30601" in read(refused)["error"]["message"]
    assert (read(refused)["error"]["type"], read(refused)["error"]["code"]) == ("tokens", "rate_limit_exceeded")
    assert lines["x-should-retry"] == "false"
    assert "retry-after" not in lines


def test_daily_limits_are_told_apart() -> None:
    """
    A limit per day refuses under its own name, with the day in the text.
    """
    provider = provider_of(limits=[Limit(of="requests", amount=1, per="day", window="fixed")])
    send(provider, "one")

    refused = send(provider, "two", 10.0)

    assert refused.refusal == "daily_limit"
    assert "requests per day (RPD)" in read(refused)["error"]["message"]
    assert "try again in 23h59m50s" in read(refused)["error"]["message"]


def test_refusals_that_count_starve_a_client_that_hammers() -> None:
    """
    Where refused calls use up requests, a client that keeps knocking gets nothing, and one that waits gets all.
    """
    counts = provider_of(limits=[RPM], refusals_count=True)
    ignores = provider_of(limits=[RPM])

    assert len(through(counts, 60)) == 2
    assert len(through(ignores, 60)) == 61
    assert send(counts, "rested", 62.0).refusal == ""


def test_enforcement_by_the_second() -> None:
    """
    60 requests a minute enforced as one per second: the second in the same second is refused.
    """
    provider = provider_of(limits=[Limit(of="requests", amount=60, window="fixed", span=1.0)])

    assert through(provider, 5) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_limit_that_starts_empty_lets_nothing_through_at_first() -> None:
    """
    Without a full start the first request waits for the refill.
    """
    provider = provider_of(limits=[Limit(of="requests", amount=60, start="empty")])

    assert through(provider, 3) == [1.0, 2.0]


def test_limits_change_at_their_time() -> None:
    """
    A change halves the rate from its second on.
    """
    provider = provider_of(limits=[Limit(of="requests", amount=60, burst=1)], changes=[Change(at=10.0, factor=2.0)])

    times = through(provider, 20)

    assert [now for now in times if now < 10] == [float(second) for second in range(10)]
    assert [now for now in times if now >= 10.5] == [10.5 + step / 2 for step in range(19)]


def test_a_change_may_be_of_one_dimension() -> None:
    """
    Halving the tokens leaves the requests as they are, in what is shown too.
    """
    provider = provider_of(
        limits=[Limit(of="requests", amount=60), Limit(of="tokens", amount=600)],
        changes=[Change(at=1.0, factor=0.5, of="tokens")],
    )

    limits = provider.snapshot(1.0)["limits"]

    assert [(limit["limit"], limit["remaining"]) for limit in limits] == [(60, 60), (300, 300)]


def test_a_rival_takes_its_share_while_it_is_there() -> None:
    """
    Between its times another client leaves us half of the rate.
    """
    provider = provider_of(
        limits=[Limit(of="requests", amount=60, burst=1)], rivals=[Rival(share=0.5, start=20.0, until=40.0)]
    )

    times = through(provider, 60)

    assert len([now for now in times if now < 20]) == 20
    assert len([now for now in times if 20 <= now < 40]) == pytest.approx(10, abs=1)
    assert len([now for now in times if now >= 40]) == pytest.approx(20, abs=1)


def test_the_cap_on_calls_at_once() -> None:
    """
    A call counts from its arrival to the end of its answer; one more than the cap is a 429.
    """
    provider = provider_of(concurrency=2, vendor="deepseek")
    first = send(provider, "one")
    send(provider, "two")

    assert send(provider, "three").refusal == "too_many_at_once"
    provider.finish(first, 0.0)
    assert send(provider, "three").refusal == ""


STEPS = st.lists(st.tuples(st.integers(0, 16), st.integers(1, 4)), min_size=1, max_size=60)


@settings(max_examples=50)
@given(steps=STEPS)
def test_the_ramp_against_a_recount(steps: list[tuple[int, int]]) -> None:
    """
    In each window no more gets through than the best of the last windows allows, recounted from all events.
    """
    spec = Ramp(floor=60, growth=1.0, per=10.0, every=5.0, memory=2)
    ramp, log, now = RampGate(spec), list[tuple[float, int]](), 0.0

    for halves, amount in steps:
        now += halves / 2
        window = now // 5
        used = {back: sum(taken for at, taken in log if at // 5 == window - back) for back in range(3)}
        allowed = max(5.0, 2**0.5 * max(used[1], used[2]))
        assert ramp.level(now) == pytest.approx(allowed - used[0])
        if amount <= ramp.level(now):
            ramp.take(amount, now)
            log.append((now, amount))


def test_a_steep_ramp_is_told_to_slow_down() -> None:
    """
    Growing too fast is `slow_down` at OpenAI and `ramp_limit_exceeded` at Anthropic, with the wait to the next window.
    """
    for vendor, path in (("openai", CHAT), ("anthropic", MESSAGES)):
        provider = provider_of(vendor=vendor, ramp=Ramp(floor=6, every=10.0))
        send(provider, "one", path=path)
        refused = send(provider, "two", 4.0, path=path)

        assert refused.refusal == "slow_down"
        assert head(provider, refused)["retry-after"] == "6"
        error = read(refused)["error"]
        assert "slow_down" in error.values() or error["details"] == {"error_code": "ramp_limit_exceeded"}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"amount": 0}, "must be above 0"),
        ({"amount": 30, "span": 1.0}, "never one"),
        ({"amount": 30, "window": "fixed", "burst": 2.0}, "has no burst"),
        ({"amount": 30, "span": 0.0}, "span"),
    ],
)
def test_impossible_limits_are_refused_where_they_are_made(spec: dict[str, Any], says: str) -> None:
    """
    A limit that lets nothing through, or means nothing, is a `ConfigError` that says why.
    """
    with pytest.raises(ConfigError, match=says):
        Limit(of="requests", **spec)


def test_everything_enforced_at_once() -> None:
    """
    A client that asks four times a second gets exactly what the tightest of three limits lets through.
    """
    scenario = Scenario(
        limits=[
            Limit(of="requests", amount=60, window="sliding"),
            Limit(of="requests", amount=100, per="hour", window="fixed"),
            Limit(of="tokens", amount=100_000),
        ]
    )
    gate = Gate(scenario)
    accepted = 0
    for step in range(4 * 600):
        if gate.refusal((1.0, 10.0, 0.0, 0.0), 0, step / 4) is None:
            gate.take((1.0, 10.0, 0.0, 0.0), step / 4)
            accepted += 1

    assert accepted == 100 == ceil(scenario.limits[1].amount)


def test_ready_in_takes_nothing() -> None:
    """
    Asking when a call would be admitted leaves the provider as it was.
    """
    provider = provider_of(limits=[Limit(of="requests", amount=60, burst=1)])

    assert provider.ready_in(CHAT, HEADERS, chat("a"), 0.0) == (0.0, "")
    assert provider.ready_in(CHAT, HEADERS, chat("a"), 0.0) == (0.0, "")
    send(provider, "a")
    assert provider.ready_in(CHAT, HEADERS, chat("a"), 0.25) == (0.75, "throttled")
