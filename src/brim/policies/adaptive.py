"""How many attempts may be on the wire at once, learnt from their outcomes: outcomes in, a number out.

Four kinds of evidence, each with its own answer:

- *nothing known yet*: the window starts small. Until an answer comes it grows by a few attempts each second, since
  waiting for answers that take a minute would take minutes, and since hardware of one's own may only queue what is
  sent. Once answers come it is two to three times as many as those that were sent before them, as long as they take no
  longer than at first, or more at once surely deliver more.
- *answers that take longer*: on hardware without limits more at once makes all of them slower. Where that begins is
  told by all that came so far (`brim.policies.elbow`), and from then on by what is delivered
  (`brim.policies.throughput`), without a knob.
- *overload* (503, 529): strays cost nothing; where they are many, each takes half a slot away, so that a storm halves
  the window.
- *refusals at always the same number*: a cap on calls at once (`brim.policies.call_cap`).

Where a rate binds (stated, shown or measured) the window is thrown open: the rate does the holding back.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

from brim.policies.call_cap import CallCap
from brim.policies.throughput import Climb, Curve

__all__ = ["START", "AdaptiveWindow"]

START: Final = 8
"""Attempts at once before anything is known (design section 5)."""

GROWS_EACH_S: Final = 0.25
"""A full window that meets no resistance grows by a step after so many seconds..."""
_STEP: Final = 8.0
"""... or sooner where it is wide, so that a step lets hardly more than these go: all that go before a refusal is back
are refused where a limit is hit."""
_DOUBLES_S: Final = 0.5
"""However fast answers come, the window doubles no sooner: what is sent until a refusal is back is refused too. Where
something was refused before, it doubles in the time that an answer takes."""
_UNHEARD: Final = (3.0, 0.5, 10.0)
"""While no answer has come at all, so many more go each second at first, so many more of them each second, and so many
at most: what answers slowly may be far away, or hardware of one's own that can't do more at once."""
_STATED_S: Final = 1.0
"""A ceiling that somebody stated is reached in about so many seconds, unless answers speak against it."""
_AHEAD: Final = 2.0
"""Times as many as were on the wire when what has come back by now was sent, as long as more deliver more..."""
_FAR_AHEAD: Final = 3.0
"""... or times as many as have been answered, if that is more: the first to come back may be the short ones, and only
when about as many are there as were on the wire do they speak for all."""
_BACK: Final = 2.0
"""So many times as many remain when answers begin to take longer, and nothing else is known."""
_SPARE: Final = 1.3
"""So many times what seems enough, since an answer is made among more than when it was sent."""
_SPARE_DEAR: Final = 1.1
"""... and so many where more at once surely deliver less."""
_SAME: Final = 0.02
_TOLD_ALL: Final = 60
"""After so many answers for each place what is delivered has its say in any case."""
_CALM_S: Final = 1.0
_ROUNDING: Final = 1e-9

_MOST_UNANSWERED: Final = 512
"""Before the first answer no more are sent."""
_HEARD: Final = 4
"""So many answers are needed to say how long they take..."""
_SELDOM: Final = 64
"""... and what all say together is looked at again after one in so many more."""
_SLOWER: Final = 1.4
"""Answers that take so many times as long as the first few, for their length, end the ramp."""
_STEADY: Final = 1.2
"""What was sent among so many times more or fewer than there are now says little about either number."""
_WORK_BESIDES: Final = 8.0
"""Tokens that an answer takes beside its own."""
_GLANCE: Final = 8
"""Where all that may be is on the wire and nothing resists, one in so many answers is looked at."""
_MOST_LOOKS: Final = 64
_LOOKS_S: Final = 0.25
"""So many answers are looked at in so many seconds: where more come, more would tell nothing new."""
_VOTES: Final = 4
_STRAYS: Final = 0.1
"""Overloads up to this share of the answers are strays."""


class AdaptiveWindow:
    """A congestion window.

    Args:
        ceiling: never wider than this; at least 1.
        start: how wide at first.
        is_stated: did somebody say that as many as the ceiling are all right?
    """

    __slots__ = (
        "_answers",
        "_climb",
        "_crowd",
        "_curve",
        "_exact",
        "_far",
        "_fits_at",
        "_fitted",
        "_is_open",
        "_is_ramping",
        "_is_settling",
        "_is_stated",
        "_looks",
        "_looks_until",
        "_most_unanswered",
        "_overloads",
        "_resisted_at",
        "_settled_at",
        "_unslowed",
        "_waited_s",
        "cap",
        "ceiling",
        "size",
    )

    def __init__(self, *, ceiling: int, start: int = START, is_stated: bool = False) -> None:
        self.ceiling = ceiling
        self._is_stated = is_stated
        self._far = _FAR_AHEAD
        self._exact = float(min(start, ceiling))
        self._is_ramping = self._is_settling = True
        self._settled_at = float("inf")
        self._is_open = False
        self._resisted_at = self._looks_until = float("-inf")
        self._looks = 0
        self._most_unanswered = _MOST_UNANSWERED
        self._crowd = 0
        self._fits_at = _HEARD
        self.cap = CallCap(ceiling)
        self._unslowed = self._exact
        self._waited_s = 0.0
        self._curve = Curve()
        self._climb = Climb(self._curve)
        self._resize()

    def grows_by_time(self) -> bool:
        """Would a full window grow by itself?"""
        return self._is_ramping and not self._is_open and self.size < self._most_ahead

    @property
    def grows_each_s(self) -> float:
        """Seconds between two steps of a full window."""
        return min(GROWS_EACH_S, _STEP / self._exact) if self._curve.answers else GROWS_EACH_S

    @property
    def _most_ahead(self) -> float:
        """The most that there may be before answers have told more."""
        unslowed, answers = self._unslowed, self._curve.answers
        ahead = max(_AHEAD * unslowed, self._far * min(unslowed, answers)) if answers else self._most_unanswered
        return min(self.cap.size, self.ceiling, ahead)

    @property
    def is_open(self) -> bool:
        """Is it a rate that holds calls back?"""
        return self._is_open

    def open(self) -> None:
        """A rate is known that holds us back: no need to be careful here."""
        if not self._is_open:
            self._is_open = True
            self._exact = float(self.ceiling)
            self._resize()

    def granted(self, in_flight: int, now: float) -> None:
        """One more attempt is on the wire, *in_flight* with it."""
        self._crowd = in_flight
        self.cap.granted(in_flight, now)
        self._refit()

    def ticked(self, in_flight: int, now: float) -> None:
        """The time of one step has passed in which *in_flight* were on the wire."""
        if not self.grows_by_time() or in_flight < self.size or now - self._resisted_at <= _CALM_S:
            return
        step_s = self.grows_each_s
        if self._curve.answers:
            is_first = self._resisted_at == float("-inf")
            doubles_s = _DOUBLES_S if is_first else max(self._curve.seconds, _DOUBLES_S)
            grown = self._exact * 2.0 ** (step_s / doubles_s)
        else:
            first, more, most = _UNHEARD
            self._waited_s += step_s
            each_s = min(first + more * self._waited_s, most)
            grown = self._exact + step_s * (max(each_s, self.ceiling / _STATED_S) if self._is_stated else each_s)
        self._exact = max(self._exact, min(grown, self._most_ahead))
        self._fit()

    def replied(self, among: int, *, sent_at: float, now: float, tokens: float = 0.0) -> None:
        """An answer came.

        Args:
            among: attempts on the wire when it was sent, itself included.
            sent_at: when that was.
            now: when the answer was there.
            tokens: its length.
        """
        self.cap.replied(among, sent_at=sent_at, now=now)
        self._refit()
        self._answers += 1
        if self._is_open:
            if self._exact < self.ceiling:
                self._exact += 1.0 / self._exact
                self._resize()
            return
        if self._is_ramping and self._exact >= self.ceiling and self._answers % _GLANCE:
            return  # there is nothing to grow to, and nothing became slower
        if now >= self._looks_until:
            self._looks, self._looks_until = 0, now + _LOOKS_S
        self._looks += 1
        if self._looks <= _MOST_LOOKS:
            self._measure(among, sent_at, tokens + _WORK_BESIDES, now)

    def _measure(self, among: int, sent_at: float, work: float, now: float) -> None:
        seconds, crowd, curve = now - sent_at, max(1, self._crowd), self._curve
        if self._settled_at > now and crowd / _STEADY <= self.size <= crowd * _STEADY + 1.0:
            self._settled_at = now
        at_once = sqrt(among * crowd)
        is_steady = sent_at >= self._settled_at and 1.0 / _STEADY < among / crowd < _STEADY
        curve.add(at_once, seconds, work, now, is_steady=is_steady)
        if self._is_settling:
            curve.rose(float(among), seconds, work, now)
            if curve.answers >= self._fits_at:
                self._fits_at = curve.answers + max(1, curve.answers // _SELDOM)
                self._settle(among)
        if is_steady and not self._is_ramping:
            wanted = self._climb.answered(at_once, float(self.size), now)
            if wanted is not None:
                self._is_settling = False
                self._move(wanted)

    def _settle(self, among: int) -> None:
        """Go on as long as more at once may deliver more, and then back to what is enough, a little more each time.

        As long as that is fewer than there are, what is delivered is not looked at: most of it was sent among others.
        """
        elbow = self._curve.elbow()
        enough = elbow.enough if elbow else float("inf")
        size = enough * (_SPARE_DEAR if elbow and elbow.is_losing else _SPARE) + 1.0
        if self._is_ramping and enough == float("inf"):
            if self._curve.slower() < _SLOWER or (elbow and elbow.is_shallow):
                self._unslowed = max(self._unslowed, float(among))
                return
            size = _BACK * self._unslowed + 1.0
        if self._is_ramping or enough < self._exact:
            self._is_ramping = False
            self._settled_at = float("inf")
            self._exact = min(self._exact, size)
            self._resize()
            self._is_settling = self._curve.answers < _TOLD_ALL * self._exact

    def _move(self, size: float) -> None:
        """What is sent from now on is among another number, and says nothing before that is there."""
        if abs(size / self._exact - 1.0) > _SAME:
            self._settled_at = float("inf")
        self._exact = size
        self._resize()

    def overloaded(self, now: float, *, among: int = 0) -> None:
        """The far end said that it was too much for it. A stray one among many answers says nothing.

        *among*: attempts on the wire, whose answers may just take longer than an overload does.
        """
        self._overloads += 1
        if self._overloads < _VOTES or self._overloads < _STRAYS * (self._answers + among):
            return
        self._is_ramping = False
        self._resisted_at = now
        self._exact -= 0.5 * self._overloads
        self._climb.resisted(now)
        self._resize()

    def refused(self, number: int, now: float) -> None:
        """A limit refused an attempt as the *number*-th that was there; told once for each burst of refusals."""
        self._resisted_at = now
        self.cap.refused(number, now)
        self._refit()

    def echoed(self, number: int, *, sent_at: float, now: float) -> None:
        """One more was refused as the *number*-th, in the same burst, or too few to say anything about a rate."""
        self.cap.echoed(number, sent_at=sent_at, now=now)
        self._refit()

    def crowded(self, number: int, *, is_news: bool, now: float) -> None:
        """An attempt was refused as the *number*-th, and the server says that there are too many at once."""
        self._resisted_at = now
        self.cap.named(number, is_news=is_news)
        self._refit()

    def uncapped(self, now: float) -> None:
        """What is refused is refused for another reason than how many there are at once."""
        self._resisted_at = now
        self.cap.give_up()
        self._refit()

    def ramp(self) -> None:
        """Others of ours were sent just before: begin with one, and grow from there."""
        if not self._is_open:
            self._exact = 1.0
            self._resize()

    def restart(self) -> None:
        """The far end was gone and is back: begin as at first."""
        if not self._is_open:
            # If there never was an answer, perhaps we were what was too much for it.
            self._most_unanswered = max(START, self._most_unanswered // 8)
            self._is_stated = False
            self._far = _AHEAD  # what has just come up is not met by more than that
            self._begin(float(START))

    def grow_again(self) -> None:
        """What ended the ramp was no lack of capacity, most likely: go on with it from here."""
        if not self._is_open:
            self._is_ramping = self._is_settling = True
            self._resize()

    def reopen(self) -> None:
        """The lane was closed and opens again: come back as a ramp, not as a stampede."""
        if not self._is_open:
            self._exact = max(min(self._exact, START), self._exact / 2)
            self._resize()

    def restate(self, ceiling: int, *, is_open: bool, in_flight: int) -> None:
        """Other limits are stated now: what was learnt is kept as far as it fits under *ceiling*.

        Args:
            ceiling: never wider than this; at least 1.
            is_open: does a rate hold attempts back?
            in_flight: attempts on the wire.
        """
        if is_open and (self._exact >= self.ceiling or not self._is_open):
            self._exact = float(ceiling)
        if self._is_open and not is_open:
            # As many as are there have shown that they get through; more has to be found out.
            self._begin(float(max(START, in_flight)))
        self.cap.restate(ceiling)
        self._is_open = is_open
        self.ceiling = ceiling
        self._resize()

    def _begin(self, size: float) -> None:
        """Know nothing of the far end: not even how fast it is."""
        self._exact = self._unslowed = size
        self._is_ramping = self._is_settling = True
        self._settled_at = float("inf")
        self._waited_s = 0.0
        self._fits_at = _HEARD
        self._curve = Curve()
        self._climb = Climb(self._curve)
        self._resize()

    def _resize(self) -> None:
        self._fit()
        self._overloads = self._answers = 0

    def _refit(self) -> None:
        """The cap may be another now."""
        cap = self.cap
        if self._fitted != (cap.size if cap.is_believed else self.ceiling):
            self._resize()

    def _fit(self) -> None:
        cap = self.cap
        self._fitted = cap.size if cap.is_believed else self.ceiling
        self._exact = min(max(self._exact, 1.0), float(self.ceiling))
        self.size = min(int(self._exact + _ROUNDING), self._fitted)

    def __repr__(self) -> str:
        return f"AdaptiveWindow({self.size}/{self.ceiling})"
