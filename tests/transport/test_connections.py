"""How connections are kept, reused, cancelled and closed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import sys
from pathlib import Path

import pytest

from brim.transport import Phase, Transport
from transport.far_end import (
    FarEnd,
    MakeTransport,
    Recorder,
    Run,
    answer,
    far_end,
    fin,
    hang,
    request_to,
    rst,
    seen,
    taken,
)

PART = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"


def open_sockets() -> int:
    """How many sockets this process holds open."""
    links = Path("/proc/self/fd").iterdir()
    return sum(link.is_symlink() and str(link.readlink()).startswith("socket:") for link in links)


async def ask(transport: Transport, end: FarEnd) -> bytes:
    return (await transport.exchange(request_to(end.port), Recorder())).body


def test_connection_is_reused(make_transport: MakeTransport, run: Run) -> None:
    """Exchanges that follow each other share a connection; those at once have one each."""

    async def main() -> None:
        transport = make_transport()
        async with far_end(answer()) as end:
            for _ in range(5):
                await ask(transport, end)
            assert end.connections == 1
            await asyncio.gather(*(ask(transport, end) for _ in range(20)))
            assert end.connections == 20
            await transport.aclose()

    run(main())


def test_reuse_after_pieces(make_transport: MakeTransport, run: Run) -> None:
    """A connection whose answers came in pieces is reused, and its later end troubles nobody."""

    async def main() -> None:
        transport = make_transport()
        async with far_end(answer(b"hello")[:-2], seen, b"lo") as end:
            for _ in range(3):
                response = await transport.exchange(request_to(end.port), end.client)
                assert response.body == b"hello"
            assert end.connections == 1
            await transport.aclose()

    run(main())


def test_idle_connection_closed_by_the_server(make_transport: MakeTransport, run: Run) -> None:
    """A connection that the server closed while it was idle is not used again."""

    async def main() -> None:
        transport = make_transport()
        async with far_end(answer(), fin) as end:
            for number in range(1, 4):
                await ask(transport, end)
                await end.until(ended=number)
                await asyncio.sleep(0)
            assert (end.connections, len(end.requests)) == (3, 3)
            await transport.aclose()

    run(main())


def test_idle_connection_reset_by_the_server(make_transport: MakeTransport, run: Run) -> None:
    """A connection that is reset while it is idle troubles no exchange, and the loop logs nothing about it."""

    async def main() -> None:
        transport = make_transport()
        async with far_end(answer(b"hello")[:-2], seen, b"lo", taken, rst) as end:
            for number in (1, 2):
                await transport.exchange(request_to(end.port), end.client)
                await end.until(ended=number)
            await transport.aclose()
        gc.collect()

    run(main())


def test_connection_that_changes_its_protocol(make_transport: MakeTransport, run: Run) -> None:
    """A connection that speaks something else after its answer is closed, not kept."""

    async def main() -> None:
        transport = make_transport()
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        async with far_end(upgrade, hang) as end:
            response = await transport.exchange(request_to(end.port), end.client)
            assert (response.status, response.body) == (101, b"")
            await end.until(ended=1)
            await transport.aclose()

    run(main())


def test_cookies_are_not_kept(make_transport: MakeTransport, run: Run) -> None:
    """What one answer sets, no later request sends."""

    async def main() -> None:
        transport = make_transport()
        async with far_end(answer(headers="set-cookie: session=1; path=/\r\n")) as end:
            for _ in range(2):
                await transport.exchange(request_to(end.port, host="localhost"), Recorder())
            assert len(end.requests) == 2
            assert b"session=1" not in end.requests[1]
            await transport.aclose()

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="finds the socket in /proc")
def test_socket_options(make_transport: MakeTransport, run: Run) -> None:
    """Small packets leave at once, and a far end that vanished is noticed within six minutes."""

    async def main() -> None:
        transport = make_transport()
        async with far_end(answer()) as end:
            await ask(transport, end)
            with socket_to(end.port) as sock:
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                idle, every, count = (
                    sock.getsockopt(socket.IPPROTO_TCP, option)
                    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
                )
                assert idle + every * count == 360
            await transport.aclose()

    run(main())


def socket_to(port: int) -> socket.socket:
    """Another handle on the one socket of this process that is connected to *port*."""
    for link in Path("/proc/self/fd").iterdir():
        if link.is_symlink() and str(link.readlink()).startswith("socket:"):
            sock = socket.socket(fileno=os.dup(int(link.name)))
            with contextlib.suppress(OSError, IndexError):
                if sock.getpeername()[1] == port:
                    return sock
            sock.close()
    raise AssertionError("there is no such socket")


def test_connection_is_not_reused_against_the_servers_word(make_transport: MakeTransport, run: Run) -> None:
    """`Connection: close` is heeded."""

    async def main() -> None:
        transport = make_transport()
        async with far_end(answer(headers="connection: close\r\n"), hang) as end:
            await ask(transport, end)
            await end.until(ended=1)
            await ask(transport, end)
            assert end.connections == 2
            await transport.aclose()

    run(main())


@pytest.mark.parametrize("acts", [(hang,), (PART, hang)], ids=["before headers", "within the body"])
def test_cancel(acts: tuple[bytes, ...], make_transport: MakeTransport, run: Run) -> None:
    """A cancelled exchange ends at once, and the server sees its connection end."""

    async def main() -> None:
        transport = make_transport()
        async with far_end(*acts) as end:
            task = asyncio.create_task(transport.exchange(request_to(end.port), end.client))
            await end.until(asked=1)
            if PART in acts:
                await end.client.answering.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await end.until(ended=1)
            assert Phase.DONE not in end.client.phases
            await transport.aclose()

    run(main())


def test_cancel_while_connecting(make_transport: MakeTransport, run: Run) -> None:
    """A cancelled exchange that has no connection yet ends at once and has told no phase."""

    async def main() -> None:
        transport = make_transport()
        client = Recorder()
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)  # connections beyond the first hang in the kernel
            port = full.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                task = asyncio.create_task(transport.exchange(request_to(port), client))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
        await transport.aclose()
        assert client.phases == []

    run(main())


def test_cancel_while_sending(make_transport: MakeTransport, run: Run) -> None:
    """A request that nobody reads is dropped with its connection, unsent bytes and all."""

    async def main() -> None:
        transport = make_transport()
        stuck = asyncio.Event()

        async def deaf(_: object) -> None:
            await stuck.wait()

        async with far_end(greeting=(deaf, fin)) as end:
            connected = asyncio.Event()
            end.client.reached = lambda phase: connected.set()  # type: ignore[method-assign]
            request = request_to(end.port, body=b"x" * 30_000_000)
            before = open_sockets()
            task = asyncio.create_task(transport.exchange(request, end.client))
            await connected.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert open_sockets() <= before + 1  # the server's own
            stuck.set()
            await transport.aclose()

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="counts sockets in /proc")
@pytest.mark.parametrize("acts", [(hang,), (PART, hang)], ids=["before headers", "within the body"])
def test_cancels_in_bulk_leak_nothing(acts: tuple[bytes, ...], make_transport: MakeTransport, run: Run) -> None:
    """After hundreds of cancelled exchanges no socket and no task is left."""

    async def main() -> None:
        transport = make_transport()
        before = open_sockets()
        tasks_before = len(asyncio.all_tasks())
        async with far_end(*acts) as end:
            tasks = [asyncio.create_task(ask(transport, end)) for _ in range(500)]
            await end.until(asked=500)
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in ends)
            await end.until(ended=500)
        assert (open_sockets(), len(asyncio.all_tasks())) == (before, tasks_before)
        await transport.aclose()

    run(main())


def test_cancel_spares_the_connection_that_was_given_back(make_transport: MakeTransport, run: Run) -> None:
    """Cancelling an exchange at any moment of its way never breaks another that took over its connection."""

    async def main() -> None:
        transport = make_transport()
        async with far_end(answer()) as end:
            for turns in range(12):
                first = asyncio.create_task(ask(transport, end))
                for _ in range(turns):
                    await asyncio.sleep(0)
                second = asyncio.create_task(ask(transport, end))
                first.cancel()
                assert await second == b'{"ok":1}'
                await asyncio.gather(first, return_exceptions=True)
            await transport.aclose()

    run(main())


def test_aclose_ends_what_is_under_way(make_transport: MakeTransport, run: Run) -> None:
    """Closing the transport leaves no exchange waiting for ever."""

    async def main() -> None:
        transport = make_transport()
        async with far_end(PART, hang) as end:
            task = asyncio.create_task(transport.exchange(request_to(end.port), end.client))
            await end.client.answering.wait()
            await transport.aclose()
            await asyncio.wait({task})
            assert task.exception() is not None

    run(main())


def test_aclose_unused(make_transport: MakeTransport, run: Run) -> None:
    """A transport that was never used can be closed."""
    run(make_transport().aclose())
