"""How long the server asks us to wait, in every spelling of section 2.4 of the facts on protocols.

The order: what the server says about this request (`retry-after-ms`, `retry-after`, then the body's own words), and
only then the reset of a limit that its headers show as used up, since `reset` tells when a limit is *full* again, which
is longer than this request needs. Values are read by their shape, because vendors use one name for several units:
Azure writes plain seconds under OpenAI's names, where OpenAI writes Go durations.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Final

from brim.protocols.dates import timestamp
from brim.protocols.faults import Fault

__all__ = ["exact_wait", "far_reset", "parse_duration", "parse_wait", "retry_after", "said", "until_reset"]

_NUMBER: Final = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
# `ms` is tried before `m`; both spellings of the micro sign are Go's.
_PIECE: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s?(ns|us|µs|μs|ms|s|m|h|d)", re.ASCII)
_SECONDS: Final[Mapping[str, float]] = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
# What asks to wait: "please try again in", "retry after:", "Please wait", "Expected available in".
_ASKS: Final = re.compile(
    r"\b(?:(?:try|retry|retrying)(?: your request| the request)?(?: again)?(?: in| after|[-_]after)"
    r"|(?<!had to )wait(?: for)?|available(?: again)? in|resets? in):?"
    r"(?: (?:at least|another|about|approximately|approx\.?|around))? ?~?",
    re.IGNORECASE,
)
# "1 hour and 30 minutes", "6m 30s", "12m45.504s", "1,200 seconds", "an hour": one part after the other.
_PART: Final = re.compile(
    r"(?:, ?| ?and | )?(?P<amount>\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:\.\d+)?|an?\b|one\b)[ -]?"
    r"(?P<unit>milliseconds?|millis|msecs?|ms|sec(?:ond)?s?|s|min(?:ute)?s?|m|h(?:ou)?rs?|h|days?|d)"
    r"(?![^\W\d_])",
    re.IGNORECASE | re.ASCII,
)
_UNITS: Final[Mapping[str, float]] = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""By their first letter, but for milliseconds."""
# Past these, a bare number is no duration but a point in time, in seconds or in milliseconds since the epoch.
_EPOCH_S: Final = 1e9
_EPOCH_MS: Final = 1e11
_WHOLE_S: Final = 1e-6
"""This close to a whole number of seconds is one: more closely the clock is not known since 1970."""
_FAR_S: Final = 900.0
_WAIT_HEADERS_MS: Final = ("retry-after-ms", "x-ms-retry-after-ms")
_UPSTREAM: Final = "llm_provider-"
_NOTHING: Final = frozenset({"0", "0.0"})
_LIMIT_HEADERS: Final = ("x-ratelimit-", "x-rate-limit-", "ratelimit-", "anthropic-")


def retry_after(headers: Mapping[str, str], fault: Fault, now: float) -> float | None:
    """How long the server asks to wait with this request, in seconds from *now*; None if it does not say.

    Args:
        headers: of the answer, names in lower case; those that a gateway repeats from upstream (LiteLLM's
            `llm_provider-retry-after`) count after its own.
        fault: the body, read; headers it repeats from upstream count likewise.
        now: when the answer came, in seconds since the epoch, by the server's clock.

    Returns:
        At least 0, where a time in the past gives 0. A day is a day; what lies decades ahead says nothing.
    """
    upstream = {**_repeated(headers), **fault.headers}
    sources = (
        _told(headers, now),
        _told(upstream, now),
        None if fault.delay is None else parse_wait(fault.delay, now),
        said(fault.message),
    )
    return _first(sources)


def _first(waits: Iterable[float | None]) -> float | None:
    """The first that asks for anything. 0 asks for nothing: Azure writes it where it does not know."""
    said = [wait for wait in waits if wait is not None and wait < _EPOCH_S]
    return next(filter(None, said), 0.0 if said else None)


def exact_wait(asked: float | None, message: str, now: float) -> float:
    """The shortest wait that is named to the fraction of a second, in seconds; 0 if none is.

    One that was named in seconds, or as a moment of the clock such as an HTTP date, is no such wait.

    Args:
        asked: how long the server asks to wait, from *now*; None if it does not say.
        message: what it says in words.
        now: when the answer came, in seconds since the epoch, by the server's clock.
    """
    is_moment = asked is not None and _is_whole(now + asked)
    waits = [wait for wait in (None if is_moment else asked, said(message)) if wait]
    wait = min(waits, default=0.0)
    return 0.0 if _is_whole(wait) else wait


def _is_whole(seconds: float) -> bool:
    return abs(seconds - round(seconds)) < _WHOLE_S


def until_reset(headers: Mapping[str, str], fault: Fault, now: float) -> float | None:
    """Seconds until all limits are whole again that are shown as used up; None if none is. Arguments as before."""
    own = _until_reset(headers, now)
    return own if own is not None else _until_reset({**_repeated(headers), **fault.headers}, now)


def far_reset(headers: Mapping[str, str], fault: Fault, now: float) -> float | None:
    """Such a wait if it is long and can't be written in the wrong unit; else None. Arguments as before.

    What needs hours to be whole again is a limit of a day or so. A bare number may as well be milliseconds.
    """
    own = _far_reset(headers, now)
    return own if own is not None else _far_reset({**_repeated(headers), **fault.headers}, now)


def parse_wait(value: str, now: float) -> float | None:
    """Read a wait by its shape: seconds, Go duration, epoch seconds or milliseconds, RFC 3339, or an HTTP date.

    Gives None for what is none of these, or negative, or not finite.
    """
    value = value.strip()
    if _NUMBER.fullmatch(value):
        return _from_number(float(value), now)
    duration = parse_duration(value)
    if duration is not None:
        return duration
    at = timestamp(value)
    return None if at is None else max(0.0, at - now)


def parse_duration(value: str) -> float | None:
    """Read a Go duration such as `1h2m3.5s`, `6m0s` or `20ms`, in seconds; None if it is none."""
    pieces = _PIECE.findall(value)
    if not pieces or _PIECE.sub("", value):
        return None
    seconds = sum(float(amount) * _SECONDS[unit] for amount, unit in pieces)
    return seconds if math.isfinite(seconds) else None


def _from_number(number: float, now: float) -> float | None:
    if not math.isfinite(number):
        return None
    if number < _EPOCH_S:
        return number
    return max(0.0, (number / 1000 if number >= _EPOCH_MS else number) - now)


def _repeated(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(_UPSTREAM): value for name, value in headers.items() if name.startswith(_UPSTREAM)}


def _told(headers: Mapping[str, str], now: float) -> float | None:
    waits = [_from_millis(headers[name].strip()) for name in _WAIT_HEADERS_MS if name in headers]
    asked = headers.get("retry-after")
    return _first([*waits, parse_wait(asked, now) if asked else None])


def _from_millis(value: str) -> float | None:
    return float(value) / 1000 if _NUMBER.fullmatch(value) and math.isfinite(float(value)) else None


def said(message: str) -> float | None:
    """The wait that the text of an answer names, in seconds, all parts of it; None if it names none with a unit."""
    for asks in _ASKS.finditer(message):
        seconds = _length(message, asks.end())
        if seconds is not None:
            return seconds
    return None


def _length(text: str, at: int) -> float | None:
    """The seconds that *text* names from *at* on, in units that become smaller; None if it names none."""
    seconds, finest = 0.0, math.inf
    while (part := _PART.match(text, at)) is not None:
        scale = _scale(part["unit"].lower())
        if scale >= finest:  # "in 20s, 1 minute limit" does not go on
            break
        number = part["amount"].replace(",", "")
        seconds, finest, at = seconds + scale * (float(number) if number[0].isdigit() else 1.0), scale, part.end()
    return seconds if finest < math.inf and math.isfinite(seconds) else None


def _scale(unit: str) -> float:
    return 1e-3 if unit.startswith(("milli", "ms")) else _UNITS[unit[0]]


def _until_reset(headers: Mapping[str, str], now: float) -> float | None:
    """The longest reset among the limits that are used up."""
    # Azure was seen to send a reset alone; -1 means that it does not know.
    waits = (parse_wait(reset, now) for left, reset in _resets(headers) if left is None or left in _NOTHING)
    return max((wait for wait in waits if wait is not None and wait < _EPOCH_S), default=None)


def _far_reset(headers: Mapping[str, str], now: float) -> float | None:
    written = (reset for left, reset in _resets(headers) if left in _NOTHING and not _is_bare(reset))
    waits = (parse_wait(reset, now) for reset in written)
    return max((wait for wait in waits if wait is not None and _FAR_S < wait < _EPOCH_S), default=None)


def _resets(headers: Mapping[str, str]) -> Iterable[tuple[str | None, str]]:
    """The resets that are shown, each with what remains of its limit."""
    for name, value in headers.items():
        if "reset" in name and name.startswith(_LIMIT_HEADERS):
            left = headers.get(name.replace("reset", "remaining"))
            yield left and left.strip(), value.strip()


def _is_bare(value: str) -> bool:
    """Is it a number, of whatever unit?"""
    return bool(_NUMBER.fullmatch(value)) and float(value) < _EPOCH_S
