"""How far what a server shows is believed: it may refuse although it shows enough.

After three such contradictions what it shows as left speeds nothing up any more; its limit still sets the pace. Credit
comes back after many answers in a row without one, and each time that it is lost anew after twice as many: the answers
that come while it is lost contradict nothing because little is asked for.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Credit"]

_MOST: Final = 3
_BORNE_OUT: Final = 200
"""Answers in a row without a contradiction that make up for one, at first."""
_LONGEST: Final = 800


class Credit:
    """The credit of one limit."""

    __slots__ = ("_borne_out", "_contradictions", "_needed")

    def __init__(self) -> None:
        self._contradictions = 0
        self._borne_out = 0
        self._needed = _BORNE_OUT

    @property
    def is_lost(self) -> bool:
        """Is what is shown as left no longer believed?"""
        return self._contradictions >= _MOST

    def contradicted(self) -> None:
        """The server refused although it shows enough."""
        self._borne_out = 0
        self._contradictions = min(self._contradictions + 1, _MOST)

    def borne_out(self) -> None:
        """An answer came that contradicts nothing."""
        self._borne_out += 1
        if self._borne_out >= self._needed:
            if self.is_lost:
                self._needed = min(2 * self._needed, _LONGEST)
            self._contradictions, self._borne_out = max(0, self._contradictions - 1), 0
