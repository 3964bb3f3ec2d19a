"""How long an answer may take, learnt from the answers that came.

The total is six times the 99th percentile of the last answers of the model, at least a minute and at most ten: long
enough for the slowest honest answer, short enough that a hung connection costs minutes and not the night.
"""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["LearntTotal"]

_FLOOR_S: Final = 60.0
_CEILING_S: Final = 600.0
_FACTOR: Final = 6.0
_KEPT: Final = 512
_EVERY: Final = 64


class LearntTotal:
    """The total timeout of one lane's attempts, in seconds. *fixed* switches learning off."""

    __slots__ = ("_count", "_fixed", "_recent", "seconds")

    def __init__(self, fixed: float | None = None) -> None:
        self._fixed = fixed
        self._recent: deque[float] = deque(maxlen=_KEPT)
        self._count = 0
        self.seconds = _CEILING_S if fixed is None else fixed

    def answered(self, latency_s: float) -> None:
        """An answer took *latency_s*. The total is worked out anew every 64 answers."""
        if self._fixed is not None:
            return
        self._recent.append(latency_s)
        self._count += 1
        if self._count % _EVERY == 0:
            self.seconds = _FLOOR_S
            if max(self._recent) * _FACTOR > _FLOOR_S:
                p99 = sorted(self._recent)[int(len(self._recent) * 0.99)]
                self.seconds = min(_CEILING_S, max(_FLOOR_S, _FACTOR * p99))
