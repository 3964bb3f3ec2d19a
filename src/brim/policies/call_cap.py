"""A cap on calls at once, told apart from a limit on their rate by what is refused at which number.

Both refuse with the same words, or none. A cap lets through whatever stays below it, however fast, and refuses at one
number only; a rate refuses at any, however few there are. So the number at which something was refused first
is *tried*: as attempts come back, others take their places at once, whatever a learnt rate says, one at first and then
more with every one that is let through. A refusal well below the number is about a rate, and ends it. Where enough got
through without one, one more is tried; refused again just there, the cap is *believed*. From then on one more is tried
ever more seldom, since a cap may be raised. Refused at always the same lower number, it has been lowered; at any, there
is a rate as well, and both hold.

How many were there when an attempt was refused is known when it is back: as many as there were when it was sent, less
those that have been refused as well. Those sent at the same moment may have come there first; so it is no less than how
many there are now, without those that were sent too late.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

from brim.policies.presence import FEW, Presence

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
_LET_THROUGH_S: Final = (0.1, 1.0)
"""What was not refused within so many seconds has been let through, answered or not: the least and the most..."""
_TRIPS: Final = 3.0
"""... of so many times as long as a refusal took lately."""
_FEW: Final = 4
"""A smaller number is more often what a second lets through than what may be there at once."""
_QUICKER: Final = 0.9
"""A refusal that was slow is remembered so well after one more that was quick."""
_PROVES: Final = 2
"""Each place has to be taken so many times while half of them are, and get through, before one more is tried..."""
_LEAST_PROOF: Final = 12
_ALONE: Final = 4
"""... and so many times in all; of one place, as one call of a bucket passes for, so few."""
_REFUSED_ABOVE: Final = 4
_REFUSED_ABOVE_S: Final = 3.0
"""Refused above the number so many times, over so many seconds, and never let through there, it holds while it is
tried: where answers take minutes, no place comes free to try it."""
_HOLD: Final = 32
_LONGEST_HOLD: Final = 400
"""Places that are taken when all others are, before one more is tried: a refusal in so many costs next to nothing."""
_RESTS: Final = 40.0
"""No more is tried for so many times as long as the lane was closed for the last try."""
_UNTRUE: Final = 3
"""So many refusals in a row below a number that was never refused again say that it was no cap..."""
_LOWERED: Final = 4
"""... and so many at always the same one that it has been lowered..."""
_LOWERED_S: Final = 0.5
"""... if they come over so many seconds."""
_NEARLY: Final = 0.05
"""A number is the same if it differs by this share, or by one: what is on its way back is still counted here."""
_MISCOUNTED: Final = 2.0
"""The first number, of a volley that was refused, may be too high by so many times as much: once it moves that far."""
_A_LITTLE_FASTER: Final = 1.1
_HURRIES: Final = 0.1
"""In the time of an answer the gap between two attempts shrinks by so much: how long answers take may be misjudged."""
_LONG_S: Final = 0.5
"""Where a lane is closed as long, many are back when it opens, and what they left is not taken at once."""
_USUAL: Final = 1 / 16
_RECENT: Final = 64
_LATE_S: Final = 0.5
_LATE: Final = 0.25
"""An answer is on its way back for so long at most, or for so much of the time that it takes."""


class _State(Enum):
    FREE = "nothing is known"
    TRIED = "a number is tried"
    BELIEVED = "a number is believed"


_TRIED: Final = _State.TRIED
_BELIEVED: Final = _State.BELIEVED


class CallCap:
    """What is known of a cap on calls at once.

    Args:
        ceiling: the number that is never passed anyway.

    Attributes:
        size: the number that is believed or tried; the ceiling if there is none.
        gap_s: seconds between two attempts while one more is tried; 0 at other times.
        is_believed: does it hold back?
    """

    __slots__ = (
        "_accepted",
        "_against",
        "_anchor",
        "_below",
        "_closed_at",
        "_credit",
        "_full",
        "_good",
        "_hold",
        "_is_binding",
        "_is_moved",
        "_is_proven",
        "_is_sole",
        "_latest",
        "_lowest",
        "_needed",
        "_open_since",
        "_presence",
        "_refusal_s",
        "_rests_until",
        "_sent",
        "_state",
        "_step",
        "_strikes",
        "_through",
        "_typical_s",
        "_under_way",
        "_voted_at",
        "_votes",
        "ceiling",
        "gap_s",
        "is_believed",
        "size",
    )

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self._accepted = 0
        self._latest = (0, 0.0)
        self._needed = 1
        self._sent: deque[float] = deque(maxlen=_RECENT)
        self._presence = Presence()
        self._under_way: deque[tuple[float, bool]] = deque()
        self._below: deque[tuple[int, float]] = deque(maxlen=_LOWERED)
        self._open_since = 0.0
        self._rests_until = self._closed_at = float("-inf")
        self._typical_s = self._refusal_s = 0.0
        self._free()

    def _free(self) -> None:
        self.size, self._state, self.is_believed, self.gap_s = self.ceiling, _State.FREE, False, 0.0
        self._credit = self._through = self._good = self._full = self._anchor = self._strikes = 0
        self._step, self._hold = 1, _HOLD
        self._is_binding = self._is_moved = self._is_proven = self._is_sole = False
        self._below.clear()
        self._forget()

    def _forget(self) -> None:
        self._lowest, self._votes, self._against, self._voted_at = self.ceiling + 1, 0, 0, 0.0

    def give_up(self) -> None:
        """It is no cap, whatever was found."""
        if self._state is not _State.FREE:
            self._needed = max(_VOTES, self._needed * _MISTAKEN)
        self._free()

    def closed(self, pause: float, now: float) -> None:
        """A refusal closed the lane for so many seconds: who is back meanwhile makes no room for a volley then."""
        self._rests_until = now + _RESTS * pause
        if pause >= _LONG_S:
            self._credit, self._closed_at = min(self._credit, 1), now

    def restate(self, ceiling: int) -> None:
        """Another number is never passed anyway."""
        if self._state is _State.FREE:
            self.size = ceiling
        if not self._votes:
            self._lowest = ceiling + 1
        self.ceiling = ceiling

    def lets(self, in_flight: int, now: float) -> bool:
        """May one more go beside *in_flight*, whatever rate was learnt?"""
        if in_flight >= self.size:
            return False
        if self._state is not _TRIED:
            return self._is_sole
        return self._credit > 0 or (bool(self._under_way) and now - self._under_way[0][0] > self._let_through_s)

    def ready_in(self, in_flight: int, now: float) -> float:
        """Seconds until the next attempt may go beside *in_flight* while one more is tried than is known to be let.

        Many at once would drain a small bucket, which looks like a cap as long as answers are quick: a little faster
        than before is enough to find out which it is.
        """
        is_one_more = bool(self._sent) and in_flight >= self._good
        return max(0.0, self._sent[-1] + self.gap_s - now) if is_one_more else 0.0

    def granted(self, in_flight: int, now: float) -> None:
        """One more attempt is on the wire, *in_flight* with it."""
        self._sent.append(now)
        if in_flight > self._accepted:
            self._settle_latest(now)
            if self._latest[0] <= self._accepted < in_flight:
                self._latest = (in_flight, now)
        if self._state is _TRIED:
            self._try_one(in_flight, now)
        elif self._state is _BELIEVED and in_flight >= self.size and now >= self._rests_until:
            self._full += 1
            if self._full >= (self._hold if self._step == 1 else max(_HOLD, self.size)):
                self._full = 0
                self._raise()
        if self.gap_s and in_flight < self.size:
            self.gap_s *= 1.0 - _HURRIES / self.size

    def _try_one(self, in_flight: int, now: float) -> None:
        while self._under_way and now - self._under_way[0][0] > self._let_through_s:
            self._got_through(self._under_way[0])
        if in_flight <= self.size:
            self._credit -= 1
            self._under_way.append((now, 2 * in_flight >= self.size))

    def replied(self, among: int, *, sent_at: float, now: float) -> None:
        """An attempt that was sent as one of *among* was answered."""
        self._typical_s += (now - sent_at - self._typical_s) * (_USUAL if self._typical_s else 1.0)
        if among > self._accepted:
            self._accepted = max(self._accepted, among - self._presence.gone(sent_at))
        if among <= FEW:  # so few are not miscounted
            late_s = max(_LATE_S, _LATE * self._typical_s, _TRIPS * self._refusal_s)
            self._presence.answered(sent_at, now, late_s=late_s)
            if self._state is _TRIED and self._presence.lately >= self._lowest:
                self.give_up()
        if self._state is _BELIEVED or sent_at < self._open_since:
            return
        if self._state is _TRIED and among <= self.size and (one := self._find(sent_at)):
            self._got_through(one)
        if among > self._lowest and among > self._lowest + _slack(self._lowest):
            among -= self._presence.gone(sent_at)
            self._against += among > self._lowest + _slack(self._lowest)
            if self._against > _DOUBTS + self._votes or self._lowest * _LOOSE + _DOUBTS < among:
                self.give_up()

    @property
    def _let_through_s(self) -> float:
        least, most = _LET_THROUGH_S
        return most if self.size < _FEW else min(max(least, _TRIPS * self._refusal_s), most)

    def _find(self, sent_at: float) -> tuple[float, bool] | None:
        """What was sent then to try the number, if nothing is known of it."""
        return next((one for one in self._under_way if one[0] == sent_at), None)

    def _got_through(self, one: tuple[float, bool]) -> None:
        sent_at, is_near = one
        self._under_way.remove(one)
        self._credit = self._credit + 2 if sent_at > self._closed_at else max(self._credit, 1)
        self._through += is_near
        if self._through >= max(_LEAST_PROOF if self.size > 1 else _ALONE, _PROVES * self.size):
            self._good, self._through = self.size, 0
            self._raise()

    def _raise(self) -> None:
        self.gap_s = self._typical_s / (_A_LITTLE_FASTER * self.size) if self._step == 1 else 0.0
        self.size += self._step
        self._step *= 2
        if self.size >= self.ceiling:
            self._free()

    def turned_away(self, in_flight: int, *, among: int, sent_at: float, now: float) -> int:
        """An attempt was refused, whatever is to blame. Returns as which of those that were there.

        It counts among those that are *in_flight*, and *among* those that were when it was sent.
        """
        if among == self._latest[0]:
            self._latest = (0, 0.0)
        if refused := self._find(sent_at):
            self._under_way.remove(refused)
        self._refusal_s = max(now - sent_at, _QUICKER * self._refusal_s)
        then = among - self._presence.gone(sent_at)
        self._presence.refused(sent_at, now)
        arrived = (sent_at + now) / 2.0
        late = sum(sent > arrived for sent in self._sent) - self._presence.refused_since(arrived)
        return max(1, then, in_flight - late) if late < _RECENT else max(1, then)

    def blames(self, number: int) -> bool:
        """Was an attempt refused as the *number*-th because of the cap? Among many it may be miscounted."""
        if self._state is _State.TRIED:
            return number > (self._good or (self.size if self._is_binding else self.ceiling))
        return self._state is _State.BELIEVED and number >= max(2.0, self._anchor + 1.0 - _NEARLY * self._anchor)

    def echoed(self, number: int, *, sent_at: float, now: float) -> None:
        """One more was refused as the *number*-th, of the same burst, or too few to say anything about a rate."""
        if self._state is _State.BELIEVED and not self.blames(number):
            self._refused_below(number, sent_at, now)
        elif self._state is _State.TRIED and sent_at > self._open_since:
            self._votes += self.size < number <= self._lowest + _slack(self._lowest)
        elif self._state is _State.TRIED and 1 < number < self._lowest and not self._good:
            self._lowest, self.size = number, number - 1

    def named(self, number: int, *, is_news: bool) -> None:
        """An attempt was refused as the *number*-th, and the server says that it is for how many there are at once.

        *is_news*: was it sent after the last that was told as news?
        """
        if self._state is not _BELIEVED or not self.blames(number):
            self._believe(max(1, number - 1))
        elif is_news:
            self._refused_above(number)

    def refused(self, number: int, now: float) -> None:
        """A limit refused an attempt as the *number*-th; told once for each burst of refusals."""
        if self._state is _State.BELIEVED and self.blames(number):
            self._refused_above(number)
        elif self._state is _State.BELIEVED:
            self._is_sole = False
            self._strikes += 1
            if not self._refused_below(number, now, now) and self._strikes >= _UNTRUE and not self._is_proven:
                self.give_up()
        elif self._state is _State.TRIED:
            self._refused_while_tried(number, now)
        elif number <= max(1, self._presence.lately) or number * _LOOSE + _DOUBTS < self._accepted:
            self._forget()  # one that is alone is never one too many, and as many were there at once
        else:
            self._vote(number, now)

    def _refused_while_tried(self, number: int, now: float) -> None:
        self._credit = min(self._credit, 1)  # what was let through before says nothing of what comes now
        if number > self._lowest + _slack(self._lowest):
            self._against += 1  # so many less one were let through
            if self._against > _DOUBTS + self._votes:
                self.give_up()  # a cap is always the same number
        elif number > self.size:
            self._votes += 1
            if not self._against and self._votes >= _REFUSED_ABOVE and now - self._open_since > _REFUSED_ABOVE_S:
                self._is_binding = self.is_believed = True
        elif number > self._good > 0:
            self._believe(number - 1)
        elif number > max(1.0, self.size - _MISCOUNTED * _slack(self.size)) and not self._is_moved:
            self._is_moved, self._through = True, 0
            self._lowest, self.size = number, number - 1
        else:
            self.give_up()

    def _believe(self, size: int) -> None:
        self._state, self._is_sole, self._is_proven = _State.BELIEVED, True, False
        self._is_binding, self.is_believed, self.gap_s = False, True, 0.0
        self.size = self._anchor = size
        self._hold, self._full, self._step, self._strikes = _HOLD, 0, 1, 0
        self._below.clear()

    def _refused_above(self, number: int) -> None:
        self._below.clear()
        self._strikes, self._is_proven = 0, True
        self._anchor = max(self._anchor, number - 1)
        self.size = max(1, number - 1)
        self._hold = min(_LONGEST_HOLD, self._hold * 2)
        self._full, self._step, self.gap_s = 0, 1, 0.0

    def _refused_below(self, number: int, sent_at: float, now: float) -> bool:
        """There is a rate as well, or no cap, or it was lowered. Returns whether it is always the same number."""
        if self._below and sent_at < self._below[-1][1]:
            return False
        self._below.append((number, now))
        least = min(each for each, _ in self._below)
        most = max(each for each, _ in self._below)
        is_alike = least > 1 and most - least <= _slack(least)
        if is_alike and len(self._below) == _LOWERED and now - self._below[0][1] > _LOWERED_S:
            self._try(least, now)
        return is_alike

    def _try(self, lowest: int, now: float) -> None:
        """May it be that what is refused is always the *lowest*-th?"""
        self._free()
        self._state, self._open_since = _State.TRIED, now
        self._lowest, self.size = lowest, lowest - 1
        self._credit = self._votes = 1
        self._under_way.clear()

    def _vote(self, number: int, now: float) -> None:
        self._settle_latest(now)
        if self._votes and not self._lowest <= number * _ALIKE + _DOUBTS <= self._lowest * _ALIKE**2 + 2 * _DOUBTS:
            self._forget()  # a cap is always the same number
        self._lowest = min(self._lowest, number)
        self._votes += 1
        if self._votes == 1:
            self._voted_at = self._open_since = now
        if self._votes >= self._needed and (self._needed == 1 or now - self._voted_at >= _VOTING_S):
            self._try(self._lowest, now)

    def _settle_latest(self, now: float) -> None:
        most, at = self._latest
        if most > self._accepted and now - at > self._let_through_s:
            self._accepted = max(self._accepted, most - self._presence.gone(at))

    def __repr__(self) -> str:
        return f"CallCap({self.size}, {self._state.value})"


def _slack(number: int) -> float:
    return max(1.0, _NEARLY * number)
