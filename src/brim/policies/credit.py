"""How far what a server shows is believed: it may refuse although it shows enough.

After three such contradictions its level speeds nothing up any more; its limit still sets the pace. Credit comes back
after many answers in a row without one.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Credit"]

_MOST: Final = 3
_BORNE_OUT: Final = 200
"""Answers in a row without a contradiction that make up for one."""


class Credit:
    """The credit of one limit."""

    __slots__ = ("_borne_out", "_contradictions")

    def __init__(self) -> None:
        self._contradictions = 0
        self._borne_out = 0

    @property
    def is_lost(self) -> bool:
        """Is what is shown as left no longer believed?"""
        return self._contradictions >= _MOST

    def contradicted(self) -> None:
        """The server refused although it shows enough."""
        self._contradictions = min(self._contradictions + 1, _MOST)
        self._borne_out = 0

    def borne_out(self) -> None:
        """An answer came that contradicts nothing."""
        self._borne_out += 1
        if self._borne_out >= _BORNE_OUT:
            self._contradictions, self._borne_out = max(0, self._contradictions - 1), 0
