"""A loopback server that answers every POST with one chat completion after a fixed time, as cheaply as Python can.

Run as a program it prints its port and serves until its standard input closes. With `--tls CERT KEY` it speaks TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys

import uvloop

BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"stub","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"positive"},"finish_reason":"stop"}],"usage":{"prompt_tokens":42,'
    b'"completion_tokens":3,"total_tokens":45,"prompt_tokens_details":{"cached_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":0}}}'
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\n"
    b"x-ratelimit-limit-requests: 1000000\r\nx-ratelimit-remaining-requests: 999999\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


class Stub(asyncio.Protocol):
    """Reads requests by their content-length and answers each after *delay* seconds."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole by now."""
        self._buffer += data
        while (head := self._buffer.find(b"\r\n\r\n")) >= 0:
            fields = self._buffer[:head].lower()
            at = fields.find(b"content-length:")
            length = int(fields[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < head + 4 + length:
                return
            self._buffer = self._buffer[head + 4 + length :]
            asyncio.get_running_loop().call_later(self._delay, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER)  # type: ignore[attr-defined] # a stream's transport


async def serve(delay: float, tls: tuple[str, str] | None) -> None:
    """Print the port and serve until standard input closes."""
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Stub(delay), "127.0.0.1", 0, ssl=context, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.02)
    parser.add_argument("--tls", nargs=2)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(arguments.delay, tuple(arguments.tls) if arguments.tls else None))
