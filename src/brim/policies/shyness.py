"""How much later than one would think what comes back is counted upon: after refusals just beyond a level.

The server showed why it refused: just too much was sent, just too early. After each such refusal calls keep a step
further apart, and slowly less again while answers come that were none.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Shyness"]

_STEP_S: Final = 0.01
_MOST_S: Final = 0.05
_LASTS: Final = 1_000
"""A step is made up for by so many answers."""
_MUCH_BOLDER: Final = 20.0
"""And by so many times fewer while much is left."""
_MADE_UP_S: Final = 0.05
_HARDLY_S: Final = 0.01
"""Lateness that is made up for; the latter beside something that the server does not show."""
_TWO_CALLS: Final = 2.0
_FEW_CALLS: Final = 5.0
"""A little lateness is made up for where at least the first fit at once, or the second after a call came too early."""


class Shyness:
    """The shyness of one limit.

    Attributes:
        apart_s: what is kept beyond what seems right, in seconds.
    """

    __slots__ = ("_at", "apart_s")

    def __init__(self) -> None:
        self.apart_s = 0.0
        self._at = float("-inf")

    def refused(self, *, sent_at: float, now: float) -> bool:
        """A call came just too early. Returns whether a step more may do."""
        may_do = self.apart_s < _MOST_S
        if sent_at > self._at:
            self._at = now
            self.apart_s = min(self.apart_s + _STEP_S, _MOST_S)
        return may_do

    def makes_up(self, calls: float, *, is_believed: bool) -> float:
        """Seconds of lateness that may be made up for at a limit of so many *calls* at once.

        *is_believed*: does nothing bind that the server does not show?
        """
        if calls < (_FEW_CALLS if self.apart_s else _TWO_CALLS):
            return 0.0
        return _MADE_UP_S if is_believed else _HARDLY_S

    def passed(self, *, is_much_left: bool) -> None:
        """An answer came that was no refusal, or one that showed how much is left."""
        bolder = _MUCH_BOLDER if is_much_left else 1.0
        self.apart_s = max(0.0, self.apart_s - _STEP_S / _LASTS * bolder)
