"""The window: opens while nothing resists, follows what just fills the hardware, keeps to a cap on calls at once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from brim.policies.adaptive import GROWS_EACH_S, START, AdaptiveWindow


def play_round(window: AdaptiveWindow, now: float, *, takes: float = 1.0, in_flight: int | None = None) -> float:
    """As many answers as the window is wide, in the time that each of them takes; returns the time after it."""
    width = window.size if in_flight is None else in_flight
    window.granted(width, now)
    for _ in range(width):
        window.replied(width, sent_at=now, now=now + takes)
    at = now + takes
    while at < now + 2.0 * takes:
        window.ticked(window.size if in_flight is None else in_flight, at)
        at += window.grows_each_s
    return now + 2 * takes


def test_triples_in_the_time_of_an_answer_up_to_the_ceiling() -> None:
    """
    Slow start: 8, 24, 72, ... and never above the ceiling.
    """
    window = AdaptiveWindow(ceiling=100)
    sizes = [window.size]
    now = 10.0
    for _ in range(4):
        now = play_round(window, now)
        sizes.append(window.size)

    assert sizes == [START, 24, 72, 100, 100]


def test_grows_by_a_few_each_second_while_no_answer_has_come() -> None:
    """
    Answers that take a minute must not cost a minute for each doubling, and hardware of one's own is not flooded.
    """
    window = AdaptiveWindow(ceiling=1_000)
    sizes = []
    for second in range(61):
        sizes.append(window.size)
        for step in range(4):
            window.ticked(window.size, second + step * GROWS_EACH_S)

    assert sizes[2] <= 2 * START
    assert sizes[5] <= 4 * START
    assert sizes[30] >= 240
    assert max(later - earlier for earlier, later in pairwise(sizes)) <= 10
    assert sizes[60] == 512
    assert not window.grows_by_time()


def test_lets_only_a_few_go_at_once_however_wide_it_is() -> None:
    """
    All that goes before the first refusal is back is refused as well: two hundred at once were, in a window of 500.
    """
    window = AdaptiveWindow(ceiling=1_000)
    now, steps = 10.0, [window.size]
    while window.size < window.ceiling:
        width = window.size
        window.granted(width, now)
        for _ in range(width):
            window.replied(width, sent_at=now, now=now + 1.0)
        at, now = now + 1.0, now + 2.0
        while at < now:
            window.ticked(window.size, at)
            steps.append(window.size)
            at += window.grows_each_s

    assert max(later - earlier for earlier, later in pairwise(steps)) <= 2 * START
    assert now <= 22.0


def test_does_not_run_far_ahead_of_what_was_answered_as_fast_as_at_first() -> None:
    """
    Three times as many as were on the wire then, and twice as many while most of those are not back: the first to
    come back may be the short ones, and what more would do shows only once they all are.
    """
    window = AdaptiveWindow(ceiling=1_000)
    window.granted(START, 0.0)
    sizes = []
    for number in range(START):
        window.replied(START, sent_at=0.0, now=1.0 + number)
        for step in range(3):
            window.ticked(window.size, 1.0 + number + step * GROWS_EACH_S)
        sizes.append(window.size)

    assert sizes[START // 2] == 2 * START
    assert sizes[-1] <= 3 * START
    for step in range(40):
        window.ticked(window.size, START + 1.0 + step * GROWS_EACH_S)
    assert window.size == 3 * START


def test_does_not_grow_while_it_is_not_used() -> None:
    """
    Replies while hardly anything is in flight say nothing about a wider window.
    """
    window = AdaptiveWindow(ceiling=1_000)
    play_round(window, 10.0, in_flight=2)

    assert window.size == START


def test_stands_open_where_a_rate_holds_back() -> None:
    """
    A known rate is protection enough.
    """
    window = AdaptiveWindow(ceiling=300)
    window.open()

    assert window.size == 300


def test_a_storm_of_overload_halves_and_a_stray_one_hardly_hurts() -> None:
    """
    A round refused as a whole halves the window; a single one costs nothing.
    """
    stormy, stray = AdaptiveWindow(ceiling=64, start=64), AdaptiveWindow(ceiling=64, start=64)

    for _ in range(64):
        stormy.overloaded(1.0)
    stray.overloaded(1.0)

    assert stormy.size == 32
    assert stray.size == 64


def test_a_believed_cap_on_calls_at_once_holds_the_window() -> None:
    """
    The window stands open where a rate is known, but not beyond the number that is always refused.
    """
    window = AdaptiveWindow(ceiling=1_000)
    window.open()
    for strike in range(6):
        window.refused(51, 2.0 * strike)

    assert window.size == 50


def test_a_cap_is_given_up_where_refusals_are_explained_otherwise() -> None:
    """
    A server that says to wait for long counts windows, not calls at once: the window stands open again.
    """
    window = AdaptiveWindow(ceiling=1_000)
    window.open()
    for strike in range(6):
        window.refused(51, 2.0 * strike)
    assert window.size == 50

    window.uncapped(20.0)
    assert window.size == 1_000


def test_reopens_as_a_ramp() -> None:
    """
    After a pause half of the window goes first, but no fewer than at the start of a run.
    """
    window = AdaptiveWindow(ceiling=1_000, start=100)
    window.reopen()
    assert window.size == 50

    for _ in range(5):
        window.reopen()
    assert window.size == START


_EVENTS = ["reply", "refuse", "overload", "tick", "grant", "reopen"]


@given(st.lists(st.tuples(st.sampled_from(_EVENTS), st.integers(1, 2_000)), max_size=300), st.integers(1, 1_000))
def test_stays_within_its_bounds(events: list[tuple[str, int]], ceiling: int) -> None:
    """
    Whatever comes back, between 1 and the ceiling may be on the wire.
    """
    window = AdaptiveWindow(ceiling=ceiling)
    acts: dict[str, Callable[[int, float], object]] = {
        "reply": lambda among, now: window.replied(among, sent_at=now - 1.0, now=now),
        "refuse": window.refused,
        "overload": lambda _, now: window.overloaded(now),
        "tick": window.ticked,
        "grant": window.granted,
        "reopen": lambda _among, _now: window.reopen(),
    }
    for now, (event, among) in enumerate(events):
        acts[event](min(among, ceiling), float(now))
        assert 1 <= window.size <= ceiling


def test_overloads_that_come_before_the_answers_are_weighed_against_what_is_under_way() -> None:
    """
    Four at once say nothing while a hundred answers are still to come.
    """
    window = AdaptiveWindow(ceiling=100, start=100)
    for _ in range(4):
        window.overloaded(10.0, among=96)

    assert window.size == 100


def test_begins_anew_after_an_outage() -> None:
    """
    Eight at once, then a ramp, even if overloads had ended the first one.
    """
    window = AdaptiveWindow(ceiling=1_000, start=100)
    for _ in range(150):
        window.overloaded(10.0)
    assert START < window.size < 100
    window.restart()
    assert window.size == START
    play_round(window, 200.0)

    assert window.size == 2 * START
