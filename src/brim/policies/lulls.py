"""A stated limit that may be used at once after a lull, as far as the server lets it.

Who states so much a minute does not say how much of it may go at once: some servers have room for a whole minute, some
for a call. Where rows wait all the time an even pace loses nothing. Where calls come when they come, and fifty after a
minute in which none did, it makes the last of them wait for nearly a minute, though the server had room for all.

So how much goes at once is found out. After a lull one call goes that the even pace would hold back. Not refused, twice
as much may be ahead of that pace, and so on; what was let through once goes at once from then on. A refusal ends the
search for minutes, and it goes on by single calls. However much may go at once, no minute, wherever it begins, holds
more than is stated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from brim.policies.limits import Bucket, Sliding
from brim.policies.spans import MINUTE_S

__all__ = ["LullBucket"]

_LULL_S: Final = 0.5
"""Nobody came for so long, though one might have gone."""
_TOLD_S: Final = 0.5
"""What is not refused after so long is let through."""
_FURTHER: Final = 2.0
"""Then so many times as much may be ahead of the even pace, as long as nothing was refused."""
_TAKEN_BACK: Final = 0.5
"""Where something is refused that was let through before, so much of it is left."""
_REST_S: Final = 300.0
_RESTS_LONGER: Final = 4.0
"""Once refused nothing is tried for so long, and after every further time for so many times longer."""
_LONGER: Final = 1.003
"""A minute is so many times as long: clocks differ, and calls take their time on the way."""
_SLACK: Final = 1e-9


class LullBucket(Bucket):
    """A bucket whose burst grows by trial, up to *amount*.

    Args:
        amount: units a minute as stated, above 0.
        rate: refill in units a second, above 0.
        burst: the highest level before anything was tried, above 0.
        start: the level at *now*; full if not given.
        now: the time at which it begins.
        is_even: is nothing tried, and the pace always even?
    """

    __slots__ = (
        "_ahead_at",
        "_before",
        "_deepest",
        "_full_at",
        "_further",
        "_is_open",
        "_least",
        "_lets_at",
        "_minute",
        "_rest_s",
        "_rests_until",
        "_struck_at",
        "_tried_at",
    )

    def __init__(
        self,
        amount: float,
        *,
        rate: float,
        burst: float,
        start: float | None = None,
        now: float = 0.0,
        is_even: bool = False,
    ) -> None:
        super().__init__(rate=rate, burst=burst, start=start, now=now)
        self._minute = Sliding(amount=amount, seconds=MINUTE_S * _LONGER)
        self._least = self._before = burst
        self._is_open = False
        self._further = _FURTHER
        self._deepest = 0.0
        self._full_at = now
        self._rest_s = _REST_S
        self._ahead_at = self._lets_at = self._struck_at = self._tried_at = float("-inf")
        self._rests_until = float("inf") if is_even else float("-inf")

    def level(self, now: float) -> float:
        """What may be taken at *now* without debt; below 0 while in debt."""
        if now > self._at:
            if self._level < self.burst:
                self._full_at = max(self._full_at, self._at + (self.burst - self._level) / self.rate)
            super().level(now)
        if self._deepest and now - self._tried_at >= _TOLD_S - _SLACK:
            self._before, burst = self.burst, min(max(self.burst, self._deepest), self._minute.amount)
            self._level += burst - self.burst
            self.burst, self._deepest = burst, 0.0
        return self._level

    def ready_in(self, cost: float, now: float) -> float:
        """Seconds until *cost* may be taken; 0 if it may be now."""
        wait = super().ready_in(cost, now)
        if wait > 0.0 and self._is_open:
            wait = min(wait, self._tried_in(cost, now))
        even = self._evenly_in(cost)
        if wait < even:
            wait = min(max(wait, self._minute.ready_in(cost, now)), even)
        self._lets_at = now if wait == 0.0 else self._lets_at
        return wait

    def _tried_in(self, cost: float, now: float) -> float:
        """Seconds until a call of *cost* may be tried, for which it is too early by what is known."""
        reach = min(max(self._further * self.burst, self.burst + cost), self._minute.amount)
        missing = min(cost, reach) - (reach - self.burst + self._level)
        if missing <= _SLACK:
            return 0.0
        return max(0.0, self._tried_at + _TOLD_S - now) if self._deepest else missing / self.rate

    def _evenly_in(self, cost: float) -> float:
        """Seconds until *cost* may be taken at an even pace. Told after `level`."""
        missing = min(cost, self._least) - (self._least - self.burst + self._level)
        return missing / self.rate if missing > _SLACK else 0.0

    def take(self, cost: float, now: float) -> None:
        """Take *cost* out, into debt if need be. A negative cost gives back what was reserved in excess."""
        if self._lets_at == now:
            self._lets_at = float("-inf")
            level = self.level(now)
            if self._evenly_in(cost):
                self._ahead_at = now
            if level < min(cost, self.burst) - _SLACK:
                self._deepest, self._tried_at = self.burst - level + cost, now
        super().take(cost, now)
        self._minute.take(cost, now)

    def refused(self, cost: float, *, sent_at: float, now: float) -> bool:
        """A call of *cost* was refused. Did more go at once than the server allows? If so, less does from now on."""
        if sent_at <= self._struck_at:
            return True
        if sent_at - self._ahead_at > MINUTE_S:
            return False
        self.level(now)
        is_trial = sent_at <= self._tried_at
        proven = (self._before if not self._deepest else self.burst) if is_trial else _TAKEN_BACK * self.burst
        self.burst = proven if proven >= self._least + cost else self._least
        self._level = min(cost, self.burst) - cost  # nothing is left, and as much as was asked has to come
        self._deepest, self._further, self._is_open = 0.0, 1.0, False
        self._full_at = self._struck_at = now
        self._ahead_at = float("-inf")
        self._rests_until = now + self._rest_s
        self._rest_s *= _RESTS_LONGER
        return True

    def arrived(self, now: float) -> None:
        """Somebody comes, and nobody waits.

        Where rows wait all the time, be it for something else, there is no lull, however long this is full.
        """
        self.level(now)
        if now - self._full_at >= _LULL_S and now >= self._rests_until:
            self._is_open = True

    def awaited(self, until: float) -> None:
        """Somebody waits for something else *until* then: that is no lull."""
        self._full_at = max(self._full_at, until)

    def drain(self, least: float, now: float) -> None:
        """The server has nothing left at *now*, and needs *least* before the next call."""
        super().drain(least, now)
        self._deepest = 0.0

    def hold_to(self, amount: float, *, rate: float, burst: float, now: float) -> None:
        """From *now* on it is *amount* a minute; what was taken stays taken, how much goes at once is found anew."""
        self._level = min(self._least, self.level(now))
        self._least = self._before = burst
        self._deepest, self._is_open = 0.0, False
        self.restate(rate=rate, burst=burst, now=now)
        self._minute.restate(amount)

    def remember(self, taken: Iterable[tuple[float, float]]) -> None:
        """Its minute begins with what was taken before; its level knows that already."""
        self._minute.recall(taken)

    def recall(self, taken: Iterable[tuple[float, float]]) -> None:
        """Begin with what was taken before, as times (in order) and units: as if this bucket had seen it."""
        taken = list(taken)
        super().recall(taken)
        self._minute.recall(taken)
