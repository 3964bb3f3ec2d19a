"""Streams as the providers send them, each with what it comes to; see section 1.4 of the facts on protocols."""

from __future__ import annotations

from typing import Any

import msgspec

from brim.protocols import Piece, StreamingDialect, StreamReader
from brim.values import Outcome, Usage
from protocols.cases import DIALECTS, RECEIVED_AT

DONE = b"data: [DONE]\n\n"


def data(value: object) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def event(name: str, **fields: object) -> bytes:
    return b"event: " + name.encode() + b"\n" + data({"type": name, **fields})


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: object) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return data({"id": "c1", "model": "m1", "choices": choices, "usage": None, **fields})


def streaming(name: str) -> StreamingDialect:
    dialect = DIALECTS[name]
    assert isinstance(dialect, StreamingDialect)
    return dialect


def reader(name: str, status: int = 200, headers: dict[str, str] | None = None) -> StreamReader:
    return streaming(name).reader(status=status, headers=headers or {})


class Stream(msgspec.Struct, kw_only=True):
    """One stream. *expect* is what its outcome must hold, field by field; *text* and *reasoning* its pieces joined."""

    name: str
    dialect: str
    body: bytes
    expect: dict[str, Any]
    text: str = ""
    reasoning: str = ""
    status: int = 200
    headers: dict[str, str] = {}

    def read(self, *parts: bytes) -> tuple[list[Piece], Outcome]:
        """Read the stream cut into *parts*."""
        reading = reader(self.dialect, self.status, self.headers)
        pieces = [piece for part in parts for piece in reading.feed(part)]
        return pieces, reading.close(RECEIVED_AT)


USAGE = Usage(input_tokens=9, output_tokens=4, cache_read_tokens=3, reasoning_tokens=1)
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
CUT = "the stream ended before its last event: the answer was cut off"
