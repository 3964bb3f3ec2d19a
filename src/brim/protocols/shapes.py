"""How amounts and resets in headers about limits are read: by the shape of the value, for names lie about units."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from brim.protocols.waits import parse_wait

__all__ = ["amount", "reset"]

_MOST: Final = 1e15
"""So much is no limit, but another word for none: LiteLLM and others write the largest number that they have."""
_LEAST: Final = 1e-6
"""Less is as good as nothing."""

_EPOCH: Final = 1e9
"""A wait this long, counted from second 0 of the epoch, was written as a point in time."""


def amount(value: str | None) -> float | None:
    """A number of at least 0; None for anything else, Azure's -1 for unknown and what stands for no limit included."""
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    if not 0.0 <= number < _MOST:
        return None
    return number if number >= _LEAST else 0.0


def reset(value: str, now: float) -> float | None:
    """Seconds from *now* (since the epoch), at least 0; None for what is no time at all, or decades ahead."""
    read = _read(value)
    if read is None or read < _EPOCH:
        return read
    wait = max(0.0, read - now)
    return wait if wait < _EPOCH else None


@lru_cache(maxsize=4_096)
def _read(value: str) -> float | None:
    """The wait, or the time in seconds since the epoch; answers of one second repeat each other's."""
    return 0.0 if value.startswith("-") else parse_wait(value, 0.0)
