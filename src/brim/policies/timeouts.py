"""How long an answer may take, learnt from the answers that came.

The total is six times the 99th percentile of the last answers of the model, at least a minute and at most ten: long
enough for the slowest honest answer, short enough that a hung connection costs minutes and not the night.

A server of one's own may work on one request at a time and let the others wait, as long as it takes. To drop one of
those and send it again would pay for it twice and speed nothing up. So while answers come, and none of them to a
request that was sent later, the clock of a request starts anew with each: it may just not be its turn. Every such
answer is one that was ahead of it, so even then nothing waits for ever.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import Final

__all__ = ["LearntTotal"]

_FLOOR_S: Final = 60.0
_CEILING_S: Final = 600.0
_FACTOR: Final = 6.0
_KEPT: Final = 512
_EVERY: Final = 64
_APART_S: Final = 1.0
"""Who overtook whom is remembered to this precision, in seconds."""


class LearntTotal:
    """The total timeout of one lane's attempts, in seconds. *fixed* switches learning off."""

    __slots__ = ("_answered_at", "_count", "_fixed", "_overtaken", "_recent", "seconds")

    def __init__(self, fixed: float | None = None) -> None:
        self._fixed = fixed
        self._recent: deque[float] = deque(maxlen=_KEPT)
        self._count = 0
        self._answered_at = float("-inf")
        self._overtaken: deque[tuple[float, float]] = deque()
        self.seconds = _CEILING_S if fixed is None else fixed

    def answered(self, latency_s: float, *, now: float) -> None:
        """An answer took *latency_s* and was there *now*. The total is worked out anew every 64 answers."""
        if self._fixed is not None:
            return
        self._answered_at = now
        sent_at, passed = now - latency_s, self._overtaken
        if not passed or sent_at > passed[-1][0] + _APART_S:
            self._overtake(sent_at, now)
        self._recent.append(latency_s)
        self._count += 1
        if self._count % _EVERY == 0:
            self.seconds = _FLOOR_S
            if max(self._recent) * _FACTOR > _FLOOR_S:
                p99 = sorted(self._recent)[int(len(self._recent) * 0.99)]
                self.seconds = min(_CEILING_S, max(_FLOOR_S, _FACTOR * p99))

    def ends_at(self, sent_at: float) -> float:
        """When an attempt that was sent at *sent_at* is given up, as things stand."""
        if self._fixed is not None:
            return sent_at + self.seconds
        first = bisect_right(self._overtaken, sent_at + _APART_S, key=_sent_at)
        turn = self._overtaken[first][1] if first < len(self._overtaken) else self._answered_at
        return max(sent_at, turn) + self.seconds

    def _overtake(self, sent_at: float, now: float) -> None:
        """What was sent before *sent_at* and is not answered *now* has been overtaken."""
        passed = self._overtaken
        passed.append((sent_at, now))
        while now - passed[0][1] > _CEILING_S and len(passed) > 1:
            passed.popleft()


def _sent_at(passed: tuple[float, float]) -> float:
    return passed[0]
