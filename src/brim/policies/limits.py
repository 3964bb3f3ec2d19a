"""Arithmetic of one limit over time.

A `Bucket` holds a level that refills evenly and never above its burst. What is sent is taken out of it, and may take it
below zero: a request larger than the burst goes when the bucket is full and leaves a debt behind, so that the rate
holds over any longer time. Nothing here waits; the limiter asks `ready_in` and comes back.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BURST_SECONDS", "Bucket"]

BURST_SECONDS: Final = 0.1
"""The burst a paced lane allows itself: seconds of its rate, at least one request. Providers may enforce a limit per
minute by the second (facts sheet, section 2.1), so a burst of a whole minute would be refused."""

_SLACK: Final = 1e-9
"""Rounding: a level this far below a cost still covers it."""


class Bucket:
    """A limit of *rate* units a second with room for *burst* units at once. It starts full.

    Args:
        rate: refill in units a second, above 0.
        burst: the highest level, above 0.
        now: the time at which it is full.
    """

    __slots__ = ("_at", "_level", "burst", "rate")

    def __init__(self, *, rate: float, burst: float, now: float = 0.0) -> None:
        self.rate = rate
        self.burst = burst
        self._level = burst
        self._at = now

    def level(self, now: float) -> float:
        """What may be taken at *now* without debt; below 0 while in debt."""
        if now > self._at:
            self._level = min(self.burst, self._level + (now - self._at) * self.rate)
            self._at = now
        return self._level

    def ready_in(self, cost: float, now: float) -> float:
        """Seconds until *cost* may be taken; 0 if it may be now."""
        missing = min(cost, self.burst) - self.level(now)
        return missing / self.rate if missing > _SLACK else 0.0

    def take(self, cost: float, now: float) -> None:
        """Take *cost* out, into debt if need be. A negative cost gives back what was reserved in excess."""
        self._level = min(self.burst, self.level(now) - cost)

    def __repr__(self) -> str:
        return f"Bucket(level={self._level:.1f}/{self.burst:.1f}, rate={self.rate:.3f}/s)"
