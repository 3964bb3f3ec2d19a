"""A rate learnt from refusals, or windows that begin by the clock, where that is what refusals end like.

Who paces evenly before such windows is refused at the end of many of them, and most where calls are of all sizes. Once
it is known when they end, what each of them allows shows at the first one that is used up: as much as got through, and
less than that and what was refused. Between the two it is halved with every window, and then tried a little higher once
in some hundred calls, as long as nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

from brim.policies.clock_ends import ClockEnds
from brim.policies.clock_window import ClockWindow
from brim.policies.pace import Pace
from brim.policies.refusal import Refusal
from brim.policies.strays import Strays

__all__ = ["ClockPace"]

_CLOSE: Final = 0.01
"""What a window allows is known as closely as this share."""
_STEPS: Final = (1.3, 2.0)
"""So many times as much is tried next, and where that got through so many times as much again: however far beyond the
limit, a window refuses one call, or a few."""
_CALLS: Final = 200.0
_LONGEST_S: Final = 140.0
"""So many calls, or seconds, are between two such questions where the answer was the same again and again..."""
_SOON: Final = 0.125
"""... and this share of that where it allows less than it did: who shares it may be gone soon."""
_FALLEN: Final = 0.9


class _LearntWindow(ClockWindow):
    """A window of which nobody says what it allows: infinitely much until the first one was seen to be used up."""

    __slots__ = (
        "_calls",
        "_high",
        "_is_full",
        "_is_whole",
        "_low",
        "_most",
        "_passed",
        "_patience",
        "_step",
        "_windows",
    )

    def __init__(self, *, seconds: float) -> None:
        super().__init__(amount=inf, seconds=seconds)
        self._low, self._high = 0.0, inf
        self._step = self._calls = self._windows = 0
        self._patience = 0.5
        self._is_full = self._is_whole = False
        self._passed, self._most = 0.0, inf

    def ready_in(self, cost: float, now: float) -> float:
        """Seconds until *cost* may be taken; 0 if it may be now. More than *amount* goes when nothing is taken."""
        wait = super().ready_in(cost, now)
        self._is_full = self._is_full or now + wait >= self.late
        return wait

    def take(self, cost: float, now: float) -> None:
        """Take *cost*. A negative cost gives back what was reserved in excess."""
        super().take(cost, now)
        self._passed += cost
        self._calls += cost > 0.0

    def refused(self, refusal: Refusal) -> None:
        """A call was refused for which there seemed to be room."""
        self.level(refusal.now)
        if refusal.sent_at < self.late - self.seconds:
            return  # it was of the one before
        super().take(-refusal.amount, refusal.now)
        self._next_at = min(self._next_at, refusal.now)  # nobody waits for what was not taken
        self._passed -= refusal.amount
        if self._passed < refusal.amount:
            return  # it may be too large for any window, just now
        self._most = min(self._most, self._passed + refusal.amount)
        if self.amount < inf:
            self.shut(refusal.now)

    def _ended(self) -> None:
        if self._is_whole and self._most < inf:
            self._was_used_up()
        elif self._is_whole and self.amount < inf:
            self._had_room()
        self._is_whole, self._is_full = True, False
        self._passed, self._most = 0.0, inf

    def _was_used_up(self) -> None:
        """What got through is what it allows, or little less. If nothing did, others had used it up."""
        if self._passed <= 0.0:
            return
        self._patience = min(2.0 * self._patience, 1.0) if self._passed > _FALLEN * self._low else _SOON
        self._high = max(self._most, self._passed)
        self._low = self._low if self._passed <= self._low < self._high else self._passed
        self.amount = self._low
        self._step = self._calls = self._windows = 0

    def _had_room(self) -> None:
        """It allows no less than what got through; and more, perhaps."""
        self._windows += 1
        self._low = max(self._low, self._passed)
        if self._low >= self._high:
            self._high = inf
        if not self._is_full:
            return
        if self._high == inf or self._is_due:
            self._high = inf
            self.amount = max(self._low * _STEPS[self._step], self._low + 1.0)
            self._step = min(self._step + 1, len(_STEPS) - 1)
        elif self._high - self._low > _CLOSE * self._low:
            self.amount = (self._low + self._high) / 2.0

    @property
    def _is_due(self) -> bool:
        """Is it time to ask for more?"""
        return self._calls >= self._patience * _CALLS or self._windows * self.seconds >= self._patience * _LONGEST_S


class ClockPace:
    """What refusals of one dimension taught.

    Args:
        pace: what is learnt of them where it is no such window that refuses.
    """

    __slots__ = ("_ends", "_pace", "_window", "place")

    def __init__(self, pace: Pace) -> None:
        self.place = pace.place
        self._pace = pace
        self._ends = ClockEnds()
        self._window: _LearntWindow | None = None

    @property
    def _known(self) -> ClockWindow | None:
        """The window of which is known what it allows."""
        window = self._window
        return None if window is None or window.amount == inf else window

    @property
    def rate(self) -> float:
        """Units a second; infinity as long as nothing was refused."""
        return self._pace.rate if self._known is None else self._known.amount / self._known.seconds

    @property
    def strays(self) -> Strays:
        """Refusals at random."""
        return self._pace.strays

    @property
    def holds(self) -> bool:
        """Is there a rate that holds attempts back?"""
        return self._known is not None or self._pace.holds

    @property
    def is_guess(self) -> bool:
        """Is nothing known but the first burst that was refused?"""
        return self._known is None and self._pace.is_guess

    @property
    def is_promised(self) -> bool:
        """Is all that is known the window that the first refusal told?"""
        return self._known is None and self._pace.is_promised

    def room_in(self, now: float) -> float:
        """Seconds until the window has room again that seems to refuse; infinity if none does."""
        return self._pace.room_in(now) if self._known is None else self._known.late - now

    def ready_in(self, amount: float, now: float) -> float:
        """Seconds until an attempt of *amount* may go."""
        return (self._pace if self._known is None else self._known).ready_in(amount, now)

    def took(self, amount: float, now: float) -> None:
        """An attempt of *amount* was sent."""
        if self._window is not None:
            self._window.take(amount, now)
        self._pace.took(amount, now)

    def trued_up(self, amount: float, now: float) -> None:
        """What was sent turned out to be *amount* more, or less."""
        if self._window is not None:
            self._window.take(amount, now)
        if self._known is None:
            self._pace.trued_up(amount)

    def passed(self, amount: float, sent_at: float) -> None:
        """An attempt of *amount* that was sent then got through."""
        if self._ends.is_shut:
            self._ends.passed(amount, sent_at)

    def relieved(self, *, shown: float, most: float) -> None:
        """The server shows nearly all of the limit left: *shown* comes back a second, *most* uses up what is left."""
        self._pace.relieved(shown=shown, most=most)

    def told(self, rate: float | None, now: float) -> None:
        """A refusal says what the limit is: *rate*, in units a second."""
        self._pace.told(rate, now)

    def scaled(self, factor: float) -> None:
        """The server says that its limit is so many times what it was."""
        self._pace.scaled(factor)
        self._window = None

    def restated(self, ceiling: float | None) -> bool:
        """The stated rate is *ceiling* now. Returns whether what was learnt still says anything."""
        return self._pace.restated(ceiling)

    def refused(self, refusal: Refusal, *, sent: Sequence[float]) -> bool:
        """An attempt was refused: is that news of the rate? *sent*: all that was sent by then, with it, by place."""
        had, rate = self._known, self.rate
        if self.place:
            self._ends.named(refusal, step_s=refusal.amount / rate)
            self._fit()
        if self._window is not None:
            self._window.refused(refusal)
        if had is not None and self._known is None:
            self._pace.scaled(rate / self._pace.rate)  # what was learnt before there were windows is long past
        return self._known is not None or self._pace.refused(refusal, sent=sent)

    def _fit(self) -> None:
        """Let the window be as the ends tell that are known."""
        ends, window = self._ends, self._window
        if not ends.span:
            self._window = None
            return
        if window is None or window.seconds != ends.span:
            window = self._window = _LearntWindow(seconds=ends.span)
        window.ends(ends.late, ends.unsure_s)
