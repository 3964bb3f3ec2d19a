"""What refusals prove: the true rate is always between the bounds, however large the bucket."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.policies.evidence import Evidence
from brim.policies.refusal import Refusal


def refusal(now: float, *, amount: float = 1.0, wait: float = 0.0) -> Refusal:
    return Refusal(amount, now, now, wait)


class Bucket:
    """Lets attempts through at a true rate and tells the evidence."""

    def __init__(self, rate: float, capacity: float) -> None:
        self.rate = rate
        self.capacity = capacity
        self.level = 0.0
        self.passed = capacity + 10.0 * rate
        self.now = 10.0
        self.evidence = Evidence(0.0)
        self.evidence.first(self.passed, refusal(self.now), least=1.0)

    def climb(self, pace: float, growth: float) -> bool:
        """Send faster and faster until one is refused; say whether that gave new bounds."""
        base = pace
        while True:
            self.now += 1.0 / pace
            self.level = min(self.capacity, self.level + self.rate / pace)
            if self.level < 1.0 - 1e-9:
                refused = refusal(self.now)
                return self.evidence.refused(refused, self.passed, mean=1.0, base=base, pace=pace)
            self.level -= 1.0
            self.passed += 1.0
            self.evidence.saw(1.0, self.passed, self.now)
            pace *= growth


@settings(deadline=None)
@given(
    rate=st.floats(0.5, 50.0),
    capacity=st.floats(1.0, 500.0),
    share=st.floats(0.3, 0.9),
    growth=st.floats(1.01, 1.1),
)
def test_the_true_rate_is_between_the_bounds(rate: float, capacity: float, share: float, growth: float) -> None:
    """
    Whatever the bucket holds and wherever the climb begins; give or take what is sent in a fiftieth of a second.
    """
    bucket = Bucket(rate, capacity)
    for _ in range(3):
        bucket.climb(rate * share, growth)
        evidence = bucket.evidence
        if evidence.low > 0.0:
            assert evidence.low <= rate * 1.02
            assert evidence.high >= rate * 0.98


def test_a_bucket_that_was_full_at_first_tells_what_is_likely() -> None:
    """
    A bucket of one, climbed against from a tenth of its rate: the average proves a quarter of the rate only, what it
    held at first makes a good third likely.
    """
    bucket = Bucket(20.0, 1.0)
    bucket.passed, bucket.now = 1.0, 0.02
    bucket.evidence = Evidence(0.0)
    bucket.evidence.first(bucket.passed, refusal(bucket.now), least=1.0)
    bucket.climb(2.0, 1.05)

    evidence = bucket.evidence
    assert evidence.low < 6.0
    assert 1.4 * evidence.low < evidence.likely <= 20.0
    assert 20.0 <= evidence.high < 25.0


def test_what_a_known_limit_has_room_for_was_refused_by_something_else() -> None:
    """
    Just after it refused, a bucket is empty; left alone for as long as twenty attempts take, it is not.
    """
    bucket = Bucket(10.0, 50.0)
    bucket.passed, bucket.now = 60.0, 1.0
    bucket.evidence = Evidence(0.0)
    bucket.evidence.first(bucket.passed, refusal(bucket.now), least=1.0)
    for _ in range(4):
        bucket.climb(9.5, 1.002)
    assert bucket.evidence.is_narrow

    assert not bucket.evidence.had_room(refusal(bucket.now + 0.1), 1.0)
    assert bucket.evidence.had_room(refusal(bucket.now + 2.0), 1.0)


def test_two_at_the_same_moment_do_not_bound_a_rate_by_what_went_before() -> None:
    """
    A bucket of one that refills ten times a second, asked once a second: a second attempt 50 ms after another is one
    too many, but the rate is no less for that.
    """
    evidence = Evidence(0.0)
    evidence.first(1.0, refusal(0.01), least=1.0)
    for second in range(1, 9):
        evidence.saw(1.0, 1.0 + second, float(second))
    evidence.saw(1.0, 10.0, 8.05)
    late = refusal(8.05)
    evidence.took_back(1.0, 8.05)

    assert evidence.refused(late, 9.0, mean=1.0, base=1.0, pace=float("inf"))
    assert evidence.low <= 1.0
    assert evidence.high > 3.0


def test_a_window_that_lets_nothing_through_for_a_moment_bounds_no_rate() -> None:
    """
    A hundred in each second of the server's: what is refused until it is over is refused however slowly it was sent.
    """
    evidence, passed = Evidence(0.0), 100.0
    evidence.first(passed, refusal(0.5), least=1.0)
    for second in range(1, 6):
        for number in range(90):
            passed += 1.0
            evidence.saw(1.0, passed, second + number / 90.0)
    times = [5.995 + number / 200.0 for number in range(24)]
    for number, at in enumerate(times):
        passed += 1.0
        evidence.saw(1.0, passed, at)
        if number % 2:  # of two that were sent one is back
            back = times[number // 2]
            passed -= 1.0
            evidence.took_back(1.0, back)
            pace = max(20.0, 120.0 - 5.0 * number)
            evidence.refused(Refusal(1.0, back, at, 0.0), passed, mean=1.0, base=0.8 * pace, pace=pace)

    assert evidence.high >= 85.0


def test_bounds_close_in() -> None:
    """
    A steady climb that begins closer by each time leaves less and less to doubt.
    """
    bucket = Bucket(10.0, 5.0)
    widths = []
    for share in (0.6, 0.8, 0.9, 0.95):
        assert bucket.climb(10.0 * share, 1.005)
        widths.append(bucket.evidence.high / bucket.evidence.low)

    assert widths == sorted(widths, reverse=True)
    assert bucket.evidence.is_narrow


def test_a_limit_that_was_halved_makes_older_bounds_worthless() -> None:
    """
    Bounds that contradict the latest ones are of a limit that is no more.
    """
    bucket = Bucket(10.0, 5.0)
    for _ in range(3):
        bucket.climb(9.0, 1.005)
    bucket.rate = 5.0
    for _ in range(3):
        bucket.climb(4.0, 1.005)

    assert 4.5 <= bucket.evidence.low <= 5.5
    assert 4.9 <= bucket.evidence.high <= 6.5


def test_what_refuses_for_seconds_counts_in_windows() -> None:
    """
    A bucket would have had room; so what the first window let through, by its length, is the rate.
    """
    evidence = Evidence(0.0)
    evidence.first(120.0, refusal(2.0), least=1.0)
    before = evidence.guess
    for second in (10.0, 20.0, 35.0):
        evidence.refused(refusal(second), 120.0, mean=1.0, base=before, pace=before)

    assert evidence.low == pytest.approx(0.95 * 120.0 / 60.0)
    assert evidence.high == pytest.approx(1.05 * 120.0 / 60.0)


def test_a_wait_that_is_named_says_how_long_a_window_is() -> None:
    """
    The server knows best when its window ends.
    """
    evidence = Evidence(0.0)
    evidence.first(120.0, refusal(2.0), least=1.0)
    assert evidence.refused(refusal(2.1, wait=50.0), 120.0, mean=1.0, base=2.0, pace=2.0)

    assert evidence.guess == 120.0 / 60.0


def test_refusals_of_the_first_burst_lower_the_guess() -> None:
    """
    What was on its way when the first refusal came back had not passed.
    """
    evidence = Evidence(0.0)
    evidence.first(150.0, refusal(2.0), least=1.0)
    for _ in range(26):
        evidence.took_back(1.0, 1.9)

    assert evidence.guess == pytest.approx((124.0 / 62.0) ** 0.6 * (124.0 / 2.0) ** 0.4)


def test_a_short_stretch_that_something_else_paced_shows_from_where_to_search_on() -> None:
    """
    A second's worth bounds nothing yet; but where 60 got through in it, the search does not begin at the five a second
    that a minute's bucket would make.
    """
    evidence = Evidence(0.0)
    evidence.first(60.0, refusal(1.0), least=1.0)
    before = evidence.guess
    for number in range(60):
        evidence.saw(1.0, 61.0 + number, 1.0 + (number + 1) / 60.0)

    assert not evidence.refused(refusal(2.1), 120.0, mean=1.0, base=before, pace=float("inf"))
    assert before < 10.0
    assert evidence.guess == pytest.approx(59.0 / 1.1)


def test_more_than_was_supposed_got_through_so_it_is_supposed_no_more() -> None:
    """
    A wait seemed to tell 1.3 a second, and in the next second 60 got through.
    """
    evidence = Evidence(0.0)
    evidence.first(60.0, refusal(1.0), least=1.0)
    evidence.suppose(1.3)
    evidence.high = 1.3
    for number in range(60):
        evidence.saw(1.0, 61.0 + number, 1.0 + (number + 1) / 60.0)

    assert not evidence.refused(refusal(2.1), 120.0, mean=1.0, base=1.3, pace=float("inf"))
    assert evidence.guess == pytest.approx(59.0 / 1.1)
    assert evidence.high == float("inf")
    assert evidence.between(0.5) == pytest.approx(59.0 / 1.1)


def test_a_refusal_that_fits_what_was_known_leaves_it_narrow() -> None:
    """
    After a long time below the rate a bucket is full, and may be drained at any pace: that says nothing new.
    """
    bucket = Bucket(10.0, 100.0)
    bucket.passed = 250.0
    bucket.evidence = Evidence(0.0)
    bucket.evidence.first(bucket.passed, refusal(bucket.now), least=1.0)
    for _ in range(4):
        bucket.climb(9.5, 1.002)
    assert bucket.evidence.is_narrow
    before = bucket.evidence.high / bucket.evidence.low
    bucket.climb(2.0, 1.05)

    evidence = bucket.evidence
    assert evidence.high / evidence.low <= before
    assert evidence.low <= 10.0 * 1.02
    assert evidence.high >= 10.0 * 0.98


def test_a_volley_after_a_pause_is_not_taken_for_an_even_pace() -> None:
    """
    A bucket of twenty at 50 a second that was left alone for a second and emptied at once: the bound from above stays
    above.
    """
    evidence, passed, now, pace = Evidence(0.0), 66.0, 2.0, 6.0
    evidence.first(passed, refusal(1.0, wait=1.0), least=1.0)
    while pace < 50.0:
        passed += 1.0
        evidence.saw(1.0, passed, now)
        now, pace = now + 1.0 / pace, pace * 1.04
    evidence.refused(refusal(now, wait=1.0), passed, mean=1.0, base=25.0, pace=50.0)
    now += 1.07
    for _ in range(21):
        passed += 1.0
        evidence.saw(1.0, passed, now)
    evidence.took_back(1.0, now)
    passed -= 1.0
    evidence.refused(refusal(now, wait=1.0), passed, mean=1.0, base=30.0, pace=float("inf"))

    assert evidence.low <= 50.0 <= evidence.high
