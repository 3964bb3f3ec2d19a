"""A cap on calls at once, told apart from a limit on their rate by what is refused at which number.

Both refuse with the same words, or none. A cap lets through whatever stays below it, however fast, and refuses at one
number only; a rate refuses at any, however few there are. So the number at which something was refused first
is *tried*: as attempts come back, others take their places at once, whatever a learnt rate says, one at first and then
more with every one that is let through. A refusal below the number is about a rate, and ends it. Where enough got
through without one, one more is tried; refused again just there, the cap is *believed*. From then on one more is tried
ever more seldom, since a cap may be raised.
"""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["CallCap"]

_LOOSE: Final = 1.25
_DOUBTS: Final = 4
"""What is let through among more than so many times the number, and so many more, says that there is no cap. Not among
one more: those being refused just then are counted here and not there."""
_ALIKE: Final = 1.15
_VOTES: Final = 8
"""Refusals at the same number that are needed to try it again, after it was mistaken once."""
_VOTING_S: Final = 10.0
_MISTAKEN: Final = 4
"""After every further mistake so many times as many are needed."""
_LET_THROUGH_S: Final = 1.0
"""What was not refused within so many seconds has been let through, answered or not."""
_PROVES: Final = 2
"""Each place has to be taken so many times, and get through, before one more is tried..."""
_LEAST_PROOF: Final = 12
"""... and so many times in all."""
_REFUSED_ABOVE: Final = 4
_REFUSED_ABOVE_S: Final = 3.0
"""Refused above the number so many times, over so many seconds, and never let through there, it is believed too."""
_HOLD: Final = 16
_LONGEST_HOLD: Final = 2_000
_UNTRUE: Final = 3
"""So many refusals in a row below the number say that it was no cap."""
_NEARLY: Final = 0.05
"""A number is the same if it differs by this share, or by one: what is on its way back is still counted here."""


class CallCap:
    """What is known of a cap on calls at once.

    Args:
        ceiling: the number that is never passed anyway.

    Attributes:
        size: the number that is believed or tried; the ceiling if there is none.
        is_believed: does it hold back?
    """

    __slots__ = (
        "_accepted",
        "_against",
        "_credit",
        "_full",
        "_good",
        "_hold",
        "_is_tried",
        "_latest",
        "_lowest",
        "_needed",
        "_open_since",
        "_step",
        "_tried",
        "_under_way",
        "_untrue",
        "_voted_at",
        "_votes",
        "ceiling",
        "is_believed",
        "size",
    )

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.size = ceiling
        self.is_believed = False
        self._is_tried = False
        self._accepted = 0
        self._latest = (0, 0.0)
        self._needed = 1
        self._credit = 0
        self._under_way: deque[float] = deque()
        self._untrue = 0
        self._good = 0
        self._hold = _HOLD
        self._full = 0
        self._step = 1
        self._open_since = 0.0
        self._tried = 0
        self._forget()

    def _forget(self) -> None:
        self._lowest, self._votes, self._against, self._voted_at = self.ceiling + 1, 0, 0, 0.0

    def _disprove(self) -> None:
        """It is no cap."""
        if self.size == self.ceiling:
            self._forget()
            return
        self._needed = max(_VOTES, self._needed * _MISTAKEN)
        self.size, self.is_believed, self._is_tried = self.ceiling, False, False
        self._forget()

    def restate(self, ceiling: int) -> None:
        """Another number is never passed anyway."""
        if self.size == self.ceiling:  # none was found
            self.size = ceiling
        if not self._votes:
            self._lowest = ceiling + 1
        self.ceiling = ceiling

    def lets(self, in_flight: int, now: float) -> bool:
        """May one more go beside *in_flight*, whatever rate was learnt?"""
        if in_flight >= self.size:
            return False
        if not self._is_tried:
            return self.is_believed
        return self._credit > 0 or (bool(self._under_way) and now - self._under_way[0] > _LET_THROUGH_S)

    def granted(self, in_flight: int, now: float) -> None:
        """One more attempt is on the wire, *in_flight* with it."""
        if in_flight > self._accepted:
            self._settle_latest(now)
            if self._latest[0] <= self._accepted < in_flight:
                self._latest = (in_flight, now)
        while self._is_tried and self._under_way and now - self._under_way[0] > _LET_THROUGH_S:
            self._got_through()
        if self._is_tried and in_flight <= self.size:
            self._credit -= 1
            self._under_way.append(now)
        if self.is_believed and in_flight >= self.size < self.ceiling:
            self._full += 1
            if self._full >= self._hold:
                self._full = 0
                self._raise()

    def replied(self, among: int, *, sent_at: float) -> None:
        """An attempt that was sent as one of *among* was answered."""
        self._accepted = max(self._accepted, among)
        if sent_at < self._open_since:
            return
        if self._is_tried and self._under_way and among <= self.size:
            self._got_through()
        self._against += among > self._lowest + max(1.0, _NEARLY * self._lowest)
        if self._against > _DOUBTS or self._lowest * _LOOSE + _DOUBTS < among:
            self._disprove()

    def _got_through(self) -> None:
        self._under_way.popleft()
        self._credit += 2
        self._tried += 1
        if self._tried >= max(_LEAST_PROOF, _PROVES * self.size):
            self._good, self._tried = self.size, 0
            self._raise()

    def _raise(self) -> None:
        self.size = min(self.ceiling, self.size + self._step)
        self._step *= 2

    def refused(self, among: int, now: float) -> None:
        """A limit refused an attempt that was sent as one of *among*; told once for each burst of refusals."""
        if self.is_believed:
            self._refused_above(among, now)
        elif self._is_tried:
            self._refused_while_tried(among, now)
        elif among <= 1 or among * _LOOSE + _DOUBTS < self._accepted:
            self._forget()  # one that is alone is never one too many
        else:
            self._vote(among, now)

    def _refused_while_tried(self, among: int, now: float) -> None:
        if among > self.size:
            self._votes += 1
            if not self._against and self._votes >= _REFUSED_ABOVE and now - self._open_since > _REFUSED_ABOVE_S:
                self._believe()
        elif among > self._good > 0:
            self.size, self._lowest = among - 1, among
            self._believe()
        else:
            self._disprove()

    def _believe(self) -> None:
        self._is_tried, self.is_believed = False, True
        self._untrue = 0
        self._hold, self._full, self._step = _HOLD, 0, 1

    def _refused_above(self, among: int, now: float) -> None:
        if among + max(1.0, _NEARLY * self._lowest) < self._lowest:
            self._untrue += 1
        else:
            self._untrue, self._lowest = 0, among
        if self._untrue >= _UNTRUE or among <= 1:
            self._disprove()
            return
        self._hold = min(_LONGEST_HOLD, self._hold * 2)
        self.size = among - 1
        self._against = 0
        self._full, self._step = 0, 1
        self._open_since = now

    def _vote(self, among: int, now: float) -> None:
        self._settle_latest(now, refused=among)
        if self._votes and not self._lowest <= among * _ALIKE + _DOUBTS <= self._lowest * _ALIKE**2 + 2 * _DOUBTS:
            self._forget()  # a cap is always the same number
        self._lowest = min(self._lowest, among)
        self._votes += 1
        if self._votes == 1:
            self._voted_at = self._open_since = now
        if self._votes >= self._needed and (self._needed == 1 or now - self._voted_at >= _VOTING_S):
            self.size = self._lowest - 1
            self._is_tried, self._open_since = True, now
            self._tried, self._good, self._step = 0, 0, 1
            self._credit, self._votes = 1, 1
            self._under_way.clear()

    def blames(self, among: int) -> bool:
        """Was an attempt refused as one of *among* because of the cap that is believed?"""
        return self.is_believed and among > max(1, self.size - 1)

    def _settle_latest(self, now: float, refused: int = 0) -> None:
        most, at = self._latest
        if refused == most:
            self._latest = (0, at)
        elif most > self._accepted and now - at > _LET_THROUGH_S:
            self._accepted = most

    def __repr__(self) -> str:
        state = "believed" if self.is_believed else "tried" if self._is_tried else "none known"
        return f"CallCap({self.size}, {state})"
