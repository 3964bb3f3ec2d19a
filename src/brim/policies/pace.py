"""The rate a server truly allows, learnt from what it refuses.

Nothing is told here but refusals. Between two refusals the bucket behind them was empty at both ends, so what was let
through between them, divided by the time between, is the refill itself, however large the bucket and however it is
enforced (less, only where the bucket ran full meanwhile). So every refusal is a measurement:

- *searching*: the last measurement and the pace at which it was made are far apart. The pace grows by a tenth a second,
  and ever faster, until the next refusal.
- *cruising*: the pace starts a little below the measured rate, dwells around it and then grows ever faster (a cubic in
  what was sent since), so that a refusal comes once in some hundred requests while the limit stays as it is, and a
  limit that was raised is found within a minute or two.

A refusal that names no wait may be a stray one, of no limit at all. Where a refusal is all but impossible (just after a
cut, below the measured rate) its share is measured as noise, and what is no more than noise moves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

__all__ = ["Pace"]

_BELOW: Final = 0.985
_RISE: Final = 0.03
_DWELL_S: Final = 40.0
_DWELL_SENDS: Final = 180.0
_LONGEST_DWELL_S: Final = 150.0
_RAISED: Final = 1.1
"""Cruising this far above the measured rate unrefused, the limit must have been raised: search."""
_SEARCH_A_SECOND: Final = 0.1
_SEARCH_A_SEND: Final = 0.03
_BOLDER: Final = 0.02
_CLOSE: Final = 1.3
_NEARLY: Final = 1.7
_AGREES: Final = 0.2
"""Two measurements that differ by no more, or one made at hardly more than itself, are good enough to cruise."""
_SAFE: Final = 0.993
_FAR: Final = 0.7
_ENOUGH: Final = 8
_PATIENCE_S: Final = 5.0
"""A limit that keeps us waiting longer than this is counted over a long time, and searched for slower in proportion."""
"""So many must have got through between two refusals to measure by,"""
_LEAST_S: Final = 2.0
"""and so much time must lie between them."""
_LONGEST_GAP_S: Final = 20.0
_LEAST_RATE: Final = 1e-3
_FALLS: Final = 0.6
_DEEPEST: Final = 8.0
_COMES_BACK: Final = 0.2
_RELIEF: Final = 1.03
_RARE: Final = 200
_NEAR_CEILING: Final = 0.985
"""Refused less than once in so many attempts, a stated rate is kept to this share."""
_LATE_S: Final = 0.05
_SOME_WAIT_S: Final = 0.5
"""A wait shorter than this tells no more than none at all."""
_CONFIRMS: Final = 16
"""While searching, two bare refusals within so many attempts are no accident."""
_RECENT: Final = 1 / 64
_LATEST: Final = 1 / 16
_BURST: Final = 0.3
"""Before anything is known, a limit is what refuses this share of the latest attempts: strays keep apart."""
_MOST_NOISE: Final = 0.05
_ABOVE_NOISE: Final = 0.04
_APART: Final = 6
"""Strays keep apart; what is refused because of a limit is refused again at once."""
_PROVEN: Final = 3
_MANY: Final = 0.12


class Mode(Enum):
    """What is known of the rate."""

    FREE = "nothing was refused yet"
    SEARCHING = "searching"
    CRUISING = "cruising"


class Pace:
    """A rate learnt from refusals.

    Args:
        passed: all that was ever let through, by place; kept by the owner of all paces.
        place: which of them this rate counts.
        ceiling: a rate that is never passed, units a second.
        now: when the first of it was sent.
    """

    __slots__ = (
        "_base",
        "_before",
        "_burst",
        "_ceiling",
        "_gap",
        "_hits",
        "_is_sure",
        "_mark",
        "_mean",
        "_passed",
        "_patience",
        "_ready_at",
        "_recent",
        "_safe",
        "_searches_since",
        "_sends",
        "_sends_since",
        "_since",
        "_struck_at",
        "mode",
        "place",
        "rate",
    )

    def __init__(self, passed: Sequence[float], place: int, *, ceiling: float | None, now: float) -> None:
        self.mode = Mode.FREE
        self.place = place
        self.rate = float("inf")
        self._passed = passed
        self._patience = 1.0
        self._ceiling = float("inf") if ceiling is None else ceiling
        self._base = 0.0
        self._burst = 0.0
        self._mark = self._before = (now, 0.0)
        self._gap = _CONFIRMS + 1
        self._is_sure = False
        self._hits = 0
        self._mean = 1.0
        self._ready_at = 0.0
        self._recent = 0.0
        self._safe = 0
        self._searches_since = 0.0
        self._sends = 0
        self._sends_since = 0
        self._since = 0.0
        self._struck_at = float("-inf")

    @property
    def holds(self) -> bool:
        """Is there a rate that holds attempts back?"""
        return self.mode is not Mode.FREE

    def ready_in(self, now: float) -> float:
        """Seconds until the next attempt may go."""
        wait = self._ready_at - now
        return max(0.0, wait)

    def took(self, amount: float, now: float) -> None:
        """An attempt of *amount* was sent."""
        self._gap += 1
        self._sends += 1
        self._sends_since += 1
        self._recent -= self._recent * _RECENT
        self._burst -= self._burst * _LATEST
        if self.mode is Mode.FREE:
            return
        self._mean += (amount - self._mean) * 0.05
        slot = amount / self.rate
        # A pace that is not what holds us up learns nothing from not being refused.
        is_bound = now - self._ready_at < _LATE_S
        self._ready_at = max(self._ready_at, now - min(_LATE_S, slot)) + slot
        if is_bound:
            self._grow(amount, now)

    def relieved(self) -> None:
        """The server shows that nearly all of the limit is left: the rate is more than this."""
        if self.mode is not Mode.FREE and self.rate < self._ceiling:
            self._base = min(self._base * _RELIEF, self._ceiling)
            self.rate = min(self.rate * _RELIEF, self._ceiling)

    def scaled(self, factor: float) -> None:
        """The server says that its limit is so many times what it was."""
        if self.mode is not Mode.FREE:
            self._base = min(self._base * factor, self._ceiling)
            self.rate = min(self.rate * factor, self._ceiling)
            self.mode = Mode.SEARCHING
            self._is_sure = False

    def restated(self, ceiling: float | None) -> bool:
        """The stated rate is *ceiling* now. Returns whether what was learnt still says anything.

        A pace that was held by the old one says nothing about a higher one.
        """
        before, self._ceiling = self._ceiling, float("inf") if ceiling is None else ceiling
        if self._ceiling > before and self.rate >= _NEAR_CEILING**2 * before:
            return False
        self._base = min(self._base, self._ceiling)
        if self.mode is not Mode.FREE:
            self.rate = min(self.rate, self._ceiling)
        return True

    def trued_up(self, amount: float) -> None:
        """What was sent turned out to be *amount* more, or less."""
        if self.mode is not Mode.FREE:
            self._ready_at += amount / self.rate

    def _grow(self, amount: float, now: float) -> None:
        if self.mode is Mode.SEARCHING:
            # The longer nothing is refused, the less is known and the bolder is the search.
            speed = (_SEARCH_A_SECOND + (now - self._searches_since) * _BOLDER / self._patience) / self._patience
            most = _COMES_BACK if self.rate < self._base * _BELOW else min(_SEARCH_A_SEND, speed * amount / self.rate)
            self.rate *= 1.0 + most
        else:
            self._since += amount
            dwell = max(self._base * _DWELL_S, min(self._mean * _DWELL_SENDS, self._base * _LONGEST_DWELL_S))
            factor = _BELOW + _RISE * (self._since / dwell) ** 3
            self._safe += factor < _SAFE
            if factor > _RAISED:
                self.mode, self._searches_since = Mode.SEARCHING, now
            self.rate = self._base * factor
        self.rate = min(self.rate, self._ceiling)

    @property
    def _noise(self) -> float:
        return min(_MOST_NOISE, self._hits / (self._safe + 30)) if self._hits >= _PROVEN else 0.0

    def refused(self, amount: float, *, sent_at: float, now: float, wait: float) -> bool:
        """An attempt of *amount* was refused (and taken out of what passed); does that say anything about the rate?

        *wait* is what the server asks for in seconds, 0 if it does not say.
        """
        if sent_at <= self._struck_at:
            if sent_at <= self._mark[0]:
                self._mark = (self._mark[0], self._mark[1] - amount)
            return True  # of the same burst as the last strike
        self._recent += _RECENT
        self._burst += _LATEST
        may_be_stray = wait < _SOME_WAIT_S and self._may_be_stray()
        self._gap = 0
        if may_be_stray:
            return False
        self._patience = max(1.0, wait / _PATIENCE_S)
        self._strike(now)
        self._hurry(wait)
        self._ready_at = max(self._ready_at, now + self._mean / self.rate)
        return True

    def _may_be_stray(self) -> bool:
        noise = self._noise
        if self.mode is Mode.FREE:
            return self._burst < _BURST
        if self.mode is not Mode.CRUISING and not noise:
            return self._gap > _CONFIRMS and self._sends > _CONFIRMS
        if self.mode is Mode.CRUISING and self.rate < _SAFE * self._base:
            if self._gap < _APART:
                return False
            self._hits += 1
            return self._recent < _MANY
        return noise > 0.0 and self._gap >= _APART and self._recent < noise + _ABOVE_NOISE

    def _strike(self, now: float) -> None:
        begin, before = self._mark
        passed = self._passed[self.place]
        elapsed = now - begin
        if passed - before < _ENOUGH * self._mean or elapsed < _LEAST_S:
            self._prolong(now)
        else:
            # What strays took away is none of the limit's doing.
            self._measure((passed - before) / elapsed / (1.0 - self._noise))
            self._before, self._mark = self._mark, (now, passed)
        self._struck_at = self._searches_since = now
        self._since = 0.0
        self._sends_since = 0
        self._recent = 0.0

    def _hurry(self, wait: float) -> None:
        """No limit is so low that it has to be asked about more seldom than this, or than the server itself says."""
        least = min(self._mean / max(_LONGEST_GAP_S, wait), self._ceiling)
        self._base = max(self._base, least)
        self.rate = max(self.rate, least)

    def _prolong(self, now: float) -> None:
        """Hardly anything got through since the last refusal: this time belongs to the one before it."""
        if self.mode is not Mode.FREE:
            self._patience = max(self._patience, min(now - self._mark[0], _LONGEST_GAP_S) / _PATIENCE_S)
        begin, before = self._before
        passed = self._passed[self.place] - before
        if self.mode is Mode.FREE and self.place:
            self._mean = max(1.0, passed / max(1.0, self._passed[0]))
        measured = passed / (now - begin) if now > begin and passed >= _ENOUGH * self._mean else self._mean
        self._base = min(max(measured, _LEAST_RATE), self._ceiling)
        # Where a refused call counts, asking again and again keeps the bucket empty: fall back fast, come back fast.
        self.rate = min(self._base, max(self.rate * _FALLS, self._base / _DEEPEST))
        self.mode = Mode.SEARCHING
        self._is_sure = False

    def _measure(self, rate: float) -> None:
        """*rate* got through since the last measurement."""
        was_free = self.mode is Mode.FREE
        if was_free and self.place:
            self._mean = max(1.0, self._passed[self.place] / max(1.0, self._passed[0]))
        if self._is_sure:
            # It may be less than the refill, never more: one that was measured before falls only step by step.
            rate = max(rate, _FAR * self._base)
        if self._noise and self._recent < self._noise + _ABOVE_NOISE:
            rate = max(rate, self._base)  # most likely two strays in a row
        if self._sends_since > _RARE and self._ceiling < float("inf"):
            rate = max(rate, _NEAR_CEILING * self._ceiling)
        agrees = abs(rate - self._base) < _AGREES * self._base
        is_close = not was_free and self.rate < rate * (_NEARLY if agrees else _CLOSE)
        self._is_sure = not was_free
        if self.mode is Mode.CRUISING and is_close and self._since < self._mean * _DWELL_SENDS / 2:
            rate += (self._base - rate) * 0.5
        self._base = min(rate, self._ceiling)
        self.rate = self._base * _BELOW
        self.mode = Mode.CRUISING if is_close else Mode.SEARCHING

    def __repr__(self) -> str:
        return f"Pace({self.rate:.3g}/s, {self.mode.value})"
