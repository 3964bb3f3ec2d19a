"""A raw TCP server that follows a script, and the small tools every transport test shares.

It speaks no HTTP of its own: a test says byte for byte what goes over the wire, and when the connection ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeAlias, TypeVar

from brim.protocols import WireRequest
from brim.transport import Phase, Transport, TransportError

T = TypeVar("T")

KEY = "sk-this-must-never-be-seen"
GUARD_S = 20.0  # nothing here takes a second; a test that hangs shall fail instead


class MakeTransport(Protocol):
    """What every transport's constructor understands."""

    def __call__(self, *, ca: str | None = None, environ: dict[str, str] | None = None) -> Transport: ...


class Recorder:
    """Phases, as a test sees them."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.answering = asyncio.Event()
        self.done = asyncio.Event()

    def reached(self, phase: Phase) -> None:
        self.phases.append(phase)
        if phase is Phase.ANSWERING:
            self.answering.set()
        if phase is Phase.DONE:
            self.done.set()

    @property
    def order(self) -> list[Phase]:
        """The phases without the repetitions of ANSWERING."""
        return [phase for i, phase in enumerate(self.phases) if i == 0 or phase is not self.phases[i - 1]]


class Peer:
    """One connection, from the server's side."""

    def __init__(self, client: Recorder, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.client = client
        self.reader = reader
        self.writer = writer

    async def read_request(self) -> bytes:
        """The next request, head and body; nothing if the client has gone."""
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            head = await self.reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            return head + await self.reader.readexactly(int(fields.get(b"content-length", b"0")))
        return b""

    async def play(self, acts: tuple[Act, ...]) -> None:
        for act in acts:
            if isinstance(act, bytes):
                self.writer.write(act)
                await self.writer.drain()
            else:
                await act(self)


Act: TypeAlias = bytes | Callable[[Peer], Awaitable[None]]
"""One act of a script: bytes are sent as they are."""


async def fin(peer: Peer) -> None:
    """Close the connection in good order."""
    peer.writer.close()


async def rst(peer: Peer) -> None:
    """Tear the connection down, as a process does that crashes."""
    sock: socket.socket = peer.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.writer.transport.abort()


async def seen(peer: Peer) -> None:
    """Wait until the client says that the answer has begun."""
    await peer.client.answering.wait()


async def taken(peer: Peer) -> None:
    """Wait until the client has the whole answer."""
    await peer.client.done.wait()


async def hang(peer: Peer) -> None:
    """Say nothing more until the client has closed its side."""
    with contextlib.suppress(ConnectionError):
        while await peer.reader.read(65_536):
            pass
    peer.writer.close()


class FarEnd:
    """The server: it reads a request, plays the script, and goes on with the next until either side closes."""

    def __init__(self, *acts: Act, greeting: tuple[Act, ...] = ()) -> None:
        self.acts = acts
        self.greeting = greeting
        self.port = 0
        self.client = Recorder()
        self.connections = 0
        self.ended = 0
        self.requests: list[bytes] = []
        self._change = asyncio.Condition()

    async def until(self, *, asked: int = 0, ended: int = 0) -> None:
        """Wait until so many requests have come and so many connections have ended."""
        async with self._change:
            await self._change.wait_for(lambda: len(self.requests) >= asked and self.ended >= ended)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        peer = Peer(self.client, reader, writer)
        with contextlib.suppress(ConnectionError):
            await peer.play(self.greeting)
            while not writer.is_closing() and (request := await peer.read_request()):
                self.requests.append(request)
                await self._changed()
                await peer.play(self.acts)
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        self.ended += 1
        await self._changed()

    async def _changed(self) -> None:
        async with self._change:
            self._change.notify_all()


@contextlib.asynccontextmanager
async def far_end(
    *acts: Act, greeting: tuple[Act, ...] = (), tls: ssl.SSLContext | None = None
) -> AsyncIterator[FarEnd]:
    """Serve the script *acts* on a free port of the loopback interface; *greeting* is played before any request."""
    end = FarEnd(*acts, greeting=greeting)
    server = await asyncio.start_server(end.serve, "127.0.0.1", 0, ssl=tls, backlog=1_000)
    end.port = server.sockets[0].getsockname()[1]
    try:
        yield end
    finally:
        server.close()
        await end.until(ended=end.connections)


def answer(body: bytes = b'{"ok":1}', *, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole plain answer."""
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


def request_to(port: int, *, scheme: str = "http", host: str = "127.0.0.1", body: bytes = b"{}") -> WireRequest:
    """A request with the key in every place a request may hold one."""
    return WireRequest(
        url=f"{scheme}://{host}:{port}/v1/chat/completions?key={KEY}",
        headers={"authorization": f"Bearer {KEY}", "x-api-key": KEY, "content-type": "application/json"},
        body=body,
    )


class Run(Protocol):
    """Runs a test's coroutine on one of the event loops."""

    def __call__(self, main: Coroutine[Any, Any, T]) -> T: ...


def runner_on(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> Run:
    """Run coroutines on a new loop each; what hangs, fails; what the loop would only log, fails too."""

    def run(main: Coroutine[Any, Any, T]) -> T:
        complaints: list[str] = []

        async def guarded() -> T:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(f"{context}"))
            async with asyncio.timeout(GUARD_S):
                return await main

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            result = runner.run(guarded())
        assert not complaints, complaints
        return result

    return run


def loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every event loop that brim runs on here."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - Windows has none

        factories["uvloop"] = uvloop.new_event_loop
    return factories


async def error_of(transport: Transport, request: WireRequest, client: Recorder) -> TransportError:
    """The error that an exchange ends with. The transport is closed."""
    try:
        await transport.exchange(request, client)
    except TransportError as error:
        return error
    finally:
        await transport.aclose()
    raise AssertionError("the exchange went well")


def assert_tells_nothing_secret(error: BaseException) -> None:
    """Neither the error nor anything it leads to holds the key."""
    linked: list[BaseException] = [error]
    for each in linked:
        linked += [other for other in (each.__cause__, each.__context__) if other is not None]
        assert KEY not in f"{each} {each!r} {each.__dict__}"
    assert KEY not in "".join(traceback.format_exception(error))
