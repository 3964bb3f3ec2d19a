"""For how long a limit is: a minute, as the names of its headers mean, unless what comes back says that it is for less.

Who writes OpenAI's or Anthropic's names may count by the second all the same, or by ten. A limit of a minute ends its
windows a minute apart, or shows as reset the time until it is full again, or gives nothing back at once. An answer that
agrees with none of these tells of shorter windows, and two such answers are believed. How long the windows are is told
by the longest reset that was seen. Plainer still are resets that agree on when they end, and ends that keep the same
distance; and more coming back than windows of a minute could ever give. And resets that stay as long as they were
whatever is left are those of windows that slide: one answer that agrees with no limit of a minute is enough then.

Names that mean no time at all (`X-RateLimit-Limit`) are those of a window as long as the longest reset, if much of the
limit was ever left. If it never was, what is shown is a minute's, of which a bucket holds less.

A reset that is far longer than windows were thought to be refutes them: a bucket that is nearly full, of which nobody
knows when calls are counted, may look as if it gave back more than a minute's limit does.

Where the reset agrees with no limit of a minute, and comes long before enough would be back, one attempt may go as soon
as it is over, to see. Refused twice, and nothing is given for such resets any more.
"""

from __future__ import annotations

from typing import Final

from brim.policies.refill import Look
from brim.policies.spans import MINUTE_S, written_span

__all__ = ["Period"]

_NEVER: Final = float("inf")
_APART_S: Final = 1.0
_OFF: Final = 0.1
_OFF_S: Final = 1.1
"""By so much a reset may be off: as a share, and in seconds, since many are shown whole."""
_HALF: Final = 0.5
"""Of a window that began a moment ago more than this part is left."""
_LATE_S: Final = 0.1
_MORE: Final = 1.5
_FAR_MORE: Final = 2.0
"""So many times what comes back evenly, and a share of all besides, needs no second look."""
_LATEST: Final = 2.0
"""A window that slides gives back little at first: it is looked at until so many times its reset have passed."""
_CALLS: Final = 1.5
_SHARE: Final = 0.25
"""What comes back at once is so many times what comes back evenly, and as many calls more, or such a share of all."""
_ALL: Final = 0.9
"""Where less than this share of the limit is the most that was ever left, it is counted over a minute by a bucket that
holds less, or in parts of a minute, and what is shown as the limit is the minute's."""
_FIRST_CALLS: Final = 8.0
"""So many calls go before any answer is there."""
_MUCH: Final = 0.5
_SURE: Final = 2
_IN_VAIN: Final = 2
_CLEARLY: Final = 1.2
"""So many times more came back than may have."""
_REFUTED: Final = 2.0
"""A reset that is so many times as long as windows were thought to be refutes that."""
_DOUBLE: Final = 1.5
"""A reset that is so many times as long as a window is that of the next one."""
_EXACT_S: Final = 0.3
_WHOLE_S: Final = 1.1
_HELD: Final = 3.0
"""Resets are of a window that agree on its end to within so much, in whole seconds or not, for so many times as long;
those of a bucket move on."""
_SAME: Final = 0.1
_SAME_LOOKS: Final = 4
_SAME_FOR: Final = 0.4
_TIMES_USED: Final = 2.0
"""Resets stay the same that differ by no more than this share in so many answers, over such a part of what they show,
while what is used becomes so many times as much."""
_LOOKS_AGAIN: Final = 8.0
"""Of such a window it is seen so many times in its length whether anything came back."""


class Period:
    """For how long a limit is.

    Attributes:
        seconds: so many, as far as is known.
        peek_at: when it may be seen whether the reset is true; infinity if there is no reason to.
    """

    __slots__ = (
        "_anchor",
        "_began_at",
        "_ends",
        "_first",
        "_is_doubled",
        "_is_peeking",
        "_is_plain",
        "_is_read",
        "_is_whole",
        "_longest",
        "_most",
        "_steady",
        "_times",
        "_vain",
        "peek_at",
        "seconds",
    )

    def __init__(self) -> None:
        self.seconds = MINUTE_S
        self.peek_at = _NEVER
        self._most = _NEVER
        self._is_read = self._is_plain = False
        self._ends = _Ends()
        self._anchor: tuple[float, float, float, float] | None = None
        self._first: tuple[float, float, float, float] | None = None
        self._is_doubled = self._is_peeking = self._is_whole = False
        self._began_at = _NEVER
        self._longest = 0.0
        self._steady = _Steady()
        self._times = self._vain = 0

    def recounted(self) -> None:
        """What calls took was counted wrongly: how much came back tells nothing."""
        if self._most < _NEVER and not self._is_plain:
            self.seconds, self._most = MINUTE_S, _NEVER
        self._anchor = self._first = None
        self._times = 0

    def took(self, now: float) -> None:
        """An attempt goes."""
        self._is_peeking = self._is_peeking or now >= self.peek_at
        self.peek_at = _NEVER

    def ends_in(self, reset_in: float) -> float:
        """Seconds until the window of now ends, where *reset_in* may tell when the one after it is over as well.

        That is so where what is left of a window counts on in the next one by the part that a sliding one would hold.
        """
        self._is_doubled = self._is_doubled or _DOUBLE * self.seconds < reset_in <= 2.0 * self.seconds + _OFF_S
        return reset_in - self.seconds if self._is_doubled and reset_in > self.seconds else reset_in

    def read(self, named: float | None, reset_in: float | None, *, limit: float, left: float | None) -> None:
        """An answer showed the limit.

        Args:
            named: the seconds that the names of its headers mean; None if they mean none.
            reset_in: seconds until the reset, if one is shown.
            limit: units in a period.
            left: the most that was ever left, if that was ever shown.
        """
        if named is not None:
            self.seconds = min(named, self._most)
        elif left is not None and left < _MUCH * limit:
            self.seconds = MINUTE_S
        else:
            before = self.seconds if self._is_read else 0.0
            self.seconds = written_span(max(before, reset_in or 0.0))
            self._is_read = True

    def saw(
        self,
        look: Look,
        reset_in: float,
        *,
        limit: float,
        cap: float,
        cost: float,
        new: float,
        is_refused: bool,
    ) -> bool:
        """The server looked, and showed a reset. Returns whether the limit is for another time than was thought.

        Args:
            look: what it showed.
            reset_in: seconds until the reset.
            limit: units in a period.
            cap: the most that was ever left.
            cost: units that a call takes.
            new: what had been sent when the answer came and was not counted yet, as far as is known.
            is_refused: was the attempt refused?
        """
        at, offset = look.at, look.offset
        self._longest = max(self._longest, reset_in)
        if reset_in > _REFUTED * self._most + _OFF_S:
            return self._lengthen(reset_in)
        period = self.seconds
        self._is_whole = self._is_whole or self._was_whole(look, new, limit=limit, cost=cost)
        is_whole = self._is_whole or cap + cost >= _ALL * limit
        longest = self._plainly(at, offset, reset_in, limit=limit, cost=cost)
        if is_whole and longest is not None:
            return self._shorten(longest)
        if self._is_peeking:
            self._is_peeking = False
            self._vain += is_refused
        self.peek_at = _NEVER
        if self._vain >= _IN_VAIN or reset_in <= 0.0 or not is_whole:
            return False
        full_in = (limit - look.remaining) * period / limit
        is_bucket = abs(reset_in - full_in) <= _OFF * max(reset_in, full_in) + _OFF_S < max(reset_in, full_in)
        is_steady = self._steady.saw(at, reset_in, limit - look.remaining) and not is_bucket
        if self._first is None or self._first[3] != limit:
            self._first = (at, at + reset_in, offset, limit)
        since, ended_at, before, _ = self._first
        if not is_bucket and reset_in < full_in:
            again = max(ended_at, at + reset_in / _LOOKS_AGAIN) if is_steady else at + reset_in
            self.peek_at = again + _LATE_S
        if at - since < _APART_S or at <= ended_at:
            return False
        is_window = reset_in + at - ended_at > _HALF * period and not is_steady
        back, even = offset - before, limit / period * (at - since)
        came_back = back > _MORE * even + min(_CALLS * max(cost, 1.0), _SHARE * limit)
        is_less = came_back and not (is_bucket or is_window)
        is_far_less = is_less and (is_steady or back > _FAR_MORE * even + _SHARE * limit)
        if is_less or at - since > _LATEST * (ended_at - since):
            self._first = (at, at + reset_in, offset, limit)
        self._times += _SURE if is_far_less else is_less
        return is_less and self._times >= _SURE and self._shorten(self._longest)

    def _was_whole(self, look: Look, new: float, *, limit: float, cost: float) -> bool:
        """Do what is left and what was sent since the beginning make up all of the limit, with little come back yet?

        Of what is *new* nobody knows whether it was counted already.
        """
        self._began_at = min(self._began_at, look.at)
        spare, cost = (1.0 - _ALL) * limit + max(cost, 1.0), max(cost, 1.0)  # one that was refused took nothing
        back = limit / self.seconds * (look.at - self._began_at)
        is_early = back <= spare and new <= spare + _FIRST_CALLS * cost
        return is_early and look.offset - spare <= limit <= look.offset + new - back + spare

    def _plainly(self, at: float, offset: float, reset_in: float, *, limit: float, cost: float) -> float | None:
        """How long windows are at most if it shows plainly that they are less than was thought; None if not."""
        is_known = reset_in > 0.0 and self._ends.saw(at, reset_in)
        if is_known and self._longest <= self._ends.apart_s + _OFF_S:
            self._is_plain = True
            return self._ends.apart_s
        is_more = self._longest < _HALF * self.seconds and self._gives_more(at, offset, limit=limit, cost=cost)
        return self._longest if is_more else None

    def _gives_more(self, at: float, offset: float, *, limit: float, cost: float) -> bool:
        """Did more come back than windows of this length could give, wherever they begin?"""
        if self._anchor is None or self._anchor[2:] != (limit, self.seconds):
            self._anchor = (at, offset, limit, self.seconds)
        since, before, *_ = self._anchor
        return offset - before > _CLEARLY * limit * ((at - since) / self.seconds + 1.0) + _CALLS * cost

    def _lengthen(self, reset_in: float) -> bool:
        """A reset is longer than the limit was thought to be for: that was wrong. Returns True."""
        self.seconds = written_span(reset_in)
        self._most = self.seconds if self.seconds < MINUTE_S else _NEVER
        self._anchor = self._first = None
        self._is_plain, self._times, self._ends = False, 0, _Ends()
        return True

    def _shorten(self, longest: float) -> bool:
        """No reset is longer than that. Returns whether the limit is for less than was thought."""
        before = self.seconds
        self.seconds = self._most = min(before, written_span(longest))
        return self.seconds < before


class _Steady:
    """Resets that stay as long as they were, whatever is left: neither a bucket's nor those of a window with an end."""

    __slots__ = ("_least", "_looks", "_most", "_reset_in", "_since")

    def __init__(self) -> None:
        self._reset_in = self._since = 0.0
        self._least = self._most = 0.0
        self._looks = 0

    def saw(self, at: float, reset_in: float, used: float) -> bool:
        """At that moment a reset was shown, with so much *used*. Has it been the same for long enough?"""
        if abs(reset_in - self._reset_in) > _SAME * self._reset_in:
            self._reset_in, self._since, self._looks = reset_in, at, 0
            self._least = self._most = used
        self._looks += 1
        self._least, self._most = min(self._least, used), max(self._most, used)
        is_long = self._looks >= _SAME_LOOKS and at - self._since >= _SAME_FOR * reset_in
        return is_long and self._most >= _TIMES_USED * self._least


class _Ends:
    """When windows end: resets that are shown one after the other agree on it, and ends keep the same distance.

    Attributes:
        apart_s: seconds from one end to the next, as far as is known; infinity if it is not.
    """

    __slots__ = ("_at", "_before", "_end", "_since", "_times", "apart_s")

    def __init__(self) -> None:
        self.apart_s = _NEVER
        self._since = self._at = self._end = self._before = float("-inf")
        self._times = 0

    def saw(self, at: float, reset_in: float) -> bool:
        """At that moment a reset was shown. Is it known how far apart ends are?"""
        off = _WHOLE_S if reset_in == int(reset_in) else _EXACT_S
        end = at + reset_in
        if abs(end - self._end) <= off:
            self._at = at
            return False
        apart = self._end - self._before
        is_end = self._at - self._since >= _HELD * off and apart > off  # one that was shown before is no new one
        if is_end:
            windows = max(1, round(apart / self.apart_s)) if apart < _NEVER else 1  # some may have gone by unseen
            is_same = abs(apart - windows * self.apart_s) <= off
            self._times = self._times + 1 if is_same else 1
            self.apart_s, self._before = self.apart_s if is_same else apart, self._end
        self._since = self._at = at
        self._end = end
        return is_end and self._times >= _SURE
