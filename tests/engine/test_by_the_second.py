"""Lanes before limits that are enforced by the second, told nothing but a wait of one second with each refusal."""

from __future__ import annotations

from statistics import mean

import pytest

from brim.simulator import Limit
from engine.test_everyday import World, requests


def _plays(limit: Limit, rate: float, *, latency: float, seconds: float) -> tuple[float, float]:
    """Times as long as even pacing takes, and of the last three quarters how much was refused, on average."""
    waits = ("seconds",)
    worlds = [World(rate, limit, waits, latency=latency, seconds=seconds, seed=seed) for seed in (1, 2, 3)]
    plays = [world.plays() for world in worlds]
    return mean(ratio for ratio, _, _ in plays), mean(refused for _, _, refused in plays)


@pytest.mark.parametrize("window", ["sliding", "fixed"])
@pytest.mark.parametrize(("rate", "latency"), [(5.0, 0.1), (20.0, 0.1), (10.0, 0.5)])
def test_a_window_of_a_second_is_known_after_a_few_refusals(window: str, rate: float, latency: float) -> None:
    """
    Each refusal closes the lane for a second. It took 8 to 15 to find the rate: a minute's work took 1.11 to 1.23
    times as long as it had to.
    """
    limit = Limit(of="requests", amount=rate, per="second", window=window)  # type: ignore[arg-type]

    ratio, refused = _plays(limit, rate, latency=latency, seconds=60.0)

    assert ratio <= 1.1
    assert refused <= 0.015


@pytest.mark.parametrize(("rate", "latency"), [(10.0, 0.5), (20.0, 0.5)])
def test_what_gets_through_while_a_number_at_once_is_tried_shows_the_pace(rate: float, latency: float) -> None:
    """
    The sixth of the first volley was refused: are five at once allowed? When that was over the pace began anew at one
    call a second, where ten had got through in each for a while.
    """
    ratio, refused = _plays(requests(rate, burst=5), rate, latency=latency, seconds=60.0)

    assert ratio <= 1.14
    assert refused <= 0.01
