"""Standard error as a place to show things: what progress and report share.

Showing must never end or harm a run, so a screen that is gone (a closed pipe, a lost terminal) swallows what is
written to it. What comes from a provider is made harmless before it is shown: a message may hold anything.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING, Any, Final, TextIO

from brim.values import Failure, FailureKind

if TYPE_CHECKING:
    from rich.console import Console


__all__ = ["Screen", "budget", "compact", "counted", "duration", "money", "one_line", "point", "reason"]

_GONE: Final = (OSError, ValueError, AttributeError)
"""How a stream fails that is no more: its far end closed, itself closed, and never there (`sys.stderr` is None)."""
_FORCED: Final = frozenset({"FORCE_COLOR", "TTY_COMPATIBLE"})
"""Variables by which rich is told to take a file for a terminal."""


class Screen:
    """A text stream that never fails, as *file* of a rich console."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream: Any = stream

    @property
    def encoding(self) -> str:
        """What the stream can show."""
        return str(getattr(self._stream, "encoding", None) or "ascii")

    def console(self) -> Console:
        """A console that writes here, as wide and as colourful as the terminal is."""
        from rich.console import Console  # noqa: PLC0415 - a tenth of a second that plain lines can do without

        return Console(file=self, highlight=False, markup=False, emoji=False)  # type: ignore[arg-type] # all of TextIO that rich uses

    @property
    def is_plain(self) -> bool:
        """Does it take lines of text and nothing else? Told without asking rich."""
        return not self.isatty() and _FORCED.isdisjoint(os.environ)

    def write(self, text: str) -> int:
        """Write *text* if that is possible."""
        with suppress(*_GONE):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush if that is possible."""
        with suppress(*_GONE):
            self._stream.flush()

    def isatty(self) -> bool:
        """Is this a terminal?"""
        with suppress(*_GONE):
            return bool(self._stream.isatty())
        return False


def one_line(text: str, limit: int = 200) -> str:
    """*text* with all blanks and control characters made single spaces, and cut to *limit* characters."""
    clean = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * limit]).split())
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


def reason(failure: Failure, limit: int = 200) -> str:
    """What went wrong, in one line: kind and message; a run that was stopped says why by its message alone."""
    if failure.kind is FailureKind.STOPPED:
        return one_line(failure.message, limit)
    return f"{failure.kind}: {one_line(failure.message, limit)}"


def point(at: float, now: float) -> str:
    """A point in time ahead as the clock on the wall shows it, to the minute above: `15:20`, `2026-11-24 03:20`.

    Both are in seconds since the epoch.
    """
    moment, today = (datetime.fromtimestamp(seconds).astimezone() for seconds in (60 * ceil(at / 60), now))
    return f"{moment:%H:%M}" if moment.date() == today.date() else f"{moment:%Y-%m-%d %H:%M}"


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time span as people say it: `12 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def compact(number: float) -> str:
    """A number in a few characters: `950`, `12.3k`, `4.56M`."""
    if number < 9_999.5:
        return f"{number:,.0f}"
    return f"{number / 1e3:,.1f}k" if number < 999_950 else f"{number / 1e6:,.2f}M"


def budget(spent_usd: float, cap_usd: float | None) -> str:
    """How much of a budget is spent: `$1.20 of $5.00 spent`."""
    return f"{money(spent_usd)} of {'no budget' if cap_usd is None else money(cap_usd)} spent"


def money(usd: float) -> str:
    """An amount of US dollars, small ones with the digits that matter: `$12.34`, `$0.0012`."""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}" if usd >= 0.0001 else f"${usd:.2g}"
