"""Arithmetic of a limit that is counted in windows which begin by the clock.

Nothing is saved from one window to the next, and nothing owed. So a call that does not fit any more waits for the next
window, and after a large one calls do not wait for what it took. Within a window calls go a little faster than evenly:
who enforces a limit by the minute may watch seconds too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["ClockWindow"]

_SLACK: Final = 1e-9
_HASTE: Final = 1.25
"""So many times as fast as evenly."""
_LATE_S: Final = 0.05
"""A little lateness is made up for."""
_AFTER_S: Final = 3e-3
"""Calls do not all take the same time on their way: the first one goes so many seconds after a window began."""


class ClockWindow:
    """At most *amount* units from one end of a window to the next.

    Args:
        amount: units in a window, above 0.
        seconds: its length, above 0.

    Attributes:
        late: an end of a window, or the latest moment at which it may be; told by `ends`.
    """

    __slots__ = ("_at_risk", "_is_placed", "_next_at", "_unsure_s", "_used", "amount", "late", "seconds")

    def __init__(self, *, amount: float, seconds: float) -> None:
        self.amount = amount
        self.seconds = seconds
        self.late = self._unsure_s = 0.0
        self._is_placed = False
        self._used = self._at_risk = 0.0
        self._next_at = float("-inf")

    def ends(self, late: float, unsure_s: float) -> None:
        """A window ends at *late*, or up to *unsure_s* seconds before: what is sent then counts in both."""
        windows = round((self.late - late) / self.seconds) if self._is_placed else 0
        self.late, self._unsure_s, self._is_placed = late + windows * self.seconds, unsure_s, True

    def level(self, now: float) -> float:
        """What may be taken at *now*; below 0 while in debt."""
        if now >= self.late:
            passed = int((now - self.late) // self.seconds) + 1
            self._ended()
            self._used, self._at_risk = self._at_risk if passed == 1 else 0.0, 0.0
            self.late += passed * self.seconds
        return self.amount - self._used

    def _ended(self) -> None:
        """A window is over."""

    def ready_in(self, cost: float, now: float) -> float:
        """Seconds until *cost* may be taken; 0 if it may be now. More than *amount* goes when nothing is taken."""
        if min(cost, self.amount) - self.level(now) > _SLACK:
            return self.late + _AFTER_S - now
        return max(0.0, self._next_at - now)

    def take(self, cost: float, now: float) -> None:
        """Take *cost*. A negative cost gives back what was reserved in excess."""
        self.level(now)
        self._used = max(0.0, self._used + cost)
        if cost > 0.0:
            self._next_at = max(self._next_at, now - _LATE_S) + cost * self.seconds / (_HASTE * self.amount)
        if now >= self.late - self._unsure_s:
            self._at_risk = max(0.0, self._at_risk + cost)

    def shut(self, now: float) -> None:
        """Whatever was counted here, who lets calls in has no room left in this window."""
        self.level(now)
        self._used = max(self._used, self.amount)

    def recall(self, taken: Iterable[tuple[float, float]]) -> None:
        """Begin with what was taken before, as times (in order) and units."""
        for when, units in taken:
            self.take(units, when)

    def __repr__(self) -> str:
        return f"ClockWindow({self._used:.0f}/{self.amount:.0f} in {self.seconds:g} s)"
