"""When the next call may go at a speed that changes, where a call takes less in the end than is held for it.

What is held until the answer comes counts against the level, which is what must not run out. The tempo goes by what
will have been taken in the end: it is known as a share from the calls that came back. Who spaces calls by what is held,
and by what is given back when it comes, loses a little with every lull and sends ever less.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Tempo"]

_RECENT: Final = 1 / 32
_LASTS: Final = 0.9
"""A gap between two calls is kept to by the next ones too, each less than the one before."""


class Tempo:
    """Spaces the calls of one limit.

    Attributes:
        ready_at: when the next call may go.
    """

    __slots__ = ("_gap", "_held", "_used", "ready_at")

    def __init__(self) -> None:
        self.ready_at = 0.0
        self._gap = 0.0
        self._held = self._used = 0.0

    def took(self, cost: float, speed: float, now: float, *, late: float) -> None:
        """A call went for which *cost* is held, at *speed* units a second.

        Up to *late* seconds of lateness are made up for. What is later than that came after a pause, which is not.
        """
        step = cost / speed
        if self._used < self._held:
            step *= self._used / self._held
        self._gap = max(step, _LASTS * self._gap)
        since = self.ready_at if now - self.ready_at <= late else now
        self.ready_at = min(since + step, now + self._gap)

    def came_back(self, held: float, used: float) -> None:
        """A call took *used* of what was *held* for it; one that was refused, nothing, which says nothing."""
        if used:
            self._held += held - _RECENT * self._held
            self._used += used - _RECENT * self._used

    def hurry(self, now: float) -> None:
        """What was kept to says nothing any more."""
        self.ready_at = min(self.ready_at, now)
