"""A dash: far more gets through if it was chance that refused, and nothing more if it was a limit."""

from __future__ import annotations

import pytest

from brim.policies.dash import SPEED, Belief, Dash

RATE = 10.0


def suspicious(*, pace: float = RATE, each: int = 20, rate: float = 0.7 * RATE) -> tuple[Dash, bool]:
    """Six refusals that were believed, so many attempts apart. Is it time for a dash?"""
    dash, is_due = Dash(), False
    for number in range(1, 7):
        is_due = dash.struck(float(number * each), pace=pace, rate=RATE if number < 3 else rate)
    return dash, is_due


def go(dash: Dash, refused: int, *, rate: float = 0.7 * RATE) -> float | None:
    """Dash, of which so many are refused, evenly. Returns what it showed, or None if it ended before."""
    dash.begin(Belief(rate, 0.0), trip_s=0.1, now=0.0)
    number, now = 0, 0.0
    while True:
        number += 1
        now += 1.0 / (SPEED * rate)
        share = dash.sent(now)
        if share is not None:
            return share
        if number * refused // 24 > (number - 1) * refused // 24 and not dash.refused(now):
            return None


def test_is_due_where_refusals_come_one_by_one_and_the_rate_sinks() -> None:
    """
    Not where they are far apart, nothing got through in between, or the rate is what it was.
    """
    assert suspicious()[1]
    assert not suspicious(each=60)[1]
    assert not suspicious(each=2)[1]
    assert not suspicious(rate=0.9 * RATE)[1]
    assert not suspicious(rate=0.0)[1]


def test_is_due_where_the_rate_is_halved_again_and_again() -> None:
    """
    Every fifth call is refused whatever the rate, and each costs a third of it: none went as slowly as the last.
    """
    dash, rate, is_due = Dash(), RATE, []
    for number in range(1, 7):
        is_due.append(dash.struck(float(number * 5), pace=1.4 * rate, rate=rate))
        rate *= 0.65

    assert is_due == [False] * 5 + [True]


def test_what_chance_refuses_is_refused_no_more_often_when_going_faster() -> None:
    """
    Three of twenty-four, as before: about as many are chance.
    """
    dash, _ = suspicious()

    assert go(dash, 3) == pytest.approx(0.15, abs=0.07)
    assert not dash.is_running


def test_a_limit_ends_it_after_a_few() -> None:
    """
    Most of those that go faster are refused; and the next dash takes twice as many refusals.
    """
    dash, _ = suspicious()
    assert go(dash, 20) is None
    assert not dash.is_running

    due = [dash.struck(200.0 + 20.0 * number, pace=RATE, rate=0.5 * RATE) for number in range(12)]
    assert due == [False] * 11 + [True]


def test_a_limit_that_lets_one_through_after_each_wait_ends_it_too() -> None:
    """
    Every second one is refused, since each refusal names a wait and is kept to: no more gets through than is believed.
    Where as many come much faster, that may still be chance.
    """
    for each_s, is_over in ((1.0 / (0.7 * RATE), True), (1.0 / (2.8 * RATE), False)):
        dash, _ = suspicious()
        dash.begin(Belief(0.7 * RATE, 0.0), trip_s=0.1, now=0.0)
        goes_on = []
        for number in range(1, 6):
            dash.sent(number * each_s - 0.1)
            dash.sent(number * each_s)
            goes_on.append(dash.refused(number * each_s))
        assert goes_on[:3] == [True, True, True]
        assert (not all(goes_on)) is is_over


def test_what_sank_far_below_a_limit_that_a_dash_has_shown_is_asked_about_soon_again() -> None:
    """
    That it was a limit then says nothing of a rate of a third. But a block, in which nothing gets through, is no rate.
    """
    dash, _ = suspicious()
    assert go(dash, 20) is None
    assert not dash.struck(200.0, pace=RATE, rate=0.0)

    due = [dash.struck(210.0 + 20.0 * number, pace=0.3 * RATE, rate=0.2 * RATE) for number in range(6)]
    assert due == [False] * 5 + [True]


def test_what_was_refused_at_a_faster_pace_may_have_been_a_limits() -> None:
    """
    The rate was thought too low: more gets through than at it, but no more than at the pace that was refused.
    """
    dash, _ = suspicious(pace=2.0 * SPEED * RATE)

    assert go(dash, 3) == 0.0


def test_what_a_window_lets_through_at_once_proves_nothing() -> None:
    """
    A window that held thirty of them, and then refused, says no more than it did before.
    """
    dash, _ = suspicious()
    dash.begin(Belief(0.7 * RATE, 30.0), trip_s=0.0, now=0.0)
    now = 0.0
    for number in range(1, 34 + 4 + 1):
        assert dash.is_running
        now += 1.0 / (SPEED * 0.7 * RATE)
        assert dash.sent(now) is None
        assert number <= 34 or dash.refused(now) is (number < 38)

    assert not dash.is_running
