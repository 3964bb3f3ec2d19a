"""Whose turn it is, what is saved up in a pause, and where it is not."""

from __future__ import annotations

import pytest

from brim.policies.turn import Turn, Went


def test_a_little_lateness_is_made_up_for_and_a_pause_is_not() -> None:
    """
    The step after a call that came late is measured from when it was due, and after a pause from the call.
    """
    turn = Turn(saves=False)

    assert turn.took(1.0, 0.5, most=1.0) is Went.EARLY
    assert turn.took(1.0, 1.04, most=1.0) is Went.IN_TURN
    assert turn.since == 1.0
    assert turn.took(1.0, 3.0, most=1.0) is Went.LATE
    assert turn.since == 3.0


def test_two_that_come_together_after_a_pause_are_not_held_up_by_a_fast_rate() -> None:
    """
    Six answers a second make room for six calls, two of them at a time: a rate of a hundred has no part in that. Once
    calls have come one step after the other for a tenth of a second it is what holds them up.
    """
    turn = Turn(saves=False)
    assert turn.took(0.01, 1.0, most=0.01) is Went.LATE
    assert turn.took(0.01, 1.02, most=0.01) is Went.LATE
    assert turn.took(0.01, 1.3, most=0.01) is Went.LATE
    went = [turn.took(0.01, 1.3 + 0.01 * number, most=0.01) for number in range(1, 15)]
    assert set(went[:9]) == {Went.LATE}
    assert set(went[11:]) == {Went.IN_TURN}


@pytest.mark.parametrize("saves", [False, True])
def test_a_step_is_saved_where_something_may_be(*, saves: bool) -> None:
    """
    Of a limit that is stated a second call may follow the first one after a pause at once; of others it may not.
    """
    turn = Turn(saves=saves)
    turn.took(0.2, 10.0, most=0.2)

    assert turn.since == (9.8 if saves else 10.0)


@pytest.mark.parametrize(("sent_at", "since"), [(9.9, 19.8), (10.0, 20.0), (10.05, 20.0), (10.15, 19.8)])
def test_nothing_is_saved_where_just_that_was_refused(sent_at: float, since: float) -> None:
    """
    Only a call that went from what was saved up says that nothing is.
    """
    turn = Turn(saves=True)
    turn.took(0.2, 10.0, most=0.2)

    turn.refused(0.2, sent_at=sent_at)
    turn.took(0.2, 20.0, most=0.2)

    assert turn.since == since


def test_where_the_first_call_was_refused_too_it_was_too_early_for_any() -> None:
    """
    Two refusals after one pause say nothing of what is saved up.
    """
    turn = Turn(saves=True)
    turn.took(0.2, 10.0, most=0.2)

    for _ in range(2):
        turn.refused(0.2, sent_at=10.0)
    turn.took(0.2, 20.0, most=0.2)

    assert turn.since == 19.8


def test_what_is_owed_is_paid_back_within_some_steps() -> None:
    """
    A hundred calls come home that each took ten seconds of the rate more than was thought: the next one goes all the
    same, since the rate may be wrong. What took less is given back.
    """
    turn = Turn(saves=False)
    turn.took(1.0, 10.0, most=1.0)
    for _ in range(100):
        turn.owe(10.0, step=1.0)
    assert turn.since == 30.0
    turn.owe(-5.0, step=1.0)
    assert turn.since == 25.0

    turn.took(1.0, 26.0, most=1.0)
    turn.owe(100.0, step=9.0)
    assert turn.since == 26.0 + 36.0
