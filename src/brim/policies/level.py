"""What a server has left of one limit, followed from its headers.

The level now is `remaining + rate * (now - t) - what we sent after t`. All of it hangs on *t*, the moment the server
looked: when it admitted the call, or when its answer began. Both are kept as hypotheses; under the right one the offset
`remaining + sent before t - rate * t` stays where it is from answer to answer, so the steadier one is believed.
An offset that drifts says that the refill is not what the limit promises (another client takes its part), and the rate
follows it. A limit counted in fixed windows is told by its reset, which then has nothing to do with what is missing;
it is spread evenly over the time to that reset.

The pace steers the level towards a small reserve: faster than the refill while more is left, so that a burst which the
server shows is used, slower while less is. A server that refuses although it shows plenty loses its credit: its limit
still sets the pace, its level no longer speeds it up.
"""

from __future__ import annotations

from typing import Final

from brim.policies.drift import Drift
from brim.values import LimitLevel

__all__ = ["ServerLevel"]

_MINUTE: Final = 60.0
_DAY: Final = 86_400.0
_LONGER_THAN_MINUTE_S: Final = 90.0
_SETTLE_S: Final = 5.0
"""A burst is used up, and a reserve restored, over about so many seconds."""
_RESERVE_S: Final = 4.0
_RESERVE_SHARE: Final = 0.25
_MARGIN: Final = 0.998
_SLOWEST: Final = 0.5
_CREDIT: Final = 3
"""Contradictions after which what is shown as left no longer speeds anything up."""
_WEIGHT: Final = 0.2
_BORNE_OUT: Final = 200
"""Answers in a row without a contradiction that restore some credit."""
_ROUNDED: Final = 1_000.0
"""Anthropic rounds what remains of tokens to so many; until a level is seen that is not, any may be."""
_LOOK_AGAIN_S: Final = 30.0
_CLOCKS_S: Final = 1.2
"""Times shown in whole seconds may differ by so much and mean the same."""
_SLIDES_S: Final = 120.0
_PLENTY_S: Final = 5.0
"""What is used up sooner is not plenty: the window of a second shows it whenever one begins."""
_SLACK: Final = 1e-9


class ServerLevel:
    """One limit of the server's, as its headers show it. Knows nothing until the first `observe`.

    Args:
        totals: what was ever sent, by place; kept by the owner of all levels.
        place: which of them this limit counts.
    """

    __slots__ = (
        "_allowance",
        "_at",
        "_borne_out",
        "_cap",
        "_contradictions",
        "_drift",
        "_fixed",
        "_last",
        "_level",
        "_noise",
        "_observed_at",
        "_quantum",
        "_rate",
        "_ready_at",
        "_reset_at",
        "_shown_reset",
        "_slides_until",
        "_taken_at",
        "is_daily",
        "limit",
        "place",
        "remaining",
        "totals",
    )

    def __init__(self, totals: list[float], place: int) -> None:
        self.totals = totals
        self.place = place
        self.limit: float | None = None
        self.remaining: float | None = None
        self.is_daily = False
        self._rate = 0.0
        self._level = 0.0
        self._cap = 0.0
        self._at = 0.0
        self._observed_at = 0.0
        self._ready_at = 0.0
        self._contradictions = 0
        self._borne_out = 0
        self._drift = Drift()
        self._quantum = 1.0 if place == 0 else _ROUNDED
        self._fixed = 0
        self._reset_at = 0.0
        self._shown_reset = 0.0
        self._slides_until = 0.0
        self._taken_at = 0.0
        self._last: tuple[float, float] | None = None
        self._noise = [0.0, 0.0]

    @property
    def is_known(self) -> bool:
        """Has the server said anything to go by?"""
        return self.limit is not None and not self.is_daily

    @property
    def shows_plenty(self) -> bool:
        """Did the last answer show nearly everything left, from a server that is believed?"""
        if self.remaining is None or self._contradictions >= _CREDIT:
            return False
        return self.remaining >= 0.6 * self._cap and self.remaining >= max(2.0, _PLENTY_S * self._rate)

    def level(self, now: float) -> float:
        """What the server has left, as far as can be told."""
        if now <= self._at:
            return self._level
        if self.remaining is None:
            self._at = now
            return self._level
        if self._fixed > 0:
            if now >= self._reset_at:
                span = self._cap / self._rate
                passed = int((now - self._reset_at) / span) + 1
                self._reset_at += passed * span
                self._level = self._cap
        else:
            self._level = min(self._cap, self._level + (now - self._at) * self._refill)
        self._at = now
        return self._level

    @property
    def _refill(self) -> float:
        return max(0.02 * self._rate, self._rate + self._drift.rate)

    def ready_in(self, cost: float, now: float) -> float:
        """Seconds until *cost* may go; 0 if it may now."""
        if not self.is_known:
            return 0.0
        wait = self._ready_at - now
        if self.remaining is not None:
            missing = min(cost, self._cap) - self.level(now)
            if missing > _SLACK:
                to_reset = self._reset_at - now + 0.02
                wait = max(wait, to_reset if self._fixed > 0 else missing / self._refill)
                # What nobody has heard of for long may have changed: look again.
                wait = min(wait, max(self._observed_at, self._taken_at) + _LOOK_AGAIN_S - now)
        return wait if wait > _SLACK else 0.0

    def take(self, cost: float, now: float) -> None:
        """*cost* was sent, or (below 0) given back. Only for a limit that is known."""
        self._level = self.level(now) - cost
        if cost > 0.0:
            self._taken_at = now
            # The slot after this one; a little lateness may be made up for.
            behind = max(self._ready_at, now - 0.05)
            self._ready_at = behind + cost / self._speed(now)
        else:
            self._ready_at += cost / self._speed(now)

    def _speed(self, now: float) -> float:
        """Units a second at which to send just now."""
        if self.remaining is None:
            return self._rate * _MARGIN
        if self._fixed > 0:
            left = max(self._level, 0.02 * self._cap)
            even = left / max(self._reset_at - now, 0.05)
            return max(0.1 * self._rate, min(even, self._rate if self._contradictions >= _CREDIT else even))
        reserve = min(_RESERVE_S * self._rate, _RESERVE_SHARE * self._cap)
        extra = (self._level - reserve) / _SETTLE_S
        if self._contradictions >= _CREDIT:
            extra = min(extra, 0.05 * self._rate)
        # No slower than this: what is really missing is waited for by itself.
        return max(_SLOWEST * self._refill, self._refill * _MARGIN + extra)

    def contradicted(self) -> None:
        """The server refused although it shows enough."""
        self._contradictions = min(self._contradictions + 1, _CREDIT)
        self._borne_out = 0

    def observe(self, shown: LimitLevel, *, sent_at: float, sent: float, now: float, cost: float) -> None:
        """An answer showed the limit.

        Args:
            shown: what it said.
            sent_at: when the attempt that it answers went.
            sent: what had been sent by then, that attempt included.
            now: when the answer came.
            cost: what that attempt took of this limit.
        """
        if shown.limit:
            self._set_limit(shown, now)
        if self.limit is None or self.is_daily:
            return
        if shown.remaining is None:
            return
        self._cap = max(self._cap, shown.remaining, cost, 1.0)
        if self.remaining is None:
            self._level = shown.remaining
            self._at = now
            self._ready_at = min(self._ready_at, now)
        self.remaining = shown.remaining
        self._borne_out += 1
        if self._borne_out >= _BORNE_OUT:
            self._contradictions, self._borne_out = max(0, self._contradictions - 1), 0
        if shown.remaining % _ROUNDED:
            self._quantum = 1.0
        self._weigh(shown.remaining, sent_at, sent, now)
        seen_at = sent_at
        if self._noise[1] < 0.7 * self._noise[0]:
            seen_at, sent = now, self.totals[self.place]
        if shown.reset_in is not None:
            self._judge_reset(shown.reset_in, shown.remaining, seen_at)
        if self._fixed > 0:
            self._observe_window(shown, seen_at, sent, now)
        else:
            self._observe_bucket(shown.remaining, seen_at, sent, now)
        self._observed_at = now

    def _set_limit(self, shown: LimitLevel, now: float) -> None:
        limit = shown.limit
        assert limit is not None, "asked for by the caller"
        if shown.reset_in is not None and shown.remaining is not None and shown.reset_in > _LONGER_THAN_MINUTE_S:
            missing = max(limit - shown.remaining, 1.0)
            self.is_daily = self.is_daily or shown.reset_in > 2.0 * missing * _MINUTE / limit
        if limit == self.limit:
            return
        if self.limit is not None:
            # A limit that changes takes what was saved up beyond it along, and has a refill of its own.
            self._cap *= limit / self.limit
            self._drift.forget()
            self._last = None
            self._ready_at = min(self._ready_at, now)
        self.limit = limit
        self._rate = limit / _MINUTE

    def _weigh(self, remaining: float, sent_at: float, sent: float, now: float) -> None:
        """Which moment does the state belong to? The one under which it is predictable."""
        offsets = (remaining + sent - self._rate * sent_at, remaining + self.totals[self.place] - self._rate * now)
        if self._last is not None:
            for place in (0, 1):
                change = abs(offsets[place] - self._last[place])
                self._noise[place] += (change - self._noise[place]) * _WEIGHT
        self._last = offsets

    def _judge_reset(self, reset_in: float, remaining: float, seen_at: float) -> None:
        """Does the reset belong to a bucket that refills, or to a window that ends?"""
        as_bucket = (max(0.0, self._cap - remaining) + self._quantum / 2) / self._rate
        is_late = reset_in > 1.5 * as_bucket + 1.5
        self._watch_reset(seen_at + reset_in, seen_at)
        is_bucket = abs(reset_in - as_bucket) <= 0.1 * as_bucket + 1.1
        if is_late and seen_at >= self._slides_until:
            self._fixed = min(6, self._fixed + 2)
        elif is_bucket and not (self._fixed > 0 and abs(seen_at + reset_in - self._reset_at) < 1.1):
            self._fixed = max(-6, self._fixed - 1)
        if self._fixed > 0 and reset_in > 0.0 and seen_at + reset_in > self._at:
            self._reset_at = seen_at + reset_in

    def _watch_reset(self, reset_at: float, seen_at: float) -> None:
        """The end of a window stays where it is until it is over; that of a sliding one moves along."""
        if abs(reset_at - self._shown_reset) < _CLOCKS_S:
            return
        if seen_at < self._shown_reset - _CLOCKS_S:
            self._slides_until = seen_at + _SLIDES_S
            self._fixed = -6
        self._shown_reset = reset_at

    def _observe_window(self, shown: LimitLevel, seen_at: float, sent: float, now: float) -> None:
        assert shown.remaining is not None, "asked for by the caller"
        span = self._cap / self._rate
        if shown.reset_in and seen_at + shown.reset_in <= now:
            return  # of a window that is over
        if seen_at < self._reset_at - 1.5 * span:
            return
        self._level = shown.remaining - (self.totals[self.place] - sent)
        self._at = now

    def _observe_bucket(self, remaining: float, seen_at: float, sent: float, now: float) -> None:
        self._follow_drift(remaining, seen_at, sent)
        level = min(self._cap, remaining + (now - seen_at) * self._refill - (self.totals[self.place] - sent))
        ours = self.level(now)
        doubt = self._quantum / 2
        level = min(max(ours, level - doubt), level + doubt)
        if level > ours:
            # Upward only slowly: what is shown may be older than it looks.
            most = 0.5 * self._rate * (now - self._observed_at) + 0.02 * (level - ours)
            level = min(level, ours + most)
        self._level = level
        self._at = now

    def _follow_drift(self, remaining: float, seen_at: float, sent: float) -> None:
        if remaining >= min(0.85 * self._cap, self._cap - 1.0):
            self._drift.saw_full(seen_at)
            return
        # Rounding must not pass for a drift.
        least_s = self._quantum / (0.1 * self._rate) if self._quantum > 1.0 else 0.0
        offset = remaining + sent - self._rate * seen_at
        self._drift.saw(offset, seen_at, promised=self._rate, least_s=least_s)

    def __repr__(self) -> str:
        return f"ServerLevel({self._level:.0f}/{self._cap:.0f}, {self._refill:.3g}/s{', windows' * (self._fixed > 0)})"
