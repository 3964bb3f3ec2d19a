"""Limits as people say them in a program: `requests="50/min"`, `tokens=["50k/min", "2M/day"]`, `limit="40/60s"`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from brim.config import Limits
from brim.errors import ConfigError
from brim.surfaces.params import parse_window
from brim.surfaces.presets import find_preset

__all__ = ["Rate", "read_limits"]

Rate = str | Sequence[str]
"""`AMOUNT/UNIT`, once or once for each unit. The amount may end in k or M; the unit is `s`, `min` or `day`."""

_RATE: Final = re.compile(r"(\d[\d_]*(?:\.\d+)?)\s*([kKM]?)\s*/\s*(s|sec|second|min|minute|day|d)")
_SCALES: Final = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6}
_PER_MINUTE: Final = {"s": 60.0, "m": 1.0}
"""By the first letter of the unit."""
_BY_DAY: Final = frozenset({"requests", "tokens"})


def read_limits(
    base: Limits | str | None, *, concurrency: int | None, limit: str | Sequence[str], **rates: Rate | None
) -> Limits:
    """The limits that a program states.

    Args:
        base: what holds besides, or the preset that says it.
        concurrency: a ceiling for calls at once; None for that of *base*.
        limit: sliding windows.
        rates: by what they count: `requests`, `tokens`, `input_tokens`, `output_tokens`.

    Raises:
        ConfigError: an amount can't be read or kept; the message names it.
    """
    base = _base(base)
    stated: dict[str, Any] = {}
    for name, rate in rates.items():
        units = set()
        for text in _each(rate):
            unit, field, amount = _read(name, text)
            if unit in units:
                raise ConfigError(f"{name}={rate!r} states two limits for the same time; leave one out")
            units.add(unit)
            # Both are spread evenly, so the slower one keeps the other too.
            stated[field] = min(amount, stated.get(field, amount))
    windows = tuple(parse_window(str(text), name="limit=") for text in _each(limit))
    if windows:
        stated["windows"] = (*base.windows, *windows)
    if concurrency is not None:
        stated["concurrency"] = concurrency
    return msgspec.structs.replace(base, **stated)


def _base(limits: object) -> Limits:
    if limits is None:
        return Limits()
    if isinstance(limits, Limits):
        return limits
    if not isinstance(limits, str):
        raise ConfigError(f"limits={limits!r} should be a brim.Limits, or the name of a preset")
    found = find_preset(limits)
    if found.classes and all(each.models for each in found.classes):
        raise ConfigError(
            f"preset {limits!r} has figures for single models; say for which: limits=brim.preset({limits!r}, MODEL)"
        )
    return found.figures("").limits()


def _each(texts: Rate | None) -> Sequence[str]:
    if texts is None:
        return ()
    return (texts,) if isinstance(texts, str) or not isinstance(texts, Sequence) else texts


def _read(name: str, text: object) -> tuple[str, str, float]:
    """The first letter of the unit that *text* is in, the field of `Limits` that it states, and its value."""
    match = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ConfigError(
            f"{name}={text!r} should look like '50/min': an amount (1_000, 50k, 2M) and a second (s), minute (min) or "
            "day; what holds in every stretch of some other time is said with limit='500/1h'"
        )
    amount, scale, unit = match.groups()
    total = float(amount) * _SCALES[scale]
    unit = unit[0]
    if unit in _PER_MINUTE:
        return unit, f"{name}_per_minute", total * _PER_MINUTE[unit]
    if name not in _BY_DAY:
        raise ConfigError(f"{name}={text!r}: a limit a day is kept for requests and for tokens, not for {name}")
    return unit, f"{name}_per_day", total
