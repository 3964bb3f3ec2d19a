"""What only our own transport promises: its pool, its leniency, back pressure, and when aiohttp takes its place."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys

import pytest
from yarl import URL

from brim.errors import ConfigError
from brim.protocols import WireRequest
from brim.transport import Phase, TransportError
from brim.transport.h1 import H1Transport
from brim.transport.h1_connection import Connection
from brim.transport.routes import Routes
from brim.transport.sockets import Addresses
from brim.transport.target import Target
from brim.values import Sent
from transport.far_end import FarEnd, Peer, Recorder, Run, answer, far_end, fin, hang, request_to, seen


async def ask(transport: H1Transport | Routes, end: FarEnd) -> bytes:
    return (await transport.exchange(request_to(end.port), Recorder())).body


@pytest.mark.parametrize(
    ("said", "connections"),
    [("timeout=1", 2), ("timeout=0, max=5", 2), ("timeout=60", 1), ("max=100", 1), ('timeout="x"', 1)],
)
def test_keep_alive_is_heeded(said: str, connections: int, run: Run) -> None:
    """A connection is not used in the last second for which the server keeps it: the two could cross."""

    async def main() -> int:
        transport = H1Transport(environ={})
        async with far_end(answer(headers=f"keep-alive: {said}\r\n")) as end:
            for _ in range(2):
                await ask(transport, end)
            await transport.aclose()
            return end.connections

    assert run(main()) == connections


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"HTTP/1.1 200 OK\ncontent-length: 5\n\nhello", id="bare line feeds"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx: a\x01b\r\ncontent-length: 5\r\n\r\nhello", id="control character"),
        pytest.param(answer(b"hello") + b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", id="a second answer"),
        pytest.param(answer(b"hello") + b"\0junk", id="junk after the answer"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\ncontent-encoding: br\r\n\r\n",
            id="trailers",
        ),
    ],
)
def test_an_answer_is_read_although_it_is_sloppy(wire: bytes, run: Run) -> None:
    """What most clients let pass is an answer here too, and what stands beside it can't take it back."""

    async def main() -> tuple[bytes, bytes, int]:
        transport = H1Transport(environ={})
        async with far_end(wire) as end:
            first = await ask(transport, end)
            second = await ask(transport, end)
            await transport.aclose()
            return first, second, len(end.requests)

    assert run(main()) == (b"hello", b"hello", 2)


def test_words_between_two_answers_end_the_connection(run: Run) -> None:
    """What comes while nothing was asked, belongs to no exchange: the next one has a connection of its own."""

    async def main() -> int:
        transport = H1Transport(environ={})
        async with far_end(answer(b"hello"), seen_done, answer(b"stray"), hang) as end:
            for number in (1, 2):
                response = await transport.exchange(request_to(end.port), end.client)
                assert response.body == b"hello"
                await end.until(ended=number)
            await transport.aclose()
            return end.connections

    assert run(main()) == 2


async def seen_done(peer: Peer) -> None:
    await peer.client.done.wait()


def test_a_stream_that_nobody_reads_holds_up_the_far_end(run: Run) -> None:
    """Back pressure: memory does not grow with what the far end has to say, and all of it is there when read."""
    size = 64 * 1024 * 1024

    async def main() -> int:
        sent = 0

        async def pour(peer: Peer) -> None:
            nonlocal sent
            for _ in range(size // 65_536):
                peer.writer.write(b"x" * 65_536)
                await peer.writer.drain()
                sent += 65_536

        transport = H1Transport(environ={})
        async with far_end(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size, pour) as end:
            async with transport.open(request_to(end.port), end.client) as stream:
                before = -1
                while before != sent:  # until it stands still
                    before = sent
                    await asyncio.sleep(0.05)
                assert sent < size
                read = 0
                while piece := await stream.read():
                    read += len(piece)
            await transport.aclose()
        return read

    assert run(main()) == size


def test_a_stream_that_was_held_up_and_not_read_is_not_reused(run: Run) -> None:
    """A connection on which nothing is read any more serves no further exchange, although its answer is whole."""
    body = b"x" * 3_000_000

    async def main() -> int:
        transport = H1Transport(environ={})
        async with far_end(answer(body)) as end:
            for _ in range(3):
                async with transport.open(request_to(end.port), end.client):
                    await asyncio.sleep(0.05)  # all that is taken without being read has come
                assert (await transport.exchange(request_to(end.port), end.client)).body == body
            await transport.aclose()
            return len(end.requests)

    assert run(main()) == 6


def test_what_is_held_up_is_not_for_reuse() -> None:
    """An answer whose last bytes were too many to wait unread is whole, and its connection stands still."""

    class Wire(asyncio.Transport):
        is_paused = False

        def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
            pass

        def write(self, data: object) -> None:
            pass

        def is_closing(self) -> bool:
            return False

        def pause_reading(self) -> None:
            self.is_paused = True

    async def main() -> tuple[bool, bool]:
        connection = Connection(Target(URL("http://a"), None), lambda _: None)
        wire = Wire()
        connection.connection_made(wire)
        connection.send(b"POST / HTTP/1.1\r\nContent-Length: ", b"", Recorder(), is_stream=True)
        connection.data_received(answer(b"x" * 300_000))
        return wire.is_paused, connection.is_reusable

    assert asyncio.run(main()) == (True, False)


def test_a_header_can_carry_no_second_one(run: Run) -> None:
    """A value with a line break is refused, and not shown."""

    async def main() -> str:
        transport = H1Transport(environ={})
        async with far_end(answer()) as end:
            request = WireRequest(url=f"http://127.0.0.1:{end.port}/", headers={"x-a": "1\r\nx-b: 2"}, body=b"")
            with pytest.raises(ConfigError) as raised:
                await transport.exchange(request, Recorder())
            await transport.aclose()
            assert end.requests == []
        return str(raised.value)

    assert "'x-a'" in (text := run(main()))
    assert "x-b" not in text


def test_changed_headers_are_sent(run: Run) -> None:
    """What was prepared for one set of headers is not sent for another."""

    async def main() -> list[bytes]:
        transport = H1Transport(environ={})
        async with far_end(answer()) as end:
            for word in ("one", "two"):
                request = WireRequest(url=f"http://127.0.0.1:{end.port}/", headers={"x-a": word}, body=b"")
                await transport.exchange(request, Recorder())
            await transport.aclose()
            return end.requests

    first, second = run(main())
    assert (b"x-a: one" in first, b"x-a: two" in second) == (True, True)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example"])
def test_a_name_without_address(host: str, run: Run) -> None:
    """A name that no host has, or can have, is said, by many exchanges at once too; asked for again the next time."""

    async def main() -> list[object]:
        transport = H1Transport(environ={})
        request = request_to(80, host=host)
        asked = [transport.exchange(request, Recorder()) for _ in range(5)]
        errors: list[object] = list(await asyncio.gather(*asked, return_exceptions=True))
        await transport.aclose()
        return errors

    for error in run(main()):
        assert isinstance(error, TransportError)
        assert error.sent is Sent.NO
        assert str(error).startswith("can't find the address of ")


def test_addresses_are_asked_for_once(run: Run) -> None:
    """However many connections are made at once, a name is looked up once, and an address not at all."""

    async def main() -> tuple[int, int]:
        addresses = Addresses()
        found = await asyncio.gather(*(addresses.of("localhost", 80) for _ in range(50)))
        literal = await addresses.of("::1", 80)
        addresses.close()
        return len({id(each) for each in found}), int(literal[0][0])

    assert run(main()) == (1, socket.AF_INET6)


def test_a_server_that_hangs_up_at_once(run: Run) -> None:
    """A connection that ends before anything was written is known to have carried nothing, or perhaps all."""

    async def main() -> TransportError:
        async with far_end(greeting=(fin,)) as end:
            transport = H1Transport(environ={})
            with pytest.raises(TransportError) as raised:
                await transport.exchange(request_to(end.port), end.client)
            await transport.aclose()
            assert end.requests == []
            return raised.value

    assert run(main()).sent is not Sent.YES


def test_pieces_of_an_answer_before_the_end_are_told(run: Run) -> None:
    """The silence clock hears every read: ANSWERING is told anew for each."""

    async def main() -> int:
        transport = H1Transport(environ={})
        async with far_end(answer(b"hello")[:-2], seen, b"l", asyncio_turns, b"o") as end:
            await transport.exchange(request_to(end.port), end.client)
            await transport.aclose()
            return end.client.phases.count(Phase.ANSWERING)

    assert run(main()) >= 2


async def asyncio_turns(_: Peer) -> None:
    for _turn in range(10):
        await asyncio.sleep(0)


def test_a_direct_run_never_imports_aiohttp() -> None:
    """The general client takes a tenth of a second to load: only proxies need it."""
    code = (
        "import sys, asyncio, brim.transport.routes as r\n"
        "t = r.Routes(environ={})\n"
        "assert 'aiohttp' not in sys.modules, 'aiohttp was imported'\n"
        "t._choose('http://10.0.0.1/'); assert 'aiohttp' not in sys.modules\n"
        "t = r.Routes(environ={'HTTP_PROXY': 'http://10.0.0.2:3128'})\n"
        "t._choose('http://10.0.0.1/'); assert 'aiohttp' in sys.modules\n"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).stderr == b""
