"""Strays are told from a limit by the odds: quickly where many are refused, patiently where a share stays."""

from __future__ import annotations

import pytest

from brim.policies.doubt import Doubt, Fall
from brim.policies.evidence import Refusal


def first_believed(share: float, *, noise: float = 0.0, most: int = 3_000) -> int:
    """How many attempts until refusals of *share*, evenly, are no longer taken for strays; *most* if never."""
    doubt, gap = Doubt(), round(1.0 / share)
    for number in range(1, most):
        doubt.sent()
        if number % gap == 0:
            doubt.refused(Refusal(1.0, float(number), float(number), 0.0), 1.0, noise=noise)
            if not doubt.is_open(noise):
                return number
    return most


@pytest.mark.parametrize(("share", "within"), [(0.5, 10), (0.25, 40), (0.12, 150)])
def test_a_limit_is_told_the_sooner_the_more_it_refuses(share: float, within: int) -> None:
    """
    Half refused is plain at once, one in eight after some hundred attempts.
    """
    assert first_believed(share) < within


def test_strays_stay_strays() -> None:
    """
    One in a hundred, for ever, is no limit.
    """
    assert first_believed(0.01) == 3_000


def test_beside_known_strays_it_takes_clearly_more() -> None:
    """
    Where three in a hundred are known to be strays, three in a hundred prove nothing, and fifteen do.
    """
    assert first_believed(0.03, noise=0.05) == 3_000
    assert first_believed(0.15, noise=0.05) < 300


def test_the_first_in_question_is_kept_until_the_odds_are_even() -> None:
    """
    It shows best what a limit had let through; once enough got through after it, it is forgotten.
    """
    doubt = Doubt()
    one, other = Refusal(1.0, 1.0, 1.0, 0.0), Refusal(1.0, 2.0, 2.0, 0.0)

    assert doubt.refused(one, 5.0, noise=0.0) == (one, 5.0)
    assert doubt.refused(other, 6.0, noise=0.0) == (one, 5.0)
    for _ in range(100):
        doubt.sent()
    assert doubt.refused(other, 6.0, noise=0.0) == (other, 6.0)


def test_one_that_is_alone_is_so_once() -> None:
    """
    Six attempts let through before it, none since the last question.
    """
    doubt = Doubt()
    for _ in range(6):
        doubt.sent()

    assert doubt.is_alone()
    assert not doubt.is_alone()


def test_a_known_rate_that_is_refused_again_at_once_has_fallen() -> None:
    """
    And falls on, as long as it is refused at once; known or not by then.
    """
    fall = Fall()

    assert fall.refused_after(200, is_known=True) == 1.0
    assert fall.refused_after(2, is_known=True) < 0.5
    assert fall.refused_after(2, is_known=False) < 0.5
    assert fall.refused_after(20, is_known=False) == 1.0


def test_a_known_rate_that_is_refused_soon_falls_a_little() -> None:
    """
    Four times within 32 attempts each; one that held longer begins the count anew.
    """
    fall = Fall()

    assert [fall.refused_after(20, is_known=True) for _ in range(4)] == [1.0, 1.0, 1.0, 0.9]
    assert [fall.refused_after(sent, is_known=True) for sent in (20, 20, 90, 20, 20)] == [1.0] * 5
