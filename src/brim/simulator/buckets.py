"""What a provider counts with: four ways of enforcing "so much per so long".

A bucket is arithmetic over time: it is told `now`, never waits and refuses nothing by itself. `level` says what may
still be taken; `take` takes it, below zero if need be, because output tokens are counted while they are produced and
can't be refused any more. Time never runs backwards: an earlier `now` than the last one counts as the last one.
"""

from __future__ import annotations

from collections import deque
from math import floor, inf
from typing import Final, Protocol

__all__ = ["SLACK", "Bucket", "Continuous", "FixedWindow", "SlidingWindow", "WeightedWindow"]

SLACK: Final = 1e-9
"""Rounding that is forgiven, in seconds and as a share of an amount: a client that waits exactly as long as it was
told must not be refused for the last bit of a float."""


class Bucket(Protocol):
    """One limit, counted one way."""

    def level(self, now: float) -> float:
        """What may be taken at *now*; negative while in debt."""

    def take(self, amount: float, now: float) -> None:
        """Take *amount*, down into debt if need be. A negative amount gives back."""

    def wait(self, amount: float, now: float) -> float:
        """Seconds from *now* until *amount* can be taken if nobody else takes anything; infinite if never."""

    def full_in(self, now: float) -> float:
        """Seconds from *now* until everything can be taken again."""

    def resize(self, factor: float, now: float) -> None:
        """Let the limit be *factor* times its first size from *now* on."""

    def share(self, rival: float, now: float) -> None:
        """Let another client, served first, take the share *rival* (0 to 1) of the limit from *now* on."""


def fits(amount: float, level: float) -> bool:
    """Can *amount* be taken from *level*, rounding forgiven?"""
    return amount <= level + SLACK * max(1.0, amount)


class Continuous:
    """A token bucket: refills evenly at *rate* a second up to *capacity*."""

    def __init__(self, *, rate: float, capacity: float, is_full: bool = True) -> None:
        self._base = (rate, capacity)
        self._factor = 1.0
        self._rival = 0.0
        self._rate = rate
        self._capacity = capacity
        self._level = capacity if is_full else 0.0
        self._at = 0.0

    def level(self, now: float) -> float:
        """See `Bucket.level`."""
        if now > self._at:
            self._refill(now)
        return self._level

    def _refill(self, now: float) -> None:
        level = self._level + (now - self._at) * self._rate
        is_full = level >= self._capacity
        self._level = self._capacity if is_full else level
        self._at = now

    def take(self, amount: float, now: float) -> None:
        """See `Bucket.take`."""
        if now > self._at:
            self._refill(now)
        self._level -= amount
        if amount < 0:
            self._level = min(self._capacity, self._level)

    def wait(self, amount: float, now: float) -> float:
        """See `Bucket.wait`."""
        if now > self._at:
            self._refill(now)
        missing = amount - self._level
        if missing <= 0 or fits(amount, self._level):
            return 0.0
        return missing / self._rate if self._rate > 0 and fits(amount, self._capacity) else inf

    def full_in(self, now: float) -> float:
        """See `Bucket.full_in`."""
        if now > self._at:
            self._refill(now)
        missing = self._capacity - self._level
        return missing / self._rate if self._rate > 0 else (inf if missing else 0.0)

    def resize(self, factor: float, now: float) -> None:
        """See `Bucket.resize`. What was saved up beyond the new capacity is lost."""
        self._change(factor, self._rival, now)

    def share(self, rival: float, now: float) -> None:
        """See `Bucket.share`. The rival drains the refill; what was saved up stays."""
        self._change(self._factor, rival, now)

    def _change(self, factor: float, rival: float, now: float) -> None:
        level = self.level(now)
        self._factor, self._rival = factor, rival
        rate, capacity = self._base
        self._rate = rate * factor * (1.0 - rival)
        self._capacity = capacity * factor
        self._level = min(level, self._capacity)


class FixedWindow:
    """At most *allowance* between one multiple of *span* seconds (shifted by *phase*) and the next.

    Everything comes back at once when the window ends, debts are forgiven, and a client may get twice the allowance
    through around a boundary.
    """

    def __init__(self, *, allowance: float, span: float, phase: float = 0.0, is_full: bool = True) -> None:
        self._base = allowance
        self._factor = 1.0
        self._rival = 0.0
        self._allowance = allowance
        self._span = span
        self._phase = phase
        self._window = self._index(0.0)
        self._used = 0.0 if is_full else allowance

    def _index(self, now: float) -> int:
        return floor((now - self._phase) / self._span + SLACK)

    def level(self, now: float) -> float:
        """See `Bucket.level`."""
        window = self._index(now)
        if window > self._window:
            self._window, self._used = window, 0.0
        return self._allowance - self._used

    def take(self, amount: float, now: float) -> None:
        """See `Bucket.take`."""
        self.level(now)
        self._used = max(0.0, self._used + amount)

    def wait(self, amount: float, now: float) -> float:
        """See `Bucket.wait`."""
        if fits(amount, self.level(now)):
            return 0.0
        return self._ends_in(now) if fits(amount, self._allowance) else inf

    def full_in(self, now: float) -> float:
        """See `Bucket.full_in`."""
        self.level(now)
        return self._ends_in(now) if self._used else 0.0

    def _ends_in(self, now: float) -> float:
        return max(0.0, (self._window + 1) * self._span + self._phase - now)

    def resize(self, factor: float, now: float) -> None:
        """See `Bucket.resize`. What was taken in this window stays taken."""
        self.level(now)
        self._factor = factor
        self._allowance = self._base * factor * (1.0 - self._rival)

    def share(self, rival: float, now: float) -> None:
        """See `Bucket.share`. The rival's part of every window is gone before ours begins."""
        self.level(now)
        self._rival = rival
        self._allowance = self._base * self._factor * (1.0 - rival)


class WeightedWindow(FixedWindow):
    """Two fixed windows that pass for a sliding one, as many gateways count because it needs two numbers only.

    What was taken in the window before counts by the part of it that the last *span* seconds still hold.
    """

    def __init__(self, *, allowance: float, span: float, phase: float = 0.0, is_full: bool = True) -> None:
        super().__init__(allowance=allowance, span=span, phase=phase, is_full=is_full)
        self._before = 0.0

    def level(self, now: float) -> float:
        """See `Bucket.level`."""
        window = self._index(now)
        if window > self._window:
            self._before = self._used if window == self._window + 1 else 0.0
            self._window, self._used = window, 0.0
        return self._allowance - self._used - self._before * self._ends_in(now) / self._span

    def wait(self, amount: float, now: float) -> float:
        """See `Bucket.wait`."""
        missing = amount - self.level(now)
        if fits(amount, amount - missing):
            return 0.0
        if not fits(amount, self._allowance):
            return inf
        left = self._ends_in(now)
        if amount + self._used <= self._allowance:
            return missing / self._before * self._span
        return left + max(0.0, 1.0 - (self._allowance - amount) / self._used) * self._span

    def full_in(self, now: float) -> float:
        """See `Bucket.full_in`."""
        self.level(now)
        if self._used:
            return self._ends_in(now) + self._span
        return self._ends_in(now) if self._before else 0.0


class SlidingWindow:
    """At most *allowance* within every stretch of *span* seconds, wherever it begins."""

    def __init__(self, *, allowance: float, span: float, is_full: bool = True) -> None:
        self._base = allowance
        self._factor = 1.0
        self._rival = 0.0
        self._allowance = allowance
        self._span = span
        self._taken: deque[tuple[float, float]] = deque()
        self._used = 0.0
        if not is_full:
            self.take(allowance, 0.0)

    def level(self, now: float) -> float:
        """See `Bucket.level`."""
        taken = self._taken
        while taken and taken[0][0] + self._span <= now + SLACK:
            self._used -= taken.popleft()[1]
        if not taken:
            self._used = 0.0
        return self._allowance - self._used

    def take(self, amount: float, now: float) -> None:
        """See `Bucket.take`. What is given back comes off what was taken last."""
        self.level(now)
        if amount < 0:
            self._give_back(-amount)
        elif amount > 0:
            self._taken.append((now, amount))
            self._used += amount

    def _give_back(self, amount: float) -> None:
        while amount > 0 and self._taken:
            at, last = self._taken.pop()
            back = min(last, amount)
            self._used -= back
            amount -= back
            if last > back:
                self._taken.append((at, last - back))

    def wait(self, amount: float, now: float) -> float:
        """See `Bucket.wait`."""
        level = self.level(now)
        if fits(amount, level):
            return 0.0
        for at, taken in self._taken:
            level += taken
            if fits(amount, level):
                return max(0.0, at + self._span - now)
        return inf

    def full_in(self, now: float) -> float:
        """See `Bucket.full_in`."""
        self.level(now)
        return max(0.0, self._taken[-1][0] + self._span - now) if self._taken else 0.0

    def resize(self, factor: float, now: float) -> None:
        """See `Bucket.resize`. What was taken counts until it is *span* seconds old."""
        self.level(now)
        self._factor = factor
        self._allowance = self._base * factor * (1.0 - self._rival)

    def share(self, rival: float, now: float) -> None:
        """See `Bucket.share`."""
        self.level(now)
        self._rival = rival
        self._allowance = self._base * self._factor * (1.0 - rival)
