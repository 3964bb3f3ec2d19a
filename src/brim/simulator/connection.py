"""One client's connection: requests off the wire, deliveries onto it, to the byte and to the moment.

A raw asyncio protocol and not a web framework, because the faults are the point: a reset is a reset, a cut is a cut,
and headers without a body are headers without a body. One answer at a time; what a client sends early waits.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from http import HTTPStatus
from typing import Final, cast

import msgspec

from brim.simulator.delivery import Delivery, Ending, Framing
from brim.simulator.exchange import Exchange
from brim.simulator.headers import Pair, http_date
from brim.simulator.model import Provider
from brim.simulator.requests import BadHttp, HttpRequest, RequestReader

__all__ = ["Connection", "Page"]

Page = Callable[[str], bytes | None]
"""What a GET of a path answers, as JSON; None if there is nothing."""

_EARLY: Final = 0.0005
"""Seconds by which a piece may be early: a timer costs more than it is worth."""
_LINGER_S: Final = 0.02
"""Seconds between the last bytes and a reset, so that they are read before it overtakes them."""
_RESET_NOW: Final = struct.pack("ii", 1, 0)
_JSON: Final = ("content-type", "application/json")


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    phrase = "Unknown"
    with suppress(ValueError):
        phrase = HTTPStatus(status).phrase
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


@lru_cache(maxsize=16)
def _date_line(second: int) -> bytes:
    return f"date: {http_date(second)}\r\nserver: brim-sim\r\n".encode()


def _head(status: int, headers: list[Pair], framing: bytes, wall: float) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1")
    return _status_line(status) + _date_line(int(wall)) + lines + framing + b"\r\n"


class Connection(asyncio.Protocol):
    """See the module. *now* tells the provider's time; *alive* is the set of open connections."""

    def __init__(self, provider: Provider, now: Callable[[], float], page: Page, alive: set[Connection]) -> None:
        self._provider = provider
        self._now = now
        self._page = page
        self._alive = alive
        self._reader = RequestReader(max_body=2 * provider.scenario.max_body)
        self._exchange: Exchange | None = None
        self._sent = 0
        self._has_head = False
        self._keeps_alive = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._alive.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """See `asyncio.Protocol`. A client that leaves in the middle abandons its call."""
        self._alive.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._exchange is not None:
            self._provider.abandon(self._exchange, self._now())
            self._exchange = None

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._reader.feed(data)
        if self._exchange is None:
            self._serve()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._transport.abort()

    def _serve(self) -> None:
        """Answer the requests that are here, until one takes its time."""
        while self._exchange is None and not self._transport.is_closing():
            try:
                request = self._reader.next()
            except BadHttp as error:
                self._keeps_alive = False
                self._say(error.status, {"error": {"message": str(error), "type": "bad_http"}})
                return
            if self._reader.wants_continue:
                self._reader.wants_continue = False
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if request is None:
                return
            self._keeps_alive = request.keeps_alive
            self._answer(request)

    def _answer(self, request: HttpRequest) -> None:
        if request.method == "POST":
            self._exchange = self._provider.receive(request.path, request.headers, request.body, self._now())
            self._sent, self._has_head = 0, False
            self._go_on()
            return
        page = self._page(request.path) if request.method in {"GET", "HEAD"} else None
        if page is None:
            self._say(404, {"error": {"message": f"nothing at {request.method} {request.path}", "type": "not_found"}})
        else:
            self._write_whole(200, page, has_body=request.method == "GET")

    def _say(self, status: int, value: object) -> None:
        self._write_whole(status, msgspec.json.encode(value), has_body=True)

    def _write_whole(self, status: int, body: bytes, *, has_body: bool) -> None:
        framing = f"content-length: {len(body)}\r\n".encode() + self._connection_line()
        head = _head(status, [_JSON], framing, self._provider.epoch + self._now())
        self._transport.write(head + body if has_body else head)
        if not self._keeps_alive:
            self._transport.close()

    def _connection_line(self) -> bytes:
        return b"" if self._keeps_alive else b"connection: close\r\n"

    def _go_on(self) -> None:
        """Send what is due, and come back for the rest."""
        exchange = self._exchange
        if exchange is None:
            return
        delivery = exchange.delivery
        now = self._now() + _EARLY
        due = self._due(exchange, now)
        if due:
            self._transport.write(due)
        next_at = self._next_at(delivery)
        if next_at > now:
            self._timer = self._loop.call_later(next_at - now + _EARLY, self._go_on)
        else:
            self._end(exchange, wrote=bool(due))

    def _due(self, exchange: Exchange, now: float) -> bytes:
        delivery = exchange.delivery
        if delivery.head_at is None or delivery.head_at > now:
            return b""
        if delivery.raw is not None:
            return delivery.raw
        out = []
        if not self._has_head:
            self._has_head = True
            headers = self._provider.head(exchange, self._now())
            out.append(_head(delivery.status, headers, self._framing(delivery), self._provider.epoch + now))
        pieces = delivery.pieces
        is_chunked = delivery.framing is Framing.CHUNKED
        while self._sent < len(pieces) and pieces[self._sent][0] <= now:
            piece = pieces[self._sent][1]
            out.append(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
            self._sent += 1
        if self._is_over(delivery, now) and delivery.end is Ending.DONE and is_chunked:
            out.append(b"0\r\n\r\n")
        return b"".join(out)

    def _is_over(self, delivery: Delivery, now: float) -> bool:
        return self._sent == len(delivery.pieces) and delivery.end_at <= now

    def _framing(self, delivery: Delivery) -> bytes:
        if delivery.framing is Framing.CHUNKED:
            return b"transfer-encoding: chunked\r\n" + self._connection_line()
        if delivery.framing is Framing.CLOSE:
            return b"connection: close\r\n"
        length = len(delivery.body) if delivery.length is None else delivery.length
        return f"content-length: {length}\r\n".encode() + self._connection_line()

    def _next_at(self, delivery: Delivery) -> float:
        """When there is something to do next; not later than now if only the end is left."""
        if delivery.head_at is not None and not self._has_head and delivery.raw is None:
            return delivery.head_at
        if self._sent < len(delivery.pieces):
            return delivery.pieces[self._sent][0]
        return delivery.end_at

    def _end(self, exchange: Exchange, *, wrote: bool) -> None:
        delivery = exchange.delivery
        if delivery.end in {Ending.HANG, Ending.UNREACHABLE}:
            return  # until the client has had enough
        self._provider.finish(exchange, max(self._now(), delivery.end_at))
        self._exchange = None
        if delivery.end in {Ending.RESET, Ending.REFUSED}:
            if wrote or self._has_head:
                self._loop.call_later(_LINGER_S, self._reset)
            else:
                self._reset()
        elif delivery.end is Ending.CUT or delivery.framing is Framing.CLOSE or not self._keeps_alive:
            self._transport.close()
        else:
            self._loop.call_soon(self._serve)

    def _reset(self) -> None:
        """Close so that the client gets a reset and no polite end."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_NOW)
        self._transport.abort()
