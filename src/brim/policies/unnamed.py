"""Which limit refuses where words do not say: that of calls, or that of their tokens?

A limit of calls refuses whichever comes, large or small. A limit of tokens refuses mostly large ones, since a small one
still fits where a large one does not. So of each call that is refused it is asked how many of those that were sent just
before and just after it were smaller: half of them on average, if its size has nothing to do with it (a rank test). Of
both, since rows may come in the order of their length.
"""

from __future__ import annotations

from collections import deque
from math import sqrt
from typing import Final

__all__ = ["Unnamed"]

_AROUND: Final = 16
"""A refused call is compared with so many before it, and as many after it."""
_LONGEST: Final = 64
"""More refusals at once than these tell nothing new."""
_LARGER: Final = 1.1
"""Sizes that differ by less are the same."""
_LEAST: Final = 8
_SURE: Final = 3.0
"""After so many refusals at least, and so many standard deviations beyond what chance does, it is tokens."""
_VARIANCE: Final = 1.0 / 12.0
"""Of a number between 0 and 1, each as likely as any other."""


class Unnamed:
    """Weighs the sizes of refused calls.

    Attributes:
        is_tokens: is it their tokens that are limited?
    """

    __slots__ = ("_count", "_last", "_refused", "_sent", "_sizes", "_sum", "is_tokens")

    def __init__(self) -> None:
        self._sizes: deque[float] = deque(maxlen=2 * _AROUND + _LONGEST)
        self._refused: deque[tuple[int, float]] = deque(maxlen=_LONGEST)
        self._count = self._sent = 0
        self._sum = self._last = 0.0
        self.is_tokens = False

    def took(self, size: float) -> None:
        """A call of so many tokens was sent."""
        self._sizes.append(size)
        self._sent += 1
        while self._refused and self._sent - self._refused[0][0] >= _AROUND:
            self._weigh(*self._refused.popleft())

    def refused(self, size: float, number: int) -> None:
        """A call of so many tokens, the *number*-th that was sent, was refused, and nothing said why.

        One that comes again at once counts once.
        """
        if size != self._last:
            self._last = size
            self._refused.append((number, size))

    def _weigh(self, number: int, size: float) -> None:
        end = len(self._sizes) - (self._sent - number) + _AROUND
        around = list(self._sizes)[max(0, end - 2 * _AROUND) : max(0, end)]
        if not around or self.is_tokens:
            return
        smaller = sum(each * _LARGER < size for each in around)
        larger = sum(each > size * _LARGER for each in around)
        self._count += 1
        self._sum += (smaller - larger) / (2.0 * len(around))
        self.is_tokens = self._count >= _LEAST and self._sum > _SURE * sqrt(_VARIANCE * self._count)
