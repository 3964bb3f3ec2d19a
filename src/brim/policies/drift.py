"""How far a server's true refill is from what its limit promises: the drift of an offset that should stand still.

`remaining + sent - rate * time` is constant while the refill is *rate*; where another client takes its part it falls,
and how fast it falls is what is missing. It is averaged over blocks of a few seconds, and the drift is read off over
a minute, so that the jumps of a limit counted in windows cancel out. A bucket that is full hides what it refills, so
nothing is learnt until it has not been full for a while; nor is anything needed then.
"""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["Drift"]

_BLOCK_S: Final = 5.0
_BLOCK_ANSWERS: Final = 8
_BLOCKS: Final = 12
_FULL_FOR_S: Final = 65.0
_FORGETS_S: Final = 40.0
"""A drift that is not seen again is forgotten over so many seconds: the other client may have left."""


class Drift:
    """The refill beyond *rate*, in units a second; below 0 where somebody else takes a part."""

    __slots__ = ("_at", "_begin", "_blocks", "_count", "_full_at", "_sum", "rate")

    def __init__(self) -> None:
        self._blocks: deque[tuple[float, float]] = deque(maxlen=_BLOCKS)
        self._begin = 0.0
        self._count = 0
        self._sum = 0.0
        self._full_at = float("-inf")
        self._at = 0.0
        self.rate = 0.0

    def forget(self) -> None:
        """The limit itself has changed: begin anew."""
        self.rate = 0.0
        self._restart()

    def _restart(self) -> None:
        self._blocks.clear()
        self._count = 0

    def saw_full(self, at: float) -> None:
        """All of the limit was left."""
        self._full_at = at
        self._fade(at)
        self._restart()

    def saw(self, offset: float, at: float, *, promised: float, least_s: float) -> None:
        """The offset was seen at a time; *promised* is the limit's rate, *least_s* the length of a block at least."""
        self._fade(at)
        if at - self._full_at < _FULL_FOR_S:
            return
        if not self._count:
            self._begin, self._sum = at, 0.0
        self._count += 1
        self._sum += offset
        if at - self._begin < max(_BLOCK_S, least_s) or self._count < _BLOCK_ANSWERS:
            return
        middle, mean = (self._begin + at) / 2, self._sum / self._count
        self._count = 0
        if self._blocks:
            first_at, first = self._blocks[0]
            slope = (mean - first) / max(middle - first_at, 1.0)
            self.rate += (max(-0.98 * promised, min(0.02 * promised, slope)) - self.rate) * 0.5
        self._blocks.append((middle, mean))

    def _fade(self, at: float) -> None:
        if at > self._at:
            self.rate *= max(0.0, 1.0 - (at - self._at) / _FORGETS_S)
            self._at = at
