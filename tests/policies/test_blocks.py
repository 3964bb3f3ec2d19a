"""Windows: told by blocks, measured by what they let through, and not seen where a bucket is all there is."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import pytest

from brim.policies.blocks import Blocks
from brim.policies.refusal import Refusal


class Far(Protocol):
    """A far end that lets attempts through or not."""

    def lets(self, now: float) -> bool:
        """Is one let through that comes *now*?"""


class Fixed:
    """So many in every window on a clock of its own."""

    def __init__(self, amount: int, span: float, *, offset: float = 0.0) -> None:
        self.amount, self.span, self.offset = amount, span, offset
        self.window, self.used = -1, 0

    def lets(self, now: float) -> bool:
        window = int((now - self.offset) // self.span)
        if window != self.window:
            self.window, self.used = window, 0
        self.used += self.used < self.amount
        if self.used < self.amount:
            return True
        is_last, self.used = self.used == self.amount, self.amount + 1
        return is_last


class Log:
    """So many in any stretch of a span."""

    def __init__(self, amount: int, span: float) -> None:
        self.amount, self.span = amount, span
        self.times: deque[float] = deque()

    def lets(self, now: float) -> bool:
        while self.times and self.times[0] <= now - self.span:
            self.times.popleft()
        if len(self.times) >= self.amount:
            return False
        self.times.append(now)
        return True


class Counting:
    """A bucket that a refused call empties."""

    def __init__(self, rate: float, capacity: float) -> None:
        self.rate = rate
        self.capacity = self.level = capacity
        self.at = 0.0

    def lets(self, now: float) -> bool:
        self.level = min(self.capacity, self.level + (now - self.at) * self.rate)
        self.at = now
        is_let, self.level = self.level >= 1.0, max(0.0, self.level - 1.0)
        return is_let


def watch(far: Far, *, pace: float, seconds: float, pause: float = 2.0) -> Blocks:
    """Send at *pace*, and what is refused again after a *pause*; what was measured last is the pace from then on."""
    blocks, now, passed = Blocks(0.0), 0.0, 0.0
    while now < seconds:
        passed += 1.0
        blocks.saw(passed, now)
        if far.lets(now):
            now += 1.0 / pace
            continue
        passed -= 1.0
        blocks.took_back(1.0, now)
        if blocks.refused(Refusal(1.0, now, now, 0.0), passed=passed, by_then=passed, rate=pace, pace=pace):
            pace = blocks.rate * 1.02 or pace
        now += pause
    return blocks


@pytest.mark.parametrize("offset", [0.0, 23.0, 55.0])
def test_a_fixed_window_is_measured(offset: float) -> None:
    """
    Wherever windows begin, and however fast the first was used up: what one lets through, give or take 5 %.
    """
    blocks = watch(Fixed(300, 60.0, offset=offset), pace=40.0, seconds=600.0)

    assert blocks.span == 60.0
    assert blocks.rate == pytest.approx(5.0, rel=0.05)


@pytest.mark.parametrize("amount", [60, 600])
def test_a_sliding_window_is_measured(amount: int) -> None:
    """
    Any refusal shows what the last minute let through: that is the limit.
    """
    blocks = watch(Log(amount, 60.0), pace=amount / 5.0, seconds=600.0)

    assert blocks.span == 60.0
    assert blocks.rate == pytest.approx(amount / 60.0, rel=0.05)


def test_a_window_of_minutes_is_measured() -> None:
    """
    A block of nearly three minutes is of a window of three.
    """
    blocks = watch(Log(180, 180.0), pace=20.0, seconds=1_200.0, pause=8.0)

    assert blocks.span == 180.0
    assert blocks.rate == pytest.approx(1.0, rel=0.05)


def test_a_server_that_says_when_it_opens_is_measured_at_once() -> None:
    """
    Used up after 20 of 60 seconds, and told to wait for 40: everything since the window opened is what it allows.
    """
    blocks = Blocks(0.0)
    for number in range(100):
        blocks.saw(number + 1.0, number / 5.0)

    assert blocks.refused(Refusal(1.0, 20.0, 20.0, 40.0), passed=100.0, by_then=100.0, rate=5.0, pace=5.0)
    assert blocks.span == 60.0
    assert blocks.amount == pytest.approx(100.0, rel=0.03)


def test_a_bucket_that_refused_calls_keep_empty_is_no_window() -> None:
    """
    It lets one through after each pause and refuses the next: no window does that.
    """
    blocks = watch(Counting(1.0, 300.0), pace=50.0, seconds=300.0, pause=4.0)

    assert blocks.rate == 0.0


def test_a_bucket_is_no_window() -> None:
    """
    What is refused alone, and let through a moment later, says nothing about windows.
    """
    blocks = watch(Counting(10.0, 20.0), pace=10.5, seconds=300.0, pause=0.2)

    assert blocks.span == 0.0


def test_what_lets_most_of_it_through_is_no_window() -> None:
    """
    Refused once in four calls, and waited for each time: hardly anything gets through because hardly anything is sent.
    """
    blocks, passed = Blocks(0.0), 0.0
    for number in range(600):
        passed += 1.0
        blocks.saw(passed, number / 60.0)
    for second in range(10, 20, 2):
        for call in range(4):
            passed += 1.0
            blocks.saw(passed, second + call / 60.0)
        passed -= 1.0
        at = second + 3 / 60.0
        blocks.took_back(1.0, at)
        blocks.refused(Refusal(1.0, at, at, 1.0), passed=passed, by_then=passed, rate=60.0, pace=60.0)

    assert blocks.span == 0.0


def test_more_than_was_measured_unrefused_is_noticed() -> None:
    """
    A limit that was raised shows in what gets through.
    """
    blocks = watch(Log(60, 60.0), pace=12.0, seconds=300.0)
    assert not blocks.is_outdone(300.0)
    passed = 10_000.0
    for number in range(120):
        blocks.saw(passed + number, 300.0 + number / 2.0)

    assert blocks.is_outdone(360.0)


def test_a_window_that_is_met_late_is_measured_by_what_had_been_sent_before() -> None:
    """
    A trail says how much of a minute's window was used by the time of the first refusal, which says when it opens.
    """
    times = [float(second) for second in range(100)]
    blocks = Blocks(0.0, (times, [5.0 * second for second in times]))
    blocks.saw(500.0, 100.0)
    blocks.refused(Refusal(1.0, 100.0, 100.0, 40.0), passed=500.0, by_then=500.0, rate=5.0, pace=5.0)

    assert blocks.span == 60.0
    assert blocks.rate == pytest.approx(5.0, rel=0.05)


def test_two_refusals_are_no_block() -> None:
    """
    A bucket whose refill was halved refuses a second time before it lets anything through.
    """
    blocks = Blocks(0.0)
    blocks.saw(100.0, 10.0)
    for now in (10.0, 14.0):
        blocks.refused(Refusal(1.0, now, now, 0.0), passed=100.0, by_then=100.0, rate=10.0, pace=10.0)
    assert blocks.span == 0.0

    blocks.refused(Refusal(1.0, 18.0, 18.0, 0.0), passed=100.0, by_then=100.0, rate=10.0, pace=10.0)
    assert blocks.span == 10.0


def test_measurements_that_differ_every_time_are_of_no_window() -> None:
    """
    What a window allows is the same in each, but for one change.
    """
    blocks, passed = Blocks(0.0), 0.0
    for number, amount in enumerate((900.0, 300.0, 900.0, 300.0)):
        begin = 100.0 * number
        for step in range(50):
            blocks.saw(passed + amount * step / 50, begin + step / 10)
        passed += amount
        blocks.saw(passed, begin + 5.0)
        blocks.refused(Refusal(1.0, begin + 5.0, begin + 5.0, 9.0), passed=passed, by_then=passed, rate=20.0, pace=20.0)

    assert blocks.span == 0.0


def test_room_in_a_window_that_slides_comes_when_the_oldest_leave() -> None:
    """
    With ten sent a second apart and a budget of ten, the eleventh fits when the second leaves the minute.
    """
    blocks = Blocks(0.0)
    for number in range(1, 11):
        blocks.saw(float(number), float(number))
    for now in (10.0, 11.0, 12.0):
        blocks.refused(Refusal(1.0, now, now, 50.0), passed=10.0, by_then=10.0, rate=1.0, pace=1.0)

    assert blocks.hold_until(1.0, 10.0, 59.0) == pytest.approx(61.0, abs=1.0)
    assert blocks.hold_until(1.0, 10.0, 20.0) == 20.0 + 60.0 / 8
    assert blocks.hold_until(1.0, 20.0, 20.0) <= 20.0


def used_up(*times: float, wait: float = 0.0) -> Blocks:
    """A window of which a hundred were used in three seconds, and that refused at these times, asking to *wait*."""
    blocks = Blocks(0.0)
    for number in range(31):
        blocks.saw(number * 100.0 / 30.0, number / 10.0)
    for now in times:
        blocks.refused(Refusal(1.0, now, now, wait), passed=100.0, by_then=100.0, rate=10.0, pace=10.0)
    return blocks


@pytest.mark.parametrize(("wait", "slides"), [(20.0, False), (27.5, True)])
def test_a_window_that_opens_before_its_oldest_leave_does_not_slide(*, wait: float, slides: bool) -> None:
    """
    A hundred went in three seconds, and the server says that there is room in twenty: had it slid, it would say 27.
    """
    blocks = used_up(3.0, wait=wait)

    assert blocks.span == 30.0
    assert (blocks.hold_until(1.0, 90.0, 10.0) > 10.0) == slides


def test_what_gets_through_where_nothing_has_room_shows_that_the_window_does_not_slide() -> None:
    """
    One after each pause, and none is refused: after the second nothing is held back any more.
    """
    blocks = used_up(3.0, 7.0, 14.0, 21.0)
    assert blocks.span == 30.0

    assert [blocks.hold_until(1.0, 100.0, now) - now for now in (22.0, 22.0, 22.0)] == [30.0 / 8, 30.0 / 8, 0.0]


def test_a_minute_that_lingers_is_no_window_of_three() -> None:
    """
    Where two windows are weighed into one, what was too much in the first is refused a few seconds into the second.
    """
    assert used_up(3.0, 20.0, 40.0, 70.0).span == 60.0
    assert used_up(3.0, 20.0, 40.0, 70.0, 90.0).span == 180.0


@pytest.mark.parametrize(
    ("let_through", "wait", "span"),
    [(0.0, 0.0, 5.0), (0.6, 0.0, 10.0), (0.0, 4.5, 10.0)],
    ids=["nothing gets through", "a little gets through", "the server names a wait"],
)
def test_a_block_of_a_few_seconds_is_of_a_short_window_if_nothing_speaks_for_a_longer(
    let_through: float, wait: float, span: float
) -> None:
    """
    Seconds without a single call are a window of five, if refused calls count. A wait may be the rest of a longer one.
    """
    blocks = Blocks(0.0)
    for number in range(11):
        blocks.saw(number * 10.0, 2.0 + number / 10.0)
    passed = 100.0
    for now in (3.0, 4.0, 5.5, 6.7):
        blocks.refused(Refusal(1.0, now, now, wait), passed=passed, by_then=passed, rate=10.0, pace=10.0)
        passed += let_through

    assert blocks.span == span


def test_a_window_of_three_is_believed_once_it_was_measured_twice() -> None:
    """
    Once may be anything; what refuses after the same three calls again allows three.
    """
    blocks, passed, rates = Blocks(0.0), 0.0, []
    for turn in range(4):
        for number in range(3):
            passed += 1.0
            blocks.saw(passed, 70.0 * turn + number)
        now = 70.0 * turn + 3.0
        blocks.refused(Refusal(1.0, now, now, 55.0), passed=passed, by_then=passed, rate=0.5, pace=0.6)
        rates.append(blocks.rate)

    assert rates == [0.0, pytest.approx(0.05), pytest.approx(0.05), pytest.approx(0.05)]
