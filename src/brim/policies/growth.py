"""How fast a rate may grow, where a server refuses traffic for growing too fast rather than for being too much.

Such a limit (OpenAI's `slow_down`, Anthropic's `ramp_limit_exceeded`) moves with what got through: some share more
than a while ago. A rate learnt from its refusals as if it stood still would lag behind it for ever. So after each
refusal the rate begins a little below what got through up to it, goes up by a share each second, and slowly ever
faster; at first that share itself doubles every few seconds, since nobody says how large it may be. Refused soon, the
share was too large, refused late, too small. What this does not hold back tells nothing.
"""

from __future__ import annotations

from collections import deque
from math import exp, log, sqrt
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RAMP_CODES", "Growth"]

RAMP_CODES: Final = frozenset({"slow_down", "ramp_limit_exceeded"})
"""What such a refusal is called, by OpenAI and by Anthropic."""

_FIRST: Final = log(1.5) / 60.0
"""Before it is known it begins with half as much again in a minute: far more than OpenAI's rule of thumb..."""
_DOUBLES_S: Final = 6.0
"""... and is twice as much every so many seconds, until the second refusal: servers differ a hundredfold in it."""
_FOUND: Final = 0.7
"""So much of the growth that was refused is allowed, most likely."""
_TOO_SOON_S: Final = 3.0
"""Refused within so many seconds it was the level that was too high."""
_LITTLE: Final = 0.1
"""Grown by less than this, as a logarithm, the level is what was refused; else it is the growth."""
_MOST: Final = 5.0
_MOST_DOUBLINGS: Final = 60.0
_FASTEST: Final = 0.12
"""It is never believed to be more, nor less than the next."""
_SLOWEST: Final = 1e-4
_SLOWER: Final = 0.5
_FASTER: Final = 1.4
"""Refused early, it is less; refused late, more; by so much at once."""
_SPANS_S: Final = (10.0, 20.0, 30.0, 60.0)
"""What gets through is measured over the one of these in which it is most: nobody says how long the server looks."""
_LEAST_S: Final = 1.0
_MARK_S: Final = 0.25
_MARKS: Final = 512
_BELOW: Final = 0.99
"""So far below what got through it begins..."""
_RISE: Final = 0.02
"""... and by the end of a dwell it has risen by this, besides its growth; then ever faster."""
_DWELL_S: Final = 15.0
_DWELL_SENDS: Final = 150.0
_LONGEST_DWELL_S: Final = 240.0
_NEAR_S: Final = 5.0
_AHEAD: Final = 1.5
"""Where something else holds back, this is no more than so many times what gets through."""
_ROUNDED_S: Final = 0.5
"""A wait in whole seconds was rounded up, by so much on average."""
_SOON: Final = 0.5
_LESS: Final = 0.97
"""Refused within this share of a dwell, the level is so much less than was believed; else than what was sent."""
_LATE_S: Final = 0.05
_LEAST: Final = 1e-3


class Growth:
    """A rate that may grow only so fast.

    Args:
        place: what it counts, as in a cost.
        sent: what was sent of that so far.
        trail: times up to now, in order, and what had been sent by each of them.
        now: when the first refusal came.

    Attributes:
        place: what it counts.
        growth: by which share it may grow in a second.
    """

    __slots__ = (
        "_at",
        "_empty_at",
        "_is_found",
        "_level",
        "_marks",
        "_news_at",
        "_sent",
        "_struck_at",
        "_took_at",
        "growth",
        "place",
    )

    def __init__(self, place: int, *, sent: float, trail: tuple[Sequence[float], Sequence[float]], now: float) -> None:
        self.place = place
        self.growth = _FIRST
        self._is_found = False
        self._sent = sent
        self._marks = deque(zip(*trail, strict=True), maxlen=_MARKS)
        self._level = 0.0  # nothing is known before `refused`
        self._at = self._empty_at = self._took_at = now
        self._struck_at = self._news_at = float("-inf")

    def rate(self, now: float) -> float:
        """Units a second that may go at present."""
        since = max(0.0, now - self._at)
        return self._level * exp(self._grown(since)) * (_BELOW + _RISE * (since / self._dwell) ** 3)

    def _grown(self, since: float) -> float:
        """The logarithm of how many times the level it is after so many seconds."""
        if self._is_found:
            return min(self.growth * since, _MOST)
        doublings = min(since / _DOUBLES_S, _MOST_DOUBLINGS)  # a lane may be silent for days
        return min(self.growth * _DOUBLES_S / log(2.0) * (exp(log(2.0) * doublings) - 1.0), _MOST)

    @property
    def _dwell(self) -> float:
        return min(max(_DWELL_S, _DWELL_SENDS / self._level), _LONGEST_DWELL_S)

    def ready_in(self, amount: float, now: float) -> float:
        """Seconds until an attempt of *amount* may go; 0 if it may now."""
        return max(0.0, self._empty_at + amount / self.rate(now) - now)

    def took(self, amount: float, now: float) -> None:
        """An attempt of *amount* was sent."""
        due = self._empty_at + amount / self.rate(now)
        self._empty_at = due if now - due < _LATE_S else now
        if not self._marks or now - self._marks[-1][0] >= _MARK_S:
            self._marks.append((now, self._sent))
            self._keep_near(now)
        self._sent += amount
        self._took_at = now

    def _keep_near(self, now: float) -> None:
        since = now - self._at
        if since <= _SPANS_S[0] or self.rate(now) <= _AHEAD * self._level:
            return
        best = max(self._got(now - ago, _NEAR_S) for ago in range(0, 60, 5))
        if self.rate(now) > _AHEAD * best > 0.0:
            if not self._is_found:
                self.growth = min(self.growth * 2.0 ** min(since / _DOUBLES_S, _MOST_DOUBLINGS), _FASTEST)
            self._level, self._at = _AHEAD * best, now

    def _got(self, now: float, span: float) -> float:
        """What was sent a second over the last *span* seconds, or since the beginning."""
        span = max(min(span, now - self._marks[0][0]) if self._marks else span, _LEAST_S)
        return (self._by(now) - self._by(now - span)) / span

    def _by(self, when: float) -> float:
        """What had been sent by *when*, or a little earlier."""
        if when >= self._took_at:
            return self._sent
        return next((sent for at, sent in reversed(self._marks) if at <= when), 0.0)

    def refused(self, amount: float, *, sent_at: float, now: float, wait: float) -> bool:
        """An attempt of *amount* was refused; does that say anything new?

        *wait* is what the server asks for in seconds, 0 if it does not say: until then nothing more gets through.
        """
        self._sent -= amount
        if sent_at <= self._struck_at:
            return False
        if wait == round(wait):
            wait = max(0.0, wait - _ROUNDED_S)
        opens_at = now + wait
        level = max(self._got(opens_at, span) for span in (*_SPANS_S, wait) if span >= wait)
        if now < self._news_at:
            level = min(level, self._level)  # the server may still look at the same span
        elif self._level:
            since = max(0.0, now - self._at)
            is_low = since < _SOON * self._dwell and self._grown(since) < _LITTLE
            level = min(level, _LESS * (self._level if is_low else self.rate(now)))
            if self._is_found:
                factor = min(max(sqrt(since / self._dwell), _SLOWER), _FASTER)
                self.growth = min(max(self.growth * factor, _SLOWEST), _FASTEST)
            elif since > _TOO_SOON_S:
                self.growth = min(max(_FOUND * self._grown(since) / max(since, _LEAST_S), _SLOWEST), _FASTEST)
                self._is_found = True
        if now >= self._news_at:
            self._news_at = opens_at if wait else now + _SPANS_S[0]
        self._level, self._at, self._struck_at = max(_LEAST, level), opens_at, now
        self._empty_at = max(self._empty_at, opens_at)
        return True

    def __repr__(self) -> str:
        return f"Growth({self._level:.3g}/s, {self.growth:.2%} a second)"
