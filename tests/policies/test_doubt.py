"""Strays are told from a limit by the odds: quickly where many are refused, patiently where a share stays."""

from __future__ import annotations

import pytest

from brim.policies.doubt import Doubt, Fall
from brim.policies.refusal import Refusal


def refusal(at: float) -> Refusal:
    return Refusal(1.0, at, at, 0.0)


def first_believed(share: float, *, noise: float = 0.0, most: int = 3_000) -> int:
    """How many attempts until refusals of *share*, evenly, are no longer taken for strays; *most* if never."""
    doubt, gap = Doubt(), round(1.0 / share)
    for number in range(1, most):
        doubt.sent()
        if number % gap == 0:
            doubt.refused(number, refusal(float(number)), 1.0)
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


def test_strays_of_one_volley_that_come_back_together_are_strays() -> None:
    """
    Four of a hundred that were sent at once, scattered, whatever the order in which they come back: before anything is
    known and while searching.
    """
    doubt = Doubt()
    for _ in range(100):
        doubt.sent()
    for number in (80, 20, 60, 40):
        doubt.refused(number, refusal(1.0), 1.0)

        assert doubt.is_scattered(0.0)
        assert doubt.is_open(0.0)


def test_the_end_of_a_volley_is_a_limit() -> None:
    """
    Four that were sent one after the other, told in any order; among known strays it takes more.
    """
    doubt = Doubt()
    for number in (97, 99, 98):
        doubt.refused(number, refusal(1.0), 1.0)
        assert doubt.is_scattered(0.0)
    doubt.refused(100, refusal(1.0), 1.0)

    assert not doubt.is_scattered(0.0)
    assert doubt.is_scattered(0.03)
    doubt.refused(101, refusal(1.0), 1.0)
    assert not doubt.is_scattered(0.03)


def test_among_strays_two_close_to_each_other_are_no_limit() -> None:
    """
    Three in a hundred make such a pair every two hundred attempts; three in a row are one.
    """
    doubt = Doubt()
    for number in (10, 12):
        doubt.refused(number, refusal(1.0), 1.0)
    assert not doubt.is_open(0.0)
    assert doubt.is_open(0.03)
    doubt.refused(13, refusal(1.0), 1.0)

    assert not doubt.is_open(0.03)


def test_where_nothing_came_through_since_it_is_the_limit_still() -> None:
    """
    The next one that was sent is refused as well: no stray. One that came through in between, and it may be.
    """
    doubt = Doubt()
    doubt.believed(7)

    assert doubt.goes_on(8)
    assert not doubt.goes_on(9)


def test_the_first_that_speaks_for_a_limit_is_kept() -> None:
    """
    It shows best what a limit had let through; once enough got through after it, it is forgotten.
    """
    doubt = Doubt()
    doubt.refused(1, refusal(1.0), 5.0)
    doubt.refused(2, refusal(2.0), 6.0)
    assert doubt.first(0.0) == (refusal(1.0), 5.0)
    for number in (100, 101, 102):
        doubt.refused(number, refusal(float(number)), float(number))

    assert doubt.first(0.0) == (refusal(100.0), 100.0)


def test_one_that_is_alone_has_none_beside_it() -> None:
    """
    Six attempts or more from the next, also from the last that was believed.
    """
    doubt = Doubt()

    assert doubt.refused(10, refusal(1.0), 1.0)
    assert doubt.refused(30, refusal(1.0), 1.0)
    assert not doubt.refused(25, refusal(1.0), 1.0)
    doubt.believed(40)
    doubt.settle()
    assert not doubt.refused(45, refusal(1.0), 1.0)
    assert doubt.refused(60, refusal(1.0), 1.0)


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
