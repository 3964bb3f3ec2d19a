"""One lane: an endpoint, a credential and a model, with everything that is theirs alone.

Each lane has its own limiter, clocks and window of requests alive at once, so that a parked or slow one starves no
other. `build_service` is the one place that knows the order of the stages.
"""

from __future__ import annotations

import asyncio
import time
from math import inf
from random import Random
from typing import TYPE_CHECKING, Final

import msgspec

from brim.config import Endpoint, Limits, Timeouts
from brim.engine.budget import Afford
from brim.engine.clocks import Clocks
from brim.engine.crew import Crew
from brim.engine.ledger import Ledger, noting
from brim.engine.limiter import Limiter
from brim.engine.path import Admit, Path, Prepared, Send, Service
from brim.engine.strategies import Strategies
from brim.engine.stream import StreamSend, WhileUnheard
from brim.errors import ConfigError
from brim.events import AttemptAdmitted, Event, LaneParked, LanePaused, LaneRetuned, RequestEnded
from brim.policies.health import Health
from brim.policies.retry import MAX_ATTEMPTS, Backoff, RetryPolicy, StandardRetry
from brim.policies.same_fault import SameFault
from brim.policies.timeouts import LearntTotal
from brim.policies.tokens import CHARGING, Charging
from brim.protocols import Piece, StreamingDialect, fingerprint
from brim.values import Bound, Constraint, Failure, FailureKind, Reply, Request, Result, Sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from brim.engine.budget import Till
    from brim.engine.permits import Permit
    from brim.events import Hold
    from brim.policies.tokens import Cost
    from brim.protocols import Dialect
    from brim.transport import Transport
    from brim.values import Attempt

__all__ = ["Lane", "Settings", "build_service"]

_SOURCE: Final = Bound(Constraint.SOURCE, "source")
_CROWD: Final = Bound(Constraint.CONCURRENCY, "concurrency")
_BACKOFF: Final = Bound(Constraint.OUTAGE, "a wait before the next attempt")
_BUDGET: Final = Bound(Constraint.BUDGET, "budget")
_ASKED_BEFORE: Final = Failure(kind=FailureKind.THROTTLED, message="the server asked an earlier run to wait")
_LASTS_S: Final = 1.0
"""A wait shorter than this is over before another process could begin."""
_WHATEVER_WAITS: Final = frozenset({Constraint.HELD, Constraint.PARKED, Constraint.DAY, Constraint.OUTAGE})
"""What closes a lane, whether anything waits or not."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a lane behaves.

    *stream* has answers come in pieces; *trace* has `AttemptAdmitted` told; *seed* fixes the jitter, None draws it.
    """

    limits: Limits = msgspec.field(default_factory=Limits)
    timeouts: Timeouts = msgspec.field(default_factory=Timeouts)
    max_attempts: int = MAX_ATTEMPTS
    max_timeouts: int = 4
    backoff: Backoff | None = None
    strategies: Strategies = msgspec.field(default_factory=Strategies)
    stream: bool = False
    trace: bool = False
    seed: int | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What the stages of a lane are made from."""

    endpoint: Endpoint
    dialect: Dialect
    transport: Transport
    limiter: Limiter
    clocks: Clocks
    note: Callable[[Attempt, Permit], None] | None = None
    till: Till | None = None


def build_service(line: Line, on_piece: Callable[[Piece], None] | None = None) -> Service:
    """Stack the stages, innermost first. Nowhere else knows the order.

    With *on_piece* answers are streamed. Raises `ConfigError` if the dialect has no streams.
    """
    endpoint, dialect = line.endpoint, line.dialect
    url = dialect.url(endpoint.base_url)
    headers = dialect.headers(endpoint.key.reveal() if endpoint.key else None)
    send: Service
    if on_piece is None:
        send = Send(
            dialect=dialect,
            transport=line.transport,
            url=url,
            headers=headers,
            clocks=line.clocks,
        )
    elif isinstance(dialect, StreamingDialect):
        send = StreamSend(
            dialect=dialect,
            transport=line.transport,
            url=url,
            # llama.cpp closes a connection after a stream although it announced to keep it.
            headers={**headers, "connection": "close"} if endpoint.is_loopback else headers,
            clocks=line.clocks,
            on_piece=on_piece,
        )
    else:
        raise ConfigError(f"the dialect {dialect.name!r} can't stream; leave streaming out, or choose another --model")
    admitted = Admit(send, line.limiter, line.note)
    return admitted if line.till is None else Afford(admitted, line.limiter, line.till)


def build_retry(settings: Settings, rng: Random, health: Health) -> RetryPolicy:
    """The retry policy: brim's own, asked by tenacity's strategies where the user gave some."""
    standard = StandardRetry(
        rng=rng,
        max_attempts=settings.max_attempts,
        max_timeouts=settings.max_timeouts,
        backoff=settings.backoff,
        health=health,
    )
    if not settings.strategies:
        return standard
    from brim.engine.tenacity_retry import TenacityRetry  # noqa: PLC0415 - takes as long as a hundred calls

    return TenacityRetry(settings.strategies, standard)


class Lane:
    """A lane in a running event loop.

    Args:
        endpoint: where its requests go.
        model: the model they name.
        dialect: how to speak there.
        transport: the way there, shared with other lanes.
        settings: how it behaves.
        price: an answer's price in US dollars, None if unknown.
        emit: told every event.
        wall: seconds since the epoch.
        ledger: what it remembers of earlier processes, and where it says what it sends; None remembers nothing.
        till: the run's money and what the model's calls cost; None if no budget caps it.
    """

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        model: str,
        dialect: Dialect,
        transport: Transport,
        settings: Settings,
        price: Callable[[Reply], float | None],
        emit: Callable[[Event], None],
        wall: Callable[[], float] = time.time,
        ledger: Ledger | None = None,
        till: Till | None = None,
    ) -> None:
        self.name = f"{dialect.name}:{model}"
        self._model = model
        self._dialect = dialect
        self._emit = emit
        rng = Random(settings.seed)
        charging = CHARGING.get(dialect.name, Charging.RESERVES_CAP)
        self.limiter = Limiter(
            settings.limits,
            rng=rng,
            on_pause=self._paused,
            on_park=self._parked,
            charging=charging,
            on_admitted=self._admitted if settings.trace else None,
        )
        self.limiter.to_come = self._to_come
        self._ledger = ledger
        self._till = till
        self._wall = wall
        if ledger is not None:
            ledger.stated(settings.limits)
            self._recall(ledger, wall())
        note = None if ledger is None else noting(ledger, till, wall, reserves=charging is Charging.RESERVES_CAP)
        self._crews: list[Crew] = []
        self.limiter.on_room = self._has_room
        self._resting: set[asyncio.Future[None]] = set()
        self._bound = _CROWD
        self._same_fault = SameFault()
        self._line = Line(
            endpoint=endpoint,
            dialect=dialect,
            transport=transport,
            limiter=self.limiter,
            clocks=Clocks(settings.timeouts, LearntTotal(settings.timeouts.total)),
            note=note if till is None else till.going(note),
            till=till,
        )
        self._watch_windows()
        self.path = Path(
            lane=self.name,
            service=build_service(self._line, _unheard if settings.stream else None),
            retry=build_retry(settings, rng, self.limiter.health),
            rest=self._rest,
            price=price,
            emit=emit,
            wall=wall,
        )

    def streaming(self, on_piece: Callable[[Piece], None], take_back: Callable[[], bool]) -> Path:
        """The path of one request whose answer is handed out while it comes.

        Args:
            on_piece: told every piece, the moment it comes; must not block.
            take_back: forgets the pieces nobody has taken yet, and says whether that were all of them: only then the
                request may be sent again.

        Raises:
            ConfigError: the dialect has no streams.
        """
        service = build_service(self._line, on_piece)
        return msgspec.structs.replace(self.path, service=service, retry=WhileUnheard(self.path.retry, take_back))

    def prepare(self, request: Request) -> Prepared:
        """Encode *request*. Raises `InputError` for what the dialect can't express, or no budget can bound."""
        body = self._dialect.encode(request, model=self._model)
        if self._till is not None:
            self._till.bill.worst(body)
        return Prepared(request, body, fingerprint(self._dialect.name, body))

    def join(self, start: Callable[[Crew], None]) -> Crew:
        """A run begins to use the lane. *start* is called when more of its requests may come alive."""
        crew = Crew(self.limiter, self._resting, start)
        self._crews.append(crew)
        return crew

    def leave(self, crew: Crew) -> None:
        """The run of *crew* is over, and none of its requests is on its way any more."""
        self._crews.remove(crew)
        crew.disband()

    @property
    def alive(self) -> int:
        """Requests of runs that are on their way: on the wire, before it, or resting."""
        return sum(crew.alive for crew in self._crews)

    def _to_come(self) -> float:
        """Requests that have yet to ask for a permit; infinity as long as more may come."""
        for crew in self._crews:
            if not crew.is_whole:
                return inf
        return self.held if self._crews else inf

    @property
    def held(self) -> int:
        """Requests of runs that wait until there is room."""
        return sum(len(crew.held) for crew in self._crews)

    @property
    def is_busy(self) -> bool:
        """Is anything under way, whoever asked for it?"""
        return bool(self.limiter.in_flight or self.limiter.waiting or self._resting or self._crews)

    def _has_room(self) -> None:
        for crew in tuple(self._crews):
            crew.start(crew)

    def bound(self) -> Bound:
        """What keeps the lane from sending more just now."""
        bound = self.limiter.bound()
        if bound is not None and bound.constraint in _WHATEVER_WAITS:
            return bound
        if self._till is not None and self._till.waiting and not self.limiter.waiting:
            return _BUDGET
        if not self.limiter.waiting and not any(crew.is_held_up for crew in self._crews):
            return _BACKOFF if self._resting else _SOURCE
        # If nothing binds somebody is about to go, held up until now by what it was.
        self._bound = bound or self._bound
        return self._bound

    def ended(self, result: Result) -> None:
        """One of the lane's requests has its result, and it is recorded."""
        self._emit(RequestEnded(self.name, result))
        fault = self._same_fault.ended(result.outcome)
        if fault is not None:
            self.park(fault)

    def park(self, failure: Failure) -> None:
        """Send nothing more, and leave what waits untouched. What is on the wire comes home."""
        self.limiter.park(failure)

    def retune(self, limits: Limits) -> None:
        """Keep *limits* from now on, in place of those before."""
        before = self.limiter.limits
        changed = {
            name: new for name in limits.__struct_fields__ if (new := getattr(limits, name)) != getattr(before, name)
        }
        if changed:
            if self._ledger is not None:
                self._ledger.stated(limits)
            self.limiter.retune(limits)
            self._watch_windows()
            self._emit(LaneRetuned(self.name, changed))

    def _recall(self, ledger: Ledger, now: float) -> None:
        """Go on where an earlier process left off: limits are used, and a wait that the server asked for goes on."""
        opens_in = ledger.opens_in(self._model, now)
        is_closed = ledger.is_closed(self._model, now)
        self.limiter.recall(ledger.spent(self._model, now), is_closed=is_closed, opens_in=opens_in)
        if opens_in:
            self._emit(LanePaused(self.name, opens_in, _ASKED_BEFORE))

    def _watch_windows(self) -> None:
        """Windows count what was written, and when, and so do limits of few calls; of others that says nothing."""
        self._line.clocks.on_written = self.limiter.arrivals.listener(self.limiter.limits)

    async def _rest(self, seconds: float) -> None:
        """Wait out a backoff, or less if the lane parks meanwhile."""
        if seconds <= 0.0 or self.limiter.parked is not None:
            return
        rested: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = asyncio.get_running_loop().call_later(seconds, _wake, rested)
        self._resting.add(rested)
        self.limiter.on_room()
        try:
            await rested
        finally:
            timer.cancel()
            self._resting.discard(rested)

    def _admitted(self, attempt: Attempt, cost: Cost, holds: tuple[Hold, ...]) -> None:
        longest = max(holds, key=lambda hold: hold.seconds)
        _, _, given, made = cost.amounts
        event = AttemptAdmitted(
            lane=self.name,
            attempt=attempt,
            waited_s=sum(hold.seconds for hold in holds),
            holds=holds,
            input_tokens=given,
            output_tokens=made,
            gauge=next((gauge for gauge in self.limiter.gauges() if gauge.name == longest.bound.name), None),
        )
        self._emit(event)

    def _paused(self, seconds: float, failure: Failure) -> None:
        if self._ledger is not None and seconds and (failure.retry_after or 0.0) >= _LASTS_S:
            self._ledger.closed(self._model, self._wall(), failure.retry_after or 0.0)
        self._emit(LanePaused(self.name, seconds, failure))

    def _parked(self, failure: Failure) -> None:
        is_told = failure.kind.ends_by_itself and failure.sent is not Sent.NO
        if self._ledger is not None and is_told and failure.retry_after:
            self._ledger.closed(self._model, self._wall(), failure.retry_after)
        self._emit(LaneParked(self.name, failure))
        for rested in tuple(self._resting):
            _wake(rested)

    def __repr__(self) -> str:
        return f"Lane({self.name}, alive={self.alive}, held={self.held}, {self.limiter!r})"


def _unheard(piece: Piece) -> None:
    """A run wants whole answers: its pieces only show that the far end is alive."""


def _wake(rested: asyncio.Future[None]) -> None:
    if not rested.done():
        rested.set_result(None)
