"""Refusals that come at the same rate again and again tell it, though the bounds that they prove are far apart.

A bucket of a call or two saves nothing up: while a pace rises towards the limit more slowly than it refills, what the
bucket could have let through besides is lost, and the bound below, which is what got through, stays too low for ever.
But the pace at which it refuses is the limit, and a lower limit would refuse a lower pace. So where more was asked for
on purpose and refused at the same rate as before, the rate is believed to be ever nearer to that.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Agreement"]

_ALIKE: Final = 0.04
"""Rates that differ by this share or less are the same."""
_SHORT: Final = 1.5
"""A bucket has room again after so many calls' time at most. A window names its end, and is filled by any pace."""
_SETTLED: Final = 2
"""Confirmed so often, a rate is known."""


class Agreement:
    """Counts how often in a row a limit refused at the same rate."""

    __slots__ = ("_high", "_times")

    def __init__(self) -> None:
        self._high = float("inf")
        self._times = 0

    @property
    def is_settled(self) -> bool:
        """Did it refuse there often enough?"""
        return self._times >= _SETTLED

    def refused(self, high: float, *, is_asked: bool, waits: float) -> None:
        """One was refused that shows that the limit is *high* a second at most.

        Args:
            high: see above.
            is_asked: was more asked for than is believed? What is refused at the rate that is believed says that this
                is too much, not that it is the limit.
            waits: so many calls might have gone while it has to wait.
        """
        is_same = is_asked and waits <= _SHORT and abs(high / self._high - 1.0) < _ALIKE
        self._times = self._times + 1 if is_same else 0
        self._high = high

    def nearer(self, share: float) -> float:
        """Where between its bounds to believe the rate, 0 to 1, if it would be *share* but for this."""
        return 1.0 - (1.0 - share) / (1.0 + self._times)
