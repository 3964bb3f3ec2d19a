"""Is it a limit that refuses, or chance? And is it still the limit that was known?

The odds between limit and chance are summed up refusal by refusal.

Strays are a small share at any rate, each by itself. A limit refuses a large share of what is far beyond it, and again
and again a smaller one of what is a little beyond. So there are two sequential tests, a quick one for many refusals
close together and a patient one for a share that stays.

A rate that is known well is refused seldom. Refused again soon, and again, it is no longer what it was.
"""

from __future__ import annotations

from math import log
from typing import Final

from brim.policies.evidence import Refusal

__all__ = ["Doubt", "Fall"]

_STRAYS: Final = 0.03
"""The share that is refused at random, as long as it is not known."""
_MANY: Final = 0.25
"""The share that a limit refuses a little above it."""
_QUICK: Final = 3.0
"""A refusal may be a stray one as long as the odds of a limit have grown less than this, as a logarithm: two close to
each other are a limit."""
_CALM: Final = log((1.0 - _STRAYS) / (1.0 - _MANY))
_OFTEN: Final = 0.1
_PATIENT: Final = 4.0
"""The same for a limit that refuses this share, again and again: it takes more refusals to tell it from strays."""
_STEADY_CALM: Final = log((1.0 - _STRAYS) / (1.0 - _OFTEN))
_RECENT: Final = 1 / 64
_LATEST: Final = 1 / 16
_BURST: Final = 0.3
"""Before anything is known, a limit is what refuses this share of the latest attempts: strays keep apart."""
_ABOVE_NOISE: Final = 0.04
_APART: Final = 6
"""Strays keep apart; what is refused because of a limit is refused again at once."""
_SOON: Final = 32
_AT_ONCE: Final = 8
_CERTAIN: Final = 4
_LESS: Final = 0.9
_FAR_LESS: Final = 0.4
"""Refused four times in a row within so many attempts, or again at once, a limit may be so much lower."""


class Doubt:
    """Whether refusals may be stray ones.

    Attributes:
        recent: the share of the recent attempts that was refused since the last one that was believed.
        first: the first refusal in question, and the pace at which it was sent; None if there is none.
    """

    __slots__ = ("_burst", "_gap", "_quick", "_steady", "first", "recent")

    def __init__(self) -> None:
        self.recent = 0.0
        self.first: tuple[Refusal, float] | None = None
        self._burst = 0.0
        self._gap = 0
        self._quick = 0.0
        self._steady = 0.0

    def sent(self) -> None:
        """An attempt goes."""
        self._gap += 1
        self.recent -= self.recent * _RECENT
        self._burst -= self._burst * _LATEST
        self._steady = max(0.0, self._steady - _STEADY_CALM)
        self._quick -= _CALM
        if self._quick <= 0.0:
            self._quick, self.first = 0.0, None

    def refused(self, refusal: Refusal, pace: float, *, noise: float) -> tuple[Refusal, float]:
        """One was refused that went at *pace*. Returns the first in question, which shows best what had passed by then.

        *noise*: the share of strays, as far as it is known, or 0.
        """
        self.recent += _RECENT
        self._burst += _LATEST
        strays = max(_STRAYS, noise)
        self._quick += log(_MANY / strays)
        self._steady += max(0.0, log(_OFTEN / strays))
        self.first = self.first or (refusal, pace)
        return self.first

    @property
    def is_scattered(self) -> bool:
        """Are the latest refusals too few to be a limit's where nothing at all is known?"""
        return self._burst < _BURST

    def is_open(self, noise: float) -> bool:
        """May it still be chance?"""
        return self._quick < _QUICK and self._steady < _PATIENT and not 0.0 < noise < self.recent - _ABOVE_NOISE

    def is_noise(self, noise: float) -> bool:
        """Is what was refused lately no more than the *noise* there is?"""
        return noise > 0.0 and self.recent < noise + _ABOVE_NOISE

    def is_alone(self) -> bool:
        """Was nothing else refused shortly before? For each refusal once."""
        gap, self._gap = self._gap, 0
        return gap >= _APART

    def settle(self) -> None:
        """It is a limit."""
        self._quick, self._steady, self.first, self.recent = 0.0, 0.0, None, 0.0


class Fall:
    """Whether a rate that was known has fallen, told by how soon it is refused again."""

    __slots__ = ("_soon",)

    def __init__(self) -> None:
        self._soon = 0

    def refused_after(self, sent: int, *, is_known: bool) -> float:
        """One was refused *sent* attempts after the last. Returns to which share the lower bound has to come down.

        *is_known*: was the rate known well?
        """
        is_at_once = sent < _AT_ONCE
        if sent >= _SOON or not (is_known or (is_at_once and self._soon)):
            self._soon = 0
            return 1.0
        self._soon += 1
        if is_at_once:
            return _FAR_LESS
        if self._soon < _CERTAIN:
            return 1.0
        self._soon = 0
        return _LESS
