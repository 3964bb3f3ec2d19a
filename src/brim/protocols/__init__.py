"""Dialects: what each provider's API looks like, as pure functions from values to bytes and back.

Sans I/O: a dialect is given bytes and gives values, opens no socket and reads no clock. To add a provider, write one
module with a class that satisfies `Dialect`, and name it in `brim.protocols.registry`; docs/how-to/add-a-dialect.md
walks through it. `decode` never raises, whatever the bytes: a strange answer is a classified `Failure`.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Protocol

import msgspec

from brim.values import Outcome, Request

__all__ = ["Dialect", "WireRequest", "WireResponse", "fingerprint"]


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


def fingerprint(dialect: str, body: bytes) -> bytes:
    """Name what is asked, in 16 bytes: the same for the same dialect, model and body, whoever's key and URL.

    The body holds the model and every parameter that shapes the answer, so it says all that matters.
    """
    return blake2b(body, digest_size=16, person=dialect.encode()[:16]).digest()
