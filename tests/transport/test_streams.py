"""Answers read as they come, over real sockets: nothing held back, nothing left behind."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from brim.transport import Phase, Transport, TransportError
from brim.values import Sent
from transport.far_end import (
    KEY,
    Act,
    FarEnd,
    MakeTransport,
    Peer,
    Recorder,
    Run,
    answer,
    assert_tells_nothing_secret,
    far_end,
    fin,
    hang,
    request_to,
    rst,
)

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nX-Request-Id: r1\r\n\r\n"
END = b"0\r\n\r\n"
FILES = Path("/proc/self/fd")
TINY = b"data: 20 bytes now\n\n"


def footprint() -> tuple[int, int]:
    """Open files and tasks of this process."""
    return len(list(FILES.iterdir())), len(asyncio.all_tasks())


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Baton:
    """Lets the far end go on only when the client has what was sent."""

    def __init__(self) -> None:
        self._passed = asyncio.Event()

    def give(self) -> None:
        self._passed.set()

    async def __call__(self, peer: Peer) -> None:
        await self._passed.wait()
        self._passed.clear()


async def read_all(transport: Transport, end: FarEnd) -> list[bytes]:
    pieces = []
    async with transport.open(request_to(end.port), end.client) as stream:
        while piece := await stream.read():
            pieces.append(piece)
    return pieces


async def error_of(make_transport: MakeTransport, *acts: Act) -> tuple[list[bytes], TransportError]:
    """What was read before the stream broke, and how it broke."""
    pieces = []
    async with far_end(*acts) as end:
        transport = make_transport()
        try:
            async with transport.open(request_to(end.port), end.client) as stream:
                while piece := await stream.read():
                    pieces.append(piece)
                    await asyncio.sleep(0)
        except TransportError as error:
            return pieces, error
        finally:
            await transport.aclose()
    raise AssertionError("the stream went well")


def test_a_piece_is_there_before_the_next_is_written(make_transport: MakeTransport, run: Run) -> None:
    """
    Twenty bytes are read before the far end writes any more: no layer holds them back for company.
    """
    baton = Baton()
    acts: list[Act] = [chunk(TINY), baton]

    async def main() -> None:
        async with far_end(HEAD, *acts * 5, END) as end:
            transport = make_transport()
            async with transport.open(request_to(end.port), end.client) as stream:
                assert (stream.status, stream.headers["x-request-id"]) == (200, "r1")
                assert stream.received_at > 1e9
                for _ in range(5):
                    assert await stream.read() == TINY
                    baton.give()
                assert await stream.read() == b""
            assert end.client.order == [Phase.CONNECTED, Phase.SENT, Phase.ANSWERING, Phase.DONE]
            assert end.client.phases.count(Phase.ANSWERING) == 6
            await transport.aclose()

    run(main())


def test_the_request_asks_for_no_encoding(make_transport: MakeTransport, run: Run) -> None:
    """
    A compressor would hold back what it can't pack yet, so identity is asked for, and the request's own headers go out.
    """

    async def main() -> bytes:
        async with far_end(HEAD, END) as end:
            transport = make_transport()
            await read_all(transport, end)
            await transport.aclose()
            return end.requests[0].lower()

    request = run(main())
    assert b"accept-encoding: identity" in request
    assert request.count(b"accept-encoding") == 1
    assert f"x-api-key: {KEY}".encode() in request


def test_a_whole_stream_leaves_its_connection_for_the_next(make_transport: MakeTransport, run: Run) -> None:
    """
    Read to the end, or with the end already here, a connection serves plain and streamed exchanges in turn.
    """

    async def main() -> int:
        async with far_end(HEAD + chunk(TINY) + END) as end:
            transport = make_transport()
            for _ in range(3):
                assert await read_all(transport, end) == [TINY]
                assert (await transport.exchange(request_to(end.port), end.client)).body == TINY
                async with transport.open(request_to(end.port), end.client) as stream:
                    assert await stream.read() == TINY
            await transport.aclose()
            return end.connections

    assert run(main()) == 1


def test_leaving_early_closes_the_connection_at_once(make_transport: MakeTransport, run: Run) -> None:
    """
    The far end sees the end while the client still lives: it can stop generating.
    """

    async def main() -> None:
        async with far_end(HEAD, chunk(TINY), hang) as end:
            transport = make_transport()
            async with transport.open(request_to(end.port), end.client) as stream:
                assert await stream.read() == TINY
            await end.until(ended=1)
            await transport.aclose()

    run(main())


@pytest.mark.parametrize("acts", [(hang,), (HEAD, hang), (HEAD, chunk(TINY), hang)], ids=["head", "body", "middle"])
def test_cancelling_closes_the_connection_at_once(
    make_transport: MakeTransport, run: Run, acts: tuple[Act, ...]
) -> None:
    """
    Wherever it waits, a cancelled stream is over for the far end too.
    """

    async def main() -> None:
        async with far_end(*acts) as end:
            transport = make_transport()
            reading = asyncio.create_task(read_all(transport, end))
            await end.until(asked=1)
            if len(acts) > 1:
                await end.client.answering.wait()
            reading.cancel()
            await end.until(ended=1)
            with pytest.raises(asyncio.CancelledError):
                await reading
            await transport.aclose()

    run(main())


@pytest.mark.skipif(not FILES.exists(), reason="counts open files where /proc lists them")
def test_five_hundred_early_ends_leave_nothing(make_transport: MakeTransport, run: Run) -> None:
    """
    No socket, no task and no timer is left of 500 streams that were left early.
    """

    async def main() -> tuple[int, int]:
        async with far_end(HEAD, chunk(TINY), hang) as end:
            transport = make_transport()

            async def leave() -> None:
                async with transport.open(request_to(end.port), Recorder()) as stream:
                    assert await stream.read() == TINY

            await leave()
            await end.until(ended=1)
            before = footprint()
            for _ in range(10):
                await asyncio.gather(*(leave() for _ in range(50)))
            await end.until(ended=501)
            after = footprint()
            await transport.aclose()
            return after[0] - before[0], after[1] - before[1]

    assert run(main()) == (0, 0)


@pytest.mark.parametrize(
    ("acts", "read", "words"),
    [
        ((HEAD, chunk(TINY), fin), [TINY], "in the middle of the answer"),
        ((HEAD + chunk(TINY), fin), [TINY], "in the middle of the answer"),
        ((HEAD, chunk(TINY), rst), None, "in the middle of the answer"),
        ((HEAD, chunk(TINY), b"zz\r\n", hang), None, ""),
        ((HEAD + chunk(TINY) + b"zz\r\n", hang), None, ""),
        ((answer(TINY).replace(b"length: 20", b"length: 90"), fin), [TINY], "in the middle of the answer"),
        ((HEAD, fin), [], "in the middle of the answer"),
    ],
    ids=["cut", "cut-at-once", "reset", "framing", "framing-at-once", "short", "head-only"],
)
def test_a_break_is_an_error_after_what_came(
    make_transport: MakeTransport, run: Run, acts: tuple[Act, ...], read: list[bytes] | None, words: str
) -> None:
    """
    A stream that breaks off never looks like one that ended, and the error tells nothing it must not.
    """
    pieces, error = run(error_of(make_transport, *acts))

    assert read is None or pieces == read
    assert error.sent is Sent.YES
    assert words in str(error)
    assert_tells_nothing_secret(error)


@pytest.mark.parametrize(("acts", "sent"), [((fin,), Sent.MAYBE), ((b"HTTP/1.1 2", fin), Sent.YES)])
def test_no_head_is_an_error_on_entering(
    make_transport: MakeTransport, run: Run, acts: tuple[Act, ...], sent: Sent
) -> None:
    """
    The connection that ends before the answer says what may have been sent.
    """
    pieces, error = run(error_of(make_transport, *acts))

    assert (pieces, error.sent) == ([], sent)
    assert_tells_nothing_secret(error)


def test_no_connection_is_an_error_on_entering(make_transport: MakeTransport, run: Run) -> None:
    """
    Nobody listens: nothing was sent.
    """

    async def main() -> TransportError:
        async with far_end() as end:
            port = end.port
        transport = make_transport()
        with pytest.raises(TransportError) as raised:
            async with transport.open(request_to(port), Recorder()):
                pass
        await transport.aclose()
        return raised.value

    error = run(main())
    assert error.sent is Sent.NO
    assert_tells_nothing_secret(error)


def test_a_body_that_ends_with_its_connection(make_transport: MakeTransport, run: Run) -> None:
    """
    Without any framing the end of the connection is the end of the answer.
    """

    async def main() -> list[bytes]:
        async with far_end(b"HTTP/1.1 200 OK\r\n\r\n" + TINY, fin) as end:
            transport = make_transport()
            pieces = await read_all(transport, end)
            await transport.aclose()
            return pieces

    assert run(main()) == [TINY]


PACKED = gzip.compress(TINY * 50, mtime=0)
GZIP = HEAD.replace(b"X-Request-Id: r1", b"content-encoding: gzip")


def test_an_encoding_that_was_not_asked_for_is_undone(make_transport: MakeTransport, run: Run) -> None:
    """
    Some gateways pack everything: it is unpacked as it comes.
    """

    async def main() -> bytes:
        async with far_end(GZIP, chunk(PACKED[:9]), chunk(PACKED[9:]), END) as end:
            transport = make_transport()
            pieces = await read_all(transport, end)
            await transport.aclose()
            return b"".join(pieces)

    assert run(main()) == TINY * 50


@pytest.mark.parametrize(
    ("body", "words"),
    [(PACKED[:-9], "that ends in the middle of its gzip stream"), (TINY, "that is no gzip stream")],
    ids=["cut", "none"],
)
def test_a_broken_encoding_is_malformed(make_transport: MakeTransport, run: Run, body: bytes, words: str) -> None:
    """
    A gzip stream that is cut, or none at all, is no answer.
    """
    _, error = run(error_of(make_transport, GZIP, chunk(body), END))

    assert error.is_malformed
    assert words in str(error)
