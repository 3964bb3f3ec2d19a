"""The HTTP face, byte for byte: faults on real sockets, requests in every form that clients send them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from brim.errors import ConfigError
from brim.simulator import Latency, Limit, Scenario, answer_to, load_scenario
from brim.simulator.requests import BadHttp, RequestReader
from brim.simulator.server import SimServer
from brim.simulator.server import serve as sim_serve
from brim.testing import ServedProvider, serve
from simulator.support import CHAT, chat

FAST = Scenario(latency=Latency(first=0.0))


@pytest.fixture(scope="module")
def provider() -> Iterator[ServedProvider]:
    with serve(FAST) as served:
        yield served


def connect(provider: ServedProvider) -> socket.socket:
    host, port = provider.base_url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=5)


def request(body: bytes, *lines: str, path: str = CHAT, method: str = "POST") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: sim", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def all_of(sock: socket.socket) -> bytes:
    """Everything until the server closes; a reset raises."""
    parts = []
    while part := sock.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def talk(provider: ServedProvider, data: bytes) -> bytes:
    with closing(connect(provider)) as sock:
        sock.sendall(data)
        return all_of(sock)


def until(holds: Callable[[], bool]) -> None:
    """Ask the server again and again; each time it has had a turn of its loop."""
    assert any(holds() for _ in range(100_000))


def ask(provider: ServedProvider, text: str, **more: object) -> bytes:
    return talk(provider, request(chat(text, **more), "Connection: close"))


def test_a_plain_answer(provider: ServedProvider) -> None:
    """
    Status line, date, type, length and the body that is as long as announced.
    """
    head, _, body = ask(provider, "ping").partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert b"\r\ncontent-type: application/json\r\n" in head
    assert f"\r\ncontent-length: {len(body)}\r\n".encode() in head
    assert head.endswith(b"\r\nconnection: close")
    assert json.loads(body)["choices"][0]["message"]["content"] == answer_to("ping", 16)


def test_a_connection_is_kept_and_requests_are_answered_in_order(provider: ServedProvider) -> None:
    """
    Three requests sent at once on one connection are answered one after the other.
    """
    data = b"".join(request(chat(name)) for name in "ab") + request(chat("c"), "Connection: close")
    answer = talk(provider, data)

    assert [answer.find(answer_to(name).encode()) > 0 for name in "abc"] == [True] * 3
    assert sorted("abc", key=lambda name: answer.find(answer_to(name).encode())) == list("abc")
    assert answer.count(b"HTTP/1.1 200 OK") == 3


def test_requests_may_come_in_pieces_and_in_chunks(provider: ServedProvider) -> None:
    """
    A request that dribbles in byte by byte, and one with a chunked body.
    """
    body = chat("ping")
    with closing(connect(provider)) as sock:
        for byte in request(body, "Connection: close"):
            sock.sendall(bytes([byte]))
        assert answer_to("ping").encode() in all_of(sock)

    half = len(body) // 2
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]))
    head = f"POST {CHAT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
    with closing(connect(provider)) as sock:
        sock.sendall(head + chunks[:20])
        sock.sendall(chunks[20:] + b"0\r\n\r\n")
        assert answer_to("ping").encode() in all_of(sock)


def test_a_client_that_asks_to_continue_is_told_to(provider: ServedProvider) -> None:
    """
    `Expect: 100-continue` is answered before the body comes.
    """
    body = chat("ping")
    data = request(body, "Expect: 100-continue", "Connection: close")
    with closing(connect(provider)) as sock:
        sock.sendall(data[: -len(body)])
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert answer_to("ping").encode() in all_of(sock)


def test_a_chunked_body_has_a_bound_too() -> None:
    """
    Chunks are added up, and more than twice what the provider takes is refused before the end has come.
    """
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    reader = RequestReader(max_body=1_000)

    reader.feed(head + b"3e8\r\n" + b"x" * 1_000 + b"\r\n")
    waits_for_more = reader.next()
    reader.feed(b"1\r\nx\r\n")

    assert waits_for_more is None
    with pytest.raises(BadHttp):
        reader.next()


def test_it_listens_on_the_newer_loopback() -> None:
    """
    An IPv6 address stands in brackets in the URL.
    """

    async def main() -> str:
        server = SimServer(FAST)
        try:
            return await server.start(host="::1")
        finally:
            await server.aclose()
            await server.aclose()  # twice is once

    assert asyncio.run(main()).startswith("http://[::1]:")


def test_serving_until_told_to_stop() -> None:
    """
    `serve` tells where it listens, waits for its event, and gives back what was counted.
    """

    async def main() -> tuple[list[str], int]:
        until, urls = asyncio.Event(), list[str]()
        task = asyncio.create_task(sim_serve(FAST, on_ready=urls.append, until=until))
        await asyncio.to_thread(lambda: None)
        while not urls:
            await asyncio.to_thread(lambda: None)
        until.set()
        return urls, (await task)["arrived"]

    urls, arrived = asyncio.run(main())

    assert urls[0].startswith("http://127.0.0.1:")
    assert arrived == 0


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n", 413),
        (b"x" * 70_000, 431),
        (request(b"", "Connection: close", path="/nowhere", method="GET"), 404),
        (request(b"", "Connection: close", method="DELETE"), 404),
    ],
)
def test_what_is_no_request_is_answered_and_closed(provider: ServedProvider, data: bytes, status: int) -> None:
    """
    Broken HTTP gets its status and the connection ends.
    """
    assert talk(provider, data).startswith(f"HTTP/1.1 {status} ".encode())


def test_resets_are_resets(provider: ServedProvider) -> None:
    """
    Before the headers, and after half of the body has been read.
    """
    with pytest.raises(ConnectionResetError):
        ask(provider, "[[sim:fault=reset]]")

    with closing(connect(provider)) as sock:
        sock.sendall(request(chat("[[sim:fault=reset_after_headers]]")))
        first = sock.recv(65_536)
        with pytest.raises(ConnectionResetError):
            all_of(sock)
    assert first.startswith(b"HTTP/1.1 200 OK")
    assert 0 < len(first.partition(b"\r\n\r\n")[2]) < 400


def test_cuts_are_cuts(provider: ServedProvider) -> None:
    """
    Less than announced, chunks without their end, nothing at all, or a body that ends with the connection.
    """
    short = ask(provider, "[[sim:fault=truncated]]")
    chunked = ask(provider, "[[sim:fault=truncated_chunked]]")
    silent = ask(provider, "[[sim:fault=truncated_silent]]")
    length = int(short.split(b"content-length: ")[1].split(b"\r\n")[0])

    assert 0 < len(short.partition(b"\r\n\r\n")[2]) < length
    assert b"transfer-encoding: chunked" in chunked
    assert not chunked.endswith(b"0\r\n\r\n")
    assert b"content-length" not in silent
    assert b"transfer-encoding" not in silent
    assert ask(provider, "[[sim:fault=close]]") == b""


def test_nonsense_is_nonsense(provider: ServedProvider) -> None:
    """
    What isn't HTTP is sent as it is.
    """
    assert ask(provider, "[[sim:fault=not_http]]").startswith(b"SSH-2.0-")
    assert b"\r\nzz\r\n" in ask(provider, "[[sim:fault=bad_chunk]]")
    assert ask(provider, "[[sim:fault=two_lengths]]").count(b"content-length") == 2


@pytest.mark.parametrize("kind", ["hang", "hang_after_headers", "unreachable"])
def test_hangs_end_with_their_client(provider: ServedProvider, kind: str) -> None:
    """
    Nothing more comes until the client leaves, and then the call is abandoned and no longer counts as running.
    """
    before = provider.tally.abandoned
    with closing(connect(provider)) as sock:
        sock.sendall(request(chat(f"[[sim:fault={kind}]]")))
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            all_of(sock)

    until(lambda: provider.tally.abandoned > before)
    assert provider.tally.running == 0


def test_streams_come_in_chunks_and_end(provider: ServedProvider) -> None:
    """
    A stream is chunked, typed as an event stream, and complete.
    """
    answer = ask(provider, "ping", stream=True)

    assert b"content-type: text/event-stream; charset=utf-8\r\n" in answer
    assert b"transfer-encoding: chunked\r\n" in answer
    assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_answers_take_their_time() -> None:
    """
    Over HTTP the clock is the real one.
    """
    with serve(Scenario(latency=Latency(first=0.05))) as provider:
        ask(provider, "ping")
        assert provider.stats()["now"] >= 0.05


def test_the_statistics() -> None:
    """
    `/stats` has everything that was counted, the limits, and the least time for what was accepted.
    """
    limits = [Limit(of="requests", amount=60, burst=1), Limit(of="tokens", amount=60_000)]
    with serve(Scenario(name="mine", latency=Latency(first=0.0), limits=limits)) as provider:
        ask(provider, "one")
        ask(provider, "two")
        answer = talk(provider, request(b"", "Connection: close", path="/stats", method="GET"))
        stats = json.loads(answer.partition(b"\r\n\r\n")[2])
        own = provider.stats()

    assert (stats["scenario"], stats["arrived"], stats["accepted"]) == ("mine", 2, 1)
    assert stats["refused"] == {"throttled": 1}
    assert stats["oracle_s"] == 0.0
    assert [limit["of"] for limit in stats["limits"]] == ["requests", "tokens"]
    assert own["arrived"] == 2


def test_other_pages(provider: ServedProvider) -> None:
    """
    The root and the health page say that it is there, HEAD without a body.
    """
    root = talk(provider, request(b"", "Connection: close", path="/", method="GET"))
    health = talk(provider, request(b"", "Connection: close", path="/health", method="HEAD"))

    assert b'"stats": "/stats"' in root
    assert health.endswith(b"\r\n\r\n")
    assert b"content-length: 21\r\n" in health


def test_scenarios_by_name_and_choices_by_function() -> None:
    """
    A served provider takes names, and a test's own faults and answers.
    """
    with serve(
        "instant", choose=lambda ask, turn: "overloaded" if turn == 1 else None, say=lambda ask: ask.text[::-1]
    ) as provider:
        first, second = ask(provider, "desserts"), ask(provider, "desserts")

    assert first.startswith(b"HTTP/1.1 503 ")
    assert b"stressed" in second
    assert load_scenario("instant").name == "instant"


def test_a_taken_port_and_a_public_host_are_refused(provider: ServedProvider) -> None:
    """
    Both are told with what to do instead; the simulator never leaves this machine.
    """
    port = int(provider.base_url.rsplit(":", 1)[1])

    with pytest.raises(ConfigError, match=f"can't listen on 127.0.0.1:{port}"), serve(FAST, port=port):
        pass
    with pytest.raises(ConfigError, match="stays on this machine"):
        asyncio.run(SimServer(FAST).start(host="192.0.2.1"))


def test_stopping_drops_every_connection() -> None:
    """
    A client that waits for an answer when the server stops sees its connection end.
    """
    with serve(Scenario(latency=Latency(first=60.0))) as provider:
        sock = connect(provider)
        sock.sendall(request(chat("ping")))
        until(lambda: provider.tally.accepted == 1)

    with closing(sock):
        assert sock.recv(100) == b""


def test_a_client_may_leave_in_the_middle_of_an_answer() -> None:
    """
    A connection that goes while its answer is made leaves the provider whole.
    """
    with serve(Scenario(latency=Latency(first=5.0))) as provider:
        sock = connect(provider)
        sock.sendall(request(chat("ping")))
        until(lambda: provider.tally.accepted == 1)
        sock.close()
        until(lambda: provider.tally.abandoned == 1)
        assert provider.stats()["running"] == 1  # the answer is still made, and will be billed
