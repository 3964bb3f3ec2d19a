"""For how long limits are that headers show, where what is stated tells: the names of headers often mean nothing.

A number that is shown and stated is the same limit, so it is for as long as it is stated. And a rate that is stated may
be shown as what a window of a few seconds holds: a reset that comes long before a minute's limit would be back says so,
if what is used of it was sent by us: a small bucket shows a low level, and a reset that is as soon, at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from brim.policies.blame import PLACES
from brim.policies.spans import MINUTE_S, written_span

if TYPE_CHECKING:
    from brim.policies.past import Past
    from brim.policies.stated import Stated
    from brim.values import Dimension, LimitLevel

__all__ = ["ShownSpans"]

_MUCH: Final = 0.25
"""What is used of a limit has to be so much of it before its reset tells anything."""
_HALF: Final = 0.5
_WHOLE_S: Final = 1.0
"""Resets in whole seconds are as much too long at most."""
_SAME: Final = 1e-6
_OURS: Final = 1.2
"""So many times what we sent within the window may be used of it."""


class ShownSpans:
    """Remembers for how long they are."""

    __slots__ = ("_spans",)

    def __init__(self) -> None:
        self._spans: dict[tuple[Dimension, float | None], float] = {}

    def read(self, shown: LimitLevel, stated: Iterable[Stated], *, past: Past, now: float) -> LimitLevel:
        """What an answer showed, for as long as it is. *past*: what was sent."""
        limit = shown.dimension, shown.period_s
        span = self._spans.get(limit)
        if span is None:
            same = (each for each in stated if each.place == PLACES[shown.dimension])
            span = next((span for each in same if (span := _span(shown, each, past, now))), None)
            if span is None:
                return shown
            self._spans[limit] = span
        return replace(shown, period_s=span)


def _span(shown: LimitLevel, stated: Stated, past: Past, now: float) -> float:
    """For how long *shown* is if it is what is *stated*; 0 if nothing says so.

    Only names that mean a minute are doubted: who writes that it is a day's means that.
    """
    if not shown.limit or shown.period_s != MINUTE_S:
        return 0.0
    if shown.limit == stated.amount:
        return stated.period_s
    span = shown.limit * stated.period_s / stated.amount
    if shown.remaining is None or shown.reset_in is None or abs(written_span(span) - span) > _SAME * span:
        return 0.0
    used = 1.0 - shown.remaining / shown.limit
    is_soon = shown.reset_in <= span + _WHOLE_S and shown.reset_in < _HALF * used * MINUTE_S
    if used < _MUCH or span >= MINUTE_S or not is_soon:
        return 0.0
    sent = sum(units for _, units in past.units(stated.place, now - span - shown.reset_in, now))
    return span if used * shown.limit <= _OURS * sent else 0.0
