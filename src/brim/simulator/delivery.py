"""How an answer travels: timed pieces of bytes and an ending, and everything that can go wrong on the way.

A `Delivery` says what a driver (the HTTP server, the in-process transport) must do and when; it does nothing itself.
A fault is a function from the delivery that should have been to the one that happens.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, TypeAlias

import msgspec

from brim.simulator.headers import Pair

__all__ = ["FAULTS", "Delivery", "Ending", "Fault", "Framing"]

replace: Final = msgspec.structs.replace
Pieces: TypeAlias = Sequence[tuple[float, bytes]]


class Ending(Enum):
    """What comes after the last piece.

    Attributes:
        connects: is there a connection at all?
        comes: does it ever come?
    """

    DONE = "done"
    """The body is complete, as its framing says."""
    CUT = "cut"
    """The connection is closed, politely and too early."""
    RESET = "reset"
    """The connection is reset."""
    HANG = "hang"
    """Nothing more comes, and nothing is closed."""
    REFUSED = "refused"
    """There never was a connection."""
    UNREACHABLE = "unreachable"
    """Connecting takes for ever."""

    def __init__(self, word: str) -> None:
        self.connects = word not in {"refused", "unreachable"}
        self.comes = word not in {"hang", "unreachable"}


class Framing(Enum):
    """How the receiver knows where the body ends."""

    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"
    """It can't: the body ends with the connection, and a cut looks like an end."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An answer on its way.

    Attributes:
        at: when the request came in, in the provider's seconds.
        status: HTTP status.
        headers: header lines besides those about limits and framing.
        head_at: when the head is sent; None if it never is.
        pieces: the body, each piece with its time; times never fall.
        end: what comes after.
        end_at: when.
        framing: how the body is framed.
        length: the length announced, where it isn't the true one.
        raw: bytes instead of a head, where the server doesn't speak HTTP.
        is_event_stream: are the pieces server-sent events?
    """

    at: float
    status: int
    headers: tuple[Pair, ...] = ()
    head_at: float | None
    pieces: Pieces = ()
    end: Ending = Ending.DONE
    end_at: float
    framing: Framing = Framing.LENGTH
    length: int | None = None
    raw: bytes | None = None
    is_event_stream: bool = False

    @property
    def body(self) -> bytes:
        """All pieces joined."""
        return b"".join([piece for _, piece in self.pieces])

    @property
    def looks_whole(self) -> bool:
        """Does the body look complete to its receiver?"""
        return self.end is Ending.DONE or (self.end is Ending.CUT and self.framing is Framing.CLOSE)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A way for a good answer to go wrong.

    Attributes:
        about: what happens, in a line.
        apply: from the good delivery and the rule's seconds to the bad one.
        executes: is the answer generated (and billed) all the same?
        arrives: does the request reach the provider at all?
        plain: what happens to an answer that isn't streamed, where it must be something else.
    """

    about: str
    apply: Callable[[Delivery, float], Delivery]
    executes: bool = True
    arrives: bool = True
    plain: str | None = None


def _at_once(end: Ending) -> Callable[[Delivery, float], Delivery]:
    return lambda good, _: replace(good, head_at=None, pieces=(), end=end, end_at=good.at)


def _instead(end: Ending) -> Callable[[Delivery, float], Delivery]:
    return lambda good, _: replace(good, head_at=None, pieces=(), end=end)


def _after_head(end: Ending) -> Callable[[Delivery, float], Delivery]:
    return lambda good, _: replace(good, pieces=(), length=len(good.body), end=end, end_at=_sent(good))


def _halfway(end: Ending, framing: Framing | None = None) -> Callable[[Delivery, float], Delivery]:
    def apply(good: Delivery, _: float) -> Delivery:
        half = _half(good)
        end_at = half[-1][0] if half else _sent(good)
        used = framing or good.framing
        length = len(good.body) if used is Framing.LENGTH else None
        return replace(good, pieces=half, end=end, end_at=end_at, framing=used, length=length)

    return apply


def _sent(good: Delivery) -> float:
    return good.at if good.head_at is None else good.head_at


def _half(good: Delivery) -> Pieces:
    """The first half: of the pieces, or of the only one."""
    pieces = good.pieces
    if len(pieces) > 1:
        return pieces[: len(pieces) // 2]
    return [(at, piece[: len(piece) // 2]) for at, piece in pieces]


def _page(body: bytes, kind: str | None = None) -> Callable[[Delivery, float], Delivery]:
    def apply(good: Delivery, _: float) -> Delivery:
        headers = _typed(good.headers, kind) if kind else good.headers
        pieces = [(good.end_at, body)] if body else []
        return replace(good, headers=headers, head_at=good.end_at, pieces=pieces, framing=Framing.LENGTH)

    return apply


def _typed(headers: tuple[Pair, ...], kind: str) -> tuple[Pair, ...]:
    return (*(pair for pair in headers if pair[0] != "content-type"), ("content-type", kind))


def _raw(raw: bytes) -> Callable[[Delivery, float], Delivery]:
    return lambda good, _: replace(good, raw=raw, head_at=good.end_at, pieces=(), end=Ending.CUT)


def _gzipped(*, is_cut: bool) -> Callable[[Delivery, float], Delivery]:
    def apply(good: Delivery, _: float) -> Delivery:
        packed = gzip.compress(good.body, mtime=0)
        body = packed[: len(packed) // 2] if is_cut else packed
        headers = (*good.headers, ("content-encoding", "gzip"))
        return replace(good, headers=headers, head_at=good.end_at, pieces=[(good.end_at, body)], framing=Framing.LENGTH)

    return apply


def _drip(good: Delivery, seconds: float) -> Delivery:
    """Each byte on its way alone, as it were: the body in pieces that share the time evenly."""
    body = good.body
    begin = _sent(good)
    count = min(len(body), _DRIPS)
    bounds = [len(body) * index // count for index in range(count + 1)] if count else []
    pieces = [
        (begin + seconds * (index + 1) / count, body[bounds[index] : bounds[index + 1]]) for index in range(count)
    ]
    return replace(good, pieces=pieces, end_at=begin + seconds, framing=Framing.CHUNKED)


def _keep_alive(good: Delivery) -> bytes:
    return b": keep-alive\n\n" if good.is_event_stream else b"\n"


def _blank_lines(good: Delivery, seconds: float) -> Delivery:
    """Signs of life before the answer, which comes so much later."""
    count = max(1, min(_DRIPS, round(seconds)))
    lines = [(good.at + seconds * (index + 1) / count, _keep_alive(good)) for index in range(count)]
    late = [(at + seconds, piece) for at, piece in good.pieces]
    return replace(good, head_at=good.at, pieces=[*lines, *late], end_at=good.end_at + seconds, framing=Framing.CHUNKED)


def _dribble(good: Delivery, _: float) -> Delivery:
    lines = [(good.at + second, _keep_alive(good)) for second in range(1, _DRIBBLE_S + 1)]
    return replace(good, head_at=good.at, pieces=lines, end=Ending.HANG, end_at=lines[-1][0], framing=Framing.CHUNKED)


def _silent_cut(good: Delivery, _: float) -> Delivery:
    half = _half(good)
    return replace(good, pieces=half, end_at=half[-1][0] if half else good.end_at)


def _stuck(good: Delivery, seconds: float) -> Delivery:
    half = len(good.pieces) // 2
    pieces = [(at if place < half else at + seconds, piece) for place, (at, piece) in enumerate(good.pieces)]
    return replace(good, pieces=pieces, end_at=good.end_at + seconds)


_DRIPS: Final = 60
_DRIBBLE_S: Final = 3_600
_HTML: Final = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in to the proxy.</body></html>"
)
_GARBAGE: Final = bytes(range(128, 256)) + b'{"id": "chatcmpl'
_NOT_HTTP: Final = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
_BAD_CHUNK: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nnot a chunk\r\n"
)
_TWO_LENGTHS: Final = b'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 90\r\n\r\n{"id": 1}'
_HUGE: Final = ("x-trace", "t" * 10_000)

FAULTS: Final[dict[str, Fault]] = {
    "refused": Fault(
        about="connection refused (over HTTP: reset)", apply=_at_once(Ending.REFUSED), executes=False, arrives=False
    ),
    "unreachable": Fault(
        about="connecting takes for ever (over HTTP: hangs)",
        apply=_at_once(Ending.UNREACHABLE), executes=False, arrives=False,
    ),
    "reset": Fault(about="reset before the headers, nothing done", apply=_at_once(Ending.RESET), executes=False),
    "close": Fault(about="closed before the headers, nothing done", apply=_at_once(Ending.CUT), executes=False),
    "lost": Fault(about="answer made and billed, then reset instead of the headers", apply=_instead(Ending.RESET)),
    "hang": Fault(about="answer made and billed, but no headers ever come", apply=_instead(Ending.HANG)),
    "hang_after_headers": Fault(about="headers, then nothing for ever", apply=_after_head(Ending.HANG)),
    "reset_after_headers": Fault(about="headers and half of the body, then a reset", apply=_halfway(Ending.RESET)),
    "truncated": Fault(
        about="half of the body announced by its length, then closed", apply=_halfway(Ending.CUT, Framing.LENGTH)
    ),
    "truncated_chunked": Fault(
        about="half of a chunked body, then closed", apply=_halfway(Ending.CUT, Framing.CHUNKED)
    ),
    "truncated_silent": Fault(
        about="half of a body that ends with the connection: looks complete",
        apply=_halfway(Ending.CUT, Framing.CLOSE),
    ),
    "garbage": Fault(about="200 with bytes that are no text", apply=_page(_GARBAGE)),
    "html": Fault(about="200 with a login page", apply=_page(_HTML, "text/html; charset=utf-8")),
    "empty_body": Fault(about="200 with no body", apply=_page(b"")),
    "not_http": Fault(about="an answer that isn't HTTP", apply=_raw(_NOT_HTTP)),
    "bad_chunk": Fault(about="a chunk whose size is no number", apply=_raw(_BAD_CHUNK)),
    "two_lengths": Fault(about="two different content-lengths", apply=_raw(_TWO_LENGTHS)),
    "huge_header": Fault(
        about="a header line of 10 kB", apply=lambda good, _: replace(good, headers=(*good.headers, _HUGE))
    ),
    "gzip": Fault(about="a good answer, compressed unasked", apply=_gzipped(is_cut=False)),
    "gzip_cut": Fault(about="compressed and cut, with the length of the cut", apply=_gzipped(is_cut=True)),
    "wrong_type": Fault(
        about="a good answer labelled text/plain",
        apply=lambda good, _: replace(good, headers=_typed(good.headers, "text/plain")),
    ),
    "slow_drip": Fault(about="the body comes in 60 pieces over the rule's seconds", apply=_drip),
    "blank_lines": Fault(
        about="blank lines or comments for the rule's seconds, then the answer (DeepSeek)", apply=_blank_lines
    ),
    "dribble": Fault(about="blank lines or comments for an hour and no answer", apply=_dribble),
    "stuck": Fault(about="silence for the rule's seconds in the middle", apply=_stuck),
    "stream_cut": Fault(
        about="half of a stream, ended cleanly without its last event", apply=_silent_cut, plain="truncated"
    ),
    "stream_reset": Fault(about="half of a stream, then a reset", apply=_halfway(Ending.RESET)),
    "stream_hang": Fault(
        about="half of a stream, then nothing for ever", apply=_halfway(Ending.HANG), plain="hang_after_headers"
    ),
}  # fmt: skip
"""Faults of the delivery, by name."""
