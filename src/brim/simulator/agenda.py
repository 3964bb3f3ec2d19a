"""What will happen by itself, by its time: the provider's only notion of the future."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf

__all__ = ["Agenda"]


class Agenda:
    """Events in the order of their times; those of one time in the order in which they were planned.

    Attributes:
        next_at: when the next event is due; infinite if there is none.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Callable[[float], None]]] = []
        self._planned = 0
        self.next_at = inf

    @property
    def last_at(self) -> float:
        """When the last event that is planned now is due; 0 if there is none."""
        return max((entry[0] for entry in self._entries), default=0.0)

    def plan(self, at: float, act: Callable[[float], None]) -> None:
        """Let *act* happen *at*; it will be told that time."""
        self._planned = planned = self._planned + 1
        heappush(self._entries, (at, planned, act))
        self.next_at = self._entries[0][0]

    def pop(self) -> tuple[float, Callable[[float], None]]:
        """Take the next event."""
        at, _, act = heappop(self._entries)
        self.next_at = self._entries[0][0] if self._entries else inf
        return at, act
