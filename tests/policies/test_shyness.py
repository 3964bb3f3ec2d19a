"""Shyness: a step after a refusal, and slowly none again."""

from __future__ import annotations

import pytest

from brim.policies.shyness import Shyness


def test_refusals_of_one_burst_are_one_step() -> None:
    """
    What was sent before the refusal was heard says nothing new.
    """
    shyness = Shyness()
    shyness.refused(sent_at=0.0, now=1.0)
    shyness.refused(sent_at=0.9, now=1.1)

    assert shyness.apart_s == pytest.approx(0.01)


def test_refused_at_its_most_a_step_more_does_not_do() -> None:
    """
    A twentieth of a second is all; refused then, something else is wrong.
    """
    shyness = Shyness()
    verdicts = [shyness.refused(sent_at=2.0 * number, now=2.0 * number + 1.0) for number in range(6)]

    assert verdicts == [True] * 5 + [False]
    assert shyness.apart_s == pytest.approx(0.05)


def test_a_step_is_made_up_for_by_many_answers_and_sooner_while_much_is_left() -> None:
    """
    A thousand, or fifty that show much of the limit.
    """
    shy, bold = Shyness(), Shyness()
    for each in (shy, bold):
        each.refused(sent_at=0.0, now=1.0)
    for _ in range(500):
        shy.passed(is_much_left=False)
    for _ in range(50):
        bold.passed(is_much_left=True)

    assert shy.apart_s == pytest.approx(0.005)
    assert bold.apart_s == pytest.approx(0.0)
