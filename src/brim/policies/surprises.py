"""Refusals of stated limits for which calls were paced evenly: are windows what counts?

A bucket lets a large call go on debt. Where a minute slides, a large one fits only after what was sent a minute ago is
out of it, and where windows begin by the clock only if what was sent in this one leaves room: an even pace says nothing
of either. What such refusals teach about the rate is worth nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from brim.policies.clock_ends import ClockEnds
from brim.policies.clock_window import ClockWindow
from brim.policies.limits import Bucket, Sliding
from brim.policies.refusal import Refusal
from brim.policies.spans import MINUTE_S
from brim.policies.stated import CONSTRAINTS, MARGIN, WORDS, Stated, recalled, state_minute
from brim.values import Constraint

if TYPE_CHECKING:
    from brim.policies.charges import Charge
    from brim.policies.past import Past
    from brim.policies.tokens import Amounts

__all__ = ["Surprises", "overdrew"]

_PROVE: Final = 2
"""So many refusals prove that it is not a bucket that a limit is counted with..."""
_USED_UP: Final = 0.05
"""... if of what is stated for a minute no more than this share was left in the last one, or where more was taken in
all of that than was counted."""
_OUTDONE: Final = 3
"""Refused as often within a minute while no minute held too much, that is not what counts."""
_APART_S: Final = 1.0
"""Refusals that come closer together are of one cause."""
_MISCOUNTED: Final = 0.015
"""By this share of a minute tokens may be counted otherwise than they were estimated."""
_FULL: Final = 0.05
"""A window by the clock is used up that has no more than this share of it left for what was refused..."""
_REFUTED: Final = 3
"""... and where one refuses that has more, so often in a row, it is not what counts."""


class Surprises:
    """How stated limits a minute are counted, as refusals tell for which nothing that is stated was used up.

    Args:
        minutes: the limits a minute, by place.
        ends: the ends of windows that are known, by place.

    Attributes:
        ends: the same as far as it is known now: they stay where they are when other limits are stated.
    """

    __slots__ = ("_clocked", "_counts", "_is_proven", "_is_shut", "_minutes", "_since", "ends")

    def __init__(self, minutes: Sequence[float | None], ends: Sequence[ClockEnds] = ()) -> None:
        self._minutes = minutes
        self.ends = list(ends) or [ClockEnds() for _ in minutes]
        self._clocked = [_Clocked(limit, each) for limit, each in zip(minutes, self.ends, strict=True)]
        self._counts = [0] * len(WORDS)
        self._is_proven = [False] * len(WORDS)
        self._is_shut = any(each.is_shut for each in self.ends)
        self._since: list[deque[float]] = [deque(maxlen=_OUTDONE) for _ in WORDS]

    def named(self, place: int, refusal: Refusal) -> None:
        """A call was refused. The wait may name the end of a window."""
        self._clocked[place].named(refusal)
        self._is_shut = any(ends.is_shut for ends in self.ends)

    def passed(self, amounts: Amounts, sent_at: float) -> None:
        """A call of *amounts* got through that was sent then: it may tell when a window ended that named no wait."""
        if self._is_shut:
            for ends, amount in zip(self.ends, amounts, strict=True):
                ends.passed(amount, sent_at)
            self._is_shut = any(ends.is_shut for ends in self.ends)

    def explain(
        self, place: int, refusal: Refusal, stated: list[Stated], *, past: Past, is_overdrawn: bool
    ) -> tuple[list[Stated], bool]:
        """A call was refused that what is *stated* had let go. Told after `named`.

        Args:
            place: what it was refused for.
            refusal: the call.
            stated: the limits that are kept to.
            past: all that has been sent.
            is_overdrawn: has more been taken lately than was counted?

        Returns:
            The limits to keep to from now on, and whether windows explain the refusal, so that it tells of no rate.
        """
        limit, now = self._minutes[place], refusal.now
        if limit is not None:
            clocked = self._clocked[place]
            explains = clocked.explains(refusal)
            stated = clocked.put_in(place, stated, now, past=past)
            if explains:
                return stated, True
            minute = self._prove(place, limit, refusal, past=past, is_overdrawn=is_overdrawn)
            if minute is not None:
                return _with_minute(stated, minute), place > 0
            if place and self._is_proven[place] and self._is_outdone(place, now):
                stated = _evenly(place, limit, stated, now, past=past)
        return stated, _is_miscounted(stated, place, refusal.amount, now)

    def _prove(self, place: int, limit: float, refusal: Refusal, *, past: Past, is_overdrawn: bool) -> Stated | None:
        """Is every stretch of a minute what counts? The limit to keep to then, told once."""
        now = refusal.now
        self._counts[place] += 1
        if self._is_proven[place] or self._counts[place] < _PROVE:
            return None
        shown = limit * MARGIN if place else limit  # what is counted a little differently over there has some room
        window = recalled(place, shown, MINUTE_S / MARGIN, past, now, is_spread=True)
        left = window.level(now)
        is_unknown = is_overdrawn and past.reaches_back(MINUTE_S, now)
        if place and left - refusal.amount > _USED_UP * limit and not is_unknown:
            return None
        self._is_proven[place] = True
        if place:
            window.take(max(0.0, left), now)  # the server has nothing left
        name = f"{WORDS[place]} in any minute"
        return Stated(place, window, name, CONSTRAINTS[place], amount=limit, period_s=MINUTE_S)

    def _is_outdone(self, place: int, now: float) -> bool:
        """A call was refused that fits into every minute, as these are kept to now. Does something else count?"""
        since = self._since[place]
        if not since or now - since[-1] > _APART_S:
            since.append(now)
        return len(since) == _OUTDONE and now - since[0] < MINUTE_S


class _Clocked:
    """A stated *limit* a minute that may be counted in windows which begin by the clock, as named waits tell."""

    __slots__ = ("_ends", "_limit", "_refuted", "_refuted_at", "_span", "_window")

    def __init__(self, limit: float | None, ends: ClockEnds) -> None:
        self._ends = ends
        self._limit = limit
        self._refuted = 0
        self._refuted_at = float("-inf")
        self._span = 0.0
        self._window: ClockWindow | None = None

    def named(self, refusal: Refusal) -> None:
        """A call was refused: the wait may name the end of a window."""
        if self._limit is not None:
            self._ends.named(refusal, step_s=refusal.amount * MINUTE_S / self._limit)

    def explains(self, refusal: Refusal) -> bool:
        """Is a window used up, and does that explain a refusal?"""
        span, window, limit = self._ends.span, self._window, self._limit or 0.0
        if span != self._span:
            self._span, self._refuted, window = span, 0, None
        if self._refuted >= _REFUTED or limit * span < refusal.amount * MINUTE_S:  # no window, or smaller than a call
            self._window = None
            return False
        if window is None:
            window = self._window = ClockWindow(amount=limit * span / MINUTE_S * MARGIN, seconds=span)
        elif window.level(refusal.now) - refusal.amount <= _FULL * window.amount:
            self._refuted = 0
        elif refusal.now - self._refuted_at > _APART_S:
            self._refuted, self._refuted_at = self._refuted + 1, refusal.now
        window.ends(self._ends.late, self._ends.unsure_s)
        if not self._refuted:  # else what gets through next may tell of shorter ones
            window.shut(refusal.now)
        return True

    def put_in(self, place: int, stated: list[Stated], now: float, *, past: Past) -> list[Stated]:
        """The limits *stated*, with the window for the even rate of *place*, if there is one."""
        window, limit = self._window, self._limit or 0.0
        had = [each.gauge for each in stated if each.place == place and isinstance(each.gauge, ClockWindow)]
        if had == ([] if window is None else [window]):
            return stated
        if window is None:
            return _evenly(place, limit, stated, now, past=past)
        name = f"{WORDS[place]} in {window.seconds:g} s by the clock"
        amount = limit * window.seconds / MINUTE_S
        clocked = Stated(place, window, name, CONSTRAINTS[place], amount=amount, period_s=window.seconds)
        return [*_but(place, stated), clocked]


def _but(place: int, stated: Iterable[Stated]) -> list[Stated]:
    """What is *stated* but the rate a minute of *place*, however it is kept to."""
    return [each for each in stated if each.place != place or each.constraint is Constraint.WINDOW]


def _evenly(place: int, limit: float, stated: Iterable[Stated], now: float, *, past: Past) -> list[Stated]:
    """The limits *stated*, with an even rate for what passed for windows of *place*."""
    return [*_but(place, stated), state_minute(place, limit, now, past=past)]


def _with_minute(stated: Iterable[Stated], minute: Stated) -> list[Stated]:
    """The limits *stated*, and *minute*, which stands in for the even rate of tokens.

    After a large call had to wait, what came free meanwhile goes soon.
    """
    place = minute.place
    kept = [each for each in stated if not place or each.place != place or not isinstance(each.gauge, Bucket)]
    return [*kept, minute]


def _is_miscounted(stated: Iterable[Stated], place: int, cost: float, now: float) -> bool:
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


def overdrew(stated: Iterable[Stated], place: int, charge: Charge, now: float) -> bool:
    """The attempt of *charge* was refused, and *place* is to blame. Had more been saved for it than is allowed?"""
    blamed = [(each, charge.cost.amounts[each.place]) for each in stated if place in {0, each.place}]
    return True in [each.overdrew(amount, sent_at=charge.at, now=now) for each, amount in blamed]  # all are told
