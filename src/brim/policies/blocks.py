"""Limits counted in windows, told by their blocks: they let everything through, then nothing for seconds on end.

A window says what it allows more plainly than a bucket does. If it slides, it is what got through in the span before a
refusal. If it is fixed, it is what got through since the window began: then blocks end at the same place of the span
every time, or the server says when they will. How long the span is shows in the blocks too, since none is longer, and
windows have the lengths that people choose.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import inf, nextafter
from typing import Final

from brim.policies.log_window import Log
from brim.policies.refusal import Refusal
from brim.policies.spans import MINUTE_S

__all__ = ["NO_TRAIL", "Blocks", "Trail"]

Trail = tuple[Sequence[float], Sequence[float]]
"""Times, and what had passed by each of them."""

NO_TRAIL: Final[Trail] = ((), ())

_SPANS_S: Final = (10.0, 15.0, 30.0, 60.0, 180.0, 300.0, 600.0, 3_600.0)
"""Lengths of windows. Shorter ones need no telling: their blocks are over before anyone knows of them..."""
_SHORT_S: Final = 5.0
"""... but for this one, where refused calls count, or two windows are weighed into one: if nothing at all gets through,
and no wait says that it is longer."""
_BRIEF_S: Final = 15.0
"""Of one that is no longer than this more slide than begin anew by the clock: it refuses no longer than it is full."""
_LINGERS: Final = 1.25
"""Where two windows are weighed into one, what was too much in the first still counts a while after its end."""
_SHORTEST_S: Final = 3.0
_SURE: Final = 3
"""It takes so many refusals in a row to see a block, if the server does not say how long it lasts."""
_SHORTEST_SENDS: Final = 4.0
"""A bucket refills what an attempt asks for sooner; what refuses for longer counts in windows."""
_TRICKLE: Final = 0.2
"""Less than this share of what was expected, and no more than was refused, is what small attempts find left in a window
that is used up."""
_ROUNDED_S: Final = 1.0
_TRIP_S: Final = 0.5
"""A wait in whole seconds is so much too long at most, and its refusal as long on its way or less."""
_REGULAR: Final = 2
_PUNCTUAL: Final = 0.1
"""Blocks that end so often in a row at the same place of the span, give or take this share, are of fixed windows."""
_LONGER: Final = 1.5
_ALIKE: Final = 0.05
_LATE: Final = 0.15
"""Blocks that end so much further apart than the span, twice in a row at equal distances, or once a minute, show how
long it is. That they have ended is seen a little late."""
_SAME: Final = 2
"""What was measured again is believed however little it is."""
_UNLIKE: Final = 0.25
_REFUTED: Final = 2
"""Measurements so much less than the one before, so often without one alike in between, are of no window. One that is
more may be of a limit that was raised."""
_HARDLY: Final = 0.1
"""Refused again after so small a share of the span in which so little got through, it is no window."""
_MORE: Final = 1.04
"""So many times what was measured, unrefused in one span, and the limit has been raised."""
_AT_ONCE: Final = 0.5
"""One measurement lowers what is believed to no less than this share: it may have been the end of a window."""
_LIKELY: Final = 0.7
"""A window that is used up holds most of what was sent in a span; if not, it is not where it is thought to be."""
_FULL: Final = 0.9
"""Refused with less than this share of what it allows in it, a brief window is a longer one."""
_HOLD_SHARE: Final = 1 / 8
"""Where a window slides and has no room, nothing goes for so much of it at most: it may have room all the same."""
_NO_CHANCE: Final = 2
"""So many attempts in a row that got through where a window that slides had no room: it does not slide."""
_SOONER: Final = 0.1
"""So much of the span sooner than a window that slides had room the server says that there is some."""
_A_MOMENT_S: Final = 0.1
_ASKED: Final = 5
"""Asked so often in vain, it may be a bucket that refused calls keep empty: each of them counts."""
_SPACING_S: Final = 0.25
_LEAST_KEPT: Final = 32
_MOST_KEPT: Final = 512
"""What passed is noted at so many moments of a window, and usually every so many seconds."""
_MOST: Final = 2_048


def _longest_block(span: float) -> float:
    """How long a block of a window may be that is *span* seconds long."""
    return _LINGERS * span if span <= _SHORT_S or span >= MINUTE_S else span


class Blocks:
    """Watches one limit for blocks.

    Args:
        now: when the first attempt was sent.
        trail: times since then, in order, and what had passed by each of them, as far as that is known.

    Attributes:
        span: how long the window is, in seconds; 0 while nothing speaks for one.
        amount: what it allows; 0 while not measured.
        block: how long the last block was, or is by now.
        count: refusals in a row since anything got through.
        alike: measurements in a row that agree with the one before.
    """

    __slots__ = (
        "_asked",
        "_began",
        "_distance",
        "_edge",
        "_ended",
        "_held",
        "_is_tight",
        "_is_told",
        "_largest",
        "_level",
        "_level_at",
        "_log",
        "_next_at",
        "_passed",
        "_regular",
        "_shortest_s",
        "_slides",
        "_times",
        "_unlike",
        "alike",
        "amount",
        "block",
        "count",
        "span",
    )

    def __init__(self, now: float, trail: Trail = NO_TRAIL) -> None:
        self.span = 0.0
        self.amount = 0.0
        self.count = 0
        self.alike = 0
        self._asked = 1.0
        self._largest = 0.0
        self._held = 0
        self._is_tight = self._is_told = False
        self._slides = True
        times, passed = trail
        self._times: list[float] = [nextafter(now, -inf), *times]  # nothing had passed when the first one went
        self._passed: list[float] = [0.0, *passed]
        self._next_at = now
        self._began = now
        self._level = 0.0
        self._level_at = now
        self.block = 0.0
        self._edge: float | None = None
        self._ended = now
        self._distance = 0.0
        self._regular = 0
        self._unlike = 0
        self._shortest_s = _SHORTEST_S
        self._log = Log(now)

    @property
    def rate(self) -> float:
        """What the window allows, a second; 0 while not measured, or so little that it says nothing yet."""
        is_enough = self.amount >= _SHORTEST_SENDS * self._asked or self.alike >= _SAME
        return self.amount / self.span if self.span and is_enough else 0.0

    @property
    def _spacing(self) -> float:
        usual = min(_SPACING_S, self.span / _LEAST_KEPT) if self.span else _SPACING_S
        return max(usual, self.span / _MOST_KEPT)

    def promised(self, span: float) -> None:
        """The first refusal, about to be told, says that the window is so many seconds long; 0 if it says nothing."""
        self.span = span

    def saw(self, passed: float, now: float) -> None:
        """An attempt was sent, *passed* with it in all."""
        if now >= self._next_at:
            self._note(passed, now)
            self._next_at = now + self._spacing

    def _note(self, passed: float, at: float) -> None:
        if len(self._times) >= _MOST:
            del self._times[: _MOST // 4], self._passed[: _MOST // 4]
        self._times.append(at)
        self._passed.append(passed)

    def took_back(self, amount: float, sent_at: float) -> None:
        """An attempt was refused: it is among what seemed to have passed since it was sent."""
        place = len(self._times) - 1
        while place >= 0 and self._times[place] >= sent_at:
            self._passed[place] -= amount
            place -= 1
        if sent_at <= self._level_at:
            self._level -= amount
            if self.amount and abs(sent_at - self._began) <= _SPACING_S:
                self.amount -= amount

    def refused(self, refusal: Refusal, *, passed: float, by_then: float, rate: float, pace: float) -> bool:
        """An attempt was refused. Is there a new measurement?

        Args:
            refusal: the attempt.
            passed: what has been let through in all.
            by_then: what of that had been sent when it was.
            rate: what is believed to be let through a second.
            pace: what was sent a second, on purpose.
        """
        amount, sent_at, now, wait = refusal.amount, refusal.sent_at, refusal.now, refusal.told
        self._asked = amount
        got = passed - self._level
        usual = min(rate, passed / max(now - self._times[0], _SHORTEST_S))
        self._held = 0
        self._largest = max(self._largest, amount)
        trickle = min(self.count * self._largest, _TRICKLE * usual * (now - self._began - self.block))
        if self.count and got <= max(0.5 * amount, trickle):
            self.count += 1
            self._log.refused_again(sent_at)
            self._is_tight = self._is_tight and got <= 0.5 * amount and wait <= _SHORTEST_S
            if self.count >= _SURE or wait > _SHORTEST_S:
                self._lasted(max(now - self._began, wait), amount, rate)
            if 0.0 < self.span <= _BRIEF_S and not self.is_fixed and self._in_span(sent_at) < _FULL * self.amount:
                self._is(next(span for span in _SPANS_S if span > self.span))  # if it slid it would have room by now
            return False
        if self.span and self.count:
            self._ends(sent_at, is_asked=pace > rate)
        slides = self._log.refused(refusal, ended=self._end(), passed_by=self._at)
        if slides and slides != self.span and not self.is_fixed:
            self._is(slides)
        self.count, self._began, self.block = 1, sent_at, 0.0
        self._is_told = wait > _SHORTEST_S
        self._is_tight = not self._is_told
        self._level, self._level_at = passed, now
        if (sent_at, by_then) > (self._times[-1], self._passed[-1]):
            self._note(by_then, sent_at)
        self._lasted(wait, amount, rate)
        if wait > _SHORTEST_S and now + wait < self._room_at(amount, self._in_span(sent_at)) - _SOONER * self.span:
            self._slides = False
        return self._measure(sent_at, now + wait if wait > _SHORTEST_S else None)

    def is_outdone(self, now: float) -> bool:
        """Did clearly more get through in one window than was measured, unrefused?"""
        if not self.rate:
            return False
        if self.is_fixed:
            return self._at(now) - self._at(self._began_at(now)) > _MORE * self.amount
        return self._in_span(now) > _MORE * self.amount

    @property
    def is_fixed(self) -> bool:
        """Do blocks end as those of fixed windows do?"""
        return self._regular >= _REGULAR

    def hold_until(self, amount: float, budget: float, now: float) -> float:
        """Until when to send nothing: until one more attempt of *amount* fits into *budget*, if the window slides.

        It does not if ends of blocks speak against it, or what got through where there was no room.
        """
        if self.is_fixed or not self._slides:
            return now
        room_at, longest = self._room_at(amount, budget), now + _HOLD_SHARE * self.span
        self._held = self._held + 1 if room_at > longest else 0
        self._slides = self._held <= _NO_CHANCE
        return min(room_at, longest) if self._slides else now

    def room_in(self, now: float) -> float:
        """Seconds until what was refused fits into the window, if it slides; infinity if nothing speaks for that."""
        if not self.span or self.is_fixed or not self._slides or self.count > _ASKED:
            return inf
        room_at = self._room_at(self._asked, self.amount)
        return room_at + _A_MOMENT_S - now if room_at > now else inf  # it should have room, and refuses

    def _room_at(self, amount: float, budget: float) -> float:
        times, passed = self._times, self._passed
        place = bisect_left(passed, passed[-1] + amount - budget)
        return times[place] + self.span if 0 < place < len(times) else times[0]

    def _lasted(self, block: float, amount: float, rate: float) -> None:
        """A block is at least *block* seconds long: so is the window."""
        self.block = max(self.block, block)
        if (
            self.block <= self._shortest_s
            or self.block * rate <= _SHORTEST_SENDS * amount
            or self.block <= _longest_block(self.span)
        ):
            return
        spans = (_SHORT_S, *_SPANS_S) if self._is_tight else _SPANS_S
        longer = [span for span in spans if _longest_block(span) >= self.block] or [_SPANS_S[-1]]
        self._is(self._told(longer) if self._is_told and not self.span else longer[0])

    def _told(self, spans: Sequence[float]) -> float:
        """Which of them the first named wait fits that is told in whole seconds; the first if none."""
        until = self._began + self.block - self._times[0]  # most begin with the first attempt, or slide
        return next((span for span in spans if until - _ROUNDED_S <= span <= until + _TRIP_S), spans[0])

    def _is(self, span: float) -> None:
        """The window is so many seconds long, it seems."""
        self.span = span
        self.amount = self._in_span(self._began)
        self._edge, self._regular = None, 0
        self._slides = True

    def _measure(self, until: float, opens_at: float | None) -> bool:
        """Take the measure of the window that is used up *until* then and that, if the server says so, *opens_at*."""
        if not self.span:
            return False
        measure = self._in_span(until)
        if opens_at is not None:
            # The first attempt of the window that is used up was sent a span before it opens; seconds may be rounded.
            since = self._at(until) - self._at(opens_at - self.span - 1.0)
            measure = since if since > _LIKELY * measure else measure
        elif self.is_fixed:
            since = self._at(until) - self._at(self._began_at(until))
            if _LIKELY * measure < since < measure:
                measure = (since * measure) ** 0.5  # they begin no later than that, and perhaps sooner
        if measure < (1.0 - _UNLIKE) * self.amount:
            self._unlike += 1
        elif measure < (1.0 + _UNLIKE) * self.amount:
            self._unlike = 0
        if self._unlike >= _REFUTED:
            self.span = self.amount = self._unlike = 0
            return False
        measure = max(measure, _AT_ONCE * self.amount)
        self.alike = self.alike + 1 if abs(measure - self.amount) < _ALIKE * measure else 0
        self.amount = measure
        return self.amount > 0.0

    def _ends(self, until: float, *, is_asked: bool) -> None:
        """A block has ended, since something got through before another was refused that was sent *until* then.

        *is_asked*: because more was sent than is believed to be allowed.
        """
        ended = self._end()
        got = self._at(until) - self._at(ended)
        is_odd = until - ended < _HARDLY * self.span and got < _HARDLY * self.amount
        slides = self._is_told and self._in_span(until) > _LIKELY * self.amount  # it is full again at once
        if self.block > _SHORTEST_S and is_odd and self.alike < _SAME and not slides:
            # A bucket that refused calls keep empty looks like a window for a while.
            self._shortest_s = 2.0 * self.block
            self.span = self.amount = 0.0
        else:
            self._follow(ended, is_asked=is_asked)

    def _began_at(self, until: float) -> float:
        """When the window began in which something is refused that was sent *until* then, if windows are fixed."""
        assert self._edge is not None, "a block has ended before"
        into = (until - self._edge) % self.span
        # Refused where a window is said to begin, it was the one before that was used up.
        return until - into - (self.span if into < _PUNCTUAL * self.span else 0.0)

    def _follow(self, ended: float, *, is_asked: bool) -> None:
        """A block has *ended*: if windows are fixed, they begin no later than that."""
        if self._edge is None:
            self._edge = self._ended = ended
            return
        distance, self._ended = ended - self._ended, ended
        if distance < self.span / 2:
            return
        if distance > _LONGER * self.span and not is_asked:
            is_minute = abs(distance - MINUTE_S) < _LATE * MINUTE_S
            if is_minute or abs(distance - self._distance) < _ALIKE * distance:
                self.span, self._edge, self._regular = MINUTE_S if is_minute else distance, ended, 0
        self._distance = distance
        late = (ended - self._edge + self.span / 2) % self.span - self.span / 2
        if abs(late) <= _PUNCTUAL * self.span:
            self._regular += 1
            self._edge += min(late, 0.0)
        else:
            self._regular, self._edge = 0, ended

    def _end(self) -> float:
        """When the last block ended: the first moment after it at which more had passed than at its beginning."""
        place = bisect_right(self._times, self._began + self.block)
        while place < len(self._times) and self._passed[place] <= self._level:
            place += 1
        return self._times[place] if place < len(self._times) else self._times[-1]

    def _in_span(self, until: float) -> float:
        return self._at(until) - self._at(until - self.span)

    def _at(self, when: float) -> float:
        """What had passed by *when*."""
        times, passed = self._times, self._passed
        place = bisect_right(times, when)
        if place == 0 or place == len(times):
            return passed[max(0, place - 1)]
        gap = times[place] - times[place - 1]
        if gap > 2.0 * self._spacing:
            return passed[place - 1]  # nothing was sent in between
        share = (when - times[place - 1]) / gap
        between = max(0.0, passed[place] - passed[place - 1] - self._asked)  # the last of them went at the end
        return passed[place - 1] + share * between
