"""Which attempts were at the server at once: those that it refused are gone at once, those that it answers overlap."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["FEW", "Presence"]

_BURST: Final = 256
"""So many refusals may come of what was on the wire at once."""
FEW: Final = 16
"""So many answers are compared: where more overlap, a miscount by one matters little."""


class Presence:
    """Remembers the latest refusals and answers."""

    __slots__ = ("_answers", "_overlaps", "_refusals")

    def __init__(self) -> None:
        self._answers: deque[tuple[float, float]] = deque(maxlen=FEW)
        self._overlaps: deque[int] = deque(maxlen=FEW)
        self._refusals: deque[tuple[float, float]] = deque(maxlen=_BURST)

    def refused(self, sent_at: float, now: float) -> None:
        """An attempt that was sent then was refused."""
        self._refusals.append((sent_at, now))

    def gone(self, sent_at: float) -> int:
        """How many of those that were on the wire at *sent_at* were refused?"""
        return sum(sent <= sent_at < back for sent, back in self._refusals)

    def refused_since(self, then: float) -> int:
        """How many that were sent after *then* were refused, and are on the wire no more?"""
        return sum(sent > then for sent, _ in self._refusals)

    def answered(self, sent_at: float, now: float, *, late_s: float) -> None:
        """An attempt that was sent then was answered. With how many of the few before was it surely there at once?

        It counts itself. An answer may have been under way for *late_s* seconds: whatever was sent in the last of them
        may have come when the server was done with it.
        """
        self._answers.append((sent_at, now))
        begins = [sent for sent, _ in self._answers if sent_at <= sent < now - late_s]
        overlap = max((sum(sent <= at < back - late_s for sent, back in self._answers) for at in begins), default=0)
        self._overlaps.append(overlap)

    @property
    def lately(self) -> int:
        """So many of the latest answers were surely under way at once."""
        return max(self._overlaps, default=0)
