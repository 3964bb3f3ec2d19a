"""How an exchange may break, and what is then known: was the request sent, and did the far end break HTTP?"""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator

import pytest

from brim.transport import Phase
from brim.values import Sent
from transport.far_end import (
    Act,
    MakeTransport,
    Recorder,
    Run,
    answer,
    assert_tells_nothing_secret,
    error_of,
    far_end,
    fin,
    hang,
    request_to,
    rst,
    seen,
)

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
OF_100 = HEAD + b"content-length: 100\r\n\r\nabc"
ZIPPED = gzip.compress(b"hello " * 100)
GZIP = "content-encoding: gzip\r\n"

BEFORE_ANSWER: dict[str, tuple[Act, ...]] = {"FIN before an answer": (fin,), "RST before an answer": (rst,)}
IN_HEADERS: dict[str, tuple[Act, ...]] = {
    "half a status line": (b"HTTP/1.1 20", fin),
    "half a header": (HEAD + b"content-le", fin),
}
IN_BODY: dict[str, tuple[Act, ...]] = {
    "cut content-length body": (OF_100, fin),
    "cut content-length body, later": (OF_100, seen, b"def", fin),
    "cut between chunks": (CHUNKED, fin),
    "cut between chunks, later": (CHUNKED, seen, b"5\r\nworld\r\n", fin),
    "cut in a chunk": (CHUNKED + b"5\r\nwo", fin),
    "RST in a content-length body": (OF_100, seen, rst),
    "RST in a chunked body": (CHUNKED, seen, rst),
    "RST in a body framed by EOF": (HEAD + b"\r\nabc", seen, rst),
}
NOT_HTTP: dict[str, tuple[Act, ...]] = {
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n",),
    "bare HTML": (b"<html><body>502</body></html>\r\n\r\n", fin),
    "bad content-length": (HEAD + b"content-length: many\r\n\r\nabc",),
    "two content-lengths": (HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc",),
    "endless headers": (HEAD + b"x-big: " + b"a" * 300_000 + b"\r\n\r\n",),
    "bad chunk with the headers": (CHUNKED + b"zz\r\nworld\r\n0\r\n\r\n",),
}
BAD_BODY: dict[str, tuple[Act, ...]] = {
    "bad chunk size after the headers": (CHUNKED, seen, b"zz\r\nworld\r\n0\r\n\r\n", hang),
    "bad chunk end after the headers": (CHUNKED, seen, b"5\r\nworldXX\r\n0\r\n\r\n", hang),
    "body is no gzip": (answer(b"hello", headers=GZIP),),
    "gzip stream cut, length right": (answer(ZIPPED[:-20], headers=GZIP),),
    "gzip trailer cut, length right": (answer(ZIPPED[:-4], headers=GZIP),),
    "gzip header cut, length right": (answer(ZIPPED[:5], headers=GZIP),),
    "gzip check sum wrong": (answer(ZIPPED[:-8] + b"\0" * 8, headers=GZIP),),
    "encoding nobody asked for": (answer(b"hello", headers="content-encoding: br\r\n"),),
}


def cases() -> Iterator[object]:
    """Every fault with what must be known of it: sent, malformed, the last phase told."""
    for faults, sent, is_malformed, last in (
        (BEFORE_ANSWER, Sent.MAYBE, False, Phase.SENT),
        (IN_HEADERS, Sent.YES, False, Phase.SENT),
        (IN_BODY, Sent.YES, False, Phase.ANSWERING),
        (NOT_HTTP, Sent.YES, True, Phase.SENT),
        (BAD_BODY, Sent.YES, True, Phase.ANSWERING),
    ):
        for name, acts in faults.items():
            yield pytest.param(acts, sent, is_malformed, last, id=name)


@pytest.mark.parametrize(("acts", "sent", "is_malformed", "last"), list(cases()))
def test_fault(
    acts: tuple[Act, ...],
    sent: Sent,
    is_malformed: bool,  # noqa: FBT001 - a column of the table
    last: Phase,
    make_transport: MakeTransport,
    run: Run,
) -> None:
    """A broken exchange is a TransportError that knows what was sent and whose fault it is, and ends its connection."""

    async def main() -> None:
        async with far_end(*acts) as end:
            error = await error_of(make_transport(), request_to(end.port), end.client)
            await end.until(ended=1)
        assert (error.sent, error.is_malformed) == (sent, is_malformed)
        assert [Phase.CONNECTED, Phase.SENT, Phase.ANSWERING][:last] == end.client.order
        assert len(end.requests) == 1
        assert f"127.0.0.1:{end.port}" in str(error)
        assert_tells_nothing_secret(error)

    run(main())


def test_refused(make_transport: MakeTransport, run: Run) -> None:
    """A refused connection says so: nothing was sent, and no phase was reached."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    client = Recorder()
    error = run(error_of(make_transport(), request_to(port), client))
    assert (error.sent, error.is_malformed, client.phases) == (Sent.NO, False, [])
    assert str(error) == f"no connection to 127.0.0.1:{port}: Connection refused"
    assert_tells_nothing_secret(error)


def test_unknown_host(make_transport: MakeTransport, run: Run) -> None:
    """A host without an address says so: nothing was sent."""
    client = Recorder()
    error = run(error_of(make_transport(), request_to(80, host="no-such-host.invalid"), client))
    assert (error.sent, error.is_malformed, client.phases) == (Sent.NO, False, [])
    assert str(error).startswith("can't find the address of no-such-host.invalid: ")
    assert_tells_nothing_secret(error)
