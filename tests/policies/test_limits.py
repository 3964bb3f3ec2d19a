"""Buckets: no more than the rate over any time, debts paid back, nothing gained by waiting long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.policies.limits import Bucket, Sliding


def test_starts_full_and_refills_at_its_rate() -> None:
    """
    A full bucket gives its burst at once, then one unit per 1/rate seconds.
    """
    bucket = Bucket(rate=2.0, burst=3.0)

    for _ in range(3):
        assert bucket.ready_in(1.0, 0.0) == 0.0
        bucket.take(1.0, 0.0)

    assert bucket.ready_in(1.0, 0.0) == 0.5
    assert bucket.ready_in(1.0, 0.25) == 0.25


def test_never_holds_more_than_its_burst() -> None:
    """
    A long silence earns no more than the burst.
    """
    bucket = Bucket(rate=10.0, burst=2.0)
    bucket.take(2.0, 0.0)

    assert bucket.level(1_000.0) == 2.0


def test_larger_than_the_burst_goes_on_debt() -> None:
    """
    A cost above the burst goes when the bucket is full, and those after it wait until the debt is paid.
    """
    bucket = Bucket(rate=1.0, burst=5.0)

    assert bucket.ready_in(20.0, 0.0) == 0.0
    bucket.take(20.0, 0.0)

    assert bucket.level(0.0) == -15.0
    assert bucket.ready_in(1.0, 0.0) == 16.0


def test_gives_back_what_was_reserved_in_excess() -> None:
    """
    Taking a negative cost raises the level again.
    """
    bucket = Bucket(rate=1.0, burst=10.0)
    bucket.take(8.0, 0.0)
    bucket.take(-3.0, 0.0)
    assert bucket.level(0.0) == 5.0


def test_what_is_given_back_beyond_the_burst_is_not_lost() -> None:
    """
    Reserves much larger than the burst come back as a whole: what was never used may be taken, and no more than that.
    """
    bucket = Bucket(rate=10.0, burst=1.0)
    for second in range(10):
        bucket.take(10.0, float(second))
    for _ in range(10):
        bucket.take(-8.0, 10.0)

    assert bucket.level(10.0) == pytest.approx(1.0 + 80.0)
    assert bucket.level(20.0) == pytest.approx(1.0 + 80.0)


def test_time_that_runs_backwards_adds_nothing() -> None:
    """
    An older *now* reads the level as it was.
    """
    bucket = Bucket(rate=1.0, burst=5.0, now=10.0)
    bucket.take(5.0, 10.0)

    assert bucket.level(3.0) == 0.0


@given(
    rate=st.floats(0.01, 1_000.0),
    burst=st.floats(0.5, 100.0),
    costs=st.lists(st.floats(0.0, 300.0), min_size=1, max_size=60),
)
def test_no_span_holds_more_than_burst_and_refill(rate: float, burst: float, costs: list[float]) -> None:
    """
    Sent as early as `ready_in` allows, no span of time holds more than burst + refill + one request of debt.
    """
    bucket = Bucket(rate=rate, burst=burst)
    now = 0.0
    sent: list[tuple[float, float]] = []
    for cost in costs:
        now += bucket.ready_in(cost, now)
        bucket.take(cost, now)
        sent.append((now, cost))

    for index, (begin, _) in enumerate(sent):
        total = 0.0
        for end, cost in sent[index:]:
            allowed = burst + rate * (end - begin) + max(0.0, cost - burst)
            total += cost
            assert total <= allowed + 1e-6 * max(1.0, allowed)


@pytest.mark.parametrize("cost", [0.0, 1.0, 7.5, 100.0])
def test_ready_in_keeps_its_word(cost: float) -> None:
    """
    After waiting exactly as long as it said, the cost may be taken.
    """
    bucket = Bucket(rate=3.0, burst=4.0)
    bucket.take(11.0, 0.0)

    wait = bucket.ready_in(cost, 0.0)

    assert bucket.ready_in(cost, wait) == 0.0


def test_a_sliding_window_gives_back_what_left_it() -> None:
    """
    Full, it waits until the oldest is a window old, and no shorter.
    """
    window = Sliding(amount=2.0, seconds=10.0)
    window.take(1.0, 0.0)
    window.take(1.0, 4.0)

    assert window.level(4.0) == 0.0
    assert 6.0 < window.ready_in(1.0, 4.0) < 6.01
    assert window.ready_in(1.0, 10.01) == 0.0


def test_what_went_at_once_goes_again_over_a_quarter_of_the_window() -> None:
    """
    A hundred at once; ten seconds later the next hundred take two and a half; after a long rest all go at once again.
    """
    window = Sliding(amount=100.0, seconds=10.0)
    now, gone = 0.0, []
    for number in range(300):
        now += 30.0 if number == 200 else 0.0
        now += window.ready_in(1.0, now)
        window.take(1.0, now)
        gone.append(now)

    assert gone[99] == 0.0
    assert gone[100] == pytest.approx(10.0, abs=0.1)
    assert gone[199] - gone[100] == pytest.approx(2.5, abs=0.1)
    assert gone[299] == gone[200]


def test_what_never_waits_for_a_window_goes_at_once() -> None:
    """
    Thirty every five seconds, of a hundred in ten: nobody ever waits, so nothing is spread.
    """
    window = Sliding(amount=100.0, seconds=10.0)
    for second in range(0, 100, 5):
        for _ in range(30):
            assert window.ready_in(1.0, float(second)) == 0.0
            window.take(1.0, float(second))


def test_a_sliding_window_takes_back_what_was_reserved_in_excess() -> None:
    """
    A negative cost makes room again.
    """
    window = Sliding(amount=100.0, seconds=10.0)
    window.take(100.0, 0.0)
    window.take(-30.0, 1.0)

    assert window.level(1.0) == 30.0


@given(
    st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.1, 40.0)), min_size=1, max_size=120),
    st.floats(50.0, 5_000.0),
)
def test_no_stretch_holds_more_than_a_sliding_window_allows(steps: list[tuple[float, float]], amount: float) -> None:
    """
    Sent as early as `ready_in` allows, no stretch of ten seconds holds more than the amount.
    """
    window = Sliding(amount=amount, seconds=10.0)
    now = 0.0
    sent: list[tuple[float, float]] = []
    for step, cost in steps:
        now += step
        while wait := window.ready_in(cost, now):
            now += wait
        window.take(cost, now)
        sent.append((now, cost))

    for index, (begin, _) in enumerate(sent):
        assert sum(cost for at, cost in sent[index:] if at - begin <= 10.0) <= amount + 1e-6
