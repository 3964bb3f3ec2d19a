"""How late something came at the most, over the last span or two."""

from __future__ import annotations

__all__ = ["Lateness"]


class Lateness:
    """The most that was seen in this span of *span_s* seconds and in the one before.

    Attributes:
        most_s: seconds.
    """

    __slots__ = ("_before_s", "_began", "_span_s", "_this_s", "most_s")

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._began = float("-inf")
        self._before_s = self._this_s = 0.0
        self.most_s = 0.0

    def saw(self, seconds: float, now: float) -> None:
        """Something came so many *seconds* late."""
        if now - self._began >= self._span_s:
            self._before_s = self._this_s if now - self._began < 2.0 * self._span_s else 0.0
            self._began, self._this_s = now, 0.0
        self._this_s = max(self._this_s, seconds)
        self.most_s = max(self._this_s, self._before_s)
