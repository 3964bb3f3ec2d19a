"""The clients to be measured against: the closed form, the even pace and the greedy one, against brute force."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.protocols import WireRequest
from brim.simulator import (
    Capacity,
    Change,
    FaultRule,
    Latency,
    Lengths,
    Limit,
    Provider,
    Rival,
    Scenario,
    greedy,
    least_time,
    paced,
    steadfast,
)
from brim.simulator.limits import Amounts
from simulator.support import AT_ONCE, CHAT, HEADERS, MESSAGES, wire


def prompts(count: int, *, path: str = CHAT, **more: object) -> list[WireRequest]:
    return [wire(f"prompt {number:05}", path=path, **more) for number in range(count)]


def brute_force(scenario: Scenario, requests: list[WireRequest], step: float) -> float:
    """When the last request is admitted if each, in order, is tried in every *step* of the clock."""
    provider, now, ticks = Provider(scenario), 0.0, 0
    for request in requests:
        while provider.receive(CHAT, HEADERS, request.body, now).refusal:
            ticks += 1
            now = ticks * step
    return now


LIMITS = [
    Limit(of="requests", amount=60, burst=5),
    Limit(of="requests", amount=60, burst=5, start="empty"),
    Limit(of="requests", amount=60, window="fixed"),
    Limit(of="requests", amount=60, window="fixed", span=5.0),
    Limit(of="requests", amount=60, window="fixed", phase=7.0),
    Limit(of="requests", amount=60, window="weighted", phase=7.0),
    Limit(of="requests", amount=60, window="sliding"),
    Limit(of="requests", amount=60, window="sliding", span=10.0, start="empty"),
]


@pytest.mark.parametrize("limit", LIMITS)
def test_greedy_is_as_fast_as_trying_all_the_time(limit: Limit) -> None:
    """
    The greedy oracle admits its last request in the very instant in which constant trying would.
    """
    scenario = Scenario(latency=AT_ONCE, limits=[limit])

    made = greedy(scenario, prompts(100)).last_sent

    assert made <= brute_force(scenario, prompts(100), 0.25) <= made + 0.25


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize(
    ("changes", "rivals"),
    [((), ()), ([Change(at=20.0, factor=0.5)], ()), ((), [Rival(share=0.5, start=10.0, until=50.0)])],
)
def test_nobody_beats_the_closed_form(limit: Limit, changes: list[Change], rivals: list[Rival]) -> None:
    """
    The bound holds for every kind of limit, and for what changes on the way.
    """
    scenario = Scenario(latency=AT_ONCE, limits=[limit], changes=changes, rivals=rivals)
    bound = least_time(scenario, (300.0, 0.0, 0.0, 0.0))

    assert bound <= greedy(scenario, prompts(300)).last_sent + 1e-9
    assert bound > 30


@settings(max_examples=40, deadline=None)
@given(
    amount=st.integers(30, 600),
    burst=st.integers(1, 50),
    caps=st.lists(st.integers(1, 50), min_size=2, max_size=40),
)
def test_the_closed_form_is_exact_for_a_continuous_limit(amount: int, burst: int, caps: list[int]) -> None:
    """
    For one continuous limit the bound is not only a bound: the greedy client meets it whenever it must wait at all.
    """
    scenario = Scenario(latency=AT_ONCE, limits=[Limit(of="tokens", amount=amount, burst=max(50, burst))])
    requests = [wire(f"{number}", max_tokens=cap) for number, cap in enumerate(caps)]
    costs: Amounts = (0.0, float(sum(caps)), 0.0, 0.0)

    assert greedy(scenario, requests).last_sent == pytest.approx(least_time(scenario, costs), abs=1e-6)


def test_the_even_pace() -> None:
    """
    At 60 a minute the i-th request leaves at second i, burst or no burst, and the makespan ends with its answer.
    """
    for burst in (1, 60):
        scenario = Scenario(latency=Latency(first=2.0), limits=[Limit(of="requests", amount=60, burst=burst)])
        made = paced(scenario, prompts(121))

        assert made.last_sent == pytest.approx(120.0)
        assert made.ended == pytest.approx(122.0)


def test_the_even_pace_follows_the_tightest_limit() -> None:
    """
    With 100 tokens each, 3,000 tokens a minute are 30 requests a minute and bind before 60 requests do.
    """
    scenario = Scenario(latency=AT_ONCE, limits=[Limit(of="requests", amount=60), Limit(of="tokens", amount=3_000)])

    assert paced(scenario, prompts(31, max_tokens=100)).last_sent == pytest.approx(60.0)


def test_the_even_pace_counts_what_is_generated_at_anthropic() -> None:
    """
    Where output is counted as it is produced the pace follows the lengths of the answers and not the caps.
    """
    scenario = Scenario(
        latency=AT_ONCE,
        charging="anthropic",
        lengths=Lengths(tokens=50),
        limits=[Limit(of="output", amount=600), Limit(of="input", amount=600_000)],
    )

    assert paced(scenario, prompts(13, path=MESSAGES, max_tokens=4_000)).last_sent == pytest.approx(60.0)


def test_the_even_pace_keeps_whole_requests_in_windows() -> None:
    """
    16.7 requests a second in fixed windows of a second are 16, and the oracle knows.
    """
    scenario = Scenario(latency=AT_ONCE, limits=[Limit(of="requests", amount=1_000, window="fixed", span=1.0)])

    assert paced(scenario, prompts(161)).last_sent == pytest.approx(10.0)


def test_the_even_pace_knows_what_changes() -> None:
    """
    Half the rate from second 30 on, and a rival who takes half of that.
    """
    changed = Scenario(latency=AT_ONCE, limits=[Limit(of="requests", amount=60)], changes=[Change(at=30.0, factor=0.5)])
    shared = Scenario(
        latency=AT_ONCE, limits=[Limit(of="requests", amount=60)], rivals=[Rival(share=0.5, start=30.0, until=50.0)]
    )

    assert paced(changed, prompts(61)).last_sent == pytest.approx(90.0)
    assert paced(shared, prompts(61)).last_sent == pytest.approx(70.0)


def test_the_even_pace_keeps_the_cap_on_calls_at_once() -> None:
    """
    Two at a time, two seconds each: 20 calls take 20 seconds.
    """
    scenario = Scenario(latency=Latency(first=2.0), concurrency=2)

    assert paced(scenario, prompts(20)).ended == pytest.approx(20.0)
    assert greedy(scenario, prompts(20)).ended == pytest.approx(20.0)


def test_the_best_window_of_hardware() -> None:
    """
    A fixed number of calls at once: too few leave the hardware idle, more than the knee gain nothing.
    """
    scenario = Scenario(latency=Latency(first=1.0), capacity=Capacity(knee=8))
    ended = {window: greedy(scenario, prompts(160), window=window).ended for window in (2, 8, 32)}

    assert ended[2] == pytest.approx(80.0)
    assert ended[8] == pytest.approx(20.0)
    assert ended[32] == pytest.approx(20.0, rel=0.1)


def test_the_oracle_meets_no_faults() -> None:
    """
    Faults are left out: the oracle says what the limits and the latency alone would take.
    """
    scenario = Scenario(latency=Latency(first=1.0), faults=[FaultRule(kind="hang")])

    assert greedy(scenario, prompts(3)).ended == paced(scenario, prompts(3)).ended == 1.0


def test_the_oracle_refuses_what_can_never_be_admitted() -> None:
    """
    A request larger than the limit has no makespan.
    """
    scenario = Scenario(limits=[Limit(of="tokens", amount=100)])

    with pytest.raises(ValueError, match="too_large_for_limit"):
        greedy(scenario, prompts(1, max_tokens=101))


def test_without_limits_there_is_no_least_time() -> None:
    """
    Nothing binds, so nothing takes time.
    """
    assert least_time(Scenario(), (1e9, 1e9, 0.0, 0.0)) == 0.0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 100), count=st.integers(2, 60))
def test_greedy_is_never_slower_than_the_even_pace(seed: int, count: int) -> None:
    """
    Who may use the saved-up burst is at least as fast as who spreads evenly.
    """
    scenario = Scenario(
        seed=seed,
        latency=Latency(first=0.5, spread=0.5),
        limits=[Limit(of="requests", amount=120, burst=4), Limit(of="tokens", amount=4_000, burst=400)],
    )
    requests = prompts(count, max_tokens=ceil(20 + seed))

    assert greedy(scenario, requests).last_sent <= paced(scenario, requests).last_sent + 1e-6


def test_steadfast_keeps_its_places_busy() -> None:
    """
    Ten seconds of answers for four places: each begins its next request when the last is answered.
    """
    made = steadfast(Scenario(latency=Latency(first=1.0)), prompts(10), slots=4, timeout=5.0)

    assert (made.last_sent, made.ended) == (2.0, 3.0)


@pytest.mark.parametrize(
    ("kind", "costs"), [("hang", 5.0), ("hang_after_headers", 5.0), ("garbage", 1.0), ("server_error", 0.25)]
)
def test_steadfast_repeats_what_failed_at_once(kind: str, costs: float) -> None:
    """
    A fault costs what it takes to come back, one that never does its timeout; the answer a second on top.
    """
    scenario = Scenario(latency=Latency(first=1.0, refusal=0.25), faults=[FaultRule(kind=kind, times=2)])

    made = steadfast(scenario, prompts(1), slots=1, timeout=5.0)

    assert (made.last_sent, made.ended) == (2 * costs, 2 * costs + 1.0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1_000), slots=st.integers(1, 20))
def test_steadfast_wastes_nothing(seed: int, slots: int) -> None:
    """
    While requests are left no place is empty, so all of its work fits into the places up to the last beginning.
    """
    faults = [FaultRule(kind="hang", chance=0.1), FaultRule(kind="reset", chance=0.1)]
    scenario = Scenario(seed=seed, latency=Latency(first=1.0, spread=0.5), faults=faults)

    alone = steadfast(scenario, prompts(60), slots=1, timeout=3.0).ended
    made = steadfast(scenario, prompts(60), slots=slots, timeout=3.0)

    longest = max(steadfast(scenario, [request], slots=1, timeout=3.0).ended for request in prompts(60))
    assert alone / slots - 1e-6 <= made.ended <= alone / slots + longest
