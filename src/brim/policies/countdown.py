"""What the waits that refusals name tell of a rate, where they are named to the fraction of a second.

A bucket that refills at *r* a second and lacks *d* of what a call asks for has it in *d / r* seconds. So the rate is no
more than what a call asked for over what it has to wait. And between the moments for which two refusals promise enough
the bucket brought what was let through meanwhile, and what the second asked for more than the first: that is the rate,
unless the bucket ran over in between. It did not if it never held more than it is known to hold.

Windows promise their end, which says nothing of a rate: those of a second all end at the same part of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from brim.policies.evidence import Evidence
from brim.policies.refusal import Refusal
from brim.policies.replay import drawn

__all__ = ["Countdown"]

_LONGEST_S: Final = 2.0
"""A longer wait may be that for a window's end."""
_ON_THE_SECOND: Final = 0.005
_UNLIKELY: Final = 0.05
"""Promises whole seconds apart, within so many seconds, are those of windows, unless that is as likely by chance: of a
bucket's, which stand a call apart, one for every second does."""
_LEAST_SENDS: Final = 12.0
"""Of two refusals closer to each other the waits are too coarse, and whether a refused call counts matters most."""
_FEW: Final = 0.05
"""So many refusals for each that was let through in between change little if they count too."""
_SPARE: Final = 0.5
"""A bucket may have held this part of an attempt more than it is known to hold: sizes are known in whole ones."""
_CONFIRMS: Final = 4.0
"""So many attempts have to get through before a refusal confirms the rate..."""
_AT_LEAST: Final = 0.95
_AT_MOST: Final = 1.3
"""... of which its pace was so many times, at least and at most."""
_LITTLE_LESS: Final = 0.85
"""Not confirmed, it is this share of what the waits allow at most, or more."""


class _Promise(NamedTuple):
    """An attempt of *amount*, the *number*-th that was refused, was sent *at* and told to come at *due*."""

    at: float
    due: float
    amount: float
    passed: float
    number: int


class Countdown:
    """The rate that the named waits tell.

    Attributes:
        most: the rate is no more, if a bucket is what counts; infinity as long as nothing says so.
        is_open: has that rate neither been confirmed nor been ruled out?
    """

    __slots__ = ("_began", "_by_chance", "_is_window", "_last", "_refusals", "is_open", "most")

    def __init__(self) -> None:
        self.most = float("inf")
        self._began = 0.0
        self._by_chance = 1.0
        self.is_open = self._is_window = False
        self._last: _Promise | None = None
        self._refusals = 0

    def named(self, amount: float, wait: float) -> None:
        """A refusal asked *amount* to wait for so many seconds; 0 if it named none, or whole seconds only."""
        self._refusals += 1
        if 0.0 < wait <= _LONGEST_S and not self._is_window:
            self.most = min(self.most, amount / wait)

    def began(self, refusal: Refusal, passed: float, evidence: Evidence) -> None:
        """The first refusal, when *passed* had been let through: search from the rate on that it tells."""
        self._remember(refusal, passed)
        self._began = passed
        self.is_open = evidence.hint is None
        self._bound(refusal, evidence)
        if self.is_open:
            evidence.suppose(self.most)

    def tells(self, refusal: Refusal, passed: float, evidence: Evidence, *, pace: float, mean: float) -> float | None:
        """One more refusal: which rate do the waits tell? None if they tell none that is not known.

        Args:
            refusal: the attempt.
            passed: what had been let through by then.
            evidence: what is known of the rate, this refusal included.
            pace: the rate at which the attempt was sent.
            mean: what an attempt asks for on average.
        """
        between = self._between(refusal, passed, evidence, mean)
        self._bound(refusal, evidence)
        if max(evidence.low, evidence.seen) > _AT_MOST * self.most:
            self.most = float("inf")  # it was raised
        if self._is_confirmed(refusal, passed, evidence, pace=pace, mean=mean):
            self.is_open = False
            return self.most
        least = max(evidence.slowest, _AT_LEAST * evidence.low)
        if between is not None and not self._is_window and between >= least and not evidence.is_close:
            return between
        if self.is_open and evidence.is_fresh:
            evidence.suppose(self.most)
        return None

    def within(self, base: float, high: float) -> float:
        """What to believe where bounds say *base*, and no more than *high*: what the waits allow, or little less.

        Each of them allows too much by some chance, and the least of several hardly any.
        """
        if self.most == float("inf"):
            return base
        return min(max(base, _LITTLE_LESS * min(self.most, high)), self.most)

    def _bound(self, refusal: Refusal, evidence: Evidence) -> None:
        """A rate at which nothing would have been refused at first is none that waits can tell."""
        if self.most < evidence.slowest:  # no bucket holds more than a minute's worth: it is a window
            self.most, self.is_open, self._is_window = float("inf"), False, True
        elif self.most < float("inf"):
            self.most = min(self.most, evidence.fastest(max(refusal.amount, evidence.largest), refusal.amount))

    def _is_confirmed(self, refusal: Refusal, passed: float, evidence: Evidence, *, pace: float, mean: float) -> bool:
        """Was it refused where the highest rate that the waits allow would refuse?"""
        return (
            self.is_open
            and passed - self._began >= _CONFIRMS * mean
            and _AT_LEAST <= pace / self.most <= _AT_MOST
            and evidence.low <= self.most <= _AT_MOST * evidence.high
            and not evidence.refutes(self.most, refusal, mean)
        )

    def _remember(self, refusal: Refusal, passed: float) -> None:
        amount, at, _, _, wait = refusal
        is_named = 0.0 < wait <= _LONGEST_S
        self._last = _Promise(at, at + wait, amount, passed, self._refusals) if is_named else None

    def _between(self, refusal: Refusal, passed: float, evidence: Evidence, mean: float) -> float | None:
        """The rate between the last two promises; None if it may have been more."""
        last = self._last
        self._remember(refusal, passed)
        if last is None or self._last is None:
            return None
        seconds = self._last.due - last.due
        if seconds <= 0.0:
            return None
        rate = (passed - last.passed + refusal.amount - last.amount) / seconds
        is_on = abs(seconds - round(seconds)) < _ON_THE_SECOND
        self._by_chance = self._by_chance * min(1.0, mean / rate) if is_on and rate > 0.0 else 1.0
        if self._by_chance < _UNLIKELY:
            self.most = float("inf")
            return None
        sends = (passed - last.passed) / mean
        refused = self._refusals - last.number - 1
        if sends < _LEAST_SENDS or refused > _FEW * sends:
            return None
        until = refusal.sent_at
        stretch = [sample for sample in evidence.sending.samples if last.at <= sample[0] <= until]
        most = max(rate, self.most)  # at a lower rate than the true one a bucket seems larger than it is
        holds = max(drawn(evidence.sending.opening, until, most), drawn(stretch, until, most))
        return rate if _fullest(stretch, last, until, rate) <= holds + _SPARE * mean else None


def _fullest(samples: Iterable[tuple[float, float]], begin: _Promise, until: float, rate: float) -> float:
    """The most that a bucket which never runs over has held since *begin*."""
    fullest = level = begin.amount - rate * (begin.due - begin.at)
    before, passed = begin.at, begin.passed
    for at, by_then in samples:
        level += rate * (at - before)
        fullest = max(fullest, level)
        level -= by_then - passed
        before, passed = at, by_then
    return max(fullest, level + rate * (until - before))
