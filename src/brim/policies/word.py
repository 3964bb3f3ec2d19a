"""The rate that refusals name in words.

What was sent before it was named may fill a window for a while, and refusals then say that the rate is less. So it is
tried once more when that is over.
"""

from __future__ import annotations

from typing import Final

from brim.policies.refusal import Refusal

__all__ = ["Word"]

_SETTLES_S: Final = 10.0
"""Windows that say nothing of themselves are as long at most; those of a minute show in their blocks."""

_LONGEST_S: Final = 1.0
"""Waits in whole seconds are as much too long at most."""


class Word:
    """What is named.

    Attributes:
        rate: units a second; 0 if none was named.
    """

    __slots__ = ("_again_at", "rate")

    def __init__(self) -> None:
        self.rate = 0.0
        self._again_at = float("inf")

    def says(self, rate: float | None, now: float) -> bool:
        """A refusal names *rate*, or none; is that news?"""
        if rate is None or rate == self.rate:
            return False
        self.rate, self._again_at = rate, now + _SETTLES_S
        return True

    def fits(self, refusal: Refusal) -> bool:
        """Would a bucket of that rate ask for that wait, or a window of a minute?

        One that is named for a minute may be shorter: the end of a minute is seldom as near as that of ten seconds.
        """
        return refusal.told <= _LONGEST_S + refusal.amount / self.rate or refusal.told > _SETTLES_S

    def is_due(self, now: float) -> bool:
        """Is it time to try once more what was named? Answers so once."""
        if now < self._again_at:
            return False
        self._again_at = float("inf")
        return True
