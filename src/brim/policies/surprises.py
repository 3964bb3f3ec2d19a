"""Refusals of stated limits for which calls were paced evenly: is every stretch of a minute what counts?

A bucket lets a large call go on debt. Where a minute slides, a large one fits only after what was sent a minute ago is
out of it, and an even pace says nothing of that. What such refusals teach about the rate is worth nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from brim.policies.limits import Bucket, Sliding
from brim.policies.spans import MINUTE_S
from brim.policies.stated import CONSTRAINTS, MARGIN, WORDS, Stated, recalled

if TYPE_CHECKING:
    from brim.policies.past import Past

__all__ = ["Surprises", "is_miscounted", "with_minute"]

_PROVE: Final = 2
"""So many refusals prove that it is not a bucket that a limit is counted with..."""
_USED_UP: Final = 0.05
"""... if of what is stated for a minute no more than this share was left in the last one."""
_MISCOUNTED: Final = 0.015
"""By this share of a minute tokens may be counted otherwise than they were estimated."""


class Surprises:
    """Counts refusals of stated limits, by place."""

    __slots__ = ("_counts", "_is_proven")

    def __init__(self) -> None:
        self._counts = [0] * len(WORDS)
        self._is_proven = [False] * len(WORDS)

    def prove(
        self, place: int, limit: float, cost: float, now: float, *, past: Past, is_overdrawn: bool
    ) -> Stated | None:
        """A call was refused that *limit* a minute had let go. Is every stretch of a minute what counts?

        Args:
            place: what it counts.
            limit: units a minute, as stated.
            cost: of the call.
            now: the present time.
            past: all that has been sent.
            is_overdrawn: has more been taken lately than was counted?

        Returns:
            The limit to keep to from now on, told once; None as long as nothing proves it.
        """
        self._counts[place] += 1
        if self._is_proven[place] or self._counts[place] < _PROVE:
            return None
        shown = limit * MARGIN if place else limit  # what is counted a little differently over there has some room
        window = recalled(place, shown, MINUTE_S / MARGIN, past, now, is_spread=True)
        left = window.level(now)
        if place and left - cost > _USED_UP * limit and not is_overdrawn:
            return None
        self._is_proven[place] = True
        if place:
            window.take(max(0.0, left), now)  # the server has nothing left
        name = f"{WORDS[place]} in any minute"
        return Stated(place, window, name, CONSTRAINTS[place], amount=limit, period_s=MINUTE_S)


def with_minute(stated: Iterable[Stated], minute: Stated) -> list[Stated]:
    """The limits *stated*, and *minute*, which stands in for the even rate of tokens.

    After a large call had to wait, what came free meanwhile goes soon.
    """
    place = minute.place
    kept = [each for each in stated if not place or each.place != place or not isinstance(each.gauge, Bucket)]
    return [*kept, minute]


def is_miscounted(stated: Iterable[Stated], place: int, cost: float, now: float) -> bool:
    """A call of *cost* was refused. Was a window all but used up, whose tokens the server counts a little differently?

    Then nothing is left of it now, and nothing more fits before the oldest leave: what the refused one gave back would
    be refused again and again.
    """
    is_full = False
    for each in stated:
        if place and each.place == place and isinstance(each.gauge, Sliding):
            room = each.gauge.level(now) - cost
            if room <= _MISCOUNTED * each.amount:
                each.gauge.take(max(0.0, room), now)
                each.gauge.shut(now)
                is_full = True
    return is_full
