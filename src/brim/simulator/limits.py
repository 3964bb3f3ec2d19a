"""The gate: all the limits of one provider, and what each would say to a call.

A call must pass every limit, the ramp and the cap on calls at once; if one refuses, nothing is taken from any. What
changes by the clock (limits, rivals) is a timetable, applied in order before anything is looked at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import floor, inf
from typing import Final, TypeAlias

import msgspec

from brim.simulator.buckets import SLACK, Bucket, Continuous, FixedWindow, SlidingWindow, WeightedWindow
from brim.simulator.headers import Reading
from brim.simulator.scenario import PERIODS, Change, Dimension, Limit, Ramp, Rival, Scenario

__all__ = ["DIMENSIONS", "Amounts", "Gate", "Refusal", "bucket_of"]

DIMENSIONS: Final[tuple[Dimension, ...]] = ("requests", "tokens", "input", "output")
Amounts: TypeAlias = tuple[float, float, float, float]
"""What a call takes of each dimension, in the order of `DIMENSIONS`."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why a call is not admitted.

    Attributes:
        reason: a name in `ERRORS`.
        wait: seconds until this call would be admitted if nothing else came; infinite if never.
        limit: the limit that asks for the longest wait; None for the ramp and the cap on calls at once.
        used: what is taken of it.
        asked: what the call would take of it.
        factor: so many times its first size the limit is now.
    """

    reason: str
    wait: float
    limit: Limit | None = None
    used: float = 0.0
    asked: float = 0.0
    factor: float = 1.0


def bucket_of(limit: Limit) -> Bucket:
    """The arithmetic that enforces *limit*."""
    is_full = limit.start == "full"
    if limit.window == "continuous":
        return Continuous(rate=limit.rate, capacity=limit.capacity, is_full=is_full)
    if limit.window in ("fixed", "weighted"):
        kind = FixedWindow if limit.window == "fixed" else WeightedWindow
        return kind(allowance=limit.capacity, span=limit.window_s, phase=limit.phase, is_full=is_full)
    return SlidingWindow(allowance=limit.capacity, span=limit.window_s, is_full=is_full)


class _Meter:
    """One limit with its bucket and its place among the dimensions."""

    __slots__ = ("_of", "_per", "bucket", "factor", "limit", "place", "shown")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.place = DIMENSIONS.index(limit.of)
        self.bucket = bucket_of(limit)
        self.factor = 1.0
        self.shown = limit.amount * self.factor
        self._of = limit.of
        self._per = limit.per

    def resize(self, factor: float, now: float) -> None:
        """Let the limit be *factor* times its first size from *now* on."""
        self.factor = factor
        self.shown = self.limit.amount * factor
        self.bucket.resize(factor, now)

    def read(self, now: float) -> Reading:
        bucket = self.bucket
        return Reading(self._of, self._per, self.shown, bucket.level(now), bucket.full_in(now))


class RampGate:
    """Lets traffic grow only so fast; see `brim.simulator.scenario.Ramp`."""

    def __init__(self, ramp: Ramp) -> None:
        self.place: Final = DIMENSIONS.index(ramp.of)
        self._every = ramp.every
        self._floor = ramp.floor * ramp.every / 60.0
        self._factor = float((1.0 + ramp.growth) ** (ramp.every / ramp.per))
        self._past: deque[float] = deque([0.0] * ramp.memory, maxlen=ramp.memory)
        self._window = 0
        self._used = 0.0

    def _roll(self, now: float) -> None:
        window = floor(now / self._every + SLACK)
        passed = window - self._window
        if passed > 0:
            self._past.append(self._used)
            self._past.extend([0.0] * min(passed - 1, self._past.maxlen or 0))
            self._window, self._used = window, 0.0

    def level(self, now: float) -> float:
        """What may still get through in this window."""
        self._roll(now)
        return max(self._floor, self._factor * max(self._past)) - self._used

    def take(self, amount: float, now: float) -> None:
        """Let *amount* through."""
        self._roll(now)
        self._used += amount

    def wait(self, now: float) -> float:
        """Seconds until the next window."""
        return (self._window + 1) * self._every - now


class Gate:
    """All the limits of a scenario, together.

    Attributes:
        next_at: when the timetable has something next; infinite if never.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._meters = [_Meter(limit) for limit in scenario.limits]
        self._ramp = RampGate(scenario.ramp) if scenario.ramp else None
        self._concurrency = scenario.concurrency
        self._timetable = _timetable(scenario.changes, scenario.rivals)
        self.next_at = self._timetable[0][0] if self._timetable else inf

    def advance(self, now: float) -> None:
        """Apply what the timetable has for the time up to *now*."""
        while self._timetable and self._timetable[0][0] <= now:
            at, _, event = self._timetable.popleft()
            for meter in self._meters:
                if isinstance(event, float):
                    meter.bucket.share(event, at)
                elif event.of in {"all", meter.limit.of}:
                    meter.resize(event.factor, at)
        self.next_at = self._timetable[0][0] if self._timetable else inf

    def refusal(self, need: Amounts, running: int, now: float) -> Refusal | None:
        """Why a call that needs *need* is not admitted while *running* others run; None if it is."""
        if self._concurrency is not None and running >= self._concurrency:
            return Refusal("too_many_at_once", 0.0, used=running, asked=1)
        worst: Refusal | None = None
        for meter in self._meters:
            asked = need[meter.place]
            if asked:
                wait = meter.bucket.wait(asked, now)
                if wait > 0 and (worst is None or wait > worst.wait):
                    worst = _refused(meter, asked, wait, now)
        if worst is None and self._ramp is not None:
            asked = need[self._ramp.place]
            if asked > self._ramp.level(now) + SLACK * asked:
                return Refusal("slow_down", self._ramp.wait(now), asked=asked)
        return worst

    def take(self, amounts: Amounts, now: float) -> None:
        """Take what an admitted call costs, or give back what is negative."""
        for meter in self._meters:
            amount = amounts[meter.place]
            if amount:
                meter.bucket.take(amount, now)
        if self._ramp is not None and amounts[self._ramp.place] > 0:
            self._ramp.take(amounts[self._ramp.place], now)

    def count_refusal(self, now: float) -> None:
        """Let a refused call use up a request of whatever is left; an empty bucket can't be emptied further."""
        for meter in self._meters:
            if meter.limit.of == "requests":
                meter.bucket.take(min(1.0, max(0.0, meter.bucket.level(now))), now)

    def read(self, now: float) -> list[Reading]:
        """What each limit has left."""
        return [meter.read(now) for meter in self._meters]


def _refused(meter: _Meter, asked: float, wait: float, now: float) -> Refusal:
    limit = meter.limit
    used = limit.capacity * meter.factor - meter.bucket.level(now)
    by_length = "daily_limit" if limit.per == "day" else "throttled"
    reason = "too_large_for_limit" if wait == inf else by_length
    return Refusal(reason, wait, limit, max(0.0, used), asked, meter.factor)


_Event: TypeAlias = tuple[float, int, float | Change]


def _timetable(changes: Sequence[Change], rivals: Sequence[Rival]) -> deque[_Event]:
    """What happens when: a `Change`, or the share that all rivals take together from then on."""
    edges = sorted({edge for rival in rivals for edge in (rival.start, rival.until) if edge < inf})
    events: list[_Event] = [
        (edge, 0, min(1.0, sum((rival.share for rival in rivals if rival.start <= edge < rival.until), 0.0)))
        for edge in edges
    ]
    events += [(change.at, 1, change) for change in changes]
    return deque(sorted(events, key=lambda event: event[:2]))


def per_second(limit: Limit) -> float:
    """What *limit* lets through in a second, on average and in whole requests for each window."""
    if limit.window == "continuous":
        return limit.rate
    whole = floor(limit.capacity + SLACK) if limit.of == "requests" else limit.capacity
    return whole / limit.window_s


PERIOD_WORDS: Final = dict(zip(PERIODS, ("sec", "min", "hour", "day"), strict=True))
