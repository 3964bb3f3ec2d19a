"""What is delivered at how many at once, and the climb to where it is most."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log
from random import Random

import pytest

from brim.policies.adaptive import GROWS_EACH_S, AdaptiveWindow
from brim.policies.throughput import Climb, Curve


def slots(number: int) -> Callable[[float], float]:
    """So many at once, the others wait: llama.cpp."""
    return lambda at_once: min(at_once, number)


def batches(a: float, b: float) -> Callable[[float], float]:
    """A step for n takes a + b n: vLLM, up to 256 sequences."""
    return lambda at_once: min(at_once, 256) / (a + b * min(at_once, 256))


def knee(number: float, power: float) -> Callable[[float], float]:
    """Beyond the knee each takes (n / knee) ^ power as long."""
    return lambda at_once: at_once / max(1.0, at_once / number) ** power


def thrash(number: float) -> Callable[[float], float]:
    """Batches that lose work beyond a number."""
    return lambda at_once: at_once / ((1.0 + 0.02 * at_once) * (1.0 + 0.6 * max(0.0, at_once / number - 1.0)))


def run(window: AdaptiveWindow, delivers: Callable[[float], float], *, rounds: int, spread: float) -> None:
    """Keep the window full: in each round the answers of one time come that many at once take."""
    rng = Random(1)
    now = 0.0
    for _ in range(rounds):
        width = window.size
        window.granted(width, now)
        for _ in range(width):
            tokens = 200.0 * exp(rng.gauss(0.0, spread))
            takes = width / delivers(width) * tokens / 200.0
            window.replied(width, sent_at=now, now=now + takes, tokens=tokens)
        for step in range(4):
            window.ticked(width, now + step * GROWS_EACH_S)
        now += width / delivers(width)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_what_answers_one_at_a_time_is_kept_two(spread: float) -> None:
    """
    As many are delivered with one at once, but for the way back of an answer, which takes no time here.
    """
    window = AdaptiveWindow(ceiling=1_000)
    run(window, slots(1), rounds=600, spread=spread)

    assert 2 <= window.size <= 4


@pytest.mark.parametrize("spread", [0.0, 0.5])
@pytest.mark.parametrize(
    "delivers",
    [slots(1), slots(4), slots(20), slots(100), batches(1.0, 0.02), knee(6, 1.2), knee(60, 1.3), thrash(30)],
    ids=["slot", "slots4", "slots20", "slots100", "batches", "knee6", "knee60", "thrash30"],
)
def test_ends_where_nearly_the_most_is_delivered(delivers: Callable[[float], float], spread: float) -> None:
    """
    At least 95 % of the best number at once, whatever the hardware is like, and not far more at once than that.
    """
    window = AdaptiveWindow(ceiling=1_000)
    run(window, delivers, rounds=80, spread=spread)

    best = max(delivers(at_once) for at_once in range(1, 1_001))
    assert delivers(window.size) >= 0.95 * best
    fewest = next(at_once for at_once in range(1, 1_001) if delivers(at_once) >= 0.97 * best)
    assert window.size <= 3 * fewest + 2


def test_a_part_of_thousands_of_answers_a_second_is_enough() -> None:
    """
    Hardware that answers in milliseconds is found out as well as any, though only a part of its answers is looked at.
    """
    window = AdaptiveWindow(ceiling=1_000)
    run(window, lambda at_once: 200.0 * knee(20, 1.3)(at_once), rounds=3_000, spread=0.2)

    assert knee(20, 1.3)(window.size) >= 0.9 * 20


def test_follows_hardware_that_becomes_slower() -> None:
    """
    Another client takes half of the slots: the window halves too, or nearly.
    """
    window = AdaptiveWindow(ceiling=1_000)
    run(window, knee(64, 1.3), rounds=60, spread=0.2)
    run(window, knee(32, 1.3), rounds=200, spread=0.2)

    assert knee(32, 1.3)(window.size) >= 0.9 * 32


def test_takes_the_length_of_answers_out() -> None:
    """
    Short answers that come back first don't look like faster hardware.
    """
    curve = Curve()
    rng = Random(1)
    for at_once, shorter in ((10, 1.0), (20, 0.5)):
        for _ in range(60):
            tokens = shorter * 200.0 * exp(rng.gauss(0.0, 0.5))
            curve.add(at_once, tokens / 50.0, tokens, 0.0, is_steady=True)

    few, many = curve.points(0.0)
    assert few.at_once == pytest.approx(10)
    assert many.rate - few.rate == pytest.approx(log(2.0), abs=0.05)


def test_what_came_while_the_number_changed_is_on_no_curve() -> None:
    """
    It only says how long answers take.
    """
    curve = Curve()
    curve.add(10, 2.0, 100.0, 0.0, is_steady=False)

    assert curve.points(0.0) == []
    assert curve.seconds == pytest.approx(2.0)


def test_grows_slowly_after_overloads() -> None:
    """
    What was seen before is forgotten, and six hundredths at a time are tried.
    """
    curve = Curve()
    climb = Climb(curve)
    climb.resisted(10.0)
    sizes = set()
    for _ in range(100):
        curve.add(20, 1.0, 100.0, 11.0, is_steady=True)
        sizes.add(climb.answered(20, 20.0, 11.0))

    assert max(size for size in sizes if size is not None) == pytest.approx(21.2)
