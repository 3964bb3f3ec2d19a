"""Is it a limit that refuses, or chance? And is it still the limit that was known?

The odds between limit and chance are summed up refusal by refusal.

Strays are a small share at any rate, each by itself. A limit refuses a large share of what is far beyond it, and again
and again a smaller one of what is a little beyond. So there are two sequential tests, a quick one for many refusals
close together and a patient one for a share that stays. They go through the attempts in the order in which they were
sent, whenever each came back: a limit refuses one after the other, strays lie scattered in a volley of which most came
through, though all of them come back at once.

A rate that is known well is refused seldom. Refused again soon, and again, it is no longer what it was.
"""

from __future__ import annotations

from bisect import bisect_left
from math import log
from typing import Final, NamedTuple

from brim.policies.refusal import Refusal

__all__ = ["Doubt", "Fall"]

_STRAYS: Final = 0.03
"""The share that is refused at random, as long as it is not known."""
_MANY: Final = 0.25
"""The share that a limit refuses a little above it."""
_QUICK: Final = 3.0
"""A refusal may be a stray one as long as the odds of a limit have grown less than this, as a logarithm: two close to
each other are a limit."""
_QUICK_AMONG_STRAYS: Final = 5.0
"""Where strays are known to come it takes three: two come close to each other by chance every two hundred attempts."""
_OFTEN: Final = 0.1
_PATIENT: Final = 4.0
"""The same for a limit that refuses this share, again and again: it takes more refusals to tell it from strays."""
_BURST: Final = 0.3
_AT_FIRST: Final = 7.0
_AT_FIRST_AMONG_STRAYS: Final = 10.0
"""Before anything is known, a limit is what refuses this share, four in a row or five of sixteen."""
_RECENT: Final = 1 / 64
_APART: Final = 6
"""Strays keep apart; what is refused because of a limit is refused again at once."""
_MOST: Final = 32
"""So many of the latest refusals are weighed."""
_SOON: Final = 32
_AT_ONCE: Final = 8
_CERTAIN: Final = 4
_LESS: Final = 0.9
_FAR_LESS: Final = 0.4
"""Refused four times in a row within so many attempts, or again at once, a limit may be so much lower."""


class _Doubted(NamedTuple):
    """A refusal in question: of the attempt with which *number*, and the pace at which that was sent."""

    number: float
    refusal: Refusal
    pace: float


class Doubt:
    """Whether refusals may be stray ones.

    Attributes:
        recent: the share of the recent attempts that was refused since the last one that was believed.
    """

    __slots__ = ("_doubted", "_latest", "recent")

    def __init__(self) -> None:
        self.recent = 0.0
        self._doubted: list[_Doubted] = []
        self._latest = float("-inf")

    def sent(self) -> None:
        """An attempt goes."""
        self.recent -= self.recent * _RECENT

    def refused(self, number: float, refusal: Refusal, pace: float) -> bool:
        """The attempt with that *number*, in the order of sending, was refused; it went at *pace*. Was it alone?"""
        self.recent += _RECENT
        doubted = self._doubted
        place = bisect_left(doubted, number, key=lambda each: each.number)
        doubted.insert(place, _Doubted(number, refusal, pace))
        near = [each.number for each in (*doubted[max(0, place - 1) : place], *doubted[place + 1 : place + 2])]
        is_alone = all(abs(number - each) >= _APART for each in (*near, self._latest))
        del doubted[:-_MOST]
        return is_alone

    def first(self, noise: float) -> tuple[Refusal, float]:
        """The first of those that speak for a limit, and its pace: it shows best what had passed by then."""
        _, first = self._odds(_MANY, noise)
        return first.refusal, first.pace

    def is_scattered(self, noise: float) -> bool:
        """Are the refusals too few to be a limit's where nothing at all is known?"""
        return self._odds(_BURST, noise)[0] < (_AT_FIRST_AMONG_STRAYS if noise else _AT_FIRST)

    def goes_on(self, number: float) -> bool:
        """Did nothing come through since the one that was believed, until the one with that *number*?"""
        return 0.0 < number - self._latest <= 1.0

    def is_open(self, noise: float) -> bool:
        """May it still be chance? *noise*: the share of strays, as far as it is known, or 0."""
        quick = _QUICK_AMONG_STRAYS if noise else _QUICK
        return self._odds(_MANY, noise)[0] < quick and self._odds(_OFTEN, noise)[0] < _PATIENT

    def _odds(self, share: float, noise: float) -> tuple[float, _Doubted]:
        """How much more likely a limit is that refuses *share*, as a logarithm, and the first that speaks for it.

        Those sent between two that were refused came through, as far as is known.
        """
        strays = max(_STRAYS, noise)
        share += (1.0 - share) * (strays - _STRAYS)  # chance refuses its part of the rest, too
        more, less = log(share / strays), log((1.0 - strays) / (1.0 - share))
        odds, most, before = 0.0, 0.0, self._doubted[0].number
        first = found = self._doubted[0]
        for each in self._doubted:
            odds -= less * max(0.0, each.number - before - 1.0)
            if odds <= 0.0:
                odds, first = 0.0, each
            odds += max(0.0, more)
            before = each.number
            if odds >= most:
                most, found = odds, first
        return most, found

    def believed(self, number: float) -> None:
        """It was a limit that refused the attempt with that *number*."""
        self._latest = max(self._latest, number)

    def settle(self) -> None:
        """It is a limit."""
        self._doubted.clear()
        self.recent = 0.0


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
