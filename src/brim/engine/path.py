"""The way of one request, from first attempt to result, on one screen.

`fulfil` is the visible retry loop around a stack of stages of one shape, each a small class: `Admit` holds a permit
while an attempt is on the wire, `Send` carries it to the far end and reads what comes back. Later stages (hedging,
balancing over endpoints) are new classes between the two. A failed attempt is a value; only a bug raises.
"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Protocol

import msgspec

from brim.engine.permits import Permit
from brim.events import AttemptEnded, Event
from brim.policies.retry import Tries
from brim.protocols import WireRequest
from brim.protocols.levels import LevelReader
from brim.transport import TransportError
from brim.values import Answer, Attempt, Failure, FailureKind, Outcome, Reply, Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from brim.engine.clocks import Clocks, Watch
    from brim.engine.limiter import Limiter
    from brim.policies.retry import RetryPolicy
    from brim.protocols import Dialect
    from brim.transport import Transport
    from brim.values import Request

__all__ = ["Admit", "Path", "Prepared", "Send", "Service", "answer_of", "broken", "fulfil"]


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A request encoded for its lane, once for all of its attempts. *fingerprint* names what is asked."""

    request: Request
    body: bytes
    fingerprint: bytes


class Service(Protocol):
    """One attempt in, one answer out. Never raises for anything a remote end may do."""

    async def __call__(self, attempt: Attempt) -> Answer:
        """Carry *attempt* as far as it goes."""


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """What `fulfil` needs of a lane: its stages, its retry policy, its prices, and who is told."""

    lane: str
    service: Service
    retry: RetryPolicy
    rest: Callable[[float], Awaitable[None]]
    price: Callable[[Reply], float | None]
    emit: Callable[[Event], None]
    wall: Callable[[], float]


async def fulfil(prepared: Prepared, path: Path) -> Result:
    """Carry one request to its result, retrying for as long as the path's policy allows."""
    tries = Tries()
    for number in count(1):
        attempt = Attempt(request=prepared.request, number=number, body=prepared.body)
        answer = await path.service(attempt)
        if not answer.was_sent:
            return _result(prepared, answer, tries, path)
        tries.enter(answer)
        delay = path.retry.next_delay(answer.outcome, tries)
        if delay is not None:
            delay = max(delay, answer.rest_s)
        path.emit(AttemptEnded(path.lane, attempt, answer.outcome, answer.latency_s, delay))
        if delay is None:
            return _result(prepared, answer, tries, path)
        await path.rest(delay)  # holds no permit while it waits
    raise AssertionError("counting never ends")


class Admit(msgspec.Struct, frozen=True):
    """Hold a permit for exactly as long as one attempt is on the wire."""

    inner: Service
    limiter: Limiter
    note: Callable[[Attempt, Permit], None] | None = None
    """Told each attempt just before it goes, with its permit."""

    async def __call__(self, attempt: Attempt) -> Answer:
        """Wait for admission, send, settle."""
        permit = await self.limiter.admit(attempt)
        if not isinstance(permit, Permit):
            now = asyncio.get_running_loop().time()
            return Answer(permit, now, now, was_sent=False)
        try:
            if self.limiter.limits.windows:
                self.limiter.arrivals.woke(permit, asyncio.get_running_loop().time())
            if self.note is not None:
                self.note(attempt, permit)
            answer = await self.inner(attempt)
            return permit.settle(answer, attempt=attempt)
        finally:
            permit.release()


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Exchange one attempt with the far end under its clocks, and read what comes back."""

    dialect: Dialect
    transport: Transport
    url: str
    headers: Mapping[str, str]
    clocks: Clocks
    levels: LevelReader = msgspec.field(default_factory=LevelReader)

    async def __call__(self, attempt: Attempt) -> Answer:
        """Encode, exchange, decode."""
        wire = WireRequest(url=self.url, headers=self.headers, body=attempt.body)
        outcome: Outcome | None = None
        with self.clocks.watch() as watch:
            try:
                response = await self.transport.exchange(wire, watch)
                watch.levels = self.levels.read(response.status, response.headers, response.received_at)
                outcome = self.dialect.decode(response)
            except TransportError as error:
                outcome = broken(error)
        return answer_of(outcome, watch, self.clocks)

    def __repr__(self) -> str:
        return f"Send({self.dialect.name} to {self.url})"


def answer_of(outcome: Outcome | None, watch: Watch, clocks: Clocks) -> Answer:
    """Close an exchange: with its outcome, or the clock of ours that ended it. Teaches *clocks* how long it took."""
    outcome = outcome or watch.expired
    assert outcome is not None, "an exchange ends with an outcome unless a clock of ours ran out"
    now = clocks.loop.time()
    if isinstance(outcome, Reply):
        clocks.total.answered(now - watch.started_at, now=now)
    return Answer(outcome, watch.started_at, now, watch.levels)


def broken(error: TransportError) -> Failure:
    """The failure that a broken exchange is."""
    kind = FailureKind.MALFORMED if error.is_malformed else FailureKind.CONNECTION
    return Failure(kind=kind, message=str(error), sent=error.sent)


def _result(prepared: Prepared, answer: Answer, tries: Tries, path: Path) -> Result:
    outcome, latency_s = answer.outcome, answer.latency_s
    return Result(
        request=prepared.request,
        outcome=outcome,
        attempts=tries.attempts,
        throttles=tries.throttles,
        perhaps_paid=tries.perhaps_paid,
        latency_s=latency_s,
        started_at=path.wall() - latency_s,
        cost_usd=path.price(outcome) if isinstance(outcome, Reply) else None,
        fingerprint=prepared.fingerprint,
    )
