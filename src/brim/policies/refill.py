"""How a limit gives back what was taken: evenly, all at once when a window ends, or what was sent one window ago.

A server names none of this. But each manner foretells what `remaining` should be some seconds after it was shown, and
only one of them is right: they are compared over blocks of a few seconds, wherever they foretell different things, and
the one that is least wrong is believed. Nothing is compared while nearly all is left, for then there is nothing to
give back.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from brim.policies.echo import Echo
from brim.policies.edges import Edges

__all__ = ["Look", "Manner", "Refill"]

_BLOCK_S: Final = 5.0
_BLOCKS_A_WINDOW: Final = 12.0
_BLOCK_CALLS: Final = 8.0
"""A block is so many calls long at least: their order, and the time they take to arrive, must not matter."""
_BLOCK_QUANTA: Final = 3.0
_NEARLY_FULL: Final = 0.9
_APART: Final = 0.35
"""Forecasts that differ by less than this share of an even refill tell nothing."""
_WEIGHT: Final = 0.3
_WORST: Final = 2.0
_BETTER: Final = 0.5
"""Another manner is believed once it errs by less than this share of what the present one does."""
_ACCOUNTED: Final = 0.05
_UNACCOUNTED: Final = 4.0
"""Of a window that slides, what is left and what was sent within it are all there is, to within a twentieth."""
_JUMP: Final = 0.25
"""More than this share of a limit that is there again at once is the beginning of a window."""


class Manner(Enum):
    """How a limit comes back."""

    EVENLY = "evenly"
    """A bucket."""
    AT_ONCE = "at once"
    """Windows that begin anew."""
    AS_SENT = "as sent"
    """Windows that slide: what was sent comes back one window later."""


class Look(NamedTuple):
    """What an answer showed: when the server looked, what was left, and what we had sent by then."""

    at: float
    remaining: float
    sent: float

    @property
    def offset(self) -> float:
        """Grows only by what the limit gives back."""
        return self.remaining + self.sent


class Refill:
    """Learns the manner of one limit.

    Attributes:
        manner: what is believed.
        echo: what we sent, by time.
        edges: where windows begin.
    """

    __slots__ = ("_anchor", "_errors", "_last", "echo", "edges", "manner")

    def __init__(self) -> None:
        self.manner = Manner.EVENLY
        self.echo = Echo()
        self.edges = Edges()
        self._errors = {Manner.EVENLY: 0.3, Manner.AT_ONCE: 0.59, Manner.AS_SENT: 0.6}
        self._anchor: Look | None = None
        self._last: Look | None = None

    def forget(self) -> None:
        """The limit itself has changed: what was shown before says nothing about what is shown now."""
        self._anchor = self._last = None

    def saw(self, look: Look, *, rate: float, even: float, cap: float, span: float, cost: float, quantum: float) -> bool:
        """An answer showed the limit; was it the first of a new window?

        Args:
            look: what it showed.
            rate: what the limit promises, units a second.
            even: what comes back a second if it does so evenly, rivals considered.
            cap: what there is at most.
            span: the length of a window.
            cost: of a call, about.
            quantum: what is shown is rounded to this.
        """
        last = self._last
        if last is not None and look.at <= last.at:
            return False
        self._last = look
        if last is not None and self._is_edge(last, look, rate=rate, cap=cap, span=span, cost=cost):
            self.edges.saw(last.at, look.at)
            self._errors[Manner.AT_ONCE] *= _BETTER
            self._anchor = None
            self._choose()
            return True
        self._compare(look, rate, even, cap, span, max(_BLOCK_CALLS * cost, _BLOCK_QUANTA * quantum))
        return False

    def _is_edge(self, last: Look, look: Look, *, rate: float, cap: float, span: float, cost: float) -> bool:
        back = look.offset - last.offset - rate * (look.at - last.at)
        if back < max(_JUMP * cap, 3.0 * cost) or look.remaining + look.sent - last.sent < _NEARLY_FULL * cap:
            return False
        return back - self._echoed(last, look, span) >= max(_JUMP * cap, 3.0 * cost)

    def _echoed(self, first: Look, last: Look, span: float) -> float:
        return self.echo.sum_at(last.at - span) - self.echo.sum_at(first.at - span)

    def _compare(self, look: Look, rate: float, even: float, cap: float, span: float, least: float) -> None:
        first = self._anchor
        if first is None or max(first.remaining, look.remaining) > _NEARLY_FULL * cap:
            self._anchor = look
            return
        seconds = look.at - first.at
        if seconds < max(min(_BLOCK_S, span / _BLOCKS_A_WINDOW), least / rate):
            return
        self._anchor = look
        if seconds > span:
            return
        unit = rate * seconds
        foretold = {
            Manner.EVENLY: even * seconds,
            Manner.AT_ONCE: 0.0,
            Manner.AS_SENT: self._echoed(first, look, span),
        }
        if max(foretold.values()) - min(foretold.values()) < _APART * unit:
            return
        back = look.offset - first.offset
        # Where another client takes a steady part, what comes back is what was sent too, but not all of what is gone.
        sent = look.sent - self.echo.sum_at(look.at - span)
        unaccounted = max(0.0, abs(cap - look.remaining - sent) / cap - _ACCOUNTED)
        for manner, amount in foretold.items():
            error = abs(back - amount) / max(unit, back, amount)
            if manner is Manner.AS_SENT:
                error += _UNACCOUNTED * unaccounted
            error = min(error, _WORST)
            self._errors[manner] += (error - self._errors[manner]) * _WEIGHT
        self._choose()

    def _choose(self) -> None:
        errors = self._errors
        best = min(errors, key=errors.__getitem__)
        if errors[best] < _BETTER * errors[self.manner]:
            self.manner = best
