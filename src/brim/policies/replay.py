"""What a bucket would have held, had it refilled at some rate: what was sent is played against it.

How much a bucket holds is not known. But at any rate there is a least that it must hold, or it would have refused what
it let through; and a bucket that is no larger than it was at the beginning can't have let through more since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import Final

__all__ = ["Samples", "drawn", "highest", "latest", "left", "lowest", "steepest", "taken"]

Samples = Iterable[tuple[float, float]]
"""Times in order, and what had passed by each of them."""

_STEPS: Final = 24
_HALVINGS: Final = 5
"""How closely a rate is looked for: so many steps from one bound to the other, each of them halved so often."""


def left(samples: Samples, begin: tuple[float, float], until: float, *, rate: float, size: float, mean: float) -> float:
    """What a bucket of *size* that was empty at *begin* holds at *until* if it refills at *rate*.

    Attempts of *mean* are spread evenly between two samples; the last comes at the end.
    """
    level = 0.0
    before, passed = begin
    for at, by_then in takewhile(lambda sample: sample[0] <= until, samples):
        took = by_then - passed
        if at > before:
            level = min(size + max(0.0, took - mean), level + rate * (at - before))
            before = at
        level, passed = level - took, by_then
    return min(size, level + rate * (until - before))


def drawn(samples: Samples, until: float, rate: float) -> float:
    """What a bucket holds at least that refills at *rate*: the most that it let through beyond that before *until*."""
    most, lowest = 0.0, float("inf")
    for at, passed in takewhile(lambda sample: sample[0] < until, samples):
        beyond = passed - rate * at
        lowest = min(lowest, beyond)
        most = max(most, beyond - lowest)
    return most


def taken(samples: Samples, end: tuple[float, float], rate: float) -> float:
    """The most that had been let through beyond *rate* when *end* came."""
    until, passed = end
    beyond = (passed - by_then - rate * (until - at) for at, by_then in samples if at <= until)
    return max(0.0, max(beyond, default=0.0))


def latest(samples: Sequence[tuple[float, float]], until: float) -> float:
    """When the last of them was, until then; the beginning if none was."""
    return next((at for at, _ in reversed(samples) if at <= until), samples[0][0])


def steepest(samples: Sequence[tuple[float, float]], until: float, seconds: float) -> float:
    """The fastest that was sent over so many *seconds* or a little more, until then; 0 if there was no such stretch."""
    fastest, back = 0.0, 0
    for at, passed in takewhile(lambda sample: sample[0] <= until, samples):
        while back + 1 < len(samples) and samples[back + 1][0] <= at - seconds:
            back += 1
        begin, before = samples[back]
        if at - begin >= seconds:
            fastest = max(fastest, (passed - before) / (at - begin))
    return fastest


def highest(low: float, high: float, holds: Callable[[float], bool]) -> float:
    """Nearly the highest rate between the two at which it does not hold; *low* if it holds at all of them."""
    step = (high / low) ** (1.0 / _STEPS)
    rate = above = high
    for _ in range(_STEPS):
        if not holds(rate):
            break
        above, rate = rate, rate / step
    else:
        return low
    for _ in range(_HALVINGS):
        middle = (rate * above) ** 0.5
        rate, above = (rate, middle) if holds(middle) else (middle, above)
    return above


def lowest(low: float, high: float, holds: Callable[[float], bool]) -> float:
    """Nearly the lowest rate between the two at which it holds; *low* if it holds at none."""
    step = (high / low) ** (1.0 / _STEPS)
    return next((rate for rate in (low * step**number for number in range(_STEPS)) if holds(rate)), low)
