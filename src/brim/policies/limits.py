"""Arithmetic of one limit over time.

A `Bucket` holds a level that refills evenly and never above its burst. What is sent is taken out of it, and may take it
below zero: a request larger than the burst goes when the bucket is full and leaves a debt behind, so that the rate
holds over any longer time. Nothing here waits; the limiter asks `ready_in` and comes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

__all__ = ["BURST_SECONDS", "FEW", "Bucket", "Sliding"]

BURST_SECONDS: Final = 0.1
"""The burst a paced lane allows itself: seconds of its rate, at least one request. Providers may enforce a limit per
minute by the second (facts sheet, section 2.1), so a burst of a whole minute would be refused."""

_SLACK: Final = 1e-9
"""Rounding: a level this far below a cost still covers it."""

_SLICES: Final = 256
_HASTE: Final = 4.0
"""So many times as fast as evenly is what was taken at once given again..."""
_LONGEST_S: Final = 3_600.0
"""... of a stretch that is no longer: that of a day is none that anybody waits for."""
FEW: Final = 8.0
"""Hardly more are refused at once than these."""
_REST: Final = 1.5
"""Nobody who waited so many stretches ago is sending still."""
_LATE_S: Final = 0.05
"""A little lateness is made up for."""
_AFTER: Final = 3e-3
"""A stretch counts its both ends, and calls do not all take the same time on their way: what was taken is free again so
many seconds after it is over at least."""


class Bucket:
    """A limit of *rate* units a second with room for *burst* units at once.

    Args:
        rate: refill in units a second, above 0.
        burst: the highest level, above 0.
        start: the level at *now*; full if not given.
        now: the time at which it begins.
    """

    __slots__ = ("_at", "_level", "burst", "rate")

    def __init__(self, *, rate: float, burst: float, start: float | None = None, now: float = 0.0) -> None:
        self.rate = rate
        self.burst = burst
        self._level = burst if start is None else start
        self._at = now

    def level(self, now: float) -> float:
        """What may be taken at *now* without debt; below 0 while in debt."""
        if now > self._at:
            # What was given back beyond the burst was never used: it stays, but nothing flows into it.
            self._level = max(self._level, min(self.burst, self._level + (now - self._at) * self.rate))
            self._at = now
        return self._level

    def ready_in(self, cost: float, now: float) -> float:
        """Seconds until *cost* may be taken; 0 if it may be now."""
        missing = min(cost, self.burst) - self.level(now)
        return missing / self.rate if missing > _SLACK else 0.0

    def take(self, cost: float, now: float) -> None:
        """Take *cost* out, into debt if need be. A negative cost gives back what was reserved in excess."""
        self._level = self.level(now) - cost

    def drain(self, least: float, now: float) -> None:
        """The server has nothing left at *now*, and needs *least* before the next call."""
        self._level = min(self.level(now), -least)

    def forgive(self, now: float) -> None:
        """From *now* on there is no debt."""
        self._level = max(0.0, self.level(now))

    def restate(self, *, rate: float, burst: float, now: float) -> None:
        """From *now* on it refills by *rate*, up to *burst*; what was taken stays taken."""
        self._level = min(burst, self.level(now))
        self.rate = rate
        self.burst = burst

    def recall(self, taken: Iterable[tuple[float, float]]) -> None:
        """Begin with what was taken before, as times (in order) and units: as if this bucket had seen it."""
        level, at = self.burst, float("-inf")
        for when, units in taken:
            level = min(self.burst, level + (when - at) * self.rate) - units
            at = when
        if at > float("-inf"):
            self._level = min(self._level, level + max(self._at - at, 0.0) * self.rate)

    def __repr__(self) -> str:
        return f"Bucket(level={self._level:.1f}/{self.burst:.1f}, rate={self.rate:.3f}/s)"


class Sliding:
    """At most *amount* units in every stretch of *seconds*, wherever it begins.

    Memory is bounded: what was taken is kept in at most 256 slices, each counted as if all of it had come last, so the
    limit may be a little stricter than stated, never laxer.

    What was taken at once comes back at once. Where somebody waits for that it is given again over a quarter of the
    stretch: servers that weigh two windows into one, or whose clock differs, would refuse a whole volley otherwise.

    Args:
        amount: units in a stretch, above 0.
        seconds: length of the stretch, above 0.
        is_spread: is it never given faster than in a quarter of the stretch, whoever waits?

    Attributes:
        late_s: what was taken is counted so many seconds later than it was taken, at most.
    """

    __slots__ = ("_held_at", "_is_spread", "_next_at", "_slices", "_used", "_width", "amount", "late_s", "seconds")

    def __init__(self, *, amount: float, seconds: float, is_spread: bool = False) -> None:
        self.seconds = seconds
        self.late_s = 0.0
        self._is_spread = is_spread
        self._slices: deque[_Slice] = deque()
        self._used = 0.0
        self._next_at = self._held_at = float("-inf")
        self.restate(amount)

    def restate(self, amount: float) -> None:
        """From now on it is *amount*; what was taken stays taken."""
        self.amount = amount
        self._width = self.seconds / _SLICES if amount > _SLICES else 0.0

    def level(self, now: float) -> float:
        """What may be taken at *now*; below 0 while in debt."""
        slices = self._slices
        while slices and slices[0].last_at + self.seconds + self.late_s < now:
            self._used -= slices.popleft().units
        return self.amount - (self._used if slices else 0.0)

    def ready_in(self, cost: float, now: float) -> float:
        """Seconds until *cost* may be taken; 0 if it may be now. More than *amount* goes when nothing is taken."""
        missing = min(cost, self.amount) - self.level(now)
        if missing <= _SLACK:
            return max(0.0, self._next_at - now)
        self._held_at = now
        for each in self._slices:
            missing -= each.units
            if missing <= _SLACK:
                return max(each.last_at + self.seconds + self.late_s - now, 0.0) + _AFTER
        return self.seconds

    def take(self, cost: float, now: float) -> None:
        """Take *cost*. A negative cost gives back what was reserved in excess."""
        self.level(now)
        if not self._slices:
            self._used = 0.0
        self._spread(cost, now)
        if self._slices and (cost < 0.0 or now - self._slices[-1].first_at < self._width):
            last = self._slices[-1]
            last.units += cost
            last.last_at = max(last.last_at, now) if cost > 0.0 else last.last_at
        elif cost > 0.0:
            self._slices.append(_Slice(cost, now))
        else:
            return
        self._used += cost

    def shut(self, now: float) -> None:
        """Whatever was counted here, who lets calls in has no room: it has none before the oldest of them leave."""
        self.level(now)
        if self._slices:
            self._next_at = max(self._next_at, self._slices[0].last_at + self.seconds + self.late_s)

    def _spread(self, cost: float, now: float) -> None:
        """Nothing more goes just after this, if this limit made somebody wait not long ago."""
        is_spread = self._is_spread or now - self._held_at < _REST * self.seconds
        if is_spread and self.amount > FEW and self.seconds <= _LONGEST_S:
            self._next_at = max(self._next_at, now - _LATE_S) + cost * self.seconds / (_HASTE * self.amount)

    def recall(self, taken: Iterable[tuple[float, float]]) -> None:
        """Begin with what was taken before, as times (in order) and units."""
        for when, units in taken:
            self.take(units, when)

    def __repr__(self) -> str:
        return f"Sliding({self._used:.0f}/{self.amount:.0f} in {self.seconds:g} s)"


class _Slice:
    """Units taken between two times."""

    __slots__ = ("first_at", "last_at", "units")

    def __init__(self, units: float, at: float) -> None:
        self.units = units
        self.first_at = self.last_at = at
