"""What a refusal says in words of the limit that it met: its name, its size, its period.

Headers may be missing where the words are not: relays drop the ones and pass on the others. OpenAI and those that
follow it write "on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000", Anthropic "rate limit of 50,000
input tokens per minute" (sections 2 and 3 of the facts on protocols). Nothing of it need be true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from brim.values import Dimension

__all__ = ["Named", "named"]


class Named(NamedTuple):
    """The limit that a refusal names.

    Attributes:
        dimension: what it counts; None if the refusal does not say.
        limit: how much of it there may be in a period; None if unknown.
        period_s: the period in seconds; None if unknown.
        is_crowd: does it limit how many calls there are at once, however fast they come?
    """

    dimension: Dimension | None = None
    limit: float | None = None
    period_s: float | None = None
    is_crowd: bool = False

    @property
    def rate(self) -> float | None:
        """Units a second; None if unknown."""
        return self.limit / self.period_s if self.limit and self.period_s else None


_PERIODS: Final[Mapping[str, float]] = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""By the first letter."""
_LONGEST_S: Final = 3600.0
_MOST: Final = 1e15
"""A larger number is no limit."""
_AMOUNT: Final = r"(?P<{}>\d[\d,_]*(?:\.\d+)?)"
_UNIT: Final = r"(?P<{}>input tokens?|output tokens?|tokens?|requests?|calls?|queries)"
_PER: Final = r"(?:per[ -]?|(?:(?<=[\d ])|(?<=requests)|(?<=tokens)|(?<=calls))/ ?)"
_PERIOD: Final = r"(?P<period>s|m|h|d)(?:ec|econd|in|inute|our|ay|r)?\b"
# With or without the size and the unit before it: "50,000 input tokens per minute", "requests/min", "per-minute".
_RATE: Final = re.compile(
    rf"(?:(?:{_AMOUNT.format('before')} )?{_UNIT.format('unit')} ?)?{_PER}{_PERIOD}", re.IGNORECASE | re.ASCII
)
# As in "60 RPM" and "on ITPM".
_LETTERS: Final = re.compile(rf"\b(?:{_AMOUNT.format('before')} ?)?(?P<unit>IT|OT|T|R)P(?P<period>[SMHD])\b", re.ASCII)
# As in "Rate limit of 10 per 60s exceeded" and "5 per 1 minute", with the unit or without.
_SPAN: Final = re.compile(
    rf"{_AMOUNT.format('before')} (?:{_UNIT.format('unit')} )?(?:per|every) (?P<times>\d{{1,6}}) ?"
    r"(?P<period>s|m|h|d)(?:ec|econd|in|inute|our|ay|r)?s?\b",
    re.IGNORECASE | re.ASCII,
)
# Azure names a limit as "UserByModelByMinuteUncachedInputTokens".
_RUN_TOGETHER: Final = re.compile(r"[a-z](?P<unit>(?:Input|Output)?Tokens)\b", re.ASCII)
_LIMIT: Final = re.compile(
    rf"\b(?:limit|limited|maximum|max)(?: is| of| to)?[:=]? ?{_AMOUNT.format('limit')}", re.IGNORECASE | re.ASCII
)
_WORD: Final = re.compile(rf"\b{_UNIT.format('unit')}\b", re.IGNORECASE | re.ASCII)
_CROWD: Final = re.compile(r"\b(?:concurren\w+|simultaneous\w*|at once|parallel)\b", re.IGNORECASE)
_DIMENSIONS: Final = (
    ("i", Dimension.INPUT_TOKENS),
    ("o", Dimension.OUTPUT_TOKENS),
    ("t", Dimension.TOKENS),
)
"""By how the unit begins; requests if by none of these."""


@lru_cache(maxsize=8)  # each refusal is asked several times
def named(message: str) -> Named:
    """Read which limit the text of a refusal names."""
    if _CROWD.search(message):
        return Named(is_crowd=True)
    counted = _counted(message)
    span = _SPAN.search(message)
    if span is not None:
        return _of_span(span, counted)
    found = _LETTERS.search(message) or _RATE.search(message)
    if found is None:
        return Named(None if counted is Dimension.REQUESTS else counted)  # "too many requests" says nothing
    size = found["before"] or _amount(message)
    limit = 0.0 if size is None else float(size.replace(",", "").replace("_", ""))
    dimension = _dimension(found["unit"]) if found["unit"] else counted
    return Named(dimension, limit if 0.0 < limit < _MOST else None, _PERIODS[found["period"].lower()])


def _of_span(found: re.Match[str], counted: Dimension | None) -> Named:
    """A limit that is for so many seconds, minutes or hours; one for longer sets no rate."""
    period_s = float(found["times"]) * _PERIODS[found["period"].lower()]
    if not period_s:
        return Named(counted)
    dimension = _dimension(found["unit"]) if found["unit"] else counted
    size = float(found["before"].replace(",", "").replace("_", ""))
    return Named(dimension, size if 0.0 < size < _MOST and period_s <= _LONGEST_S else None, period_s)


def _amount(message: str) -> str | None:
    found = _LIMIT.search(message)
    return None if found is None else found["limit"]


def _counted(message: str) -> Dimension | None:
    """What is spoken of; tokens if requests are too, since every limit is one on requests in a way."""
    run_together = (word["unit"].replace("Tokens", " tokens").strip() for word in _RUN_TOGETHER.finditer(message))
    words = sorted(
        {*(word["unit"].lower() for word in _WORD.finditer(message)), *map(str.lower, run_together)}, key=len
    )
    dimensions = [_dimension(word) for word in sorted(words, key=lambda word: (len(word), word))]
    return next((each for each in reversed(dimensions) if each is not Dimension.REQUESTS), next(iter(dimensions), None))


def _dimension(unit: str) -> Dimension:
    return next((each for begin, each in _DIMENSIONS if unit.lower().startswith(begin)), Dimension.REQUESTS)
