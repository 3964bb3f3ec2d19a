"""Admission: the one place that waits for capacity.

A lane's limiter lets attempts go first in, first out, as its limits, its window and its gate allow, and nothing else
does. A permit is the right to have one attempt on the wire; it is settled once, with the answer, and given back when
the attempt is over, however it ended. An attempt that is cancelled gives back its slot and keeps its charge, because
the provider may count it. All arithmetic is in policies; here are the queue, the timer and the hand-off.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from brim.config import Limits
from brim.policies.adaptive import AdaptiveWindow
from brim.policies.gate import Gate
from brim.policies.limits import BURST_SECONDS, Bucket
from brim.policies.tokens import TokenCosts
from brim.values import Answer, Attempt, Failure, FailureKind, Reply, Sent

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

__all__ = ["STALL_SECONDS", "Limiter", "Permit"]

STALL_SECONDS: Final = 900.0
"""A lane that gets nothing through for this long is parked (design section 5)."""

_RAMP_AFTER_S: Final = 1.0
"""A pause this long ends in a ramp."""


class Limiter:
    """Admits attempts to one lane.

    Args:
        limits: what the user stated.
        rng: chance for jitter.
        on_pause: told the seconds and the reason whenever the lane closes for longer than it was.
        on_park: told the reason when the lane closes for good.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        rng: Random,
        on_pause: Callable[[float, Failure], None],
        on_park: Callable[[Failure], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._requests = _bucket(limits.requests_per_minute, self._loop.time())
        self._tokens = _bucket(limits.tokens_per_minute, self._loop.time())
        self._tokens_per_minute = limits.tokens_per_minute
        self._window = AdaptiveWindow(ceiling=limits.concurrency)
        self._gate = Gate(rng)
        self._costs = TokenCosts()
        self._on_pause = on_pause
        self._on_park = on_park
        self._queue: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._stalled_since: float | None = None
        self.in_flight = 0
        self.parked: Failure | None = None

    @property
    def window(self) -> int:
        """Attempts that may be on the wire at once, as things stand."""
        return self._window.size

    async def admit(self, attempt: Attempt) -> Permit | Failure:
        """Wait for the right to send *attempt*; a `Failure` if it can never go, or the lane is parked."""
        cost = 0.0 if self._tokens is None else self._costs.reserve(attempt.body, attempt.request.max_tokens)
        if self._tokens_per_minute is not None and cost > self._tokens_per_minute:
            return _too_large(cost, self._tokens_per_minute)
        if self.parked is not None:
            return self.parked
        if not self._queue and self._delay(cost) == 0.0:
            return self._grant(cost)
        return await self._wait(cost)

    def park(self, failure: Failure) -> None:
        """Send nothing more: whoever waits, and whoever comes, is told *failure*. The first reason stays."""
        if self.parked is not None:
            return
        self.parked = failure
        self._on_park(failure)
        while self._queue:
            self._queue.popleft().tell(failure)
        self._disarm()

    async def _wait(self, cost: float) -> Permit | Failure:
        waiter = _Waiter(cost, self._loop.create_future())
        self._queue.append(waiter)
        self._pump()
        try:
            return await waiter.told
        except asyncio.CancelledError:
            self._forget(waiter)
            raise

    def _forget(self, waiter: _Waiter) -> None:
        """*waiter* was cancelled: out of the queue, or, if its permit was already on the way, back with that."""
        if waiter.told.cancelled():
            if waiter in self._queue:
                self._queue.remove(waiter)
        elif isinstance(permit := waiter.told.result(), Permit):
            permit.release()
        self._pump()

    def _pump(self) -> None:
        """Let go whoever may go now, in order, and come back when the next one may."""
        self._disarm()
        while self._queue:
            if self._queue[0].told.cancelled():
                self._queue.popleft()
                continue
            delay = self._delay(self._queue[0].cost)
            if delay is None:
                return
            if delay > 0.0:
                self._timer = self._loop.call_later(delay, self._pump)
                return
            waiter = self._queue.popleft()
            waiter.tell(self._grant(waiter.cost))

    def _delay(self, cost: float) -> float | None:
        """Seconds until an attempt of *cost* may go: 0 if now, None if only a returning permit can tell."""
        if self.in_flight >= self._window.size:
            return None
        now = self._loop.time()
        delay = max(0.0, self._gate.opens_at - now)
        if self._requests is not None:
            delay = max(delay, self._requests.ready_in(1.0, now))
        if self._tokens is not None:
            delay = max(delay, self._tokens.ready_in(cost, now))
        return delay

    def _grant(self, cost: float) -> Permit:
        now = self._loop.time()
        if self._requests is not None:
            self._requests.take(1.0, now)
        if self._tokens is not None:
            self._tokens.take(cost, now)
        self.in_flight += 1
        return Permit(self, cost)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _settled(self, answer: Answer, reserved: float) -> None:
        """One attempt came back: true up its charge, and learn."""
        outcome = answer.outcome
        if self._tokens is not None and outcome.usage is not None:
            self._tokens.take(outcome.usage.total_tokens - reserved, self._loop.time())
            self._costs.learn(outcome.usage)
        if isinstance(outcome, Reply):
            self._stalled_since = None
            self._gate.passed(sent_at=answer.sent_at)
            self._window.replied(self.in_flight)
            return
        if outcome.kind.is_waited_out:
            self._push_back(outcome, answer)
        if outcome.kind.parks_lane:
            self.park(outcome)
        else:
            self._watch_for_stall(outcome)

    def _push_back(self, failure: Failure, answer: Answer) -> None:
        self._window.pushed_back(self.in_flight)
        pause = self._gate.pushed_back(sent_at=answer.sent_at, now=self._loop.time(), retry_after=failure.retry_after)
        if pause >= _RAMP_AFTER_S:
            self._window.reopen()
        if pause > 0.0:
            self._on_pause(pause, failure)

    def _watch_for_stall(self, failure: Failure) -> None:
        now = self._loop.time()
        if self._stalled_since is None:
            self._stalled_since = now
        if now - self._stalled_since >= STALL_SECONDS:
            minutes = f"{STALL_SECONDS / 60:.0f}"
            reason = f"nothing got through for {minutes} minutes; the last failure: {failure.message}"
            self.park(Failure(kind=FailureKind.STOPPED, message=reason, status=failure.status))

    def _released(self) -> None:
        self.in_flight -= 1
        if self._queue:
            self._pump()

    def __repr__(self) -> str:
        return f"Limiter(in_flight={self.in_flight}, waiting={len(self._queue)}, window={self._window})"


class Permit:
    """The right to have one attempt on the wire, as a context: leaving it gives the slot back."""

    __slots__ = ("_limiter", "_reserved")

    def __init__(self, limiter: Limiter, reserved: float) -> None:
        self._limiter: Limiter | None = limiter
        self._reserved = reserved

    def settle(self, answer: Answer) -> None:
        """Tell the limiter what came of the attempt. Once; an attempt that is not settled keeps its charge."""
        assert self._limiter is not None, "a permit is settled while it is held"
        self._limiter._settled(answer, self._reserved)  # noqa: SLF001 - the other half of one hand-off

    def release(self) -> None:
        """Give the slot back. Only the first call counts."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            limiter._released()  # noqa: SLF001 - the other half of one hand-off

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class _Waiter:
    """One attempt in the queue."""

    __slots__ = ("cost", "told")

    def __init__(self, cost: float, told: asyncio.Future[Permit | Failure]) -> None:
        self.cost = cost
        self.told = told

    def tell(self, decision: Permit | Failure) -> None:
        if not self.told.done():
            self.told.set_result(decision)
        elif isinstance(decision, Permit):
            decision.release()


def _bucket(per_minute: float | None, now: float) -> Bucket | None:
    if per_minute is None:
        return None
    rate = per_minute / 60.0
    return Bucket(rate=rate, burst=max(1.0, rate * BURST_SECONDS), now=now)


def _too_large(cost: float, limit: float) -> Failure:
    return Failure(
        kind=FailureKind.TOO_LARGE,
        message=f"the request needs about {cost:,.0f} tokens but the limit is {limit:,.0f} tokens a minute; "
        "raise --tpm or shorten the request",
        sent=Sent.NO,
    )
