"""How many attempts may be on the wire at once, learnt from their outcomes: outcomes in, a number out.

Four kinds of evidence, each with its own answer:

- *nothing known yet*: the window starts small and doubles in a second, or in a round of answers of half a second or
  more, in which it was full and nothing was pushed back. Waiting for answers alone would take minutes where one does.
- *answers that take longer*: on hardware without limits more at once only makes all of them slower. The time an answer
  takes for its length is held against that of the first few answers; the window follows the number at which both are
  nearly the same (by Little's law, the number that just fills the hardware), so throughput decides and no knob.
- *overload* (503, 529): strays cost nothing; where they are many, each takes half a slot away, so that a storm halves
  the window.
- *refusals at always the same number*: a cap on calls at once (`brim.policies.call_cap`).

Where a rate binds (stated, shown or measured) the window is thrown open: the rate does the holding back.
"""

from __future__ import annotations

from typing import Final

from brim.policies.call_cap import CallCap

__all__ = ["START", "AdaptiveWindow"]

START: Final = 8
"""Attempts at once before anything is known (design section 5)."""

GROWS_EACH_S: Final = 0.25
"""A full window that meets no resistance grows by a step after so many seconds: many small steps, since all that a step
lets go at once is refused at once where a limit is hit."""
_STEP: Final = 2.0**0.25
_DOUBLES_S: Final = 0.5
"""However fast answers come, the window doubles no sooner: what is sent until a refusal is back is refused too."""
_CALM_S: Final = 1.0
_ROUNDING: Final = 1e-9

_MOST_UNANSWERED: Final = 512
_HEARD: Final = 4
_FIRST_ANSWERS: Final = 24
_LEAST_ANSWERS: Final = 48
_NEARLY_ALL: Final = 0.9
_SLACK: Final = 1.12
"""A little more than what just fills the hardware, so that a slot which comes free finds a request waiting."""
_SLOWER: Final = 1.4
_PER_ANSWER_TOKENS: Final = 64.0
_VOTES: Final = 4
_STRAYS: Final = 0.1
"""Overloads up to this share of the answers are strays."""


class AdaptiveWindow:
    """A congestion window.

    Args:
        ceiling: never wider than this; at least 1.
        start: how wide at first.
    """

    __slots__ = (
        "_base",
        "_changed_at",
        "_exact",
        "_is_open",
        "_is_ramping",
        "_now",
        "_overloads",
        "_resisted_at",
        "cap",
        "ceiling",
        "size",
    )

    def __init__(self, *, ceiling: int, start: int = START) -> None:
        self.ceiling = ceiling
        self._exact = float(min(start, ceiling))
        self._is_ramping = True
        self._is_open = False
        self._changed_at = float("-inf")
        self._resisted_at = float("-inf")
        self._base = _Speed()
        self._now = _Speed()
        self.cap = CallCap(ceiling)
        self._resize(0.0)

    @property
    def _bound(self) -> int:
        return self.cap.size if self.cap.is_believed else self.ceiling

    @property
    def grows_by_time(self) -> bool:
        """Would a full window double by itself?"""
        is_unheard = self._base.answers < _HEARD
        return (
            is_unheard and self._is_ramping and not self._is_open and self.size < min(self.cap.size, _MOST_UNANSWERED)
        )

    def open(self) -> None:
        """A rate is known that holds us back: no need to be careful here."""
        if not self._is_open:
            self._is_open = True
            self._exact = float(self.ceiling)
            self._resize(self._changed_at)

    def granted(self, in_flight: int, now: float) -> None:
        """One more attempt is on the wire, *in_flight* with it."""
        before = self._bound
        self.cap.granted(in_flight, now)
        if self._bound != before:
            self._resize(now)

    def ticked(self, in_flight: int, now: float) -> None:
        """The time of one step has passed in which *in_flight* were on the wire."""
        if self.grows_by_time and in_flight >= self.size and now - self._resisted_at > _CALM_S:
            self._exact *= _STEP
            self._resize(now)

    def replied(self, among: int, *, sent_at: float, now: float, tokens: float = 0.0) -> None:
        """An answer came.

        Args:
            among: attempts on the wire when it was sent, itself included.
            sent_at: when that was.
            now: when the answer was there.
            tokens: its length.
        """
        before = self._bound
        self.cap.replied(among, sent_at=sent_at)
        if self._bound != before:
            self._resize(now)
        if self._is_open:
            if self._exact < self.ceiling:
                self._exact += 1.0 / self._exact
                self._resize(self._changed_at)
            return
        work = tokens + _PER_ANSWER_TOKENS
        if among <= (2 * START if self._base.answers < _FIRST_ANSWERS else START // 2):
            self._base.add(now - sent_at, work)
        if sent_at >= self._changed_at:
            self._now.add(now - sent_at, work)
            self._now.most = max(self._now.most, among)
            if self._is_ramping:
                self._end_ramp(now)
            elif self._now.answers >= max(self.size, _LEAST_ANSWERS):
                self._end_round(now)

    def _end_ramp(self, now: float) -> None:
        """Has a round of answers come? One that hangs must not hold up all."""
        heard = self._now
        needed = _NEARLY_ALL * max(self.size, START)
        if heard.answers + heard.failures >= needed and heard.answers >= 0.5 * needed:
            self._end_round(now)

    def _end_round(self, now: float) -> None:
        ratio = self._now.slower_than(self._base)
        was_full = self._now.most >= 0.75 * self.size
        if ratio > _SLOWER or not self._is_ramping:
            self._is_ramping = False
            wanted = self._exact / max(ratio, 0.5) * _SLACK
            if wanted < self._exact or was_full:
                self._exact += (wanted - self._exact) * (1.0 if ratio > _SLOWER else 0.5)
        elif was_full and now - self._resisted_at > _CALM_S:
            self._exact *= 2.0 ** min(1.0, (now - self._changed_at) / _DOUBLES_S)
        self._resize(now)

    def failed(self, *, sent_at: float, now: float) -> None:
        """An attempt came back without an answer: it says nothing about speed, but its round is over too."""
        if self._is_ramping and not self._is_open and sent_at >= self._changed_at:
            self._now.failures += 1
            self._end_ramp(now)

    def overloaded(self, now: float, *, among: int = 0) -> None:
        """The far end said that it was too much for it. A stray one among many answers says nothing.

        *among*: attempts on the wire, whose answers may just take longer than an overload does.
        """
        self._overloads += 1
        if self._overloads < _VOTES or self._overloads < _STRAYS * (self._now.answers + among):
            return
        self._is_ramping = False
        self._resisted_at = now
        self._exact -= 0.5 * self._overloads
        self._resize(self._changed_at)

    def refused(self, number: int, now: float) -> None:
        """A limit refused an attempt as the *number*-th that was there; told once for each burst of refusals."""
        self._resisted_at = now
        before = self._bound
        self.cap.refused(number, now)
        if self._bound != before:
            self._resize(now)

    def echoed(self, number: int, *, sent_at: float, now: float) -> None:
        """One more was refused as the *number*-th, in the same burst, or too few to say anything about a rate."""
        before = self._bound
        self.cap.echoed(number, sent_at=sent_at, now=now)
        if self._bound != before:
            self._resize(now)

    def uncapped(self, now: float) -> None:
        """What is refused is refused for another reason than how many there are at once."""
        self._resisted_at = now
        before = self._bound
        self.cap.forget()
        if self._bound != before:
            self._resize(now)

    def ramp(self, now: float) -> None:
        """Others of ours were sent just before: begin with one, and grow from there."""
        if not self._is_open:
            self._exact = 1.0
            self._resize(now)

    def restart(self, now: float) -> None:
        """The far end was gone and is back: begin as at first."""
        if not self._is_open:
            self._is_ramping = True
            self._exact = float(START)
            self._resize(now)

    def grow_again(self, now: float) -> None:
        """What ended the ramp was no lack of capacity, most likely: go on with it from here."""
        if not self._is_open:
            self._is_ramping = True
            self._resize(now)

    def reopen(self, now: float) -> None:
        """The lane was closed and opens again: come back as a ramp, not as a stampede."""
        if not self._is_open:
            self._exact = max(min(self._exact, START), self._exact / 2)
            self._resize(now)

    def restate(self, ceiling: int, *, is_open: bool, in_flight: int, now: float) -> None:
        """Other limits are stated now: what was learnt is kept as far as it fits under *ceiling*.

        Args:
            ceiling: never wider than this; at least 1.
            is_open: does a rate hold attempts back?
            in_flight: attempts on the wire.
            now: the present time.
        """
        if is_open and (self._exact >= self.ceiling or not self._is_open):
            self._exact = float(ceiling)
        if self._is_open and not is_open:
            # As many as are there have shown that they get through; more has to be found out.
            self._exact, self._is_ramping = float(max(START, in_flight)), True
        self.cap.restate(ceiling)
        self._is_open = is_open
        self.ceiling = ceiling
        self._resize(now)

    def _resize(self, now: float) -> None:
        self._exact = min(max(self._exact, 1.0), float(self.ceiling))
        self.size = min(int(self._exact + _ROUNDING), self._bound)
        self._changed_at = now
        self._now = _Speed()
        self._overloads = 0

    def __repr__(self) -> str:
        return f"AdaptiveWindow({self.size}/{self.ceiling})"


class _Speed:
    """Seconds of answers and the work in them."""

    __slots__ = ("answers", "failures", "most", "seconds", "work")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.work = 0.0
        self.answers = 0
        self.failures = 0
        self.most = 0

    def add(self, seconds: float, work: float) -> None:
        self.seconds += seconds
        self.work += work
        self.answers += 1

    def slower_than(self, base: _Speed) -> float:
        """How many times as long answers take: each, or for their length, whichever says less.

        Where the time does not depend on the length, a few long answers among the first make all others look slow.
        """
        if not base.seconds or not self.answers:
            return 1.0
        each = self.seconds * base.answers / (base.seconds * self.answers)
        return min(each, self.seconds * base.work / (base.seconds * self.work))
