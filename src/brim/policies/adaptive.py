"""How many attempts may be on the wire at once, learnt from their outcomes: outcomes in, a number out.

The window starts small and doubles with every clean round while it is really used. A round in which some were pushed
back (throttled, overloaded) shrinks it by half of the share that was, so that a stray 429 costs little and a storm
halves it; from then on it grows by one a round. A round is as many outcomes as the window was wide when it began.
"""

from __future__ import annotations

from typing import Final

__all__ = ["START", "AdaptiveWindow"]

START: Final = 8
"""Attempts at once before anything is known (design section 5)."""

_BUSY: Final = 0.75
"""A window that is used less than this tells nothing about whether a wider one would do."""


class AdaptiveWindow:
    """A congestion window.

    Args:
        ceiling: never wider than this; at least 1.
        start: how wide at first.
    """

    __slots__ = ("_busiest", "_ends_in", "_exact", "_pushed_back", "_round", "_slow_start", "ceiling")

    def __init__(self, *, ceiling: int, start: int = START) -> None:
        self.ceiling = ceiling
        self._exact = float(min(start, ceiling))
        self._slow_start = True
        self._busiest = 0
        self._begin_round()

    @property
    def size(self) -> int:
        """Attempts that may be on the wire now, from 1 to the ceiling."""
        return int(self._exact)

    def replied(self, in_flight: int) -> None:
        """An answer came while *in_flight* attempts, itself included, were on the wire."""
        self._busiest = max(self._busiest, in_flight)
        self._count()

    def pushed_back(self, in_flight: int) -> None:
        """The far end said that it was too much."""
        self._pushed_back += 1
        self.replied(in_flight)

    def reopen(self) -> None:
        """The lane was closed and opens again: come back as a ramp, not as a stampede.

        No lower than where a run starts: a pause is about the rate, and a window of one would hang with the one
        connection that hangs.
        """
        self._exact = max(min(self._exact, START), self._exact / 4)
        self._begin_round()

    def _count(self) -> None:
        self._ends_in -= 1
        if self._ends_in > 0:
            return
        if self._pushed_back:
            self._slow_start = False
            self._exact *= 1 - self._pushed_back / self._round / 2
        elif self._busiest >= self._exact * _BUSY:
            self._exact = self._exact * 2 if self._slow_start else self._exact + 1
        self._exact = min(max(self._exact, 1.0), self.ceiling)
        self._begin_round()

    def _begin_round(self) -> None:
        self._round = self._ends_in = self.size
        self._pushed_back = self._busiest = 0

    def __repr__(self) -> str:
        return f"AdaptiveWindow({self.size}/{self.ceiling})"
