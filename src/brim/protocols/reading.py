"""Reading JSON that may be anything: the helpers that let every dialect's `decode` never raise.

Typed decoders skip what brim does not use, so that a large answer costs little; leaf fields are `Any`, since relays put
numbers where strings belong and a paid answer must not be lost to that. The content type is never looked at: relays
mislabel it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from brim.errors import InputError
from brim.protocols import WireResponse

__all__ = [
    "TOO_MANY",
    "count",
    "encode_body",
    "is_success",
    "joined_text",
    "read",
    "read_any",
    "request_id",
    "text_or_none",
]

T = TypeVar("T")

_ANY: Final = msgspec.json.Decoder(Any)
_ENCODE: Final = msgspec.json.Encoder().encode
TOO_MANY: Final = 2**53
"""No count of tokens is that large, and a journal of 64-bit integers must hold it."""
_TEXT_PARTS: Final = frozenset({"text", "output_text", None})
# OpenAI, Anthropic, Azure (new and old), OpenRouter, the new-api family, and the CDN before many of them.
_ID_HEADERS: Final = (
    "x-request-id",
    "request-id",
    "apim-request-id",
    "x-ms-request-id",
    "x-generation-id",
    "x-oneapi-request-id",
    "cf-ray",
)


def encode_body(body: Mapping[str, Any]) -> bytes:
    """Write a request's body. Raises `InputError` for a value JSON can't carry, such as half a surrogate pair."""
    try:
        return _ENCODE(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"the request can't be written as JSON: {error}; use plain values only") from None


def is_success(status: int) -> bool:
    """Does the HTTP status promise an answer?"""
    return 200 <= status < 300


def read(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """Read *body*, or give None if it is not JSON of that shape. Leading blank lines are no obstacle."""
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError):
        return _rescued(decoder, body)


def read_any(body: bytes) -> object:
    """Read *body* as whatever JSON it is, or give None if it is none."""
    return read(_ANY, body)


def _rescued(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """Read what the strict reader refuses and the standard library takes: a byte order mark, half an emoji."""
    try:
        lenient = json.dumps(json.loads(body), ensure_ascii=False)
        return decoder.decode(lenient.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def count(value: object) -> int:
    """Read a number of tokens; what is none, or negative, or beyond all reason, counts as 0."""
    if value is None:
        return 0
    return int(value) if isinstance(value, (int, float)) and 0 <= value < TOO_MANY else 0


def text_or_none(value: object) -> str | None:
    """The value if it is a string that says something."""
    return value if isinstance(value, str) and value else None


def joined_text(content: object) -> str | None:
    """The visible text of a content field: a string, or a list of parts of which the text parts are joined."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [part.get("text") for part in content if isinstance(part, dict) and _is_text(part.get("type"))]
    return "".join([text for text in texts if isinstance(text, str)])


def _is_text(kind: object) -> bool:
    return (kind is None or isinstance(kind, str)) and kind in _TEXT_PARTS


def request_id(response: WireResponse, *in_body: object) -> str | None:
    """The provider's name for an answer: from the headers, else the first of *in_body* that is a name."""
    headers = response.headers
    for name in _ID_HEADERS:
        if name in headers:
            return headers[name] or None
    return next((value for value in in_body if isinstance(value, str) and value), None)
