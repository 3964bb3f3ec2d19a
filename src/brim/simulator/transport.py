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
        stream = await self._send(request, phases)
        try:
            await stream.begin()
            parts = []
            while part := await stream.read():
                parts.append(part)
        finally:
            stream.settle()
        received_at = self.provider.epoch + self._clock.now()
        return WireResponse(status=stream.status, headers=stream.headers, body=b"".join(parts), received_at=received_at)

    @asynccontextmanager
    async def open(self, request: WireRequest, phases: Phases) -> AsyncIterator[Stream]:
        """See `brim.transport.Transport.open`."""
        stream = await self._send(request, phases)
        try:
            await stream.begin()
            yield stream
        finally:
            stream.settle()

    async def aclose(self) -> None:
        """See `brim.transport.Transport.aclose`. There is nothing to close."""

    async def _send(self, request: WireRequest, phases: Phases) -> _Arriving:
        if self._connect:
            await asyncio.sleep(self._connect)
        headers = self._lowered(request.headers)
        exchange = self.provider.receive(_path(request.url), headers, request.body, self._clock.now())
        return _Arriving(self.provider, self._clock, exchange, phases)

    def _lowered(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers with lower-case names; clients send the same ones again and again."""
        if self._headers[0] is not headers:
            self._headers = (headers, {name.lower(): value for name, value in headers.items()})
        return self._headers[1]


class _Arriving:
    """An answer on its way: waits for each part of its delivery, and breaks or hangs where that does."""

    def __init__(self, provider: Provider, clock: LoopClock, exchange: Exchange, phases: Phases) -> None:
        self.status = exchange.delivery.status
        self.headers: dict[str, str] = {}
        self.received_at = 0.0
        self._provider = provider
        self._clock = clock
        self._exchange = exchange
        self._phases = phases
        self._taken = 0
        self._has_ended = False
        self._unpacker = zlib.decompressobj(wbits=31)

    async def begin(self) -> None:
        """Connect, send and wait for the head, which may never come."""
        delivery = self._exchange.delivery
        if delivery.end is Ending.REFUSED:
            raise self._broken("connection refused", Sent.NO)
        if delivery.end is Ending.UNREACHABLE:
            await self._clock.for_ever()
        self._phases.reached(Phase.CONNECTED)
        self._phases.reached(Phase.SENT)
        await self._clock.until(delivery.end_at if delivery.head_at is None else delivery.head_at)
        if delivery.head_at is None:
            if delivery.end is Ending.HANG:
                await self._clock.for_ever()
            raise self._broken(f"{_BROKEN[delivery.end]} before the answer", Sent.MAYBE)
        now = self._clock.now()
        self.received_at = self._provider.epoch + now
        self.headers = {name.lower(): value for name, value in self._provider.head(self._exchange, now)}
        self._phases.reached(Phase.ANSWERING)
        if delivery.raw is not None:
            raise self._broken("the answer isn't HTTP", Sent.YES, is_malformed=True)

    def _broken(self, message: str, sent: Sent, *, is_malformed: bool = False) -> TransportError:
        self._has_ended = True
        return TransportError(message, sent=sent, is_malformed=is_malformed)

    async def read(self) -> bytes:
        """See `brim.transport.Stream.read`."""
        while not self._has_ended:
            pieces = self._exchange.delivery.pieces
            if self._taken == len(pieces):
                await self._end()
                return b""
            if pieces[self._taken][0] > self._clock.now():
                await self._clock.until(pieces[self._taken][0])
                self._phases.reached(Phase.ANSWERING)
            part = self._due()
            if part:
                return part
        return b""

    def _due(self) -> bytes:
        """All pieces whose time has come, decoded."""
        pieces = self._exchange.delivery.pieces
        # A timer may ring a rounding before its time; the piece that was waited for is due in any case.
        now = max(self._clock.now(), pieces[self._taken][0])
        begin = self._taken
        while self._taken < len(pieces) and pieces[self._taken][0] <= now:
            self._taken += 1
        part = b"".join([piece for _, piece in pieces[begin : self._taken]])
        return self._unpacker.decompress(part) if "content-encoding" in self.headers else part

    async def _end(self) -> None:
        delivery = self._exchange.delivery
        await self._clock.until(delivery.end_at)
        if delivery.end is Ending.HANG:
            await self._clock.for_ever()
        if not delivery.looks_whole:
            raise self._broken(f"{_BROKEN[delivery.end]} in the middle of the answer", Sent.YES)
        if "content-encoding" in self.headers and not self._unpacker.eof:
            raise self._broken("the compressed answer is cut", Sent.YES, is_malformed=True)
        self._has_ended = True
        self._phases.reached(Phase.DONE)

    def settle(self) -> None:
        """Tell the provider how it ended: as its delivery says, or with a client that left."""
        now = self._clock.now()
        if self._has_ended:
            self._provider.finish(self._exchange, max(now, self._exchange.delivery.end_at))
        else:
            self._provider.abandon(self._exchange, now)
