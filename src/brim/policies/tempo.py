"""When the next call may go at a speed that changes, where a call takes less in the end than is held for it.

What is held until the answer comes counts against the level, which is what must not run out. The tempo goes by what
will have been taken in the end: it is known as a share from the calls that came back. Who spaces calls by what is held,
and by what is given back when it comes, loses a little with every lull and sends ever less.

After a lull half of what is left beyond the reserve goes within half a second: who comes then has nobody before them,
and was shown that there is enough. Not all of it, since nothing was heard meanwhile, and somebody else may have taken a
part; and not in one instant, since calls that overtake each other on their way show less than there is.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Tempo"]

_RECENT: Final = 1 / 32
_LULL_S: Final = 0.5
"""Nobody came for so long, though one might have gone..."""
_AT_ONCE: Final = 0.5
"""... and then this share of what is to spare goes..."""
_AT_ONCE_S: Final = 1.0
"""... at a speed that would use up all of it in so many seconds."""
_MANY: Final = 12.0
"""Where fewer calls are to spare, one too many is a large part of them."""
_LASTS: Final = 0.9
"""A gap between two calls is kept to by the next ones too, each less than the one before."""


class Tempo:
    """Spaces the calls of one limit.

    Attributes:
        ready_at: when the next call may go.
    """

    __slots__ = ("_awaited_until", "_free", "_gap", "_held", "_spare", "_used", "ready_at")

    def __init__(self) -> None:
        self.ready_at = self._awaited_until = 0.0
        self._gap = self._free = self._spare = 0.0
        self._held = self._used = 0.0

    def took(self, cost: float, speed: float, now: float, *, late: float, spare: float = 0.0) -> None:
        """A call went for which *cost* is held, at *speed* units a second. *spare* units were to spare before.

        Up to *late* seconds of lateness are made up for. What is later than that came after a pause, which is not.
        """
        if now - max(self.ready_at, self._awaited_until) > _LULL_S:
            self._free, self._spare = _AT_ONCE * spare if spare >= _MANY * cost else 0.0, spare
        self._free -= cost
        if self._free >= 0.0:
            self.ready_at = now + cost / self._spare * _AT_ONCE_S
            return
        step = cost / speed
        if self._used < self._held:
            step *= self._used / self._held
        self._gap = max(step, _LASTS * self._gap)
        since = self.ready_at if now - self.ready_at <= late else now
        self.ready_at = min(since + step, now + self._gap)

    def holds(self, wait: float, now: float) -> float:
        """Somebody has to *wait*, for whatever reason: that is no lull. Returns *wait*."""
        self._awaited_until = now + wait
        return wait

    def came_back(self, held: float, used: float) -> None:
        """A call took *used* of what was *held* for it; one that was refused, nothing, which says nothing."""
        if used:
            self._held += held - _RECENT * self._held
            self._used += used - _RECENT * self._used

    def hurry(self, now: float) -> None:
        """What was kept to says nothing any more. What is shown from now on is still to be borne out."""
        self.ready_at = min(self.ready_at, now)
        self._awaited_until = max(self._awaited_until, now)
