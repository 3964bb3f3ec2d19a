"""Which requests failed since something got through that was sent later.

One that had failed before that, while others got through, may be bad itself: that it fails again is no news.
"""

from __future__ import annotations

from itertools import count
from typing import Final

__all__ = ["Failing"]

_MOST: Final = 1_024
"""So many that failed before are remembered."""


class Failing:
    """Requests that failed, each counted once, and when the latest failed attempt of each was sent."""

    __slots__ = ("_known", "_names", "_sent_at")

    def __init__(self) -> None:
        self._sent_at: dict[int, float] = {}
        self._known: dict[int, None] = {}
        self._names = count(-1, -1)

    def __len__(self) -> int:
        return len(self._sent_at)

    @property
    def first_at(self) -> float:
        """Nothing that was sent before says anything about them; infinite if there are none."""
        return min(self._sent_at.values(), default=float("inf"))

    def add(self, row: int | None, sent_at: float) -> None:
        """An attempt of *row*, which was sent at *sent_at*, failed. None: of one that did not fail before."""
        if row is None:
            row = next(self._names)
        if row in self._known:
            return
        self._sent_at[row] = max(sent_at, self._sent_at.get(row, sent_at))

    def forget(self, sent_at: float) -> None:
        """Something that was sent at *sent_at* got through: what failed and had been sent by then is old news."""
        if not self._sent_at:
            return
        for row in [row for row, at in self._sent_at.items() if at <= sent_at]:
            del self._sent_at[row]
            if row >= 0:
                self._known[row] = None
        while len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
