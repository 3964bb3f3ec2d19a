"""What the headers of an answer say about the limits: every spelling that providers and gateways use.

Names decide which limit is meant, the shape of each value how it is read: OpenAI's names carry Go durations
from OpenAI, plain seconds from Azure, nothing from some relays. What is no number, or below 0 (Azure's -1), is unknown;
a reset in the past is 0. Nothing is believed here: whether what a server says is true is for the policies to find out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from brim.protocols.dates import ServerClock
from brim.protocols.gateways import gateway_levels
from brim.protocols.shapes import amount, reset
from brim.values import Dimension, LimitLevel

__all__ = ["LevelReader", "read_levels"]

_NONE: Final[Sequence[LimitLevel]] = ()


def _names(prefix: str, suffix: str, *parts: str) -> tuple[str, str, str]:
    limit, remaining, reset = (f"{prefix}{part}{suffix}" for part in parts)
    return limit, remaining, reset


_OPENAI: Final = ("limit", "remaining", "reset")
_ANTHROPIC: Final = ("-limit", "-remaining", "-reset")
_SPELLINGS: Final[Sequence[tuple[str, Sequence[tuple[Dimension, tuple[str, str, str]]]]]] = (
    (
        "x-ratelimit-limit-requests",
        (
            (Dimension.REQUESTS, _names("x-ratelimit-", "-requests", *_OPENAI)),
            (Dimension.TOKENS, _names("x-ratelimit-", "-tokens", *_OPENAI)),
            (Dimension.PROJECT_TOKENS, _names("x-ratelimit-", "-project-tokens", *_OPENAI)),
            (Dimension.INPUT_TOKENS, _names("x-ratelimit-", "-input-tokens", *_OPENAI)),
            (Dimension.OUTPUT_TOKENS, _names("x-ratelimit-", "-output-tokens", *_OPENAI)),
        ),
    ),
    (
        "anthropic-ratelimit-requests-limit",
        (
            (Dimension.REQUESTS, _names("anthropic-ratelimit-requests", "", *_ANTHROPIC)),
            (Dimension.INPUT_TOKENS, _names("anthropic-ratelimit-input-tokens", "", *_ANTHROPIC)),
            (Dimension.OUTPUT_TOKENS, _names("anthropic-ratelimit-output-tokens", "", *_ANTHROPIC)),
            (Dimension.TOKENS, _names("anthropic-ratelimit-tokens", "", *_ANTHROPIC)),
        ),
    ),
)
"""By a name that tells the spelling: each limit's dimension and its three headers. Anthropic's `tokens` comes last: it
is a limit of its own only where no others of tokens are shown, else whichever of these is tightest, or their sum."""
_PARTS: Final = frozenset({Dimension.INPUT_TOKENS, Dimension.OUTPUT_TOKENS})

_TELLTALES: Final[Mapping[str, str]] = {
    name: telltale
    for telltale, limits in _SPELLINGS
    for _, (limit, remaining, _reset) in limits
    for name in (limit, remaining)
}
_BY_TELLTALE: Final = dict(_SPELLINGS)


def read_levels(headers: Mapping[str, str], now: float) -> Sequence[LimitLevel]:
    """The limits that *headers* (lower-case names) show: the provider's, then those of a gateway before it.

    Args:
        headers: of the answer.
        now: when it came, in seconds since the epoch, by the server's clock.
    """
    levels, others = _vendor_levels(headers, now), gateway_levels(headers, now)
    return [*levels, *others] if others else levels


def _vendor_levels(headers: Mapping[str, str], now: float) -> Sequence[LimitLevel]:
    if "x-ratelimit-limit-requests" in headers:
        spelling = "x-ratelimit-limit-requests"
    elif "anthropic-ratelimit-requests-limit" in headers:
        spelling = "anthropic-ratelimit-requests-limit"
    else:
        found = _TELLTALES.keys() & headers.keys()
        if not found:
            return _NONE
        spelling = _TELLTALES[found.pop()]
    levels: list[LimitLevel] = []
    for dimension, (limit, remaining, until) in _BY_TELLTALE[spelling]:
        most, left = amount(headers.get(limit)), amount(headers.get(remaining))
        if most is None and left is None:
            continue
        if dimension is Dimension.TOKENS and any(each.dimension in _PARTS for each in levels):
            continue
        written = headers.get(until)
        levels.append(LimitLevel(dimension, most, left, None if written is None else reset(written, now)))
    return levels


class LevelReader:
    """Reads the limits of one lane's answers, of good ones at most fifty a second: more would tell nothing new."""

    __slots__ = ("_clock", "_read_at")

    def __init__(self) -> None:
        self._clock = ServerClock()
        self._read_at = float("-inf")

    def read(self, status: int, headers: Mapping[str, str], now: float) -> Sequence[LimitLevel]:
        """What an answer that came at *now* (seconds since the epoch) shows; nothing where one came just before.

        What it shows until some time is held against the server's own clock.
        """
        if status == _OK and 0.0 <= now - self._read_at < _EACH_S:
            return _NONE
        self._read_at = now
        return read_levels(headers, self._clock.time(headers, now))


_OK: Final = 200
_EACH_S: Final = 0.02
