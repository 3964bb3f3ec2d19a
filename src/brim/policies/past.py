"""What a lane has sent so far, by time: enough of it to say what any limit, stated at any moment, has left.

The sums that admission keeps are noted once a second, so a call costs one comparison. What is long past is kept in
ever coarser stretches, and memory is bounded. A stretch counts as if all of it had come last: a limit that is
judged by it may be a little stricter than stated, never laxer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from math import inf, nextafter
from typing import Final, NamedTuple

__all__ = ["Past"]

_STRETCH_S: Final = 1.0
_FINE: Final = 1_024
"""Stretches of the finest kind that are kept: a quarter of an hour of them."""
_RECALLED_S: Final = 120.0
"""What an earlier process sent is known by the second for so long."""
_COARSE_S: Final = 60.0
_COARSE: Final = 2_048
"""Coarser stretches that are kept: a day and a half of a minute each; then two become one."""


class _Stretch(NamedTuple):
    """A stretch in time, and what had been sent before it, by place."""

    begins_at: float
    ends_at: float
    before: tuple[float, ...]


class Past:
    """Notes *totals*, which their owner adds to.

    Args:
        totals: what was ever sent, by place.
        now: the present time.

    Attributes:
        due: `note` has something to do from this time on.
    """

    __slots__ = ("_began_at", "_coarse", "_coarse_s", "_fine", "_totals", "due")

    def __init__(self, totals: Sequence[float], now: float) -> None:
        self._totals = totals
        self._began_at = now
        self._fine: deque[_Stretch] = deque()
        self._coarse: list[_Stretch] = []
        self._coarse_s = _COARSE_S
        self.due = float("-inf")

    def note(self, now: float) -> None:
        """Begin a stretch; what is sent at *now* belongs to it."""
        self._fine.append(_Stretch(now, now + _STRETCH_S, tuple(self._totals)))
        self.due = now + _STRETCH_S
        if len(self._fine) > _FINE:
            self._put_away(self._fine.popleft())

    def recall(self, taken: Sequence[tuple[float, tuple[float, ...]]], now: float) -> None:
        """Begin with what was taken before, as times (in order) and amounts by place. Told before anything is noted."""
        if not taken:
            return
        before = tuple(-sum(amounts[place] for _, amounts in taken) for place in range(len(self._totals)))
        self._began_at = min(self._began_at, taken[0][0])
        for at, amounts in taken:
            stretch = _Stretch(at, min(at + _STRETCH_S, now), before)
            before = tuple(had + took for had, took in zip(before, amounts, strict=True))
            if at < now - _RECALLED_S:  # it is known by the minute, and no trail of what was sent when
                self._put_away(stretch)
            else:
                self._fine.append(stretch)

    def _put_away(self, stretch: _Stretch) -> None:
        coarse = self._coarse
        if not coarse or stretch.ends_at - coarse[-1].begins_at > self._coarse_s:
            coarse.append(stretch)
        else:
            coarse[-1] = coarse[-1]._replace(ends_at=stretch.ends_at)
        if len(coarse) > _COARSE:
            self._coarse_s *= 2.0
            pairs = zip(coarse[::2], coarse[1::2], strict=False)
            odd = coarse[len(coarse) // 2 * 2 :]
            self._coarse = [first._replace(ends_at=second.ends_at) for first, second in pairs] + odd

    def units(self, place: int, since: float, now: float) -> Iterator[tuple[float, float]]:
        """What was sent at *place* after *since*: for each stretch its last moment, at most *now*, and the units."""
        stretches = [*self._coarse, *self._fine]
        sums = [stretch.before[place] for stretch in stretches[1:]] + [self._totals[place]]
        for stretch, after in zip(stretches, sums, strict=False):  # before anything is sent there is none
            if stretch.ends_at > since and after > stretch.before[place]:
                yield min(stretch.ends_at, now), after - stretch.before[place]

    def trail(self, place: int) -> tuple[list[float], list[float]]:
        """A moment before each of the latest stretches began, and what had been sent at *place* by then.

        Before, since what begins a stretch is no part of that, and does not come off it when it is refused.
        """
        times = [nextafter(stretch.begins_at, -inf) for stretch in self._fine]
        return times, [stretch.before[place] for stretch in self._fine]

    def rate(self, place: int, seconds: float, now: float) -> float:
        """Units a second sent at *place* over the last *seconds*, or since the beginning if that is less ago."""
        before = self._totals[place]
        for stretch in reversed(self._fine):
            if stretch.begins_at < now - seconds:
                break
            before = stretch.before[place]
        elapsed = max(_STRETCH_S, min(seconds, now - self._began_at))
        return max(0.0, self._totals[place] - before) / elapsed

    def reaches_back(self, seconds: float, now: float) -> bool:
        """Was the first call sent so many seconds ago, or more?"""
        return now - self._began_at >= seconds

    def __bool__(self) -> bool:
        return bool(self._fine)
