"""What a whole exchange gives back, and the phases it tells on the way."""

from __future__ import annotations

import gzip
import time

import pytest

from brim.protocols import WireResponse
from brim.transport import Phase
from transport.far_end import (
    Act,
    FarEnd,
    MakeTransport,
    Peer,
    Run,
    answer,
    far_end,
    fin,
    request_to,
    seen,
)

ALL_PHASES = [Phase.CONNECTED, Phase.SENT, Phase.ANSWERING, Phase.DONE]
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
GZIP = "content-encoding: gzip\r\n"


async def exchanged(make_transport: MakeTransport, *acts: Act, body: bytes = b"{}") -> tuple[WireResponse, FarEnd]:
    """One exchange with a far end that plays *acts*."""
    transport = make_transport()
    async with far_end(*acts) as end:
        try:
            return await transport.exchange(request_to(end.port, body=body), end.client), end
        finally:
            await transport.aclose()


@pytest.mark.parametrize(
    ("acts", "status", "body"),
    [
        pytest.param((answer(b"hello"),), 200, b"hello", id="one piece"),
        pytest.param((answer(b"hello")[:-2], seen, b"lo"), 200, b"hello", id="two pieces"),
        pytest.param((CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",), 200, b"hello", id="chunks at once"),
        pytest.param((CHUNKED, seen, b"2\r\nhe\r\n", b"3;x=y\r\nllo\r\n0\r\n\r\n"), 200, b"hello", id="chunks"),
        pytest.param((HEAD + b"\r\nhello", fin), 200, b"hello", id="framed by EOF"),
        pytest.param((HEAD + b"\r\nhe", seen, b"llo", fin), 200, b"hello", id="framed by EOF, in pieces"),
        pytest.param((b"HTTP/1.0 200 OK\r\n\r\nhello", fin), 200, b"hello", id="HTTP/1.0"),
        pytest.param((answer(b""),), 200, b"", id="empty body"),
        pytest.param((b"HTTP/1.1 204 No Content\r\n\r\n",), 204, b"", id="no body"),
        pytest.param((b"HTTP/1.1 100 Continue\r\n\r\n", answer(b"hello")), 200, b"hello", id="after 100"),
        pytest.param((b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 2, answer()), 200, b'{"ok":1}', id="after 103"),
        pytest.param((answer(b"go", status="307 T", headers="location: http://x/\r\n"),), 307, b"go", id="redirect"),
        pytest.param((answer(b"no", status="429 Too Many"),), 429, b"no", id="refusal"),
        pytest.param((answer(b"ok", status="200"),), 200, b"ok", id="no reason phrase"),
        pytest.param((answer(gzip.compress(b"hello"), headers=GZIP),), 200, b"hello", id="gzip"),
        pytest.param(
            (answer(gzip.compress(b"he") + gzip.compress(b"llo"), headers=GZIP),), 200, b"hello", id="2 gzips"
        ),
        pytest.param((answer(b"", headers=GZIP),), 200, b"", id="empty body that claims gzip"),
        pytest.param((answer(b"hello", headers="content-encoding: identity\r\n"),), 200, b"hello", id="identity"),
    ],
)
def test_answer(acts: tuple[Act, ...], status: int, body: bytes, make_transport: MakeTransport, run: Run) -> None:
    """A whole answer comes back as it was sent, its encoding undone, whatever its framing; redirects are answers."""
    response, end = run(exchanged(make_transport, *acts))
    assert (response.status, response.body) == (status, body)
    assert end.client.order == ALL_PHASES
    assert len(end.requests) == 1


def test_each_piece_is_told(make_transport: MakeTransport, run: Run) -> None:
    """ANSWERING is told again for every piece that comes later than the headers."""
    _, end = run(exchanged(make_transport, answer(b"hello")[:-2], seen, b"lo"))
    assert end.client.phases.count(Phase.ANSWERING) >= 2


@pytest.mark.parametrize("size", [8_190, 60_000, 120_000])
def test_large_header(size: int, make_transport: MakeTransport, run: Run) -> None:
    """One header may be far longer than aiohttp's own limit, and a body may follow it."""
    response, _ = run(exchanged(make_transport, answer(b"hello", headers=f"x-large: {'a' * size}\r\n")))
    assert (len(response.headers["x-large"]), response.body) == (size, b"hello")


def test_many_headers(make_transport: MakeTransport, run: Run) -> None:
    """An answer may have hundreds of headers."""
    headers = "".join(f"x-header-{i}: {i}\r\n" for i in range(400))
    response, _ = run(exchanged(make_transport, answer(headers=headers)))
    assert response.headers["x-header-399"] == "399"


def test_header_names_are_lower_case(make_transport: MakeTransport, run: Run) -> None:
    """However the far end spells a header's name, it is found in lower case."""
    response, _ = run(exchanged(make_transport, answer(headers="X-RateLimit-Remaining: 7\r\nRETRY-AFTER: 2\r\n")))
    assert dict(response.headers) == {"content-length": "8", "x-ratelimit-remaining": "7", "retry-after": "2"}


def test_received_at(make_transport: MakeTransport, run: Run) -> None:
    """An answer says when it was received, in seconds since the epoch."""
    before = time.time()
    response, _ = run(exchanged(make_transport, answer()))
    assert before <= response.received_at <= time.time()


@pytest.mark.parametrize("size", [0, 2, 70_000, 5_000_000])
def test_request_arrives_whole(size: int, make_transport: MakeTransport, run: Run) -> None:
    """A body of any size arrives as it was given, with its length and our headers and no others of interest."""
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    _, end = run(exchanged(make_transport, answer(), body=body))
    head, _, sent = end.requests[0].partition(b"\r\n\r\n")
    assert sent == body
    lines = head.decode().split("\r\n")
    assert lines[0].startswith("POST /v1/chat/completions?key=")
    names = sorted(line.partition(":")[0].lower() for line in lines[1:])
    ours = ["authorization", "content-type", "x-api-key"]
    assert names == sorted([*ours, "accept", "accept-encoding", "content-length", "host", "user-agent"])
    assert "Accept-Encoding: gzip" in lines


def test_large_answer(make_transport: MakeTransport, run: Run) -> None:
    """A body far larger than any buffer arrives whole."""
    body = b"0123456789abcdef" * 400_000
    response, _ = run(exchanged(make_transport, answer(body)))
    assert response.body == body


async def read_head(peer: Peer) -> None:
    """Read a request's headers and no more."""
    await peer.reader.readuntil(b"\r\n\r\n")


def test_answer_before_the_request_was_read(make_transport: MakeTransport, run: Run) -> None:
    """A server that answers early, as with 413, is heard, and no phase is told after a later one."""
    transport = make_transport()

    async def main() -> None:
        early = answer(b"too large", status="413 Too Large", headers="connection: close\r\n")
        async with far_end(greeting=(read_head, early, seen)) as end:
            request = request_to(end.port, body=b"x" * 30_000_000)
            response = await transport.exchange(request, end.client)
            await transport.aclose()
        assert (response.status, response.body) == (413, b"too large")
        assert end.client.order in ([Phase.CONNECTED, Phase.ANSWERING, Phase.DONE], ALL_PHASES)

    run(main())


def test_answer_that_begins_early(make_transport: MakeTransport, run: Run) -> None:
    """Where the answer begins before the request was read to its end, SENT is not told afterwards."""
    transport = make_transport()

    async def read_rest(peer: Peer) -> None:
        await peer.reader.readexactly(30_000_000)

    async def main() -> None:
        whole = answer(b"hello")
        async with far_end(greeting=(read_head, whole[:-2], seen, read_rest, whole[-2:])) as end:
            response = await transport.exchange(request_to(end.port, body=b"x" * 30_000_000), end.client)
            await transport.aclose()
        assert response.body == b"hello"
        assert end.client.order == [Phase.CONNECTED, Phase.ANSWERING, Phase.DONE]

    run(main())
