"""A far end that follows a script: a `Transport` without sockets, for our tests and for users'.

Time is the event loop's own, so a script plays in no time at all on a virtual clock, and exactly:

    far_end = Scripted(Breaks(phase=Phase.SENT), Answers(body=b"{}", after=1.5))

breaks the first exchange after the request was sent and answers the second 1.5 s after it began.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import msgspec

from brim.protocols import WireRequest, WireResponse
from brim.transport import Phase, Phases, Stream, TransportError

__all__ = ["Answers", "Breaks", "Hangs", "Scripted", "Step", "Streams"]


class Step(Protocol):
    """What happens to one exchange."""

    async def play(self, phases: Phases) -> WireResponse:
        """Go through the phases and end as an exchange does: with an answer or a `TransportError`."""


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, *after* seconds from the start, in *pieces* pieces that come *between* seconds apart.

    Its `received_at` is the loop's time.
    """

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = {}
    after: float = 0.0
    pieces: int = 1
    between: float = 0.0

    async def play(self, phases: Phases) -> WireResponse:
        """Answer."""
        _reach(Phase.SENT, phases)
        await asyncio.sleep(self.after)
        phases.reached(Phase.ANSWERING)
        for _ in range(1, self.pieces):
            await asyncio.sleep(self.between)
            phases.reached(Phase.ANSWERING)
        phases.reached(Phase.DONE)
        now = asyncio.get_running_loop().time()
        return WireResponse(status=self.status, headers=self.headers, body=self.body, received_at=now)


class Breaks(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange that comes as far as *phase* and breaks there, *after* seconds from the start."""

    phase: Phase = Phase.CONNECTING
    after: float = 0.0
    message: str = "the script breaks here"
    is_malformed: bool = False

    async def play(self, phases: Phases) -> WireResponse:
        """Break."""
        _reach(self.phase, phases)
        await asyncio.sleep(self.after)
        raise TransportError(self.message, sent=self.phase.sent, is_malformed=self.is_malformed)


class Hangs(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange that comes as far as *phase* and never any further."""

    phase: Phase = Phase.SENT

    async def play(self, phases: Phases) -> WireResponse:
        """Hang until cancelled."""
        _reach(self.phase, phases)
        await asyncio.Event().wait()
        raise AssertionError("nothing ends this but a cancellation")


class Streams(msgspec.Struct, frozen=True, kw_only=True):
    """An answer in *chunks*, each so many seconds after the one before it or, the first one, after the start.

    Then, *last* seconds later, comes its end: None for a proper one, a `Breaks` or a `Hangs` for none, of which only
    the kind and the message count. Read whole by an exchange that does not stream.
    """

    chunks: Sequence[tuple[float, bytes]]
    status: int = 200
    headers: Mapping[str, str] = {}
    last: float = 0.0
    end: Breaks | Hangs | None = None

    async def play(self, phases: Phases) -> WireResponse:
        """Answer in pieces, and give them joined."""
        stream = await _ScriptedStream.begin(self, phases)
        pieces = [piece async for piece in stream]
        now = stream.received_at
        return WireResponse(status=self.status, headers=self.headers, body=b"".join(pieces), received_at=now)


class _ScriptedStream:
    """A `brim.transport.Stream` that plays a `Streams`."""

    def __init__(self, step: Streams, phases: Phases) -> None:
        self.status = step.status
        self.headers = step.headers
        self.received_at = asyncio.get_running_loop().time()
        self._next_at = self.received_at
        self._chunks = iter(step.chunks)
        self._step = step
        self._phases = phases
        self.has_ended = False

    @classmethod
    async def begin(cls, step: Streams, phases: Phases) -> _ScriptedStream:
        """The head comes with the first chunk."""
        _reach(Phase.SENT, phases)
        loop = asyncio.get_running_loop()
        begun_at, first = loop.time(), step.chunks[0][0] if step.chunks else step.last
        await asyncio.sleep(first)
        phases.reached(Phase.ANSWERING)
        stream = cls(step, phases)
        stream._next_at = begun_at
        return stream

    async def read(self) -> bytes:
        """See `brim.transport.Stream.read`. A chunk that nobody read in time waits, as in a socket."""
        after, chunk = next(self._chunks, (None, b""))
        await self._until(self._step.last if after is None else after)
        if after is None:
            await self._end()
            self.has_ended = True
        self._phases.reached(Phase.DONE if after is None else Phase.ANSWERING)
        return chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self.read():
            yield chunk

    async def _until(self, after: float) -> None:
        self._next_at += after
        await asyncio.sleep(self._next_at - asyncio.get_running_loop().time())

    async def _end(self) -> None:
        end = self._step.end
        if isinstance(end, Hangs):
            await asyncio.Event().wait()
        if isinstance(end, Breaks):
            raise TransportError(end.message, sent=Phase.ANSWERING.sent, is_malformed=end.is_malformed)


class _WholeStream:
    """A `brim.transport.Stream` of an answer that came whole."""

    def __init__(self, response: WireResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.received_at = response.received_at
        self._body = response.body

    async def read(self) -> bytes:
        """All of it, then nothing."""
        body, self._body = self._body, b""
        return body


class Scripted:
    """Plays one step for each exchange, in the order in which they begin.

    Args:
        steps: the script.
        then: what follows when *steps* have run out: a step for every further exchange, or a function that chooses
            one by the request. None makes a further exchange an `AssertionError`.

    Attributes:
        requests: what was asked, in order.
        sent_at: when, by the loop's clock.
        cancelled: exchanges that were cancelled before their end.
        left_early: streams that were left before their end, cancelled ones included.
        under_way: exchanges that have not ended.
        most_under_way: how many there were at once, at most.
        is_closed: was it closed?
    """

    def __init__(self, *steps: Step, then: Step | Callable[[WireRequest], Step] | None = None) -> None:
        self._steps = iter(steps)
        self._then = then
        self.requests: list[WireRequest] = []
        self.sent_at: list[float] = []
        self.cancelled = 0
        self.left_early = 0
        self.under_way = 0
        self.most_under_way = 0
        self.is_closed = False

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of the requests, in order."""
        return [request.body for request in self.requests]

    async def exchange(self, request: WireRequest, phases: Phases) -> WireResponse:
        """Play the next step."""
        with self._begun(request) as step:
            return await step.play(phases)

    @asynccontextmanager
    async def open(self, request: WireRequest, phases: Phases) -> AsyncIterator[Stream]:
        """Play the next step; what is no `Streams` comes in one piece."""
        with self._begun(request) as step:
            if isinstance(step, Streams):
                stream = await _ScriptedStream.begin(step, phases)
                try:
                    yield stream
                finally:
                    self.left_early += not stream.has_ended
            else:
                yield _WholeStream(await step.play(phases))

    @contextmanager
    def _begun(self, request: WireRequest) -> Iterator[Step]:
        step = self._next(request)
        self.requests.append(request)
        self.sent_at.append(asyncio.get_running_loop().time())
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            yield step
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.is_closed = True

    def _next(self, request: WireRequest) -> Step:
        step = next(self._steps, None) or self._then
        if step is None:
            raise AssertionError(f"the script has run out after {len(self.requests)} exchanges")
        return step(request) if callable(step) else step


def _reach(last: Phase, phases: Phases) -> None:
    for phase in Phase:
        if Phase.CONNECTING < phase <= last:
            phases.reached(phase)
