"""What comes back a second of a limit that refills evenly, of which others may take a part.

Two lines are laid through what is shown. One over a minute, in which the jumps of windows cancel out, holds for any
limit; one through the last looks follows at once, and is believed where windows are out of the question. That somebody
takes a part matters only when little is left, and when that is news: a limit that was nearly full not long ago hides
what it refills, and where answers take a minute, what they show is over.
"""

from __future__ import annotations

from typing import Final

from brim.policies.drift import Drift
from brim.policies.trend import Trend

__all__ = ["Inflow"]

_NEARLY_FULL: Final = 0.85
_JUMP: Final = 0.25
"""More than this share of a limit that is there again at once is no refill."""
_PEAK_LOW: Final = 0.2
_PEAK_HIGH: Final = 0.53
"""Between these shares of the limit, the highest level of late, what others take counts ever less."""
_PEAK_FALLS: Final = 0.5
"""How fast that level is forgotten, as a share of the rate; for a limit of a few seconds a quarter as fast."""
_NEWS_S: Final = 10.0
"""A trend that was seen longer ago than this counts ever less: it may be over."""
_LEAST: Final = 0.02
_LEAST_BY_TREND: Final = 0.15
_DRIFT: Final = 0.1
"""Rounding that could pass for this share of the rate over a block makes the block longer."""


class Inflow:
    """What comes back, followed from `remaining + sent - rate * time`, in the order of looking."""

    __slots__ = ("_age", "_drift", "_heard_at", "_peak", "_trend")

    def __init__(self) -> None:
        self._drift = Drift()
        self._trend = Trend()
        self._peak = 0.0
        self._heard_at = float("inf")
        self._age = _NEWS_S

    @property
    def drift(self) -> float:
        """What comes back beyond what is promised, units a second, over the last minute."""
        return self._drift.rate

    def per_s(self, promised: float, cap: float, *, is_bucket: bool) -> float:
        """What comes back a second where so much is *promised*; *is_bucket* if it surely does so evenly."""
        if not is_bucket:
            return promised * max(_LEAST, 1.0 + self._drift.rate / promised)
        low = (_PEAK_HIGH - self._peak / cap) / (_PEAK_HIGH - _PEAK_LOW)
        counts = min(1.0, max(0.0, low)) * min(1.0, _NEWS_S / self._age)
        return promised + max(counts * self._trend.slope, (_LEAST_BY_TREND - 1.0) * promised)

    def forget(self) -> None:
        """What was seen says nothing about what is seen now."""
        self._drift.forget()
        self._trend.forget()

    def forget_trend(self) -> None:
        """The same, but over a minute it still does."""
        self._trend.forget()

    def scale(self, factor: float) -> None:
        """The limit itself has changed: others take about the same part of it as before."""
        self._drift.forget()
        self._trend.scale(factor)

    def saw(
        self,
        offset: float,
        at: float,
        *,
        now: float,
        remaining: float,
        promised: float,
        cap: float,
        quantum: float,
        cost: float,
        is_short: bool,
    ) -> None:
        """The server looked.

        Args:
            offset: what would stand still if all of the limit were ours.
            at: when it looked.
            now: when its answer came.
            remaining: what was left.
            promised: units a second.
            cap: what there is at most.
            quantum: what is shown is rounded to this.
            cost: of a call, about.
            is_short: is all of it back within seconds?
        """
        falls = _PEAK_FALLS * (0.25 if is_short else 1.0) * promised
        self._peak = max(remaining, self._peak - falls * max(0.0, now - self._heard_at))
        self._heard_at = now
        self._age = max(now - at, _NEWS_S)
        jump = float("inf") if is_short else max(_JUMP * cap, 3.0 * cost)
        self._trend.saw(offset, at, promised=promised, unit=max(quantum, 1.0), jump=jump, room=cap - remaining)
        if remaining >= min(_NEARLY_FULL * cap, cap - 1.0):
            self._drift.saw_full(at)
            return
        # Rounding must not pass for a drift.
        least_s = quantum / (_DRIFT * promised) if quantum > 1.0 else 0.0
        self._drift.saw(offset, at, promised=promised, least_s=least_s)
