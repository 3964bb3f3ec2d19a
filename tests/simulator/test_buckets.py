"""The buckets against a reference that keeps every event and counts anew each time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf, isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.simulator.buckets import Bucket, Continuous, FixedWindow, SlidingWindow, WeightedWindow

# Times in eighths and whole amounts are exact in floats, so the reference and the bucket must agree to the last bit
# of a decision.
STEPS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), min_size=1, max_size=25)
RATE, CAPACITY, SPAN = 2.0, 10.0, 4.0

Event = tuple[float, float]


def refilled(log: list[Event], now: float, first: float) -> float:
    """What a token bucket holds, from the whole log: step through every eighth of a second."""
    level = first
    taken = dict.fromkeys(range(int(now * 8) + 1), 0.0)
    for at, amount in log:
        taken[int(at * 8)] += amount
    for tick in range(int(now * 8) + 1):
        if tick:
            level = min(CAPACITY, level + RATE / 8)
        level -= taken[tick]
    return level


def left_in_window(log: list[Event], now: float, first: float) -> float:
    """What a fixed window has left, from the whole log."""
    begins = now // SPAN * SPAN
    used = sum(amount for at, amount in log if at >= begins) + (CAPACITY - first if begins == 0 else 0)
    return CAPACITY - used


def left_beside_the_last(log: list[Event], now: float, first: float) -> float:
    """What a weighted window has left, from the whole log."""
    begins = now // SPAN * SPAN
    before = sum(amount for at, amount in log if begins - SPAN <= at < begins) + (
        CAPACITY - first if begins == SPAN else 0
    )
    return left_in_window(log, now, first) - before * (begins + SPAN - now) / SPAN


def left_in_stretch(log: list[Event], now: float, first: float) -> float:
    """What a sliding window has left, from the whole log."""
    used = sum(amount for at, amount in log if at > now - SPAN) + (CAPACITY - first if now < SPAN else 0)
    return CAPACITY - used


Reference = Callable[[list[Event], float, float], float]
KINDS: dict[str, tuple[Callable[..., Bucket], Reference]] = {
    "continuous": (partial(Continuous, rate=RATE, capacity=CAPACITY), refilled),
    "fixed": (partial(FixedWindow, allowance=CAPACITY, span=SPAN), left_in_window),
    "weighted": (partial(WeightedWindow, allowance=CAPACITY, span=SPAN), left_beside_the_last),
    "sliding": (partial(SlidingWindow, allowance=CAPACITY, span=SPAN), left_in_stretch),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", [0.0, CAPACITY])
@settings(max_examples=50)
@given(steps=STEPS)
def test_admits_what_a_recount_of_all_events_admits(kind: str, first: float, steps: list[tuple[int, int]]) -> None:
    """
    Whatever comes when, the bucket holds what a reference holds that recounts every event.
    """
    make, reference = KINDS[kind]
    bucket, log, now = make(is_full=first > 0), list[Event](), 0.0

    for eighths, amount in steps:
        now += eighths / 8
        left = reference(log, now, first)
        assert bucket.level(now) == left
        assert (bucket.wait(amount, now) == 0) == (amount <= left)
        if amount <= left:
            bucket.take(amount, now)
            log.append((now, float(amount)))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50)
@given(steps=STEPS)
def test_no_stretch_of_time_lets_through_too_much(kind: str, steps: list[tuple[int, int]]) -> None:
    """
    Between any two events no more gets through than the limit allows for that long.
    """
    bucket, log, now = KINDS[kind][0](), list[Event](), 0.0
    for eighths, amount in steps:
        now += eighths / 8
        if bucket.wait(amount, now) == 0:
            bucket.take(amount, now)
            log.append((now, float(amount)))

    for place, (begin, _) in enumerate(log):
        for end, _ in log[place:]:
            through = sum(amount for at, amount in log if begin <= at <= end)
            assert through <= most_between(kind, begin, end)


def most_between(kind: str, begin: float, end: float) -> float:
    """The most that the limit itself allows from *begin* to *end*, both included."""
    if kind == "continuous":
        return CAPACITY + RATE * (end - begin)
    if kind in ("fixed", "weighted"):
        return CAPACITY * (end // SPAN - begin // SPAN + 1)
    return CAPACITY * ((end - begin) // SPAN + 1)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50)
@given(steps=STEPS, amount=st.integers(1, 10))
def test_the_wait_is_exact(kind: str, steps: list[tuple[int, int]], amount: int) -> None:
    """
    After the wait that it tells the amount fits, and a moment before it does not.
    """
    bucket, now = KINDS[kind][0](), 0.0
    for eighths, taken in steps:
        now += eighths / 8
        if bucket.wait(taken, now) == 0:
            bucket.take(taken, now)

    wait = bucket.wait(amount, now)

    assert wait < inf
    if wait > 0:
        assert bucket.wait(amount, now + wait - 1e-6) > 0
    assert bucket.wait(amount, now + wait) == 0


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50)
@given(steps=STEPS)
def test_full_in_is_when_everything_is_back(kind: str, steps: list[tuple[int, int]]) -> None:
    """
    After `full_in` all of it can be taken again.
    """
    bucket, now = KINDS[kind][0](), 0.0
    for eighths, amount in steps:
        now += eighths / 8
        bucket.take(amount, now)

    assert isclose(bucket.level(now + bucket.full_in(now)), CAPACITY)


@pytest.mark.parametrize("kind", KINDS)
def test_more_than_it_can_hold_never_fits(kind: str) -> None:
    """
    What is larger than the capacity waits for ever, which is how a request is too large for a limit.
    """
    assert KINDS[kind][0]().wait(CAPACITY + 1, 0.0) == inf


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_given_back_can_be_taken_again(kind: str) -> None:
    """
    A negative amount undoes as much of what was taken last, and never adds beyond the capacity.
    """
    bucket = KINDS[kind][0]()
    bucket.take(4, 0.0)
    bucket.take(3, 0.125)

    bucket.take(-5, 0.125)
    partly = bucket.level(0.125)
    bucket.take(-50, 0.125)

    assert partly == pytest.approx(8, abs=0.3)
    assert bucket.level(0.125) == CAPACITY


@pytest.mark.parametrize("kind", KINDS)
@given(share=st.integers(0, 4).map(lambda quarter: quarter / 4))
def test_a_rival_leaves_the_rest(kind: str, share: float) -> None:
    """
    While another client takes its share, as much less gets through in the long run.
    """
    bucket = KINDS[kind][0](is_full=False)
    bucket.share(share, 0.0)
    through = 0

    for second in range(1, 401):
        while bucket.wait(1, float(second)) == 0:
            bucket.take(1, float(second))
            through += 1

    long_run = 400 * (RATE if kind == "continuous" else CAPACITY / SPAN) * (1 - share)
    assert through == pytest.approx(long_run, rel=0.22 if kind != "continuous" else 0.01, abs=3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_can_change(kind: str) -> None:
    """
    From the change on the limit is another, in what it holds and in what comes back.
    """
    bucket = KINDS[kind][0]()

    bucket.resize(0.5, 1.0)
    shrunk = bucket.level(1.0)
    bucket.resize(3.0, 2.0)

    assert shrunk == CAPACITY / 2
    assert bucket.level(200.0) == CAPACITY * 3


def test_time_never_runs_backwards() -> None:
    """
    An earlier time counts as the last one seen, so that a rounding can't refill or drain.
    """
    bucket = Continuous(rate=RATE, capacity=CAPACITY, is_full=False)
    bucket.level(2.0)

    assert bucket.level(1.0) == 4.0
    assert bucket.level(2.0) == 4.0


def test_fixed_windows_can_be_shifted() -> None:
    """
    A phase shifts the boundaries, as the server's minute is not the client's.
    """
    bucket = FixedWindow(allowance=1, span=60, phase=17)
    bucket.take(1, 0.0)

    assert bucket.wait(1, 16.0) == 1.0
    assert bucket.wait(1, 17.0) == 0.0


def test_debt_delays_the_next() -> None:
    """
    Output that is taken as it is produced can't be refused: the bucket goes into debt and refills from there.
    """
    bucket = Continuous(rate=RATE, capacity=CAPACITY)
    bucket.take(14, 0.0)

    assert bucket.level(0.0) == -4
    assert bucket.wait(1, 0.0) == 2.5
