"""The provider in process: a `brim.transport.Transport` without sockets, on the event loop's own clock.

Under `run_virtual` a whole run meets the provider in no time at all; on an ordinary loop it takes its real time. What a
client would learn from a socket (how far the exchange came, whether a broken one was sent) it learns from the phases
and from `TransportError`, as with the real transport.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from math import inf
from typing import Final
from urllib.parse import urlsplit

from brim.protocols import WireRequest, WireResponse
from brim.simulator.clock import LoopClock
from brim.simulator.delivery import Ending
from brim.simulator.exchange import Exchange
from brim.simulator.model import Provider
from brim.simulator.scenario import Scenario
from brim.transport import Phase, Phases, Stream, TransportError
from brim.values import Sent

__all__ = ["SimTransport"]

_BROKEN: Final = {Ending.RESET: "connection reset", Ending.CUT: "connection closed"}


@lru_cache(maxsize=64)
def _path(url: str) -> str:
    return urlsplit(url).path


_lower: Final = lru_cache(maxsize=256)(str.lower)
"""Names of headers are few, and a name that was seen before has its hash already."""


class SimTransport:
    """Carries requests to a simulated provider.

    The provider's second 0 is the virtual loop's, or on another loop the moment of the first exchange.

    Args:
        provider: the provider, or the scenario of a new one.
        connect: seconds that connecting takes each time.
    """

    def __init__(self, provider: Provider | Scenario, *, connect: float = 0.0) -> None:
        self.provider = Provider(provider) if isinstance(provider, Scenario) else provider
        self._connect = connect
        self._clock = LoopClock()
        self._headers: tuple[Mapping[str, str], dict[str, str]] = ({}, {})

    def now(self) -> float:
        """The provider's time, in its seconds."""
        return self._clock.now()

    async def exchange(self, request: WireRequest, phases: Phases) -> WireResponse:
        """See `brim.transport.Transport.exchange`."""
        if self._connect:
            await asyncio.sleep(self._connect)
        answer = self._send(request, phases)
        try:
            now = await self._clock.until(answer.due_at)
            answer.go_on(now)
            while not answer.has_ended:
                if answer.due_at > now:
                    now = await self._clock.until(answer.due_at)
                answer.go_on(now)
        finally:
            answer.settle()
        received_at = self.provider.epoch + now
        return WireResponse(status=answer.status, headers=answer.headers, body=answer.take(), received_at=received_at)

    @asynccontextmanager
    async def open(self, request: WireRequest, phases: Phases) -> AsyncIterator[Stream]:
        """See `brim.transport.Transport.open`."""
        if self._connect:
            await asyncio.sleep(self._connect)
        answer = self._send(request, phases)
        try:
            answer.go_on(await self._clock.until(answer.due_at))
            yield answer
        finally:
            answer.settle()

    async def aclose(self) -> None:
        """See `brim.transport.Transport.aclose`. There is nothing to close."""

    def _send(self, request: WireRequest, phases: Phases) -> _Arriving:
        if self._headers[0] is not request.headers:  # clients send the same ones again and again
            self._headers = (request.headers, {name.lower(): value for name, value in request.headers.items()})
        exchange = self.provider.receive(_path(request.url), self._headers[1], request.body, self._clock.now())
        return _Arriving(self.provider, self._clock, exchange, phases)


class _Arriving:
    """An answer on its way, in steps: its head, its pieces, its end. It breaks or hangs where its delivery does.

    Attributes:
        due_at: when the next step is due; infinite if it never is.
        has_ended: was the last step taken?
        status: the HTTP status.
        headers: the headers, names in lower case, once the head is here.
        received_at: when that was, in seconds since the epoch.
    """

    __slots__ = (
        "_clock",
        "_delivery",
        "_end_at",
        "_exchange",
        "_has_head",
        "_now",
        "_parts",
        "_phases",
        "_provider",
        "_taken",
        "_unpacker",
        "due_at",
        "has_ended",
        "headers",
        "received_at",
        "status",
    )

    def __init__(self, provider: Provider, clock: LoopClock, exchange: Exchange, phases: Phases) -> None:
        delivery = exchange.delivery
        self._provider = provider
        self._clock = clock
        self._exchange = exchange
        self._delivery = delivery
        self._phases = phases
        self._has_head = False
        self._taken = 0
        self._parts: list[bytes] = []
        self._end_at = delivery.end_at if delivery.end.comes else inf
        self.status = delivery.status
        self.has_ended = False
        self.due_at = self._end_at if delivery.head_at is None else delivery.head_at
        if delivery.end.connects:
            phases.reached(Phase.CONNECTED)
            phases.reached(Phase.SENT)

    def catch_up(self, now: float) -> None:
        """Take every step that is due by *now*. Raises `TransportError` where one is a break."""
        while self.due_at <= now and not self.has_ended:
            self.go_on(now)

    def go_on(self, now: float) -> None:
        """Take the step that is due *now*. Raises `TransportError` where it is a break."""
        if not self._has_head:
            self._begin(now)
        elif self._taken < len(self._delivery.pieces):
            self._collect(now)
        else:
            self._end()

    def _begin(self, now: float) -> None:
        delivery = self._delivery
        if delivery.head_at is None:
            raise self._no_answer()
        self._has_head = True
        self._now = now
        self.received_at = self._provider.epoch + now
        lines = dict(self._provider.head(self._exchange, now))
        self.headers: dict[str, str] = dict(zip(map(_lower, lines), lines.values(), strict=True))
        self._unpacker = zlib.decompressobj(wbits=31) if "content-encoding" in self.headers else None
        self._phases.reached(Phase.ANSWERING)
        if delivery.raw is not None:
            raise self._broken("the answer isn't HTTP", Sent.YES, is_malformed=True)
        self.due_at = delivery.pieces[0][0] if delivery.pieces else self._end_at

    def _no_answer(self) -> TransportError:
        end = self._delivery.end
        if end is Ending.REFUSED:
            return self._broken("connection refused", Sent.NO)
        return self._broken(f"{_BROKEN[end]} before the answer", Sent.MAYBE)

    def _broken(self, message: str, sent: Sent, *, is_malformed: bool = False) -> TransportError:
        self.has_ended = True
        return TransportError(message, sent=sent, is_malformed=is_malformed)

    def _collect(self, now: float) -> None:
        """Take all pieces whose time has come."""
        if self.due_at > self._now:
            self._phases.reached(Phase.ANSWERING)
        self._now = now
        pieces, unpacker = self._delivery.pieces, self._unpacker
        for at, piece in pieces[self._taken :] if self._taken else pieces:
            if at > now:
                self.due_at = at
                return
            self._parts.append(unpacker.decompress(piece) if unpacker else piece)
            self._taken += 1
        self.due_at = self._end_at

    def _end(self) -> None:
        delivery = self._delivery
        if not delivery.looks_whole:
            raise self._broken(f"{_BROKEN[delivery.end]} in the middle of the answer", Sent.YES)
        if self._unpacker and not self._unpacker.eof:
            raise self._broken("the compressed answer is cut", Sent.YES, is_malformed=True)
        self.has_ended = True
        self._phases.reached(Phase.DONE)

    def take(self) -> bytes:
        """What has come since it was last asked for."""
        parts = self._parts
        self._parts = []
        return b"".join(parts)

    async def read(self) -> bytes:
        """See `brim.transport.Stream.read`."""
        while not self.has_ended:
            part = self.take()
            if part:
                return part
            self.go_on(await self._clock.until(self.due_at))
        return self.take()

    def settle(self) -> None:
        """Tell the provider how it ended: as its delivery says, or with a client that left."""
        now = self._clock.now()
        if self.has_ended:
            is_early = now < self._delivery.end_at
            self._provider.finish(self._exchange, self._delivery.end_at if is_early else now)
        else:
            self._provider.abandon(self._exchange, now)
