"""Windows that begin by the clock, told by when they end: at the same place of a span, all of them.

A refusal names the end by the wait that it asks for; where it names none the window ended between what was refused and
the first call of that size that got through. A bucket has enough for a call at any moment, and a window that slides
whenever what was sent a span ago leaves it. So where several ends, each of another window, lie whole spans apart, and
closer than chance would have them, the limit is counted in windows of that span. Spans are whole seconds: nobody writes
down others.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from brim.policies.refusal import Refusal
from brim.policies.spans import MINUTE_S, SPANS_S

__all__ = ["ClockEnds"]

_KEPT: Final = 16
"""So many ends are remembered."""
_LEAST: Final = 4
"""It takes as many windows that were refused in..."""
_UNLIKELY: Final = 1e-3
"""... and that their ends agree has to be no more likely than this if it were chance..."""
_ODD: Final = 0.1
"""... or so much less likely still where windows are as long as hardly anybody writes down."""
_WHOLE_S: Final = 1.0
"""A wait in whole seconds is so much too long at most."""
_OFF_S: Final = 5e-3
"""By so much one that is named to the fraction of a second may be off."""
_SHORTEST_S: Final = 2
"""Of shorter windows nothing is left when a refusal comes home."""


class _End(NamedTuple):
    """The earliest and the latest moment at which a window may end."""

    early: float
    late: float


class ClockEnds:
    """The ends that refusals name.

    Attributes:
        span: how long windows are, in seconds; 0 while nothing speaks for any.
        late: the latest moment at which one of them may end; the others do so whole spans before and after.
        unsure_s: so many seconds before that it may end already, for a call that is sent then.
    """

    __slots__ = ("_ends", "_shut", "_step_s", "_trip_s", "late", "span", "unsure_s")

    def __init__(self) -> None:
        self._ends: deque[_End] = deque(maxlen=_KEPT)
        self._shut: Refusal | None = None
        self._step_s = 0.0
        self._trip_s = float("inf")
        self.span = self.late = self.unsure_s = 0.0

    def named(self, refusal: Refusal, *, step_s: float) -> None:
        """A refusal came. *step_s*: a bucket brings what a call asks for in so many seconds.

        What a bucket brings for calls that are all alike it has at multiples of that.
        """
        self._step_s = step_s
        self._trip_s = min(self._trip_s, refusal.now - refusal.sent_at)
        if refusal.wait <= 0.0:
            self._shut = refusal
            return
        early = refusal.sent_at + refusal.told - (0.0 if refusal.exact else _WHOLE_S)
        self._add(_End(early - _OFF_S, refusal.now + refusal.told + _OFF_S), refusal.sent_at)
        self._find()

    @property
    def is_shut(self) -> bool:
        """Did the last refusal name no wait, and has nothing got through since that tells when it was over?"""
        return self._shut is not None

    def passed(self, amount: float, sent_at: float) -> None:
        """A call got through: if it asked no less than the one that was refused before, a window has ended between."""
        if self._shut is not None and sent_at > self._shut.sent_at and amount >= self._shut.amount:
            self._add(_End(self._shut.sent_at, sent_at + _OFF_S), self._shut.sent_at)
            self._shut = None
            self._find()

    def _find(self) -> None:
        """Say what all ends that are known have in common. What is believed is so until an end contradicts."""
        spans = (float(span) for span in range(int(MINUTE_S), _SHORTEST_S - 1, -1))
        believed = [self.span] if self.span else []
        self.span = 0.0
        for span in (*believed, *spans):
            common = self._common(span)
            if common is not None and (span in believed or self._is_no_chance(span)):
                self.span, self.late = span, common.late
                self.unsure_s = min(common.late - common.early + self._trip_s, span / 2)
                return

    def _add(self, end: _End, sent_at: float) -> None:
        """One more end; of the same window as the last one if that had not ended yet, as far as is known."""
        if self._ends:
            early, late = self._ends[-1]
            if sent_at < early and max(early, end.early) <= min(late, end.late):
                end = _End(max(early, end.early), min(late, end.late))
                self._ends.pop()
        self._ends.append(end)

    def _common(self, span: float) -> _End | None:
        """The last end as all of them have it, if windows are *span* seconds long; None if they have none."""
        early, late = last = self._ends[-1]
        for end in self._ends:
            ahead = _apart(last, end, span) * span
            early, late = max(early, end.early + ahead), min(late, end.late + ahead)
        return _End(early, late) if early <= late else None

    def _is_no_chance(self, span: float) -> bool:
        """Are windows of *span* seconds the only reason why all ends agree?"""
        closest = min(self._ends, key=lambda end: end.late - end.early)
        windows, chance = {0}, 1.0
        for end in self._ends:
            if (apart := _apart(closest, end, span)) not in windows:
                windows.add(apart)
                unsure_s = closest.late - closest.early + end.late - end.early
                chance *= min(1.0, max(unsure_s, self._step_s) / span)
        return len(windows) >= _LEAST and chance < (_UNLIKELY if span in SPANS_S else _ODD * _UNLIKELY)


def _apart(one: _End, other: _End, span: float) -> int:
    """By how many windows of *span* seconds *one* end is later than the *other*."""
    return round((one.early + one.late - other.early - other.late) / 2.0 / span)
