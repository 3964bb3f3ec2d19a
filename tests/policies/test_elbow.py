"""Where answers begin to take longer."""

from __future__ import annotations

from math import exp, inf, log
from random import Random

import pytest

from brim.policies.elbow import Elbow, bent


def answers(knee: float, power: float, *, spread: float, most: int = 128) -> list[tuple[float, float, float]]:
    """Points of answers that take a second up to the knee, and beyond it longer by a power."""
    rng = Random(1)
    numbers = [exp(step / 4.0 * log(2.0)) for step in range(4, 1 + round(4 * log(most) / log(2.0)))]
    return [
        (log(number), power * log(max(1.0, number / knee)) + rng.gauss(0.0, spread) / 3.0, 9.0) for number in numbers
    ]


@pytest.mark.parametrize("knee", [6.0, 20.0, 50.0])
@pytest.mark.parametrize("power", [1.0, 1.3])
def test_finds_the_bend(knee: float, power: float) -> None:
    """
    Within a quarter, where answers differ by a fifth; and as many are enough.
    """
    elbow = bent(answers(knee, power, spread=0.2))

    assert knee / 1.25 < elbow.knee < 1.25 * knee
    assert elbow.power == pytest.approx(power, abs=0.2)
    assert knee / 1.3 < elbow.enough < 2.0 * knee


def test_more_are_never_enough_where_batches_still_gain() -> None:
    """
    Where time grows by a small power of the number, more at once deliver more.
    """
    elbow = bent(answers(8.0, 0.4, spread=0.1))

    assert elbow.enough == inf
    assert elbow.is_shallow


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_says_nothing_of_what_was_not_tried(power: float) -> None:
    """
    Where no more were tried than run at full speed, or hardly more, nobody knows.
    """
    elbow = bent(answers(120.0, power, spread=0.0))

    assert elbow.enough == inf


def test_a_power_that_is_in_doubt_says_nothing() -> None:
    """
    A few answers that differ much fit any line.
    """
    assert Elbow(knee=10.0, power=1.0, doubt=0.6, times=4.0).enough == inf
    assert not Elbow(knee=10.0, power=0.6, doubt=0.6, times=4.0).is_shallow


@pytest.mark.parametrize(("power", "is_losing"), [(1.0, False), (1.3, True)])
def test_more_deliver_less_where_time_grows_faster_than_their_number(power: float, *, is_losing: bool) -> None:
    """
    And only where that is sure.
    """
    elbow = bent(answers(20.0, power, spread=0.1))

    assert elbow.is_losing is is_losing
    assert not elbow._replace(doubt=0.3).is_losing
