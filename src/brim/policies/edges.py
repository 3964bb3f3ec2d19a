"""When the windows of a limit begin: told by the moments at which all of it was suddenly there again.

An edge lies between two answers, and what several of them have in common is where it is, to within a call or so. The
later end is believed: an edge that is waited for a little too long costs less than one that is not waited for.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Edges"]

_FRESH: Final = 4.0
"""After so many windows without an edge that was seen, where it lies is forgotten."""
_SLIP: Final = 0.002
"""Windows may be so much longer or shorter than they seem, as a share."""
_OFF: Final = 1.06
"""A length that is off what was guessed by more than this factor is none that was measured."""


class Edges:
    """Where windows begin.

    Attributes:
        span: how long they are in seconds: as guessed, then as measured.
    """

    __slots__ = ("_early", "_guess", "_late", "_seen_at", "span")

    def __init__(self) -> None:
        self.span = self._guess = 60.0
        self._early = 0.0
        self._late = 0.0
        self._seen_at = float("-inf")

    def guess(self, seconds: float) -> None:
        """Windows are about so long, as it seems."""
        self.span = self._guess = seconds

    def saw(self, after: float, by: float) -> None:
        """A window began between two moments."""
        passed = round((by - self._late) / self.span)
        early, late = after, by
        if passed and self.is_known(by):
            shortest, longest = (after - self._late) / passed, (by - self._early) / passed
            if shortest <= self._guess * _OFF and longest >= self._guess / _OFF:
                self.span = min(max(self.span, shortest), longest)
                early = max(after, self._early + passed * self.span * (1.0 - _SLIP))
                late = min(by, self._late + passed * self.span * (1.0 + _SLIP))
                early = min(early, late)
        self._early, self._late, self._seen_at = early, late, by

    def moved(self, seconds: float) -> None:
        """All edges were so much later than they were thought to be."""
        self._early += seconds
        self._late += seconds
        self._seen_at += seconds

    def is_known(self, now: float) -> bool:
        """Was an edge seen not long ago?"""
        return now - self._seen_at < _FRESH * self.span

    def was_seen(self, at: float) -> bool:
        """Was the edge seen that lies about there?"""
        return self._seen_at >= at - self.span / 2

    def following(self, at: float, told: float) -> float:
        """The first edge after *at*; the one that the server *told*, where that is as likely as any."""
        late = self._late + (int((at - self._late) // self.span) + 1) * self.span
        if told == float("inf"):
            return late
        named = told + round((late - told) / self.span) * self.span
        if not late - (self._late - self._early) <= named <= late:
            return late
        return named if at < named else named + self.span
