"""The transport over aiohttp. Only this file and `http_errors` know it: its defaults, errors and traps end here.

Nothing of aiohttp's own policy is left on: no timer (the engine has the clocks and cancels), no redirect, no cookie, no
netrc, no proxy or certificate read behind our back, no limit of connections (the engine bounds them) and no decoding of
bodies, since it takes a gzip stream that was cut short for a whole one. Its errors never leave this file, not even as
the cause of ours.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

from brim.protocols import WireRequest, WireResponse
from brim.transport import Phase, Phases, Stream
from brim.transport.encodings import Unpacker, unpacked
from brim.transport.http_errors import ERRORS, translate
from brim.transport.proxies import proxy_for
from brim.transport.sockets import new_socket
from brim.transport.target import Target
from brim.transport.tls import tls_context

__all__ = ["HttpTransport"]

_KEEP_ALIVE_S: Final = 15.0  # below what servers and load balancers commonly allow an idle connection
_FIELD_BYTES: Final = 128 * 1024  # of one header, or of the status line; aiohttp's own 8,190 is less than servers send
_HEADERS: Final = 512
_DEFAULT_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": "brim"}
_UNPACKED: Final = {"Accept-Encoding": "identity"}  # a piece that has come can be read, whatever follows
_BODY_HEADERS: Final = CIMultiDict({"Content-Type": "application/json"})
_NO_TIMERS: Final = aiohttp.ClientTimeout(total=None, connect=None, sock_read=None, sock_connect=None)


class HttpTransport:
    """Carries exchanges over pooled HTTP/1.1 connections. Belongs to the event loop of its first exchange.

    Phases told: CONNECTED when a connection stands and the request is about to be written, SENT when all of it is
    written, ANSWERING at the headers and at every further piece, DONE. There are as many connections as exchanges
    under way; idle ones are kept for 15 s.

    Args:
        ca: a PEM file of the certificate authorities to trust, see `brim.transport.tls`.
        environ: the environment variables that name proxies and certificates, see `brim.transport.proxies`.

    Raises:
        ConfigError: the certificates can't be read; at the first exchange with a host: its proxy can't be used.
    """

    def __init__(self, *, ca: str | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._tls = tls_context(ca=ca, environ=environ)
        self._targets: dict[str, Target] = {}
        self._session: aiohttp.ClientSession | None = None

    async def exchange(self, request: WireRequest, phases: Phases) -> WireResponse:
        """Send *request* once and read the whole answer. Raises `TransportError` if the exchange breaks."""
        target = self._targets.get(request.url) or self._add_target(request.url)
        session = self._session or self._open()
        body = _Body(request.body, phases)
        response = None
        try:
            response = await session.post(
                target.url, data=body, headers=request.headers, proxy=target.proxy, allow_redirects=False
            )
            body.phase = Phase.ANSWERING
            phases.reached(Phase.ANSWERING)
            answer = await _read(response, phases)
        except ERRORS as error:
            failure = translate(error, body.phase, target)
        except BaseException:
            body.hang_up(response)
            raise
        else:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if "content-encoding" in headers:
                answer = unpacked(answer, headers, target)
            body.hang_up(response)  # only what speaks another protocol now is still open
            phases.reached(Phase.DONE)
            return WireResponse(status=response.status, headers=headers, body=answer, received_at=time.time())
        body.hang_up(response)
        # Raised outside of the handler, so that not even __context__ leads to the error that holds the headers.
        raise failure

    @asynccontextmanager
    async def open(self, request: WireRequest, phases: Phases) -> AsyncIterator[Stream]:
        """Send *request* once and read the answer as it comes; see `brim.transport.Transport.open`.

        The connection goes back to the pool if the whole answer has come, read or not, and is closed otherwise.
        """
        target = self._targets.get(request.url) or self._add_target(request.url)
        session = self._session or self._open()
        body = _Body(request.body, phases)
        headers = {**request.headers, **_UNPACKED}
        failure = response = None
        try:
            response = await session.post(
                target.url, data=body, headers=headers, proxy=target.proxy, allow_redirects=False
            )
        except ERRORS as error:
            failure = translate(error, body.phase, target)
        except BaseException:
            body.hang_up(response)
            raise
        if response is None:
            body.hang_up(response)
            assert failure is not None, "a request ends with a response or an error"
            raise failure
        phases.reached(Phase.ANSWERING)
        stream = _HttpStream(response, phases, target)
        try:
            yield stream
        finally:
            stream.forget()
            body.hang_up(response)

    async def aclose(self) -> None:
        """Close every connection. What is still under way breaks."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self._tls or True,  # True: the system's authorities, which aiohttp has read already
            limit=0,
            keepalive_timeout=_KEEP_ALIVE_S,
            socket_factory=new_socket,
            resolver=aiohttp.ThreadedResolver(),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=_NO_TIMERS,
            headers=_DEFAULT_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=_FIELD_BYTES,
            max_field_size=_FIELD_BYTES,
            max_headers=_HEADERS,
        )
        return self._session

    def _add_target(self, url: str) -> Target:
        proxy = proxy_for(url, self._environ)
        target = Target(URL(url), URL(proxy) if proxy else None)
        self._targets[url] = target
        return target


class _Body(aiohttp.BytesPayload):
    """A request body that tells when it is written, which is how we learn the phases before the answer."""

    def __init__(self, value: bytes, phases: Phases) -> None:
        self._value = value
        self._size = len(value)
        self._headers = _BODY_HEADERS
        self._phases = phases
        self._transport: asyncio.WriteTransport | None = None
        self.phase = Phase.CONNECTING

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Called by aiohttp once it has a connection; the headers go out with the first bytes of the body."""
        transport = self._transport = writer.transport
        if transport is not None and not transport.is_closing():  # else the write fails, and nothing was sent
            self._tell(Phase.CONNECTED)
        await writer.write(self._value[:content_length])
        await writer.drain()
        self._tell(Phase.SENT)

    def _tell(self, phase: Phase) -> None:
        if self.phase < phase:  # a server may answer before it has read the request
            self.phase = phase
            self._phases.reached(phase)

    def hang_up(self, response: aiohttp.ClientResponse | None) -> None:
        """Close the connection now, whatever is still unsent.

        A response that is closed has given its connection back already: another exchange may be on it.
        """
        if response is not None:
            if response.closed:
                return
            response.close()
        if self._transport is not None:
            self._transport.abort()


class _HttpStream:
    """A `brim.transport.Stream` over a response whose head is here."""

    def __init__(self, response: aiohttp.ClientResponse, phases: Phases, target: Target) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self.received_at = time.time()
        self._content = response.content
        self._phases = phases
        self._target = target
        self._unpacker = Unpacker(self.headers, target)
        self.forget: Callable[[], object] = (
            _nothing if response.content.is_eof() else _watch(response, response.connection)
        )

    async def read(self) -> bytes:
        """See `brim.transport.Stream.read`."""
        while piece := await self._next():
            self._phases.reached(Phase.ANSWERING)
            if piece := self._unpacker.feed(piece):
                return piece
        self._unpacker.end()
        self._phases.reached(Phase.DONE)
        return b""

    async def _next(self) -> bytes:
        try:
            piece = await self._content.readany()
        except ERRORS as error:
            cut: BaseException | None = error
        else:
            cut = None if piece else self._content.exception()
            if cut is None:
                return piece
        assert isinstance(cut, Exception), "a body that breaks has an error of aiohttp's"
        raise translate(cut, Phase.ANSWERING, self._target)


async def _read(response: aiohttp.ClientResponse, phases: Phases) -> bytes:
    content = response.content
    if content.is_eof():
        return await content.readany()
    pieces = []
    forget = _watch(response, response.connection)
    try:
        while piece := await content.readany():
            phases.reached(Phase.ANSWERING)
            pieces.append(piece)
    finally:
        forget()
    if (cut := content.exception()) is not None:
        raise cut
    return b"".join(pieces)


def _watch(response: aiohttp.ClientResponse, connection: Connection | None) -> Callable[[], object]:
    """See to it that a body whose connection breaks ends as an error. Returns what takes the watch off again.

    aiohttp does so itself in all cases but two (seen with 3.14.5). Where chunked framing breaks after the headers, it
    closes the connection and leaves the reader waiting for ever; and a body that lasts until the connection ends is
    whole for it even where a reset ended it.
    """
    content = response.content
    protocol = None if connection is None else connection.protocol
    closed = None if protocol is None else protocol.closed

    def end(_: object) -> None:
        why = None if protocol is None else protocol.exception()
        is_cut = not content.is_eof() or (isinstance(why, OSError) and not _has_length(response))
        if is_cut and content.exception() is None:
            content.set_exception(why or aiohttp.ClientPayloadError())

    if closed is None:
        end(None)
        return _nothing
    closed.add_done_callback(end)
    closed.remove_done_callback(_retrieve)
    closed.add_done_callback(_retrieve)
    return partial(closed.remove_done_callback, end)


def _nothing() -> None:
    """Nothing is watched."""


def _has_length(response: aiohttp.ClientResponse) -> bool:
    return "Content-Length" in response.headers or "Transfer-Encoding" in response.headers


def _retrieve(closed: asyncio.Future[None]) -> None:
    """Look at how an idle connection ended, else the loop logs that nobody did. Stays on the connection, once."""
    if not closed.cancelled():
        closed.exception()
