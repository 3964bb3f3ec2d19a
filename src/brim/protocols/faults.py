"""What an error body says, whatever its shape, in one form.

Providers write errors as `{"error": {...}}`, as an array of one, as a string, at top level, as `detail`; see section
3.1 of the facts on protocols. This module only reads; `classify` decides what it means and `waits` how long to wait.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Any, Final

import msgspec

from brim.protocols.reading import read_any

__all__ = ["Fault", "presentable", "read_fault"]

MESSAGE_LENGTH: Final = 500
"""How many characters of a provider's message are kept."""

_WORD: Final = re.compile(r"[A-Za-z][\w.\-]{1,99}")
_TITLE: Final = re.compile(rb"<title[^>]*>([^<]{1,300})</title", re.IGNORECASE)
_BLANKS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_NUMBER_FIELDS: Final = ("code", "status", "status_code", "statusCode")
_WORD_FIELDS: Final = ("code", "status", "type", "error_code")
_MESSAGE_FIELDS: Final = ("message", "msg", "error_msg", "error_message", "detail", "error_description")
_DELAY_FIELDS: Final = (
    *((name, "ms") for name in ("retry_after_ms", "retryAfterMs")),
    *((name, "s") for name in ("retry_after", "retry_after_seconds", "retryAfter", "retryAfterSeconds")),
)
"""Where gateways write the wait as a number, and of what."""
_READ_FOR_TITLE: Final = 4096
_LONGEST_S: Final = 1e12
# LiteLLM writes `litellm.BadRequestError: AnthropicException - {"type": "error", ...}`, then advice of its own.
_GATEWAY: Final = "litellm."
_GATEWAY_ENDS: Final = ("\n\nLiteLLM: ", "\nmodel=")

# What looks like a key, and what is left of it. Free relays echo the key they refuse.
_KEYS: Final = (
    (re.compile(r"\b(sk|pk|rk|gsk|xai|hf|r8|nvapi|fw|tgp)([-_])[^\s\"'`,;<>()]{3,}[^\s\"'`,;<>().]"), r"\1\2***"),
    (re.compile(r"\bAIza[\w\-]{10,}"), "AIza***"),
    (re.compile(r"\beyJ[\w\-]{8,}(?:\.[\w\-]*)*"), "***"),
    (re.compile(r"\b(Bearer|Basic)\s+[^\s\"',;]+", re.IGNORECASE), r"\1 ***"),
    (
        re.compile(
            r"\b((?:api|access|secret)[ _-]?(?:key|token)(?: provided)?[\"']?\s*[:=]\s*[\"']?)"
            r"[^\s\"',;()]{3,}[^\s\"',;().]",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
    (re.compile(r"\b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{32,}\b"), "***"),
)


class Fault(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An error body, read.

    Attributes:
        is_error: does the body speak of an error at all?
        message: its words for a person, as they came: only `presentable` makes them fit to show. Empty if it has none.
        words: its codes and types, the most telling first, as written.
        number: the HTTP status the body itself names (400 to 599), which gateways hide behind another.
        limits: names of the limits it says were met.
        reasons: why content was flagged.
        headers: headers of an upstream answer that the body repeats, names in lower case.
        delay: the wait it states in a field of its own (protobuf duration, or a number with its unit added).
        request_id: the provider's name for this answer.
    """

    is_error: bool = False
    message: str = ""
    words: tuple[str, ...] = ()
    number: int | None = None
    limits: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    headers: Mapping[str, str] = {}
    delay: str | None = None
    request_id: str | None = None


def read_fault(body: bytes) -> Fault:
    """Read an error body of any shape. Never raises; what is no JSON has at most a title for a message."""
    root = read_any(body)
    if isinstance(root, list):
        root = next((item for item in root if isinstance(item, dict)), None)
    if not isinstance(root, dict):
        return Fault(message=_title(body) or (root if isinstance(root, str) else ""))
    return _fault(root, _error_of(root))


def presentable(text: str) -> str:
    """Make a provider's words fit to show: one line of bounded length, no control characters, keys masked."""
    # Cut first: masking must not have to read a megabyte. The slack keeps a key at the cut whole, thus masked.
    text = _BLANKS.sub(" ", text[: 2 * MESSAGE_LENGTH]).strip()
    for pattern, mask in _KEYS:
        text = pattern.sub(mask, text)
    # Direction marks and the like can rewrite a terminal's line.
    if not text.isprintable():
        text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + "…"


def _title(body: bytes) -> str:
    found = _TITLE.search(body, 0, _READ_FOR_TITLE)
    return found[1].decode("utf-8", "replace") if found else ""


def _error_of(root: dict[str, Any]) -> object:
    """The part of the body that speaks of the error."""
    choices = root.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    inside = (
        root.get("error"),
        choice.get("error") if isinstance(choice, dict) else None,
        root.get("errors"),
        root.get("detail"),
    )
    found = next((part for part in inside if part), None)
    return next((item for item in found if item), None) if isinstance(found, list) else found


def _fault(root: dict[str, Any], error: object) -> Fault:
    inner = _dict(error)
    # FastAPI and some proxies nest once more: {"detail": {"error": {...}}}.
    inner = _dict(inner.get("error")) or inner
    metadata = _dict(inner.get("metadata"))
    details = inner.get("details")
    notes = [note for note in details if isinstance(note, dict)] if isinstance(details, list) else []
    text = error if isinstance(error, str) else ""
    words = _words(inner, root, details=_dict(details), metadata=metadata, notes=notes, text=text)
    fault = Fault(
        is_error=bool(error) or _speaks_of_error(root),
        message=_message(inner, metadata) or text or _message(root, {}),
        words=words,
        number=_number(inner) or _number(root),
        limits=tuple(_limits(metadata, notes)),
        reasons=tuple(_strings(metadata.get("reasons"))),
        headers=_headers(metadata.get("headers")),
        delay=next(_strings([note.get("retryDelay") for note in notes]), None) or _delay(inner, metadata, root),
        request_id=next(_strings([root.get("request_id"), inner.get("request_id")]), None),
    )
    return _unwrapped(fault) if fault.message.startswith(_GATEWAY) else fault


def _unwrapped(fault: Fault) -> Fault:
    """*fault* with the words of the provider that a gateway folded, body and all, into a message of its own."""
    head, _, said = fault.message.partition(" - ")
    for end in _GATEWAY_ENDS:
        said = said.partition(end)[0]
    inner = read_fault(said.encode()) if said.startswith(("{", "[")) else Fault()
    # Names of classes, each with a colon: what follows them may be free text.
    named = takewhile(lambda word: word.endswith(":"), head.replace(_GATEWAY, "").split())
    classes = (name.removesuffix(":") for name in named)
    return msgspec.structs.replace(
        fault,
        message=inner.message or said or fault.message,
        words=tuple(dict.fromkeys((*inner.words, *filter(_WORD.fullmatch, classes), *fault.words))),
        limits=(*inner.limits, *fault.limits),
        reasons=(*inner.reasons, *fault.reasons),
        delay=inner.delay or fault.delay,
        request_id=inner.request_id or fault.request_id,
    )


def _speaks_of_error(root: dict[str, Any]) -> bool:
    if root.get("type") == "error" or root.get("object") == "error" or root.get("success") is False:
        return True
    says = isinstance(root.get("message"), str) or isinstance(root.get("msg"), str)
    return _number(root) is not None or (says and "choices" not in root)


def _message(inner: dict[str, Any], metadata: dict[str, Any]) -> str:
    text = next(_strings([inner.get(key) for key in _MESSAGE_FIELDS]), "")
    # OpenRouter: "Provider returned error", with the provider's own words in `raw`.
    raw = metadata.get("raw")
    return f"{text}: {raw}" if text and isinstance(raw, str) and raw else text


def _words(
    inner: dict[str, Any],
    root: dict[str, Any],
    *,
    details: dict[str, Any],
    metadata: dict[str, Any],
    notes: list[dict[str, Any]],
    text: str,
) -> tuple[str, ...]:
    # OpenRouter's metadata.provider_code is left out: it speaks of OpenRouter's account there, not of the user's.
    candidates = [
        details.get("error_code"),
        _dict(inner.get("innererror") or inner.get("inner_error")).get("code"),
        metadata.get("limit_source"),
        metadata.get("error_type"),
        *(note.get("reason") for note in notes),
        *(inner.get(key) for key in _WORD_FIELDS),
        text,
        *(root.get(key) for key in _WORD_FIELDS),
    ]
    words = (word for word in _strings(candidates) if _WORD.fullmatch(word) and word != "error")
    return tuple(dict.fromkeys(words))


def _number(fields: dict[str, Any]) -> int | None:
    for name in _NUMBER_FIELDS:
        value = fields.get(name)
        if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None


def _limits(metadata: dict[str, Any], notes: list[dict[str, Any]]) -> Iterable[str]:
    yield from _strings([metadata.get("limit_source")])
    for note in notes:
        violations = note.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            yield from _strings([_dict(violation).get("quotaId")])


def _headers(value: object) -> dict[str, str]:
    return {str(name).lower(): str(text) for name, text in _dict(value).items() if isinstance(text, (str, int, float))}


def _delay(*places: dict[str, Any]) -> str | None:
    for place in places:
        for name, unit in _DELAY_FIELDS:
            value = place.get(name)
            if isinstance(value, str) and value:
                return value if unit == "s" else value + unit
            if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _LONGEST_S:
                return f"{value:f}{unit}"
    return None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _strings(values: object) -> Iterator[str]:
    found = values if isinstance(values, list) else ()
    return (value for value in found if isinstance(value, str) and value)
