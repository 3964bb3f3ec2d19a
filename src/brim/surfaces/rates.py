"""Limits as people say them in a program: `requests="50/min"`, `tokens=["50k/min", "2M/day"]`, `limit="40/60s"`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from brim.config import Limits
from brim.errors import ConfigError
from brim.surfaces.params import parse_window

__all__ = ["Rate", "read_limits"]

Rate = str | Sequence[str]
"""`AMOUNT/UNIT`, once or several times. The amount may end in k or M; the unit is `s`, `min` or `day`."""

_RATE: Final = re.compile(r"(\d[\d_]*(?:\.\d+)?)\s*([kM]?)\s*/\s*(s|sec|second|min|minute|day|d)")
_SCALES: Final = {"": 1.0, "k": 1e3, "M": 1e6}
_PER_MINUTE: Final = {"s": 60.0, "sec": 60.0, "second": 60.0, "min": 1.0, "minute": 1.0}
_BY_DAY: Final = frozenset({"requests", "tokens"})


def read_limits(
    base: Limits | None, *, concurrency: int | None, limit: str | Sequence[str], **rates: Rate | None
) -> Limits:
    """The limits that a program states.

    Args:
        base: what holds besides.
        concurrency: a ceiling for calls at once; None for that of *base*.
        limit: sliding windows.
        rates: by what they count: `requests`, `tokens`, `input_tokens`, `output_tokens`.

    Raises:
        ConfigError: an amount can't be read or kept; the message names it.
    """
    stated: dict[str, Any] = {}
    for name, rate in rates.items():
        for text in _each(rate):
            field, amount = _read(name, text)
            if field in stated:
                raise ConfigError(f"{name}={rate!r} states two limits for the same time; leave one out")
            stated[field] = amount
    windows = tuple(parse_window(str(text), name="limit=") for text in _each(limit))
    if windows:
        stated["windows"] = (*(base.windows if base else ()), *windows)
    if concurrency is not None:
        stated["concurrency"] = concurrency
    return msgspec.structs.replace(base or Limits(), **stated)


def _each(texts: Rate | None) -> Sequence[str]:
    if texts is None:
        return ()
    return (texts,) if isinstance(texts, str) or not isinstance(texts, Sequence) else texts


def _read(name: str, text: object) -> tuple[str, float]:
    """The field of `Limits` that *text* states, and its value."""
    match = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ConfigError(
            f"{name}={text!r} should look like '50/min': an amount (1_000, 50k, 2M) and a second (s), minute (min) or "
            "day; what holds in every stretch of some other time is said with limit='500/1h'"
        )
    amount, scale, unit = match.groups()
    total = float(amount) * _SCALES[scale]
    if unit in _PER_MINUTE:
        return f"{name}_per_minute", total * _PER_MINUTE[unit]
    if name not in _BY_DAY:
        raise ConfigError(f"{name}={text!r}: a limit a day is kept for requests and for tokens, not for {name}")
    return f"{name}_per_day", total
