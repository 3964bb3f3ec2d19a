"""What the provider says about its limits: every vendor's spelling, and every way of not telling the truth.

A `Reading` is what one limit has left. A spelling turns readings into header lines; a lie turns readings into others
first. The waits of a refusal are spelled apart, since vendors mix them freely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import ceil, floor
from time import gmtime, strftime
from typing import Final, TypeAlias

import msgspec

from brim.simulator.scenario import Dimension, Lie, Period, Spelling, WaitForm

__all__ = ["SPELLINGS", "Pair", "Reading", "duration", "http_date", "limit_headers", "wait_headers"]

Pair: TypeAlias = tuple[str, str]


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What one limit has left, and in how many seconds all of it will be back."""

    of: Dimension
    per: Period
    limit: float
    remaining: float
    full_in: float

    @property
    def whole(self) -> int:
        """What remains, in whole units, never negative; -1 says that it is unknown."""
        remaining = self.remaining
        if remaining > 0:
            return floor(remaining + 1e-6)
        return -1 if remaining == -1 else 0


def duration(seconds: float) -> str:
    """A time as Go prints it, to the millisecond: `1s`, `6m0s`, `20ms`, `1h2m3.5s`."""
    return _go(ceil(seconds * 1_000 - 1e-6))


@lru_cache(maxsize=4_096)
def _go(milliseconds: int) -> str:
    if milliseconds < 1_000:
        return f"{milliseconds}ms" if milliseconds > 0 else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    parts = (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "")
    return f"{parts}{rest / 1_000:g}s" if rest % 1_000 else f"{parts}{rest // 1_000}s"


@lru_cache(maxsize=1_024)
def _rfc3339(second: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(second))


def _pick(readings: Sequence[Reading], of: Dimension, per: Period) -> Reading | None:
    """The limit of a dimension that a vendor shows: the one per *per*, else any, never the daily one by chance."""
    for reading in readings:
        if reading.of == of and reading.per == per:
            return reading
    return next((reading for reading in readings if reading.of == of), None)


def _openai(readings: Sequence[Reading], _wall: float) -> list[Pair]:
    pairs: list[Pair] = []
    for of, names in _OPENAI_NAMES.items():
        reading = _pick(readings, of, "minute")
        if reading is not None:
            pairs += _openai_lines(reading, names, duration(reading.full_in))
    return pairs


def _openai_lines(reading: Reading, names: tuple[str, str, str], reset: str) -> tuple[Pair, Pair, Pair]:
    limit, remaining, left = names
    return (limit, _rounded(reading.limit)), (remaining, str(reading.whole)), (left, reset)


_OPENAI_KINDS: Final[tuple[Dimension, ...]] = ("requests", "tokens")
_OPENAI_NAMES: Final = {
    name: (f"x-ratelimit-limit-{name}", f"x-ratelimit-remaining-{name}", f"x-ratelimit-reset-{name}")
    for name in _OPENAI_KINDS
}


@lru_cache(maxsize=64)
def _rounded(limit: float) -> str:
    return str(round(limit))


def _groq(readings: Sequence[Reading], _wall: float) -> list[Pair]:
    """OpenAI's names, but requests are per day, tokens per minute, and tokens per day are never shown."""
    pairs: list[Pair] = []
    for of, per in (("requests", "day"), ("tokens", "minute")):
        for reading in readings:
            if (reading.of, reading.per) == (of, per):
                pairs += _openai_lines(reading, _OPENAI_NAMES[reading.of], duration(reading.full_in))
    return pairs


def _azure(readings: Sequence[Reading], _wall: float) -> list[Pair]:
    """OpenAI's names with plain seconds."""
    pairs: list[Pair] = []
    for of, names in _OPENAI_NAMES.items():
        reading = _pick(readings, of, "minute")
        if reading is not None:
            pairs += _openai_lines(reading, names, str(ceil(reading.full_in)))
    return pairs


def _litellm(readings: Sequence[Reading], _wall: float) -> list[Pair]:
    """OpenAI's names without the reset."""
    return [pair for pair in _openai(readings, 0.0) if "-reset-" not in pair[0]]


def _anthropic(readings: Sequence[Reading], wall: float) -> list[Pair]:
    shown = [(name, reading) for name, of in _ANTHROPIC_NAMES if (reading := _pick(readings, of, "minute")) is not None]
    parts = [reading for name, reading in shown if name.endswith("put-tokens")]
    if parts and len(parts) == len([name for name, _ in shown if name != "requests"]):
        shown.append(("tokens", _sum(parts)))
    pairs = []
    for name, reading in shown:
        left = reading.whole
        remaining = left if left < 0 or name == "requests" else _thousands(left)
        pairs += [
            (f"anthropic-ratelimit-{name}-limit", f"{reading.limit:.0f}"),
            (f"anthropic-ratelimit-{name}-remaining", f"{remaining}"),
            (f"anthropic-ratelimit-{name}-reset", _rfc3339(ceil(wall + reading.full_in))),
        ]
    return pairs


_ANTHROPIC_NAMES: Final[tuple[tuple[str, Dimension], ...]] = (
    ("requests", "requests"),
    ("input-tokens", "input"),
    ("output-tokens", "output"),
    ("tokens", "tokens"),
)


def _thousands(tokens: int) -> int:
    """Anthropic rounds what remains of tokens to the nearest thousand."""
    return (tokens + 500) // 1_000 * 1_000


def _sum(readings: Iterable[Reading]) -> Reading:
    parts = list(readings)
    return Reading(
        "tokens",
        "minute",
        sum(part.limit for part in parts),
        sum(max(0, part.whole) for part in parts),
        max(part.full_in for part in parts),
    )


def _openrouter(readings: Sequence[Reading], wall: float) -> list[Pair]:
    """Epoch milliseconds, and only the limit that is nearest to its end; shown on refusals alone."""
    if not readings:
        return []
    tightest = min(readings, key=lambda reading: reading.remaining / reading.limit)
    return [
        ("X-RateLimit-Limit", str(round(tightest.limit))),
        ("X-RateLimit-Remaining", str(tightest.whole)),
        ("X-RateLimit-Reset", str(ceil((wall + tightest.full_in) * 1_000))),
    ]


SPELLINGS: Final[dict[Spelling, Callable[[Sequence[Reading], float], list[Pair]]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "azure": _azure,
    "groq": _groq,
    "openrouter": _openrouter,
    "litellm": _litellm,
}
"""From readings and the wall clock (seconds since the epoch) to header lines, by vendor."""


def _scaled(factor: float) -> Callable[[Reading], Reading]:
    return lambda reading: Reading(
        reading.of, reading.per, reading.limit * factor, reading.remaining * factor, reading.full_in
    )


_LIES: Final[dict[Lie, Callable[[Reading], Reading]]] = {
    "double": _scaled(2.0),
    "half": _scaled(0.5),
    "full": lambda reading: Reading(reading.of, reading.per, reading.limit, reading.limit, 0.0),
    "unknown": lambda reading: Reading(reading.of, reading.per, reading.limit, -1, 0.0),
    "past": lambda reading: Reading(reading.of, reading.per, reading.limit, reading.remaining, -3_600.0),
}


def limit_headers(
    spelling: Spelling, readings: Sequence[Reading], *, wall: float, lie: Lie = "none", is_refusal: bool = False
) -> list[Pair]:
    """The lines about limits in one answer; *wall* is seconds since the epoch at the time the readings are of."""
    write = SPELLINGS.get(spelling)
    if write is None or (spelling == "openrouter" and not is_refusal):
        return []
    twist = _LIES.get(lie)
    return write([twist(reading) for reading in readings] if twist else readings, wall)


def http_date(wall: float) -> str:
    """A time as HTTP writes it, to the second above."""
    # strftime would follow the locale; HTTP's names of days and months are English.
    at = gmtime(ceil(wall))
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year} "
        f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
    )


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_WAITS: Final[dict[WaitForm, Callable[[float, float], Pair]]] = {
    "seconds": lambda wait, _wall: ("retry-after", str(max(1, ceil(wait - 1e-6)))),
    "float": lambda wait, _wall: ("retry-after", f"{wait:.3f}"),
    "ms": lambda wait, _wall: ("retry-after-ms", str(ceil(wait * 1_000 - 1e-6))),
    "date": lambda wait, wall: ("retry-after", http_date(wall + wait)),
    "huge": lambda _wait, _wall: ("retry-after", "86400"),
    "zero": lambda _wait, _wall: ("retry-after", "0"),
    "negative": lambda _wait, _wall: ("retry-after", "-5"),
    "nan": lambda _wait, _wall: ("retry-after", "nan"),
}


def wait_headers(forms: Iterable[WaitForm], wait: float, *, wall: float) -> list[Pair]:
    """The lines that say how long to wait. "text" and "body" are no lines: see `brim.simulator.errors`."""
    return [_WAITS[form](wait, wall) for form in forms if form in _WAITS]
