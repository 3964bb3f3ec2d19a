"""Reading HTTP/1.1 requests off a connection: bytes in, whole requests out.

Small on purpose: what clients of JSON APIs send, strictly, and nothing else. Bytes of a next request that come early
(pipelining) stay where they are until it is asked for.
"""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["BadHttp", "HttpRequest", "RequestReader"]

_MOST_HEAD: Final = 65_536
_END_OF_HEAD: Final = b"\r\n\r\n"


class BadHttp(Exception):
    """What came is no HTTP request. *status* is the answer to it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
    """One request. *headers* has lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    keeps_alive: bool


class RequestReader:
    """Cuts a stream of bytes into requests.

    Args:
        max_body: bytes that a body may have; a longer one is a `BadHttp` with status 413, said before it is read.
    """

    def __init__(self, *, max_body: int) -> None:
        self._buffer = bytearray()
        self._max_body = max_body
        self._head: tuple[str, str, dict[str, str], bool] | None = None
        self.wants_continue = False

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._buffer += data

    def next(self) -> HttpRequest | None:
        """The next whole request, or None until more bytes have come. Raises `BadHttp`."""
        if self._head is None and not self._read_head():
            return None
        assert self._head is not None
        method, path, headers, keeps_alive = self._head
        body = self._chunked() if headers.get("transfer-encoding") == "chunked" else self._sized(headers)
        if body is None:
            return None
        self._head = None
        return HttpRequest(method, path, headers, body, keeps_alive)

    def _read_head(self) -> bool:
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            if len(self._buffer) > _MOST_HEAD:
                raise BadHttp(431, "the header is too long")
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadHttp(400, "the request line is none")
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BadHttp(400, "a header line has no name")
            headers[name.lower()] = value.strip()
        closes = headers.get("connection", "").lower() == "close" or words[2] == "HTTP/1.0"
        self.wants_continue = headers.get("expect", "").lower() == "100-continue"
        self._head = (words[0], words[1], headers, not closes)
        return True

    def _sized(self, headers: dict[str, str]) -> bytes | None:
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise BadHttp(400, "the content-length is no number")
        size = int(length)
        if size > self._max_body:
            raise BadHttp(413, "the body is too large")
        return self._cut(size) if len(self._buffer) >= size else None

    def _cut(self, size: int) -> bytes:
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        return body

    def _chunked(self) -> bytes | None:
        """The body, once all of its chunks are here; read anew from the start each time, as chunks are few."""
        parts: list[bytes] = []
        at = 0
        while True:
            end = self._buffer.find(b"\r\n", at)
            if end < 0:
                return None
            size = _chunk_size(self._buffer[at:end])
            at = end + 2 + size + 2
            if len(self._buffer) < at:
                return None
            if not size:
                del self._buffer[:at]
                return b"".join(parts)
            parts.append(bytes(self._buffer[end + 2 : end + 2 + size]))
            if sum(map(len, parts)) > self._max_body:
                raise BadHttp(413, "the body is too large")


def _chunk_size(line: bytearray) -> int:
    try:
        return int(line.split(b";")[0], 16)
    except ValueError:
        raise BadHttp(400, "a chunk's size is no number") from None
