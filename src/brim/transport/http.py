"""The transport over aiohttp. Only this file knows it: its errors, its defaults and its traps end here.

Nothing of aiohttp's own policy is left on: no timer (the engine has the clocks and cancels), no redirect, no cookie, no
netrc, no proxy or certificate read behind our back, no limit of connections (the engine bounds them) and no decoding of
bodies, since it takes a gzip stream that was cut short for a whole one. Its errors never leave this file, not even as
the cause of ours: the repr of one of them prints every header of the request.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from brim.protocols import WireRequest, WireResponse
from brim.transport import Phase, Phases, TransportError
from brim.transport.proxies import proxy_for
from brim.transport.tls import tls_context
from brim.values import Sent

__all__ = ["HttpTransport"]

_KEEP_ALIVE_S: Final = 15.0  # below what servers and load balancers commonly allow an idle connection
_FIELD_BYTES: Final = 128 * 1024  # of one header, or of the status line; aiohttp's own 8,190 is less than servers send
_HEADERS: Final = 512
_DEFAULT_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": "brim"}
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
        self._targets: dict[str, _Target] = {}
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
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            failure = _translate(error, body.phase, target)
        except BaseException:
            body.hang_up(response)
            raise
        else:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if "content-encoding" in headers:
                answer = _decoded(answer, headers["content-encoding"], target)
            body.hang_up(response)  # only what speaks another protocol now is still open
            phases.reached(Phase.DONE)
            return WireResponse(status=response.status, headers=headers, body=answer, received_at=time.time())
        body.hang_up(response)
        # Raised outside of the handler, so that not even __context__ leads to the error that holds the headers.
        raise failure

    async def aclose(self) -> None:
        """Close every connection. What is still under way breaks."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self._tls or True,  # True: the system's authorities, which aiohttp has read already
            limit=0,
            keepalive_timeout=_KEEP_ALIVE_S,
            socket_factory=_socket,
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

    def _add_target(self, url: str) -> _Target:
        proxy = proxy_for(url, self._environ)
        target = _Target(URL(url), URL(proxy) if proxy else None)
        self._targets[url] = target
        return target


class _Target(NamedTuple):
    """Where an exchange goes."""

    url: URL
    proxy: URL | None

    def __str__(self) -> str:
        return _place(self.url) if self.proxy is None else f"{_place(self.url)} through proxy {_place(self.proxy)}"


def _place(url: URL) -> str:
    """Host and port: all of a URL that a message may hold."""
    return f"{url.host_subcomponent}:{url.port}"


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
        return lambda: None
    closed.add_done_callback(end)
    closed.remove_done_callback(_retrieve)
    closed.add_done_callback(_retrieve)
    return partial(closed.remove_done_callback, end)


def _has_length(response: aiohttp.ClientResponse) -> bool:
    return "Content-Length" in response.headers or "Transfer-Encoding" in response.headers


def _retrieve(closed: asyncio.Future[None]) -> None:
    """Look at how an idle connection ended, else the loop logs that nobody did. Stays on the connection, once."""
    if not closed.cancelled():
        closed.exception()


def _decoded(answer: bytes, encoding: str, target: _Target) -> bytes:
    """Undo the encoding of a body. A gzip stream that does not reach its end is a broken answer, not a short one."""
    if not answer or encoding.lower() == "identity":
        return answer
    problem = f"in the encoding {encoding[:40]!r}, which was not asked for"
    if encoding.lower() in {"gzip", "x-gzip"}:
        try:
            return gzip.decompress(answer)
        except EOFError:
            problem = "that ends in the middle of its gzip stream"
        except (OSError, zlib.error):
            problem = "that is no gzip stream, although its header says so"
    raise TransportError(f"{target} sent a body {problem}", sent=Sent.YES, is_malformed=True)


def _translate(error: Exception, phase: Phase, target: _Target) -> TransportError:
    """Say in our own words what broke. Nothing of *error*'s own text is kept but the name of its cause."""
    is_malformed = isinstance(error, _MALFORMED) and phase is not Phase.CONNECTING
    if is_malformed or _came_in_part(error):
        phase = Phase.ANSWERING
    say = next(say for kind, say in _MEANINGS if isinstance(error, kind))
    return TransportError(say(error, phase, target), sent=phase.sent, is_malformed=is_malformed)


def _came_in_part(error: Exception) -> bool:
    """Did the connection end within the headers? Then aiohttp gives what it has of them in place of a message."""
    return isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)


def _not_found(error: aiohttp.ClientConnectorDNSError, _phase: Phase, _target: _Target) -> str:
    return f"can't find the address of {error.host}: {_reason(error.os_error)}"


def _not_trusted(error: aiohttp.ClientConnectorCertificateError, _phase: Phase, target: _Target) -> str:
    cause = error.certificate_error
    why = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else "it does not verify"
    return (
        f"the certificate of {target} is not trusted: {why}; if that is expected, name the file of its certificate "
        f"authority with --ca or SSL_CERT_FILE"
    )


def _no_tls(error: aiohttp.ClientConnectorSSLError, _phase: Phase, target: _Target) -> str:
    return f"no TLS connection to {target}: {_reason(error.os_error)}"


def _no_proxy(error: aiohttp.ClientProxyConnectionError, _phase: Phase, target: _Target) -> str:
    return f"no connection to the proxy of {target}: {_reason(error.os_error)}"


def _proxy_refused(error: aiohttp.ClientHttpProxyError, _phase: Phase, target: _Target) -> str:
    return f"the proxy refused to connect to {target}: status {error.status}"


def _no_connection(error: aiohttp.ClientConnectorError, _phase: Phase, target: _Target) -> str:
    return f"no connection to {target}: {_reason(error.os_error)}"


def _malformed(error: aiohttp.ClientResponseError | HttpProcessingError, _phase: Phase, target: _Target) -> str:
    rule = error.message.strip().partition(":")[0]  # after the colon stands what was sent
    return f"{target} answered with something that is not HTTP/1.1: {rule.lower() or 'unreadable'}"


def _broken(error: Exception, phase: Phase, target: _Target) -> str:
    why = _reason(error) if isinstance(error, OSError) else "closed by the far end"
    return f"the connection to {target} broke {_WHEN[phase]}: {why}"


_WHEN: Final = {
    Phase.CONNECTING: "before the request was sent",
    Phase.CONNECTED: "while the request was sent",
    Phase.SENT: "before an answer came",
    Phase.ANSWERING: "in the middle of the answer",
}

_MALFORMED: Final = (aiohttp.ClientResponseError, HttpProcessingError)

_MEANINGS: Final[tuple[tuple[type[Exception], Callable[[Any, Phase, _Target], str]], ...]] = (
    # The first that fits counts: derived classes stand before their bases.
    (aiohttp.ClientConnectorDNSError, _not_found),
    (aiohttp.ClientConnectorCertificateError, _not_trusted),
    (aiohttp.ClientConnectorSSLError, _no_tls),
    (aiohttp.ClientProxyConnectionError, _no_proxy),
    (aiohttp.ClientHttpProxyError, _proxy_refused),
    (aiohttp.ClientConnectorError, _no_connection),
    *((kind, _malformed) for kind in _MALFORMED),
    (Exception, _broken),
)


def _reason(error: BaseException) -> str:
    """The system's name for what happened."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "handshake failed").replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno:
        return error.strerror if isinstance(error, socket.gaierror) and error.strerror else os.strerror(error.errno)
    return "closed by the far end"


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket on which a far end that vanished is noticed, and no small packet waits for company."""
    family, kind, proto, _, _ = address
    sock = socket.socket(family, kind, proto)
    for level, option, value in _SOCKET_OPTIONS:
        sock.setsockopt(level, option, value)
    return sock


_SOCKET_OPTIONS: Final = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    # What the platform has of these; macOS calls the first one TCP_KEEPALIVE.
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))
        if hasattr(socket, name)
    ),
)
