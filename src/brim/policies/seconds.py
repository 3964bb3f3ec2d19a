"""Limits that are counted by the second, told by what got through before refusals that name a wait of one second.

A wait in whole seconds that is always one closes the lane for a second, and says no more than that something comes back
sooner. But a window of a second says what it allows with every refusal: one that slides has let through just that in
the second before, and one that begins by the clock has since it began, whatever the pace was. Where the counts before
several refusals are the same, and none but a window explains that, the rate is known. A bucket lets through the more,
the slower it is used up, and no two of its counts are alike for long.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import floor
from typing import Final, NamedTuple

from brim.policies.refusal import Refusal

__all__ = ["Seconds"]

_SPAN_S: Final = 1.0
_SHORTEST_S: Final = 0.5
_LATE_S: Final = 0.02
"""Calls are on their way for as much longer or shorter than others, usually."""
_ROUNDING_S: Final = 1e-9
_PHASES: Final = 20
_LEAST: Final = 3
"""Fewer calls are equal too often by chance."""
_ALIKE: Final = 0.03
_SOME: Final = 8
"""Counts differ by so little at most that are the same, or by one; of fewer calls than these by none."""
_UNLIKE: Final = 1.6
_UNLIKE_S: Final = 0.15
"""What got through as quickly each time was as much each time, whatever refused."""
_STRIKES: Final = 4
_ENOUGH: Final = 3
_ENOUGH_AT_FIRST: Final = 1
"""It takes so many counts to see a window; of one that slides, which leaves nothing open, one besides the first."""
_REFUTED: Final = 2
"""Refused so often in a row at less than it allows, it is no such window."""
_MOST: Final = 2_048


class _Count(NamedTuple):
    """What *passed* before a refusal, and how long it *took*."""

    passed: float
    took: float


class _Window(NamedTuple):
    """What counts say of a window that differ by so much."""

    apart: float
    rate: float


class Seconds:
    """What got through in the second before each refusal, since the first one.

    Attributes:
        rate: what a window of a second allows that explains all refusals of late; 0 if none does.
        is_sure: did one more refusal say the same?
    """

    __slots__ = ("_contradicted", "_opened", "_passed", "_strikes", "is_sure", "rate")

    def __init__(self) -> None:
        self.rate = 0.0
        self.is_sure = False
        self._contradicted = 0
        self._opened: list[_Count] = []
        self._passed: list[float] = []
        self._strikes: list[float] = []

    def began(self, opening: Sequence[tuple[float, float]], refusal: Refusal) -> None:
        """The first refusal, after that *opening*: times, and what had passed by each of them."""
        (begin, _), (end, passed) = opening[0], opening[-1]
        if _is_second(refusal) and end - begin < _SPAN_S and passed >= _LEAST:
            self._opened = [_Count(passed, end - begin)]

    def sent(self, at: float) -> None:
        """A call goes."""
        self._passed.append(at)
        if len(self._passed) > _MOST:
            del self._passed[: _MOST // 4]
            self._strikes = [at for at in self._strikes if at - _SPAN_S > self._passed[0]]

    def took_back(self, sent_at: float) -> None:
        """It was refused."""
        place = bisect_left(self._passed, sent_at)
        if place < len(self._passed) and self._passed[place] == sent_at:
            del self._passed[place]

    def refused(self, refusal: Refusal, pace: float) -> float:
        """One more was refused that went at *pace*. Returns the rate that is told now, or 0."""
        self._contradicted = self._contradicted + 1 if pace < self.rate else 0
        is_second = _is_second(refusal)
        if self._contradicted >= _REFUTED or not is_second:
            self._forget()
        if is_second:
            self._strikes.append(refusal.sent_at)
        if len(self._strikes) > _STRIKES:
            self._opened = []
            del self._strikes[0]
        before, self.rate = self.rate, self._told()
        self.is_sure = self.rate == before > 0.0
        return self.rate

    def _forget(self) -> None:
        self.rate, self._opened, self._strikes, self._contradicted = 0.0, [], [], 0

    def _told(self) -> float:
        for number in range(len(self._strikes)):  # what is older may be of another limit
            strikes, opened = self._strikes[number:], [] if number else self._opened
            counts = [*opened, *(self._before(at) for at in strikes)]
            least = max(_LEAST, min(each.passed for each in counts))
            took = [each.took for each in counts]
            if not self.rate and max(took) - min(took) < min(_UNLIKE_S, _UNLIKE / least):
                break
            found = self._sliding(strikes, counts) or self._by_clock(strikes, opened)
            if found:
                return found.rate / _SPAN_S
        return 0.0

    def _before(self, at: float) -> _Count:
        """What passed in the second before."""
        place = bisect_left(self._passed, at - _SPAN_S - _LATE_S)
        last = bisect_right(self._passed, at)
        return _Count(float(last - place), at - self._passed[place] if place < last else 0.0)

    def _sliding(self, strikes: Sequence[float], counts: Sequence[_Count]) -> _Window | None:
        if len(strikes) < (_ENOUGH if len(strikes) == len(counts) else _ENOUGH_AT_FIRST):
            return None
        passed = self._passed[bisect_left(self._passed, strikes[0] - _SPAN_S) :]
        begun = (bisect_right(passed, at - _SPAN_S + _LATE_S) for at in passed)
        most = max((place + 1 - begin for place, begin in enumerate(begun)), default=0)
        return _agreed(most, [each.passed for each in counts])

    def _by_clock(self, strikes: Sequence[float], opened: Sequence[_Count]) -> _Window | None:
        if len(strikes) + len(opened) < _ENOUGH:
            return None
        found = (self._from(number / _PHASES, strikes, opened) for number in range(_PHASES))
        return min((window for window in found if window), default=None)

    def _from(self, phase: float, strikes: Sequence[float], opened: Sequence[_Count]) -> _Window | None:
        """The window that begins at that part of every second."""
        first = floor(strikes[0] - phase) + phase
        begins = (first + number for number in range(floor(strikes[-1] - first) + 2))
        most = max(last - begin for begin, last in pairwise(bisect_left(self._passed, at) for at in begins))
        edges = ((floor(at - phase) + phase - _ROUNDING_S, at) for at in strikes)
        counts = [float(bisect_right(self._passed, at) - bisect_left(self._passed, edge)) for edge, at in edges]
        return _agreed(most, [*(each.passed for each in opened), *counts])


def _is_second(refusal: Refusal) -> bool:
    """Does it name a wait of a second, which may be any shorter one?"""
    return _SHORTEST_S <= refusal.wait <= _SPAN_S and not refusal.exact


def _agreed(most: float, counts: Sequence[float]) -> _Window | None:
    """The window that refused after those *counts*, if *most* got through in it ever; None if they differ."""
    least = min(counts)
    apart = max(most, *counts) - least
    is_same = apart <= (max(1.0, _ALIKE * least) if least >= _SOME else 0.0)
    return _Window(apart, least) if is_same and least >= _LEAST else None
