"""The transport of our own: HTTP/1.1 straight to the far end, at a fraction of what a general client costs a call.

It keeps one pool of connections for each origin and nothing else: no cookie, no redirect, no proxy (see
`brim.transport.http`), no timer but the one that closes idle connections. A request is written once. A connection that
goes back to the pool has carried a whole answer, and nothing beside it; every other is closed.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from yarl import URL

from brim.errors import ConfigError
from brim.protocols import WireRequest, WireResponse
from brim.transport import Phase, Phases, Stream, TransportError
from brim.transport.encodings import Unpacker, unpacked
from brim.transport.h1_connection import Connection
from brim.transport.sockets import Addresses, connected
from brim.transport.target import Target, break_at, no_connection
from brim.transport.tls import tls_context
from brim.values import Sent

__all__ = ["H1Transport"]

_KEEP_ALIVE_S: Final = 15.0  # below what servers and load balancers commonly allow an idle connection
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": "brim"}
_UNPACKED: Final = "identity"  # a piece that has come can be read, whatever follows
_MOST_HEADS: Final = 256
_TURNS: Final = 20


class H1Transport:
    """Carries exchanges over pooled connections of its own. Belongs to the event loop of its first exchange.

    Phases are told as by `brim.transport.http.HttpTransport`. There are as many connections as exchanges under way;
    idle ones are kept for 15 s, or for as long as the server's `Keep-Alive` allows.

    Args:
        ca: a PEM file of the certificate authorities to trust, see `brim.transport.tls`.
        environ: the environment variables that name certificates.

    Raises:
        ConfigError: the certificates can't be read.
    """

    def __init__(self, *, ca: str | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self._tls = tls_context(ca=ca, environ=environ)
        self._addresses = Addresses()
        self._origins: dict[str, _Origin] = {}
        self._by_url: dict[str, _Origin] = {}
        self._heads: dict[tuple[str, int, bool], tuple[Mapping[str, str], bytes]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def exchange(self, request: WireRequest, phases: Phases) -> WireResponse:
        """Send *request* once and read the whole answer. Raises `TransportError` if the exchange breaks."""
        origin = self._by_url.get(request.url) or self._add(request.url)
        connection = origin.take() or await self._connect(origin)
        try:
            connection.send(self._head(request, origin), request.body, phases)
            body = await connection.whole()
        except BaseException:
            connection.abort()
            raise
        status, headers = connection.status, connection.headers
        self._give_back(connection, origin)
        if "content-encoding" in headers:
            body = unpacked(body, headers, origin.target)
        phases.reached(Phase.DONE)
        return WireResponse(status=status, headers=headers, body=body, received_at=time.time())

    @asynccontextmanager
    async def open(self, request: WireRequest, phases: Phases) -> AsyncIterator[Stream]:
        """Send *request* once and read the answer as it comes; see `brim.transport.Transport.open`.

        The connection goes back to the pool if the whole answer has come, read or not, and is closed otherwise.
        """
        origin = self._by_url.get(request.url) or self._add(request.url)
        connection = origin.take() or await self._connect(origin)
        try:
            connection.send(self._head(request, origin, is_stream=True), request.body, phases, is_stream=True)
            await connection.begun()
            phases.reached(Phase.ANSWERING)
            yield _H1Stream(connection, phases, origin.target)
        finally:
            self._give_back(connection, origin)

    async def aclose(self) -> None:
        """Close every connection, and keep none from now on. What is still under way breaks."""
        self._is_closed = True
        self._addresses.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        connections = [connection for origin in self._origins.values() for connection in origin.all]
        for connection in connections:
            connection.abort()
        for _ in range(_TURNS):  # for the loop to close the sockets
            if all(connection.is_over for connection in connections):
                break
            await asyncio.sleep(0)

    def _add(self, url: str) -> _Origin:
        parsed = URL(url)
        name = str(parsed.origin())
        origin = self._origins.get(name)
        if origin is None:
            origin = self._origins[name] = _Origin(Target(parsed.origin(), None))
        self._by_url[url] = origin
        return origin

    def _head(self, request: WireRequest, origin: _Origin, *, is_stream: bool = False) -> bytes:
        """All of the request before its length. Lanes send the same headers with every attempt."""
        key = request.url, id(request.headers), is_stream
        known = self._heads.get(key)
        if known is not None and known[0] is request.headers:
            return known[1]
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        head = _head_of(request, origin.target.url, is_stream=is_stream)
        self._heads[key] = request.headers, head  # holding the headers keeps their identity theirs
        return head

    async def _connect(self, origin: _Origin) -> Connection:
        url = origin.target.url
        host, port = url.raw_host or "", url.port or 0
        try:
            sock = await connected(await self._addresses.of(host, port))
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(origin.target, origin.lost),
                sock=sock,
                ssl=self._trust() if url.scheme == "https" else None,
                server_hostname=host if url.scheme == "https" else None,
            )
        except (OSError, UnicodeError) as error:  # a name that can't be a host's is no OSError
            self._addresses.forget(host, port)
            text = no_connection(error, origin.target)
        else:
            if not connection.is_closing and not self._is_closed:
                origin.all.add(connection)
                return connection
            connection.abort()
            text = break_at(Phase.CONNECTING, None, origin.target)
        # Raised outside of the handler, so that not even __context__ leads to an error with words of others.
        raise TransportError(text, sent=Sent.NO)

    def _trust(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _give_back(self, connection: Connection, origin: _Origin) -> None:
        """An exchange is over: keep its connection, or close it."""
        if not connection.is_reusable or self._is_closed:
            connection.abort()
            return
        origin.keep(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_KEEP_ALIVE_S, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long."""
        loop = asyncio.get_running_loop()
        self._sweeper = None
        for origin in self._origins.values():
            origin.sweep(loop.time())
        if any(origin.idle for origin in self._origins.values()):
            self._sweeper = loop.call_later(_KEEP_ALIVE_S, self._sweep)


class _Origin:
    """The connections to one scheme, host and port."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.all: set[Connection] = set()
        self.idle: dict[Connection, float] = {}
        """Until when each may be used again; the one that was used last, last."""

    def take(self) -> Connection | None:
        """An idle connection that is still good. The one used last, so that others can grow old."""
        while self.idle:
            connection, until = self.idle.popitem()
            if not connection.is_closing and asyncio.get_running_loop().time() < until:
                return connection
            connection.abort()
        return None

    def keep(self, connection: Connection) -> None:
        """Keep *connection* for the next exchange."""
        connection.rest()
        self.idle[connection] = asyncio.get_running_loop().time() + _keep_for(connection.headers)

    def lost(self, connection: Connection) -> None:
        """Told by *connection* when it has ended."""
        self.all.discard(connection)
        self.idle.pop(connection, None)

    def sweep(self, now: float) -> None:
        """Close every connection whose time is up."""
        for connection, until in tuple(self.idle.items()):
            if now >= until:
                del self.idle[connection]
                connection.abort()


class _H1Stream:
    """A `brim.transport.Stream` over a connection whose head is here."""

    def __init__(self, connection: Connection, phases: Phases, target: Target) -> None:
        self.status = connection.status
        self.headers = connection.headers
        self.received_at = time.time()
        self._connection = connection
        self._phases = phases
        self._unpacker = Unpacker(connection.headers, target)

    async def read(self) -> bytes:
        """See `brim.transport.Stream.read`."""
        while piece := await self._connection.piece():
            self._phases.reached(Phase.ANSWERING)
            if piece := self._unpacker.feed(piece):
                return piece
        self._unpacker.end()
        self._phases.reached(Phase.DONE)
        return b""


def _keep_for(headers: Mapping[str, str]) -> float:
    """Seconds for which a connection may be used again: less than the server says that it keeps it."""
    said = headers.get("keep-alive")
    if said is None:
        return _KEEP_ALIVE_S
    fields = dict(field.strip().partition("=")[::2] for field in said.lower().split(","))
    timeout = fields.get("timeout", "").strip('"')
    return min(_KEEP_ALIVE_S, max(0.0, int(timeout) - 1.0)) if timeout.isdecimal() else _KEEP_ALIVE_S


def _head_of(request: WireRequest, origin: URL, *, is_stream: bool) -> bytes:
    default = {**_HEADERS, "Accept-Encoding": _UNPACKED} if is_stream else _HEADERS
    given = {name.lower() for name in request.headers}
    fields = {
        "Host": origin.host_port_subcomponent or "",
        **{name: value for name, value in default.items() if name.lower() not in given},
        **request.headers,
    }
    for name, value in fields.items():
        if not _is_clean(name) or not _is_clean(value):
            raise ConfigError(f"the header {name!r} holds a line break or a character that no header can carry")
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {URL(request.url).raw_path_qs} HTTP/1.1\r\n{lines}Content-Length: ".encode()


def _is_clean(text: str) -> bool:
    return not any(ord(character) < _FIRST_VISIBLE and character != "\t" for character in text)


_FIRST_VISIBLE: Final = 32
