"""What we sent, by time, finely enough to say what a sliding window gives back now: what was sent one window ago.

Sums are noted a few times a second and interpolated between, so that a call costs one comparison; what is older than
any window and answer is forgotten.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

__all__ = ["Echo"]

_STEP_S: Final = 0.2
_KEPT: Final = 2_048
"""Notes kept at least: seven minutes of them."""


class Echo:
    """The sum of what was sent by any moment of the last minutes."""

    __slots__ = ("_due", "_sums", "_times")

    def __init__(self) -> None:
        self._times: list[float] = []
        self._sums: list[float] = []
        self._due = float("-inf")

    def note(self, now: float, total: float) -> None:
        """By *now* so much had been sent."""
        self._times.append(now)
        self._sums.append(total)
        self._due = now + _STEP_S
        if len(self._times) > 2 * _KEPT:
            del self._times[:_KEPT], self._sums[:_KEPT]

    def follow(self, now: float, total: float) -> None:
        """The same, unless something was noted just before."""
        if now >= self._due:
            self.note(now, total)

    def sum_at(self, at: float) -> float:
        """What had been sent by then; the earliest or latest that is known outside of what is."""
        place = bisect_right(self._times, at)
        if not place:
            return self._sums[0] if self._sums else 0.0
        if place == len(self._times):
            return self._sums[-1]
        before, after = self._times[place - 1], self._times[place]
        share = (at - before) / (after - before)
        return self._sums[place - 1] + share * (self._sums[place] - self._sums[place - 1])

    def last_note(self, at: float) -> float:
        """When something was last sent by then, about."""
        place = bisect_right(self._times, at)
        return self._times[place - 1] if place else at

    def time_of(self, total: float) -> float:
        """When so much had been sent; infinity if that is yet to come."""
        place = bisect_left(self._sums, total)
        if place == len(self._sums):
            return float("inf")
        return self._times[place]
