"""Admission: the one place that waits for capacity.

A lane's limiter lets attempts go first in, first out, as its limits, its window and its gate allow, and nothing else
does. A permit is the right to have one attempt on the wire; it is settled once, with the answer, and given back when
the attempt is over, however it ended. An attempt that is cancelled gives back its slot and keeps its charge, because
the provider may count it. All arithmetic is in policies; here are the queue, the timer and the hand-off.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any, Final

from brim.config import Limits
from brim.engine.arrivals import Arrivals
from brim.engine.learner import Learner, did_its_work
from brim.engine.permits import Permit, Waiter
from brim.engine.waiting import Queue
from brim.engine.waits import WaitLog
from brim.policies.adaptive import AdaptiveWindow
from brim.policies.admission import Admission
from brim.policies.charges import Charge
from brim.policies.gate import Gate
from brim.policies.health import Health
from brim.policies.lone import Lone
from brim.policies.telling import gauge_of_crowd
from brim.policies.tokens import Amounts, Charging, Cost, Spent
from brim.values import Answer, Attempt, Bound, Constraint, Failure, FailureKind, Gauge, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from random import Random

    from brim.events import Hold

__all__ = ["Limiter", "Permit"]

_HELD: Final = Bound(Constraint.HELD, "paused by hand")
_OUTAGE: Final = Bound(Constraint.OUTAGE, "the server asked to wait")
_DOWN: Final = Bound(Constraint.OUTAGE, "the endpoint seems down")
_DENIED: Final = Bound(Constraint.OUTAGE, "the endpoint denied a request")
_CROWD: Final = Bound(Constraint.CONCURRENCY, "concurrency")
_PARKED: Final = Bound(Constraint.PARKED, "parked")
_OUT_OF_DAY: Final = Bound(Constraint.DAY, "a limit per day is used up")

_TICK_S: Final = 1e-5
"""The timer is set for no less, since a clock may be too coarse to ever reach what rounding has left."""

_LATELY_S: Final = 60.0
"""What was sent so short a time before this process may still fill a limit that nobody knows."""


class Limiter:
    """Admits attempts to one lane.

    Args:
        limits: what the user stated.
        rng: chance for jitter.
        on_pause: told the seconds and the reason whenever the lane closes for longer than it was.
        on_park: told the reason when the lane closes for good. None: it never does; who can't go today is told so,
            alone, and however long the server asks to wait is waited.
        charging: how the provider counts output tokens.
        on_admitted: told every attempt that had to wait, its cost and what it waited for; None saves the trouble.

    Attributes:
        limits: what the user states at present; `retune` changes it.
        window: attempts that may be on the wire at once, as things stand.
        on_room: called when more may be on the wire than are.
        to_come: tells how many attempts have yet to ask for a permit; infinity if nobody knows.
        in_flight: attempts on the wire.
        waits: why attempts had to wait, for a trace; None if nobody asks.
        parked: why the lane is closed for good; None while it is not.
        is_held: is it paused by hand?
    """

    def __init__(
        self,
        limits: Limits,
        *,
        rng: Random,
        on_pause: Callable[[float, Failure], None],
        on_park: Callable[[Failure], None] | None,
        charging: Charging = Charging.RESERVES_CAP,
        on_admitted: Callable[[Attempt, Cost, tuple[Hold, ...]], None] | None = None,
    ) -> None:
        self.limits = limits
        self._loop = asyncio.get_running_loop()
        self._admission = Admission(limits, charging=charging, now=self._loop.time(), is_even=on_park is None)
        is_stated = limits.concurrency < Limits().concurrency
        self.window = AdaptiveWindow(ceiling=limits.concurrency, is_stated=is_stated)
        if self._admission.is_rate_known:
            self.window.open()
        self._gate = Gate(rng)
        self.health = Health(limits.concurrency)
        self._lone = Lone()
        self._learner = Learner(
            self,
            admission=self._admission,
            window=self.window,
            gate=self._gate,
            health=self.health,
            lone=self._lone,
            on_pause=on_pause,
        )
        self._on_park = on_park
        self.waits = None if on_admitted is None else WaitLog(on_admitted)
        self._queue = Queue(self._lone, self.health)
        self.arrivals = Arrivals(self._admission)
        self._timer: asyncio.TimerHandle | None = None
        self._growth: asyncio.TimerHandle | None = None
        self.on_room: Callable[[], None] = lambda: None
        self.to_come: Callable[[], float] = lambda: inf
        self.in_flight = 0
        self.parked: Failure | None = None
        self.is_held = False
        self._asks = False

    @property
    def can_park(self) -> bool:
        """May it ever close for good?"""
        return self._on_park is not None

    @property
    def waiting(self) -> int:
        """Attempts in the queue."""
        return len(self._queue)

    def admit(self, attempt: Attempt) -> Coroutine[Any, Any, Permit | Failure]:
        """Wait for the right to send *attempt*; a `Failure` if it can never go, or the lane is parked."""
        max_tokens = attempt.request.max_tokens
        return self.admit_cost(self._admission.cost(attempt.body, max_tokens), max_tokens, attempt)

    async def admit_cost(
        self, cost: Cost, max_tokens: int | None = None, attempt: Attempt | None = None
    ) -> Permit | Failure:
        """Wait for the right to send what takes *cost*; a `Failure` if it can never go, or not today."""
        body = b"" if attempt is None else attempt.body
        failure = self.parked or self._admission.too_large(cost, body, max_tokens)
        if failure is not None:
            return self._turned_off(failure, attempt)
        now = self._loop.time()
        if not self._queue and self._delay(cost, now, since=now) == 0.0:
            permit = self._grant(cost, max_tokens, now)
            if self.waits is not None:
                self.waits.admitted_at_once(attempt, cost)
                self._look_again(self.waits, now)
            return permit
        told = self._loop.create_future()
        return await self._wait(Waiter(cost, max_tokens, attempt, told, now, behind=self._queue.behind(attempt)))

    def recall(self, spent: Sequence[Spent], *, is_closed: bool = False, opens_in: float = 0.0) -> None:
        """Go on where an earlier process left off. *spent* is what it sent, in the order of time.

        Stated limits begin with it. Where no rate is known, nothing but this is remembered: after a stop less than a
        minute ago the lane opens as a ramp. The server's wait goes on for *opens_in* seconds. *is_closed*: one of hours
        does. Then one call at a time asks whether that holds, until one is answered.
        """
        self._asks = is_closed
        now = self._loop.time()
        self._gate.opens_at = now + opens_in
        self._admission.recall(spent, now)
        if not self._admission.is_rate_known and any(each.ago < _LATELY_S for each in spent):
            self.window.ramp()

    def move(self, loop: asyncio.AbstractEventLoop) -> None:
        """Go on in *loop*, on the same clock. The old one is closed, and whoever waited there will never come."""
        self._loop = loop
        self._queue.clear()
        self._timer = self._growth = None

    def binding(self) -> str | None:
        """What holds up the next attempt: the name of a limit, `concurrency`, a pause; None if nothing does."""
        return None if (bound := self.bound()) is None else bound.name

    def bound(self) -> Bound | None:
        """The same as `binding`, with the kind of it."""
        if self.parked is not None:
            return _OUT_OF_DAY if self.parked.kind is FailureKind.DAILY else _PARKED
        if self.is_held:
            return _HELD
        now = self._loop.time()
        if self.health.is_held:
            return _DOWN if self.health.is_down else _DENIED
        if self._gate.opens_at > now or (self._asks and self.in_flight):
            return _OUTAGE
        if self.in_flight >= self.window.size:
            return _CROWD
        return self._limit_that_binds(now)

    def _limit_that_binds(self, now: float) -> Bound | None:
        first = self._queue.first
        cost = self._admission.cost(b"", None) if first is None else first.cost
        is_next_to_go = first is not None or not self.in_flight
        if is_next_to_go and self._admission.day_over(cost, now) is not None:
            return _OUT_OF_DAY
        return self._admission.binding(cost, now)

    def gauges(self) -> tuple[Gauge, ...]:
        """How full each limit is that is stated, shown by the server or learnt; concurrency comes last."""
        size = self.window.size
        crowd = gauge_of_crowd(_CROWD.name, self.in_flight, size, is_stated=size >= self.limits.concurrency)
        return (*self._admission.gauges(self._loop.time()), crowd)

    def retune(self, limits: Limits) -> None:
        """Hold to other *limits* from now on.

        What was spent in running windows, buckets and days counts against them, and what was learnt is kept where it
        still fits. Lowering takes effect at once: nobody new goes, and what is on the wire comes home. Who waits and
        could never go any more is told so. A lane that is parked stays so.
        """
        now = self._loop.time()
        self.limits = limits
        self._admission.restate(limits, now)
        is_open = self._admission.is_rate_known or self._admission.is_paced
        self.window.restate(limits.concurrency, is_open=is_open, in_flight=self.in_flight)
        for waiter in self._queue:
            waiter.cost = self._admission.renew(waiter.cost, waiter.max_tokens)
            body = b"" if waiter.attempt is None else waiter.attempt.body
            failure = self._admission.too_large(waiter.cost, body, waiter.max_tokens)
            if failure is not None:
                self._queue.drop(waiter)
                waiter.tell(self._turned_off(failure, waiter.attempt))
        self._pump()
        if self.in_flight < self.window.size:
            self.on_room()

    def held(self, request: Request) -> None:
        """*request* waits outside until there is room for an attempt."""
        if self.waits is not None:
            self.waits.held(request, self._loop.time())

    def took(self, request: Request) -> None:
        """There is room for *request*, which was held."""
        if self.waits is not None:
            self.waits.taken(request, self._loop.time())

    def dropped(self, request: Request) -> None:
        """*request* was held, and will never come."""
        if self.waits is not None:
            self.waits.dropped(request)

    def hold(self) -> None:
        """Let nobody go until `resume`: what is on the wire comes home, what waits goes on waiting, nothing fails."""
        self.is_held = True
        self._pump()

    def resume(self) -> None:
        """Undo `hold`. The time that passed meanwhile does not count as time in which nothing got through."""
        if self.is_held:
            self.is_held = False
            self._learner.forget_stall()
            self._pump()

    def park(self, failure: Failure) -> None:
        """Send nothing more: whoever waits, and whoever comes, is told *failure*. The first reason stays."""
        if self.parked is not None or self._on_park is None:
            return
        self.parked = failure
        self._on_park(failure)
        for waiter in self._queue:
            waiter.tell(self._turned_off(failure, waiter.attempt))
        self._queue.clear()
        self._disarm()

    def _turned_off(self, failure: Failure, attempt: Attempt | None) -> Failure:
        if self.waits is not None:
            self.waits.given_up(attempt)
        return failure

    async def _wait(self, waiter: Waiter) -> Permit | Failure:
        self._queue.line_up(waiter)
        self._pump()
        try:
            return await waiter.told
        except asyncio.CancelledError:
            self._forget(waiter)
            raise

    def _forget(self, waiter: Waiter) -> None:
        """*waiter* was cancelled: out of the queue, or, if its permit was already on the way, back with that."""
        if waiter.told.cancelled():
            self._queue.drop(waiter)
        elif isinstance(permit := waiter.told.result(), Permit):
            permit.release()
        self._pump()

    def _pump(self) -> None:
        """Let go whoever may go now, in order, and come back when the next one may."""
        self._disarm()
        while (first := self._queue.first) is not None:
            # A queue may be long: what an attempt will take is known better than when it came.
            first.cost = self._admission.renew(first.cost, first.max_tokens)
            now = self._loop.time()
            delay = self._delay(first.cost, now, since=first.since)
            if delay != 0.0 and self.waits is not None:
                self.waits.looked(self.bound(), now, since=min(first.since, self._queue.longest(now)))
            if delay is None:
                return
            if delay > 0.0:
                if self._ends_today(first.cost, delay, now):
                    return
                self._timer = self._loop.call_later(max(delay, _TICK_S), self._pump)
                return
            waiter = self._queue.pop()
            permit = self._grant(waiter.cost, waiter.max_tokens, now)
            if self.waits is not None and isinstance(permit, Permit):
                self.waits.admitted(waiter, now)
                self._look_again(self.waits, now)
            waiter.tell(permit)

    def _look_again(self, waits: WaitLog, now: float) -> None:
        """One went, and may have been the last for whom there was room on the wire."""
        if self.in_flight >= self.window.size:
            waits.looked(_CROWD, now, since=self._queue.longest(now))

    def _delay(self, cost: Cost, now: float, *, since: float) -> float | None:
        """Seconds until an attempt of *cost* may go: 0 if now, None if only a returning permit can tell."""
        if self.in_flight >= self.window.size or self.is_held or (self._asks and self.in_flight):
            return None
        delay = self._admission.ready_in(cost, now, since=since)
        cap = self.window.cap
        if delay > 0.0 and cap.lets(self.in_flight, now):
            delay = self._admission.ready_in(cost, now, is_paced=False)
        if cap.gap_s:
            delay = max(delay, cap.ready_in(self.in_flight, now))
        delay = max(delay, self._gate.opens_at - now, self.health.opens_at - now)
        return None if not delay and self.in_flight and self._admission.is_day_reserved(cost, now) else delay

    def _grant(self, cost: Cost, max_tokens: int | None, now: float) -> Permit | Failure:
        over = self._admission.day_over(cost, now)
        if over is not None:
            self._loop.call_soon(self.park, over)
            return over
        self.in_flight += 1
        self._lone.went += 1
        self._gate.went(now)
        self.health.went(now)
        rest = self.to_come() + len(self._queue)
        charge = self._admission.take(cost, now, among=self.in_flight, max_tokens=max_tokens, rest=rest)
        self.window.granted(self.in_flight, now)
        self._watch_growth()
        return Permit(self, charge)

    def _ends_today(self, cost: Cost, delay: float, now: float) -> bool:
        """Park for a day that is used up for longer than *delay*, for which something else holds *cost* back.

        Not while anything is on the wire that may have taken less than it was charged.
        """
        if self.in_flight or not self.can_park:
            return False
        over = self._admission.day_over(cost, now)
        if over is None or (over.retry_after or 0.0) <= delay:
            return False
        self.park(over)
        return True

    def _watch_growth(self) -> None:
        if self._growth is None and self.in_flight >= self.window.size and self.window.grows_by_time():
            self._growth = self._loop.call_later(self.window.grows_each_s, self._grow)

    def _grow(self) -> None:
        self._growth = None
        self.window.ticked(self.in_flight, self._loop.time())
        self._watch_growth()  # a step may be less than a whole attempt
        self._pump()
        if self.in_flight < self.window.size:
            self.on_room()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def settled(
        self, answer: Answer, charge: Charge, used: Amounts | None = None, *, attempt: Attempt | None = None
    ) -> Answer:
        """Learn from an attempt that came back, and true up its charge. For its permit alone.

        Returns the answer as it counts for its request.
        """
        size = self.window.size
        answer = self._learner.heed(answer, charge, self._loop.time(), used=used, attempt=attempt)
        if self._asks and did_its_work(answer.outcome):
            self._asks = False
        if self.window.size > size:
            self.on_room()  # what was refused may have told so, and nobody comes home for long
        return answer

    def released(self, charge: Charge, *, is_lost: bool) -> None:
        """Take back the slot of an attempt. For its permit alone."""
        self.health.heard(charge.at)
        self.in_flight -= 1
        if is_lost:
            self._admission.lost(charge)
        if self._queue:
            self._pump()

    def __repr__(self) -> str:
        return f"Limiter(in_flight={self.in_flight}, waiting={len(self._queue)}, window={self.window})"
