"""What was sent is remembered well enough that no limit stated later is broken by it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.policies.past import Past


class Sent:
    """Sends one unit at a time, and knows exactly when."""

    def __init__(self) -> None:
        self.totals = [0.0]
        self.past = Past(self.totals, 0.0)
        self.times: list[float] = []
        self.now = 0.0

    def send(self, gap: float) -> None:
        self.now += gap
        if self.now >= self.past.due:
            self.past.note(self.now)
        self.totals[0] += 1.0
        self.times.append(self.now)


@given(gaps=st.lists(st.floats(0.0, 3.0), max_size=80), seconds=st.floats(0.1, 100.0))
def test_nothing_that_a_stretch_holds_is_forgotten(gaps: list[float], seconds: float) -> None:
    """
    All that was sent in the last *seconds* is told, never as older than it is and never as later than now.
    """
    sent = Sent()
    for gap in gaps:
        sent.send(gap)
    since = sent.now - seconds

    told = list(sent.past.units(0, since, sent.now))
    for limit in {since, *sent.times}:
        after = sum(time > limit for time in sent.times if time > since)
        assert sum(units for at, units in told if at > limit) >= after
    assert all(at <= sent.now for at, _ in told)
    assert sum(units for _, units in told) <= sum(time > since - 1.0 for time in sent.times)


def test_weeks_of_sending_keep_the_memory_bounded() -> None:
    """
    However long it lasts some thousand stretches hold it, the last minutes to the second and all sums.
    """
    sent = Sent()
    for _ in range(400_000):
        sent.send(10.0)

    told = list(sent.past.units(0, float("-inf"), sent.now))
    assert len(told) < 4_000
    assert sum(units for _, units in told) == 400_000
    assert sum(units for at, units in told if at > sent.now - 600.0) == 61
    day = sum(units for at, units in told if at > sent.now - 86_400.0)
    assert 8_640 <= day <= 8_640 * 1.05


def test_the_rate_of_the_last_minute() -> None:
    """
    Units a second over the last minute, or over the time since the beginning; nothing is a rate of 0.
    """
    sent = Sent()
    assert sent.past.rate(0, 60.0, 0.0) == 0.0
    for _ in range(20):
        sent.send(0.5)
    assert sent.past.rate(0, 60.0, 10.0) == 2.0
    for _ in range(1_000):
        sent.send(0.25)

    assert abs(sent.past.rate(0, 60.0, sent.now) - 4.0) < 0.1
    assert sent.past.rate(0, 60.0, sent.now + 61.0) == 0.0


def test_the_trail_tells_what_had_been_sent_when() -> None:
    """
    One mark for each second in which something was sent, with the sum before it.
    """
    sent = Sent()
    for gap in (0.0, 0.5, 1.0, 1.0):
        sent.send(gap)

    times, before = sent.past.trail(0)
    assert times == pytest.approx([0.0, 1.5, 2.5])
    assert before == [0.0, 2.0, 3.0]
    assert all(time < begun for time, begun in zip(times, [0.0, 1.5, 2.5], strict=True))  # it is no part of that


def test_what_an_earlier_process_sent_is_no_trail_where_only_its_minute_is_known() -> None:
    """
    It counts against limits, but nothing is read from when exactly it went.
    """
    sent = Sent()
    sent.past.recall([(-3_600.0, (40.0,)), (-500.0, (30.0,)), (-5.0, (2.0,))], 0.0)
    sent.send(0.0)

    times, before = sent.past.trail(0)
    assert times == pytest.approx([-5.0, 0.0])
    assert before == [-2.0, 0.0]
    assert sum(units for _, units in sent.past.units(0, -86_400.0, 0.0)) == 73.0
