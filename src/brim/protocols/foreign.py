"""What other libraries' responses, results and exceptions say: status, headers, error body, usage.

Nothing here knows a library. Each of the official SDKs, aiohttp, httpx, requests and botocore carries the same few
things under one of a few names, so they are found by name (duck typing) and read as if they had come to our own
dialects. What says nothing is no error: it says nothing. An exception without a status says something only if it is
known for a far end that was not reached or fell silent; a mistake in the caller's program is none of ours.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from brim.protocols import WireResponse
from brim.protocols.classify import failure
from brim.protocols.faults import presentable
from brim.protocols.waits import exact_wait
from brim.values import Failure, FailureKind, Sent, Usage

__all__ = ["Seen", "failure_of", "headers_of", "look_at", "usage_of"]

_STATUS: Final = ("status_code", "status", "code", "http_status")
_HEADERS: Final = ("headers",)
_SPELLINGS: Final = (
    # OpenAI's Chat Completions, and whoever translates to it: what was written to a cache is inside.
    (("prompt_tokens",), ("completion_tokens",)),
    # Anthropic's and OpenAI's Responses. Anthropic's parts of the input are disjoint; what is read from its cache is
    # free, what is written to it counts.
    (("input_tokens", "cache_creation_input_tokens"), ("output_tokens",)),
    # Google's, in its SDK and on the wire: thoughts are no part of the candidates.
    (("prompt_token_count", "tool_use_prompt_token_count"), ("candidates_token_count", "thoughts_token_count")),
    (("promptTokenCount", "toolUsePromptTokenCount"), ("candidatesTokenCount", "thoughtsTokenCount")),
    # Bedrock's Converse.
    (("inputTokens", "cacheWriteInputTokens"), ("outputTokens",)),
)
"""The names under which the parts of input and output stand, by who writes them so."""
_USAGE: Final = ("usage", "usage_metadata", "usageMetadata")
_CAUSES: Final = 4
"""How many exceptions deep an error is looked into, itself included."""
_THROTTLED: Final = 429

_TIMEOUTS: Final = frozenset({"TimeoutError", "Timeout", "TimeoutException", "APITimeoutError", "ReadTimeoutError"})
"""Names of classes whose exceptions say that the far end is silent: Python's, requests', httpx's, the official SDKs',
botocore's. Their subclasses say it too."""
_BREAKS: Final = frozenset(
    {
        "ConnectionError",  # Python's, requests' and botocore's
        "gaierror",
        "SSLError",
        "BadStatusLine",
        "IncompleteRead",
        "IncompleteReadError",
        "ClientConnectionError",  # aiohttp's
        "ClientPayloadError",
        "NetworkError",  # httpx's
        "RemoteProtocolError",
        "ProxyError",
        "ChunkedEncodingError",  # requests'
        "NewConnectionError",  # urllib3's
        "ProtocolError",
        "APIConnectionError",  # the official SDKs'
        "ConnectionClosedError",  # botocore's and websockets'
    }
)
"""The same for those whose connection was not made, or broke."""
_OWN: Final = frozenset({"LocalProtocolError", "PoolTimeout"})
"""httpx's relatives of these that are about the caller alone."""
_UNREACHABLE: Final = frozenset(
    {errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}
)
"""What an `OSError` of no class of its own says of the network; the others are about files."""


class Seen(msgspec.Struct, frozen=True):
    """What was found: *status* of an HTTP answer, *headers* under lower-case names, the error's *body*."""

    status: int | None = None
    headers: Mapping[str, str] = {}
    body: Any = None


def look_at(thing: object) -> Seen:
    """Find status, headers and body of a response, or of an exception or of what caused it."""
    found = Seen()
    for each in _causes(thing):
        found = _look(each)
        if found.status is not None:
            break
    return found


def failure_of(
    error: object, seen: Seen, *, now: float, is_throttled: bool | None = None, wait: float | None = None
) -> Failure | None:
    """The failure that an exception, or a response with a bad status, stands for; None if it says none of the far end.

    Args:
        error: the exception or the response.
        seen: what `look_at` found there.
        now: seconds since the epoch.
        is_throttled: what the user says it means; None leaves that to status and body.
        wait: for how many seconds, as the user says; None leaves that to headers and body.
    """
    is_exception = isinstance(error, BaseException)
    status = _THROTTLED if is_throttled else seen.status
    if status is None:
        return _break_of(error)
    if status < 400:
        return None
    body = seen.body if isinstance(seen.body, dict) else {"message": str(error) if is_exception else ""}
    wire = WireResponse(
        status=status,
        headers=seen.headers,
        body=msgspec.json.encode(body if "error" in body else {"error": body}, enc_hook=str),
        received_at=now,
    )
    found = failure(wire)
    if is_throttled is None or not (is_throttled or found.kind.is_waited_out):
        return found
    kind = FailureKind.THROTTLED if is_throttled else FailureKind.SERVER
    if wait is None:
        return msgspec.structs.replace(found, kind=kind)
    exact = exact_wait(wait, found.message, now)
    return msgspec.structs.replace(found, kind=kind, retry_after=wait, is_reset=False, exact_wait=exact)


def headers_of(headers: object) -> Mapping[str, str]:
    """*headers* under lower-case names; none if it is no such thing."""
    items = _get(headers, "items")
    if not callable(items):
        return {}
    try:
        return {str(name).lower(): str(value) for name, value in items()}
    except (TypeError, ValueError):
        return {}


def usage_of(result: object) -> Usage | None:
    """The tokens that *result* says it took, as any SDK or API spells them; None if it does not say."""
    usage = next((found for name in _USAGE if (found := _get(result, name)) is not None), None)
    if usage is None:
        return None
    for inputs, outputs in _SPELLINGS:
        given, made = _sum(usage, inputs), _sum(usage, outputs)
        if given is not None or made is not None:
            return Usage(input_tokens=given or 0, output_tokens=made or 0)
    return None


def _causes(thing: object, depth: int = _CAUSES) -> Iterator[object]:
    """*thing*, what caused it, what caused that, and so on; of a group of exceptions each of them."""
    yield thing
    if depth == 1:
        return
    reason = _get(thing, "reason")  # where urllib and urllib3 keep it
    causes = [reason if isinstance(reason, BaseException) else _get(thing, "__cause__")]
    if isinstance(thing, BaseExceptionGroup):
        causes = [*thing.exceptions, *causes]
    for cause in causes:
        if cause is not None:
            yield from _causes(cause, depth - 1)


def _break_of(error: object) -> Failure | None:
    """The failure of an exception that says that the far end was not reached, or fell silent; None for any other."""
    for each in _causes(error):
        names = {kind.__name__ for kind in type(each).__mro__}
        if not isinstance(each, Exception) or names & _OWN:
            return None
        is_silent = bool(names & _TIMEOUTS)
        if is_silent or names & _BREAKS or (isinstance(each, OSError) and each.errno in _UNREACHABLE):
            kind = FailureKind.TIMEOUT if is_silent else FailureKind.CONNECTION
            return Failure(kind=kind, message=presentable(f"{type(error).__name__}: {error}"), sent=Sent.MAYBE)
    return None


def _look(thing: object) -> Seen:
    response = _get(thing, "response")
    places = (thing, response)
    # botocore: a result, or an error's response, is a dict that holds both
    meta = next((found for place in places if (found := _get(place, "ResponseMetadata")) is not None), None)
    statuses = [_get(place, name) for place in places for name in _STATUS] + [_get(meta, "HTTPStatusCode")]
    headers = [_get(place, name) for place in places for name in _HEADERS] + [_get(meta, "HTTPHeaders")]
    return Seen(
        status=next((int(each) for each in statuses if _is_status(each)), None),
        headers=next((read for each in headers if (read := headers_of(each))), {}),
        body=_get(thing, "body"),
    )


def _is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 600


def _sum(usage: object, names: tuple[str, ...]) -> int | None:
    amounts = [value for name in names if isinstance(value := _get(usage, name), int) and value >= 0]
    return sum(amounts) if amounts else None


def _get(thing: object, name: str) -> Any:
    """An attribute or item of *thing*, whatever it is; None if there is none."""
    if isinstance(thing, Mapping) and name != "items":
        return thing.get(name)
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - a foreign property that fails says nothing
        return None
