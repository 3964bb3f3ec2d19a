"""Relief beside headers that show nearly all left: up to what is left, until that proves to say nothing."""

from __future__ import annotations

import pytest

from brim.policies.relief import Relief


def eased(relief: Relief, rate: float, *, answers: int) -> float:
    """The rate after so many answers, of a limit that comes back at 10 a second and shows 30."""
    for _ in range(answers):
        rate *= relief.factor(rate, 1.0 / rate, shown=10.0, most=30.0)
    return rate


def test_rises_until_what_is_left_is_used_up_soon() -> None:
    """
    By three hundredths an answer, and no further than that.
    """
    relief = Relief()

    assert eased(relief, 5.0, answers=1) == pytest.approx(5.15)
    assert 30.0 <= eased(relief, 5.0, answers=99) < 31.0


def test_what_answers_bring_in_a_second_is_bounded() -> None:
    """
    A thousand answers a second do not double the rate before a single refusal can be back.
    """
    assert Relief().factor(1_000.0, 0.001, shown=9e3, most=9e3) == pytest.approx(1.00035)


def test_refused_beyond_what_comes_back_it_goes_no_further_again() -> None:
    """
    Refused below that nothing is proved; refused above it, something else is short that the headers do not show.
    """
    relief = Relief()
    assert eased(relief, 5.0, answers=9) < 10.0
    relief.refused()
    assert eased(relief, 5.0, answers=99) > 20.0
    relief.refused()

    assert 10.0 <= eased(relief, 5.0, answers=99) < 10.4


def test_what_comes_back_is_believed_where_refusals_allow_for_it() -> None:
    """
    Ten a second are shown, and what is learnt lies just below: that is the same limit, counted over a second.
    """
    relief = Relief()
    assert relief.tells(9.2, high=10.1) is None  # nothing was shown yet
    eased(relief, 5.0, answers=1)

    assert relief.tells(9.2, high=10.1) == 10.0
    assert relief.tells(9.2, high=9.9) is None  # refused below it
    assert relief.tells(12.0, high=20.0) is None  # more than is shown comes back
