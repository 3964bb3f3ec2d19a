"""A stated limit that saves up while another one makes calls wait.

Where two limits are stated, a large call is paid for out of one of them, and what flows into the other meanwhile is no
lull of ours: were it lost, neither would be filled, though none was short. So some seconds of the rate are saved. They
are spent only as far as any minute, wherever it begins, holds no more than what is stated; without them calls go as
they would out of a plain bucket. A server that enforces its limit by the second, or has little room, refuses what was
saved: after each such refusal less is, and soon nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from brim.policies.limits import Bucket, Sliding
from brim.policies.lulls import LullBucket
from brim.policies.spans import MINUTE_S

__all__ = ["SavingBucket"]

_SAVED_S: Final = 5.0
"""Seconds of the rate that are saved."""
_TAKEN_BACK: Final = 0.1
"""So much of that is left after a refusal that it may explain..."""
_LEAST_S: Final = 0.1
"""... and where it is less than this, none."""


class SavingBucket(Bucket):
    """A bucket that holds more than its burst if another limit made calls wait, and keeps to *amount* in any minute.

    Args:
        amount: units a minute as stated, above 0.
        rate: refill in units a second, above 0.
        burst: the highest level while nothing else makes calls wait, above 0.
        start: the level at *now*; full if not given.
        now: the time at which it begins.
        is_even: do lulls, in which nobody comes, save nothing?
    """

    __slots__ = ("_even", "_held_until", "_minute", "_saved_at", "_saves_s", "_struck_at")

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
        self._even = LullBucket(amount, rate=rate, burst=burst, start=start, now=now, is_even=is_even)
        self._minute = Sliding(amount=amount, seconds=MINUTE_S)
        self._saves_s = _SAVED_S
        self._saved_at = self._held_until = self._struck_at = float("-inf")

    def level(self, now: float) -> float:
        """What may be taken at *now* without debt; below 0 while in debt."""
        if now > self._at:
            if self._held_until > self._at:
                till = min(now, self._held_until)
                most = self.burst + self._saves_s * self.rate
                self._level = max(self._level, min(most, self._level + (till - self._at) * self.rate))
                self._at = till
            super().level(now)
            if self._level > self.burst:
                self._saved_at = now
        return self._level

    def ready_in(self, cost: float, now: float) -> float:
        """Seconds until *cost* may be taken; 0 if it may be now."""
        wait = self._even.ready_in(cost, now)
        if wait > 0.0:
            wait = min(wait, max(super().ready_in(cost, now), self._minute.ready_in(cost, now)))
        return wait

    def take(self, cost: float, now: float) -> None:
        """Take *cost* out, into debt if need be. A negative cost gives back what was reserved in excess."""
        super().take(cost, now)
        self._even.take(cost, now)
        self._minute.take(cost, now)

    def drain(self, least: float, now: float) -> None:
        """The server has nothing left at *now*, and needs *least* before the next call."""
        self._minute.take(max(0.0, self.level(now) + least), now)
        super().drain(least, now)
        self._even.drain(least, now)

    def forgive(self, now: float) -> None:
        """From *now* on there is no debt."""
        super().forgive(now)
        self._even.forgive(now)

    def restate(self, *, rate: float, burst: float, now: float) -> None:
        """From *now* on it refills by *rate*, up to *burst*; what was taken stays taken."""
        grown = self._even.burst if self._even.burst > self.burst else burst  # what lulls have shown to go at once
        super().restate(rate=rate, burst=burst, now=now)
        self._even.restate(rate=rate, burst=grown, now=now)

    def held(self, until: float, now: float) -> None:
        """A limit makes calls wait *until* then."""
        self.level(now)
        self._held_until = until
        self._even.awaited(until)

    def arrived(self, now: float) -> None:
        """Somebody comes, and nobody waits."""
        self._even.arrived(now)

    def refused(self, cost: float, *, sent_at: float, now: float) -> bool:
        """A call of *cost* was refused. Had more been saved for it than the server allows? If so, less is from now on.

        What is saved is gone then, and the server gets time for what was asked.
        """
        if self._even.refused(cost, sent_at=sent_at, now=now):
            self._level = min(self.level(now), self.burst - cost)
            return True
        if sent_at > self._saved_at + MINUTE_S:
            return False
        if sent_at <= self._struck_at:
            return True
        if not self._saves_s:
            return False
        self._struck_at = now
        saves_s = self._saves_s * _TAKEN_BACK
        self._saves_s = saves_s if saves_s >= _LEAST_S else 0.0
        self._level = min(self.level(now), self.burst - cost)
        self._even.take(max(0.0, self._even.level(now) - self.burst + cost), now)
        return True

    def hold_to(self, amount: float, *, rate: float, burst: float, now: float) -> None:
        """From *now* on it is *amount* a minute; what was taken stays taken."""
        self.restate(rate=rate, burst=burst, now=now)
        self._even.hold_to(amount, rate=rate, burst=burst, now=now)
        self._minute.restate(amount)

    def remember(self, taken: Iterable[tuple[float, float]]) -> None:
        """Its minute begins with what was taken before; its level knows that already."""
        taken = list(taken)
        self._minute.recall(taken)
        self._even.remember(taken)

    def recall(self, taken: Iterable[tuple[float, float]]) -> None:
        """Begin with what was taken before, as times (in order) and units: as if this bucket had seen it."""
        taken = list(taken)
        super().recall(taken)
        self._even.recall(taken)
        self._minute.recall(taken)
