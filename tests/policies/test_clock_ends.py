"""Windows that begin by the clock: told by the ends that waits name, and kept to."""

from __future__ import annotations

from random import Random

import pytest

from brim.policies.clock_ends import ClockEnds
from brim.policies.clock_window import ClockWindow
from brim.policies.refusal import Refusal


def ended(span: float, refused_at: list[float], *, is_whole: bool = False, trip: float = 0.05) -> ClockEnds:
    """What is known after calls were refused until windows of *span* seconds ended, the third second of each."""
    ends = ClockEnds()
    for arrived in refused_at:
        wait = span - (arrived - 3.0) % span
        told = Refusal(1.0, arrived - trip / 2, arrived + trip / 2, wait, 0.0 if is_whole else wait)
        ends.named(told._replace(wait=float(int(wait) + 1)) if is_whole else told, step_s=0.1)
    return ends


@pytest.mark.parametrize(
    ("span", "is_whole"), [(2.0, False), (4.0, False), (23.0, False), (5.0, True), (10.0, True), (60.0, True)]
)
def test_ends_that_agree_are_those_of_windows(span: float, *, is_whole: bool) -> None:
    """
    And no earlier end is believed than the true one: who comes too early is refused. Waits in whole seconds tell
    nothing of windows that are hardly longer.
    """
    rng = Random(1)
    ends = ended(span, [(k + rng.random()) * span for k in range(3, 19)], is_whole=is_whole)

    assert ends.span == span
    early = (ends.late - 3.0) % span
    assert early < 1.1 if is_whole else early < 0.06
    assert early <= ends.unsure_s <= min(1.3, span / 2)


def test_without_a_wait_an_end_lies_between_what_was_refused_and_what_got_through() -> None:
    """
    If that asked no less: what is smaller may have fitted in before.
    """
    ends, rng = ClockEnds(), Random(1)
    for number in range(1, 12):
        end = 15.0 * number + 3.0
        ends.named(Refusal(10.0, end - rng.random(), end, 0.0), step_s=0.1)
        assert ends.is_shut
        ends.passed(9.0, end - 0.001)
        assert ends.is_shut
        ends.passed(10.0, end + rng.random())
        assert not ends.is_shut

    assert ends.span == 15.0
    assert (ends.late - 3.0) % 15.0 < 0.5


@pytest.mark.parametrize("is_whole", [False, True], ids=["exact waits", "whole seconds"])
def test_a_bucket_has_room_at_any_moment(*, is_whole: bool) -> None:
    """
    Of three hundred buckets hardly one passes for windows.
    """
    taken = 0
    for seed in range(300):
        rng, ends, now = Random(seed), ClockEnds(), 0.0
        for _ in range(12):
            now += rng.uniform(2.0, 40.0)
            wait = rng.uniform(0.1, 9.0)
            ends.named(Refusal(1.0, now, now + 0.05, float(int(wait) + 1), 0.0 if is_whole else wait), step_s=0.1)
            taken += bool(ends.span)
    assert taken <= 3


def test_calls_that_are_all_alike_come_free_at_multiples_of_a_step() -> None:
    """
    A bucket brings one each two seconds: that all ends lie whole steps apart says nothing, and so for windows of four.
    """
    ends = ClockEnds()
    for number in (1, 3, 5, 9, 11):
        ends.named(Refusal(1.0, 2.0 * number - 0.5, 2.0 * number - 0.5, 0.5, 0.5), step_s=2.0)
    assert not ends.span


def window(unsure_s: float = 0.0) -> ClockWindow:
    """A hundred units in ten seconds, of which one window ends at 20."""
    clocked = ClockWindow(amount=100.0, seconds=10.0)
    clocked.ends(20.0, unsure_s)
    return clocked


def test_what_does_not_fit_waits_for_the_next_window_and_owes_it_nothing() -> None:
    """
    There is as much in that as in any other, however much the first one of it asks.
    """
    clocked = window()
    clocked.take(70.0, 12.0)
    assert clocked.ready_in(40.0, 19.0) == pytest.approx(1.0, abs=0.01)
    clocked.take(40.0, 20.01)
    assert clocked.level(21.0) == 60.0
    assert clocked.level(55.0) == 100.0


def test_calls_go_a_little_faster_than_evenly() -> None:
    """
    A window is used up in no less than four fifths of its time.
    """
    clocked, now = window(), 10.0
    for _ in range(100):
        now += clocked.ready_in(1.0, now)
        clocked.take(1.0, now)
    assert 17.8 < now < 18.1


def test_what_goes_where_a_window_may_have_ended_counts_in_both() -> None:
    """
    Nobody knows which of them it is in.
    """
    clocked = window(unsure_s=0.5)
    clocked.take(40.0, 19.0)
    clocked.take(30.0, 19.6)
    assert clocked.level(19.9) == 30.0
    assert clocked.level(20.1) == 70.0


def test_a_window_that_refuses_has_nothing_left() -> None:
    """
    Whatever was counted, and what the refused call gives back.
    """
    clocked = window()
    clocked.take(60.0, 15.0)
    clocked.shut(15.1)
    assert clocked.ready_in(1.0, 16.0) == pytest.approx(4.0, abs=0.01)
    assert clocked.level(20.0) == 100.0
