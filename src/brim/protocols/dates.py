"""Points in time in answers, and the server's own clock to hold them against.

A server reckons its dates by its own clock, and says in `Date` what that shows. Where ours is an hour off, a wait until
a date would be an hour off too. `Date` is in whole seconds and as old as the answer is slow, so a clock that agrees
with ours but for that is taken to be right.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

__all__ = ["ServerClock", "server_time", "timestamp"]

_AGREES_S: Final = 2.0
_REMEMBERS_S: Final = 60.0


def timestamp(value: str) -> float | None:
    """The seconds since the epoch of an RFC 3339 time or an HTTP date. One without a zone is in UTC."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - dates are rare, and it is slow to load

    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None


def server_time(headers: Mapping[str, str], now: float) -> float:
    """What the server's clock showed, or some less, when it sent an answer that came at *now*.

    Args:
        headers: of the answer, names in lower case.
        now: by our clock, in seconds since the epoch; the result too where nothing says that they differ.
    """
    ahead = _ahead(headers, now)
    return now if abs(ahead) <= _AGREES_S else now + ahead


class ServerClock:
    """The same for one answer after the other, whose heads may have been sent long before their ends.

    A `Date` that lies behind may be an old one, so the least that any of the last minute lay behind is believed.
    """

    __slots__ = ("_behind", "_seen_at")

    def __init__(self) -> None:
        self._behind = 0.0
        self._seen_at = float("-inf")

    def time(self, headers: Mapping[str, str], now: float) -> float:
        """What the server's clock showed when it sent *headers*, which came at *now*."""
        ahead = _ahead(headers, now)
        if ahead > _AGREES_S:
            return now + ahead
        behind = ahead if ahead < -_AGREES_S else 0.0
        if behind >= self._behind or not 0.0 <= now - self._seen_at < _REMEMBERS_S:
            self._behind, self._seen_at = behind, now
        return now + self._behind


def _ahead(headers: Mapping[str, str], now: float) -> float:
    """By how much the server's clock is ahead of ours; 0 if it does not say."""
    written = headers.get("date")
    shown = None if written is None else _second(written)
    return 0.0 if shown is None else shown - now


@lru_cache(maxsize=64)
def _second(written: str) -> float | None:
    return timestamp(written)
