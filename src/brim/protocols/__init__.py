"""Dialects: what each provider's API looks like, as pure functions from values to bytes and back.

Sans I/O: a dialect is given bytes and gives values, opens no socket and reads no clock. To add a provider, write one
module with a class that satisfies `Dialect`, and name it in `brim.protocols.registry`; docs/how-to/add-a-dialect.md
walks through it. `decode` never raises, whatever the bytes: a strange answer is a classified `Failure`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Protocol, runtime_checkable

import msgspec

from brim.values import Outcome, Request

__all__ = ["Dialect", "Piece", "StreamReader", "StreamingDialect", "WireRequest", "WireResponse", "fingerprint"]


class WireRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An HTTP POST, ready to be sent. Its repr shows no header: one of them holds the key."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"WireRequest(url={self.url!r}, body={len(self.body)} bytes)"


class WireResponse(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A whole HTTP answer. *headers* has lower-case names; *received_at* is seconds since the epoch."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: float


class Dialect(Protocol):
    """One provider API: how to ask and how to read the answer."""

    @property
    def name(self) -> str:
        """The word before the colon in `--model`."""

    @property
    def default_base_url(self) -> str:
        """Where the provider itself listens."""

    @property
    def key_variable(self) -> str:
        """The environment variable that the official SDK reads the key from."""

    @property
    def base_url_variable(self) -> str:
        """The environment variable that the official SDK reads the base URL from."""

    def url(self, base_url: str) -> str:
        """The address to post to. *base_url* comes with or without its trailing `/v1`."""

    def headers(self, key: str | None) -> dict[str, str]:
        """The headers of every request; *key* is None where the server wants none."""

    def encode(self, request: Request, *, model: str) -> bytes:
        """The body that asks *model* to answer *request*. Raises `InputError` for what this API can't express."""

    def decode(self, response: WireResponse) -> Outcome:
        """Read an answer. Never raises: what is no answer is a classified `Failure`."""


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A piece of an answer under way: *text* that is part of the answer, or *reasoning* before it.

    Both are empty for a part that is neither, such as a tool call's arguments: a sign of life, nothing to show.
    """

    text: str = ""
    reasoning: str = ""


class StreamReader(Protocol):
    """Reads one answer that comes in pieces. Sans I/O, and never raises."""

    @property
    def is_complete(self) -> bool:
        """Is everything here that decides the outcome? The rest of the stream need not be read."""

    def feed(self, data: bytes) -> Sequence[Piece]:
        """Take the next bytes, cut anywhere, and give the pieces that are whole now."""

    def close(self, received_at: float) -> Outcome:
        """Nothing more comes: say what it was. A stream that broke off is a `Failure`, however much of it came.

        *received_at* is when the answer began, in seconds since the epoch.
        """


@runtime_checkable
class StreamingDialect(Dialect, Protocol):
    """A provider API that can answer in pieces."""

    def streamed(self, body: bytes) -> bytes:
        """Turn an encoded request into one for a stream. It asks the same: the fingerprint is that of *body*."""

    def reader(self, *, status: int, headers: Mapping[str, str]) -> StreamReader:
        """A reader for an answer that begins with *status* and *headers* (names in lower case)."""


def fingerprint(dialect: str, body: bytes) -> bytes:
    """Name what is asked, in 16 bytes: the same for the same dialect, model and body, whoever's key and URL.

    The body holds the model and every parameter that shapes the answer, so it says all that matters.
    """
    return blake2b(body, digest_size=16, person=dialect.encode()[:16]).digest()
