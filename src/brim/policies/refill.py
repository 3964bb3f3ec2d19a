"""How a limit gives back what was taken: evenly, all at once when a window ends, or what was sent one window ago.

A server names none of this. But each manner foretells what `remaining` should be some seconds after it was shown, and
only one of them is right: they are compared over blocks of a few seconds, wherever they foretell different things, and
the one that is least wrong is believed. Nothing is compared while nearly all is left, for then there is nothing to
give back.
"""

from __future__ import annotations

from enum import Enum
from math import ceil
from typing import Final, NamedTuple

from brim.policies.echo import Echo
from brim.policies.edges import Edges
from brim.policies.shyness import Shyness

__all__ = ["LOOK_AGAIN_S", "SLIDING", "Look", "Manner", "Refill"]

_BLOCK_S: Final = 5.0
_BLOCKS_A_WINDOW: Final = 12.0
_BLOCK_CALLS: Final = 8.0
_BLOCK_QUANTA: Final = 3.0
_BLOCK_SHARE: Final = 0.5
"""A block is so many calls long, or units of what is shown, or such a part of a window of few calls: their order, and
the time that they take to arrive, must not matter."""
_NEARLY_FULL: Final = 0.9
_APART: Final = 0.35
"""Forecasts that differ by less than this share of an even refill tell nothing."""
_EAGER: Final = 0.4
"""What is left of a window is used sooner than its end: the last window of a run need not be waited for."""
_WEIGHT: Final = 0.3
_WORST: Final = 2.0
_BETTER: Final = 0.5
"""Another manner is believed once it errs by less than this share of what the present one does."""
_AS_LIKELY: Final = 1.3
"""Two windows that pass for one are as likely as one if they err by no more than so many times what that does."""
_UNHEARD: Final = 0.3
_PROVEN: Final = 0.15
_ACCOUNTED: Final = 0.05
_UNACCOUNTED: Final = 4.0
"""Of a window that slides, what is left and what was sent within it are all there is, to within a twentieth."""
_LATE_S: Final = 0.05
"""What a window gives back is counted upon so much later: calls take differently long to arrive."""
LOOK_AGAIN_S: Final = 30.0
"""What nobody has heard of for so long may have changed."""
_LOOK_SOON_S: Final = 1.0
_LOOKS_A_WINDOW: Final = 8.0
_CLOCKS_S: Final = 1.2
"""Times shown in whole seconds may differ by so much and mean the same."""
_SLIDES_S: Final = 120.0
_JUMP: Final = 0.25
"""More than this share of a limit that is there again at once is the beginning of a window..."""
_TOLD_JUMP: Final = 0.05
"""... and this share where a reset says that one begins."""


class Manner(Enum):
    """How a limit comes back."""

    EVENLY = "evenly"
    """A bucket."""
    AT_ONCE = "at once"
    """Windows that begin anew."""
    AS_SENT = "as sent"
    """Windows that slide: what was sent comes back one window later."""
    WEIGHTED = "weighted"
    """Two windows that pass for one that slides: what was sent in the one before comes back evenly over this one."""


SLIDING: Final = (Manner.AS_SENT, Manner.WEIGHTED)


class Look(NamedTuple):
    """What an answer showed: when the server looked, what was left, and what we had sent by then.

    What is shown late may be even older: a server that counts when it is asked looks no earlier than *since*.
    """

    at: float
    remaining: float
    sent: float
    since: float

    @property
    def offset(self) -> float:
        """Grows only by what the limit gives back."""
        return self.remaining + self.sent


class Refill:
    """Learns the manner of one limit, and tells what comes back in windows.

    Attributes:
        manner: what is believed.
        echo: what we sent, by time.
        edges: where windows begin.
        is_proven: has it borne out that all comes back evenly?
        shyness: how much later than one would think what comes back is counted upon.
    """

    __slots__ = (
        "_anchor",
        "_end",
        "_errors",
        "_last",
        "_reset_at",
        "_shown_reset",
        "_slides_until",
        "_unseen_at",
        "echo",
        "edges",
        "is_proven",
        "manner",
        "shyness",
    )

    def __init__(self) -> None:
        self.manner = Manner.EVENLY
        self.echo = Echo()
        self.edges = Edges()
        self.is_proven = False
        self.shyness = Shyness()
        self._errors = {Manner.EVENLY: _UNHEARD, Manner.AT_ONCE: 0.59, Manner.AS_SENT: 0.6, Manner.WEIGHTED: 0.6}
        self._anchor: Look | None = None
        self._last: Look | None = None
        self._reset_at = self._end = float("inf")
        self._shown_reset = 0.0
        self._slides_until = 0.0
        self._unseen_at = float("inf")

    @property
    def is_bucket(self) -> bool:
        """Has it borne out that all comes back evenly, or does nothing speak against it?"""
        return self.is_proven or self._errors[Manner.EVENLY] <= _UNHEARD

    @property
    def span(self) -> float:
        """The length of a window in seconds, as far as is known."""
        return self.edges.span

    @property
    def _late(self) -> float:
        return _LATE_S + self.shyness.apart_s

    def counted(self, now: float) -> Manner:
        """The manner to count upon."""
        if self.manner is Manner.WEIGHTED and self._begun(now) is None:
            return Manner.AS_SENT
        if self.manner is not Manner.AT_ONCE or self.edges.is_known(now):
            return self.manner
        # A window ended, and nobody saw all of it come back, or nobody knows when one ends: no more is counted upon
        # than what comes back in any case.
        edge, errors = self.edge_after(now), self._errors
        if edge is not None and self._unseen_at + self._late > now:
            return Manner.AT_ONCE
        other = Manner.AS_SENT if edge is None else Manner.WEIGHTED
        is_likely = errors[other] < errors[Manner.EVENLY]
        if other is Manner.WEIGHTED:
            is_likely = is_likely and errors[other] <= _AS_LIKELY * errors[Manner.AT_ONCE]
        return other if is_likely else Manner.EVENLY

    def edge_after(self, at: float) -> float | None:
        """When the next window begins; None if that cannot be told."""
        if self.edges.is_known(at):
            told = self._reset_at if at >= self._slides_until else float("inf")
            return self.edges.following(at - self._late, told)
        if self._reset_at == float("inf") or at < self._slides_until:
            return None
        if self._reset_at + self._late <= at:
            self._reset_at += (int((at - self._late - self._reset_at) / self.span) + 1) * self.span
        return self._reset_at

    def is_over(self, look: Look, now: float, *, is_first: bool) -> bool:
        """Has the window ended by *now* of which *look* showed what was left, as the *first* one if so?"""
        since = look.at + self._late if is_first else look.since
        return (self.edge_after(since) or since + self.span) <= now

    def rest_s(self, now: float) -> float | None:
        """Seconds over which to use what is left of a window; None if when it ends is not known, or there is none."""
        edge = self.edge_after(now) if self.counted(now) is Manner.AT_ONCE else None
        if edge is None:
            return None
        return max(_EAGER * min(edge - now, self.span), _LATE_S)  # whatever the server says of its end

    def given_back(self, at: float, rate: float) -> float:
        """What came back by then, but for a constant, if *rate* a second comes back of a bucket."""
        if self.manner in SLIDING:
            return self._slid(at, self.manner)
        return 0.0 if self.manner is Manner.AT_ONCE else rate * at

    def back(self, since: float, now: float, *, full: float) -> float:
        """What comes back between two moments, if not evenly; *full* where a window begins."""
        manner = self.counted(now)
        edge = self.edge_after(since) if manner is Manner.AT_ONCE else None
        if edge is not None:
            return full if edge + self._late <= now else 0.0
        return self._slid(now - self._late, manner) - self._slid(since - self._late, manner)

    def back_in(self, amount: float, now: float, *, heard_at: float) -> float:
        """Seconds until so much has come back, if not evenly, or until it has to be looked for again."""
        manner = self.counted(now)
        edge = self.edge_after(now) if manner is Manner.AT_ONCE else None
        if edge is not None:
            return min(edge + self._late - now + 0.001, heard_at + self._patience(edge, heard_at) - now)
        late = self._late
        wait = max(_LATE_S, self._slid_by(self._slid(now - late, manner) + amount, now - late, manner) + late - now)
        # Where windows begin nobody knows yet: that has to be found out, unless they seem to slide.
        is_found_out = self.manner is Manner.AT_ONCE and now >= self._slides_until
        patience = self.span / _LOOKS_A_WINDOW if is_found_out else max(self.span, LOOK_AGAIN_S)
        return min(wait, heard_at + patience - now)

    def _begun(self, at: float) -> float | None:
        """When the window began that *at* lies in; None if that cannot be told."""
        if self._reset_at == float("inf") or at < self._slides_until:
            return None
        return self._end - ceil((self._end - at) / self.span) * self.span

    def _slid(self, at: float, manner: Manner) -> float:
        """What windows that slide had given back by then, but for a constant."""
        began = self._begun(at) if manner is Manner.WEIGHTED else None
        if began is None:
            return self.echo.sum_at(at - self.span)
        before = self.echo.sum_at(began - self.span)
        return before + (self.echo.sum_at(began) - before) * (at - began) / self.span

    def _slid_by(self, amount: float, now: float, manner: Manner) -> float:
        """When, after *now*, they will have given back so much; infinity if that is to be sent yet."""
        began = self._begun(now) if manner is Manner.WEIGHTED else None
        if began is None:
            return self.echo.time_of(amount) + self.span
        for edge in (began, began + self.span):
            before, after = self.echo.sum_at(edge - self.span), self.echo.sum_at(edge)
            if after > before and amount <= after:
                return edge + self.span * (amount - before) / (after - before)
        return float("inf")

    def _patience(self, edge: float, heard_at: float) -> float:
        """A window that should have begun and showed nothing of it may have begun all the same: look again soon."""
        began = edge - self.span
        if self.edges.was_seen(began):
            return LOOK_AGAIN_S
        return min(max(_LOOK_SOON_S, heard_at - began), LOOK_AGAIN_S)

    def saw_reset(self, reset_at: float, seen_at: float) -> None:
        """The end of a window stays where it is until it is over; that of a sliding one moves along."""
        later = reset_at - self._shown_reset
        if abs(later) >= _CLOCKS_S:
            off = abs(later - round(later / self.span) * self.span)
            is_next = off < _CLOCKS_S <= self.span / 4  # it shows the end of the window after
            if seen_at < self._shown_reset - _CLOCKS_S and not is_next:
                self._slides_until = seen_at + _SLIDES_S
            self._shown_reset = reset_at
        if reset_at > seen_at >= self._slides_until:
            self._note_end(reset_at)
            self._reset_at = reset_at
            self._unseen_at = min(self._unseen_at, reset_at)

    def _note_end(self, reset_at: float) -> None:
        """Most round the end of a window up to a second: the earliest that is shown is the right one."""
        if self._end == float("inf") or (reset_at - self._end) % self.span >= _CLOCKS_S:
            self._end = reset_at

    def forget(self) -> None:
        """The limit itself has changed: what was shown before says nothing about what is shown now."""
        self._anchor = self._last = None

    def moved(self, seconds: float) -> None:
        """All that was seen was so much later than it was thought to be."""
        self.forget()
        self._reset_at += seconds
        self._end += seconds
        self._shown_reset = self._slides_until = 0.0
        self.edges.moved(seconds)

    def saw(self, look: Look, *, rate: float, even: float, cap: float, cost: float, quantum: float) -> bool:
        """An answer showed the limit; was it the first of a new window?

        Args:
            look: what it showed.
            rate: what the limit promises, units a second.
            even: what comes back a second if it does so evenly, rivals considered.
            cap: what there is at most.
            cost: of a call, about.
            quantum: what is shown is rounded to this.
        """
        last = self._last
        if last is not None and look.at <= last.at:
            return False
        self._last = look
        if last is not None and self._is_edge(last, look, rate=rate, cap=cap, cost=cost, quantum=quantum):
            self.edges.saw(last.since, look.at)
            self._errors[Manner.AT_ONCE] *= _BETTER
            self.is_proven = False
            self._anchor = None
            self._choose()
            return True
        least_s = min(max(_BLOCK_CALLS * cost, _BLOCK_QUANTA * quantum) / rate, _BLOCK_SHARE * self.span)
        least_s = max(least_s, min(_BLOCK_S, self.span / _BLOCKS_A_WINDOW))
        first = self._anchor
        if first is None or max(first.remaining, look.remaining) > _NEARLY_FULL * cap:
            self._anchor = look
        elif look.at - first.at >= least_s:
            self._anchor = look
            if look.at - first.at <= self.span:
                self._compare(first, look, rate=rate, even=even, cap=cap)
        return False

    def _is_edge(self, last: Look, look: Look, *, rate: float, cap: float, cost: float, quantum: float) -> bool:
        back = look.offset - last.offset - rate * (look.at - last.at)
        began = self._begun(look.at + _CLOCKS_S)
        is_told = began is not None and began >= last.at - _CLOCKS_S
        least = max((_TOLD_JUMP if is_told else _JUMP) * cap, 3.0 * cost, 2.0 * quantum)
        if back < least or look.remaining + look.sent - last.sent < _NEARLY_FULL * cap:
            return False
        return back - self._echoed(last, look) >= least

    def _echoed(self, first: Look, last: Look) -> float:
        return self.echo.sum_at(last.at - self.span) - self.echo.sum_at(first.since - self.span)

    def _compare(self, first: Look, look: Look, *, rate: float, even: float, cap: float) -> None:
        seconds = look.at - first.at
        unit = rate * seconds
        foretold = {
            Manner.EVENLY: even * seconds,
            Manner.AT_ONCE: 0.0,
            Manner.AS_SENT: self._echoed(first, look),
        }
        weighted = Manner.AS_SENT if self._begun(first.at) is None else Manner.WEIGHTED
        foretold[Manner.WEIGHTED] = self._slid(look.at, weighted) - self._slid(first.at, weighted)
        if max(foretold.values()) - min(foretold.values()) < _APART * unit:
            return
        back = look.offset - first.offset
        for manner, amount in foretold.items():
            error = abs(back - amount) / max(unit, back, amount)
            if manner in SLIDING:
                # Where another client takes a steady part, what comes back is what was sent too, but not all of it.
                unaccounted = self._unaccounted(look.remaining, look.at, cap=cap, gone=self._slid(look.at, manner))
                error += _UNACCOUNTED * max(0.0, unaccounted - _ACCOUNTED)
            error = min(error, _WORST)
            self._errors[manner] += (error - self._errors[manner]) * _WEIGHT
        self.is_proven = self.is_proven or self._errors[Manner.EVENLY] < _PROVEN
        self._choose()

    def _unaccounted(self, remaining: float, at: float, *, cap: float, gone: float) -> float:
        """The share of *cap* that is neither left *at* then nor was sent by us and is not *gone* from the window."""
        return abs(cap - remaining - (self.echo.sum_at(at) - gone)) / cap

    def is_ours(self, remaining: float | None, at: float, *, cap: float, rate: float) -> bool:
        """May it be a window that slides, of which nobody else takes a part?

        Less comes back of it if less was sent: who took that for somebody else's part would send ever less.
        """
        if remaining is None:
            return False
        gone = self.echo.sum_at(at - cap / rate)
        return self._unaccounted(remaining, at, cap=cap, gone=gone) <= max(1.0 / cap, _ACCOUNTED)

    def _choose(self) -> None:
        errors = self._errors
        best = min(errors, key=errors.__getitem__)
        if errors[best] < _BETTER * errors[self.manner]:
            self.manner = best
            self.is_proven = False
