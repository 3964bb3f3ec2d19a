"""Where an answer begins to take longer because more are made at once: points in, a line with one bend out.

While a window grows, answers come back that were sent among ever more. Up to a number they take no longer, beyond it
their time grows by a power of the number: nearly the first on hardware that is full, more where it loses work, less
where batches still gain. All points bear on where the bend is, so a few dozen answers tell.
"""

from __future__ import annotations

from math import exp, inf, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Elbow", "bent"]

_STEEP: Final = 0.75
_SURELY_STEEP: Final = 0.5
"""Time that grows by a power of the number as large, and surely no smaller, is nearly lost..."""
_PASSED: Final = 1.4
_LONGER: Final = 1.3
"""... if that many times the number were tried from which on it grows, and took that many times as long."""
_NEARLY: Final = 0.06
"""By so much less may the fewest deliver that are enough."""
_SURELY: Final = 2.0
"""A power is surely above one if it is by so many standard errors."""
_DOUBT: Final = 0.1
"""What answers differ by, squared, before they have shown it."""


class Elbow(NamedTuple):
    """How the time of an answer grows with the number at once: not at all at first, then by a power of it.

    Attributes:
        knee: the number from which on it grows.
        power: of the number.
        doubt: the standard error of *power*.
        times: how many times the knee were tried.
    """

    knee: float
    power: float
    doubt: float
    times: float

    @property
    def enough(self) -> float:
        """How many deliver nearly as much as any that were tried; infinite if more may deliver more."""
        is_steep = self.power >= _STEEP and self.power - self.doubt >= _SURELY_STEEP
        if not is_steep or self.times < _PASSED or self.times**self.power < _LONGER:
            return inf
        return self.knee * max(1.0, self.times * exp(-_NEARLY / max(1e-3, 1.0 - self.power)))

    @property
    def is_shallow(self) -> bool:
        """Is what was tried far enough to tell, and do more surely deliver more, although each may take longer?"""
        return self.times > _PASSED and self.power + self.doubt < _STEEP

    @property
    def is_losing(self) -> bool:
        """Do more than the knee surely deliver less?"""
        return self.power - _SURELY * self.doubt > 1.0


def bent(points: Sequence[tuple[float, float, float]]) -> Elbow:
    """The line with one bend that fits best.

    Args:
        points: for each the logarithm of the number at once, that of the seconds an answer took, and how many answers
            say so; one at least.
    """
    most = max(crowd for crowd, *_ in points)
    fits = []
    for start, *_ in points:
        error, slope, doubt = _fit([(max(0.0, crowd - start), time, weight) for crowd, time, weight in points])
        fits.append((error, Elbow(exp(start), slope, doubt, exp(most - start))))
    return min(fits)[1]


def _fit(points: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """The squared error of the straight line that fits best, its slope, and the standard error of that."""
    total = sum(weight for *_, weight in points)
    middle = sum(over * weight for over, _, weight in points) / total
    time = sum(took * weight for _, took, weight in points) / total
    own = sum(weight * (over - middle) ** 2 for over, _, weight in points)
    joint = sum(weight * (over - middle) * (took - time) for over, took, weight in points)
    slope = max(0.0, joint / own) if own > 0.0 else 0.0
    error = sum(weight * (took - time - slope * (over - middle)) ** 2 for over, took, weight in points)
    doubt = sqrt((error + _DOUBT) / max(1, len(points) - 2) / own) if own > 0.0 else inf
    return error, slope, doubt
