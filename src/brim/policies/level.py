"""What a server has left of one limit, followed from its headers.

The level now is `remaining + rate * (now - t) - what we sent after t`. All of it hangs on *t*, the moment the server
looked (`brim.policies.moment`); what was looked at earlier than another thing is no news. An offset that drifts says
that the refill is not what the limit promises, and the rate follows it (`brim.policies.inflow`). Whether the limit
refills evenly, all at once when a window ends, or with what was sent one window ago is found out by
`brim.policies.refill`: a window's rest is spread over the time to its end, and of a sliding one all is used.

The pace steers the level towards a small reserve: faster than the refill while more is left, so that a burst which the
server shows is used, slower while less is. A server that refuses although it shows plenty loses its credit.
"""

from __future__ import annotations

from typing import Final

from brim.policies.blame import PLACES
from brim.policies.credit import Credit
from brim.policies.far_reset import FarReset
from brim.policies.inflow import Inflow
from brim.policies.moment import Course, Moment
from brim.policies.period import Period
from brim.policies.refill import LOOK_AGAIN_S, SLIDING, Look, Manner, Refill
from brim.policies.reserve import reserve, spare, to_the_end
from brim.policies.spans import span_of
from brim.policies.tempo import Tempo
from brim.values import Dimension, LimitLevel

__all__ = ["ServerLevel"]

_SETTLE_S: Final = 5.0
"""A burst is used up, and a reserve restored, over about so many seconds."""
_MARGIN: Final = 0.998
_SLOWEST: Final = 0.5
_WEIGHT: Final = 0.2
_ROUNDED: Final = 1_000.0
"""Anthropic rounds what remains of tokens to so many; until a level is seen that is not, any may be."""
_PLENTY_S: Final = 5.0
"""What is used up sooner is not plenty: the window of a second shows it whenever one begins."""
_SLACK: Final = 1e-9
_SHORT_S: Final = 4.0
"""A limit that is used up sooner leaves no burst worth having, and is as good as one paced evenly."""
_SLIDING_SETTLE_S: Final = 2.5
_UNDER_WAY: Final = 0.6
"""A reserve and what is under way may keep so much of a limit: what is full takes nothing more in."""
_AT_REST: Final = 0.5
_NEAR: Final = 8.0
"""A refused call that asked for less than this part of what is shown says that something else is wrong."""
_FEW_CALLS: Final = 5.0
"""A limit of fewer calls is too coarse to tell how it comes back."""


class ServerLevel:
    """One limit of the server's, as its headers show it. Knows nothing until the first `observe`.

    Args:
        totals: what was ever sent, by place; kept by the owner of all levels.
        place: which of them this limit counts.
    """

    __slots__ = (
        "_at",
        "_cap",
        "_credit",
        "_doubt",
        "_even",
        "_far",
        "_has_windows",
        "_inflow",
        "_level",
        "_missed",
        "_moment",
        "_observed_at",
        "_period",
        "_quantum",
        "_recounted_at",
        "_refill",
        "_seen_at",
        "_taken_at",
        "_tempo",
        "limit",
        "place",
        "rate",
        "remaining",
        "totals",
    )

    def __init__(self, totals: list[float], place: int) -> None:
        self.totals = totals
        self.place = place
        self.limit: float | None = None
        self.remaining: float | None = None
        self._has_windows = False
        self.rate = self._level = self._cap = self._even = self._doubt = self._missed = 0.0
        self._at = self._observed_at = self._taken_at = 0.0
        self._seen_at = self._recounted_at = float("-inf")
        self._quantum = 1.0 if place == 0 else _ROUNDED
        self._period, self._tempo = Period(), Tempo()
        self._credit = Credit()
        self._far = FarReset()
        self._inflow = Inflow()
        self._moment = Moment(may_lag=place != PLACES[Dimension.OUTPUT_TOKENS])  # those count when they are made
        self._refill = Refill()

    @property
    def is_known(self) -> bool:
        """Has the server said anything to go by?"""
        return self.limit is not None and not self._far.is_daily

    @property
    def shows_plenty(self) -> bool:
        """Did the last answer show nearly everything left, from a server that is believed?"""
        plenty = max(0.6 * self._cap, 2.0, _PLENTY_S * self.rate)
        return self.remaining is not None and not self._credit.is_lost and self.remaining >= plenty

    def tells_wait(self, now: float) -> bool:
        """Is it known how this limit comes back, so that its reset, when all of it is there again, tells no more?"""
        if self.remaining is None or self._far.is_daily:
            return False
        is_even = self._refill.counted(now) is Manner.EVENLY
        return not is_even or not self._has_windows or self._refill.is_proven or self._credit.is_lost

    @property
    def most_rate(self) -> float:
        """The units a second that this limit could ever let through."""
        return self.rate + self._cap / _SETTLE_S

    @property
    def slides(self) -> bool:
        """Is it known to come back as windows do that slide?"""
        return self._refill.manner in SLIDING

    @property
    def is_short(self) -> bool:
        """Is all of it back within seconds?"""
        return self._cap < _SHORT_S * self.rate

    def level(self, now: float) -> float:
        """What the server has left, as far as can be told."""
        if now > self._at:
            if self.remaining is not None:
                is_even = self._refill.counted(now) is Manner.EVENLY
                back = (now - self._at) * self._even if is_even else self._refill.back(self._at, now, full=self._cap)
                self._level = min(self._cap, self._level + back)
            self._at = now
        return self._level

    def _spare(self, cost: float, manner: Manner) -> float:
        return spare(cost, self._cap, self.rate, manner=manner, doubt=self._doubt, is_in_calls=not self.place)

    @property
    def _kept(self) -> float:
        return reserve(self._cap, self.rate, is_in_calls=not self.place, is_short=self.is_short)

    def _reckon(self) -> None:
        """Say once for many calls what comes back a second, if it does so evenly."""
        is_bucket = self._refill.is_bucket or not self._has_windows
        is_ours = self.is_short and self._refill.is_ours(self.remaining, self._seen_at, cap=self._cap, rate=self.rate)
        self._even = self.rate if is_ours else self._inflow.per_s(self.rate, self._cap, is_bucket=is_bucket)

    def ready_in(self, cost: float, now: float) -> float:
        """Seconds until *cost* may go; 0 if it may now."""
        if not self.is_known:
            return 0.0
        wait = self._tempo.ready_at - now
        if self.remaining is not None:
            missing = min(cost + self._spare(cost, self._refill.counted(now)), self._cap) - self.level(now)
            if missing > _SLACK:
                wait = max(wait, self._back_in(missing, now))
            wait = min(wait, self._period.peek_at - now)
        return self._tempo.holds(wait, now) if wait > _SLACK else 0.0

    def _back_in(self, missing: float, now: float) -> float:
        """Seconds until so much more is left. What nobody has heard of for long may have changed: look again."""
        heard_at = max(self._observed_at, self._taken_at)
        if self._refill.counted(now) is Manner.EVENLY:
            return min(missing / self._even, heard_at + LOOK_AGAIN_S - now)
        return self._refill.back_in(missing, now, heard_at=heard_at)

    def take(self, cost: float, now: float, *, rest: float = float("inf")) -> None:
        """*cost* is sent, and *rest* calls are still to be sent. Only for a limit that is known."""
        level = self.level(now)
        late = self._refill.shyness.makes_up(self._cap / max(cost, 1.0), is_believed=not self._credit.is_lost)
        spare_now = 0.0 if self.is_short or self._credit.is_lost else level - self._kept
        self._tempo.took(cost, self._speed(now, rest), now, late=late, spare=spare_now)
        self._level, self._taken_at = level - cost, now
        self._period.took(now)
        self._refill.echo.follow(now, self.totals[self.place] - self._missed)

    def settle(self, held: float, used: float, now: float) -> None:
        """A call for which so much was *held* took *used*; nothing if it was refused."""
        self._level = self.level(now) + held - used
        self._tempo.came_back(held, used)
        self._refill.echo.follow(now, self.totals[self.place] - self._missed)

    def _speed(self, now: float, calls: float) -> float:
        """Units a second at which to send just now, *calls* in all: what is really missing is waited for by itself."""
        if self.remaining is None:
            return self.rate * _MARGIN
        rest = self._refill.rest_s(now)
        if rest is not None:
            even = max(self._level, 0.02 * self._cap) / rest
            return max(0.1 * self.rate, min(even, self.rate if self._credit.is_lost else even))
        manner = self._refill.counted(now)
        if manner is Manner.EVENLY:
            refill, settle, kept = self._even * _MARGIN, _SETTLE_S, self._kept
        else:
            refill, settle, kept = self.rate, _SLIDING_SETTLE_S, self._spare(0.0, manner)
        extra = (self._level - kept) / settle
        if self.is_short:
            refill *= 1.0 - min(0.5, self._refill.shyness.apart_s * self.rate / self._cap)
        if self.is_short or self._credit.is_lost:
            extra = min(extra, 0.0)
        elif manner is Manner.EVENLY and self._refill.is_proven:
            extra = max(extra, to_the_end(calls, self.totals, self.place, level=self._level, kept=kept, refill=refill))
        return max(_SLOWEST * refill, refill + extra)

    def missed(self, amount: float, now: float) -> None:
        """What was sent and refused does not come back when the window of it is over."""
        self._missed += amount
        self._refill.echo.note(now, self.totals[self.place] - self._missed)

    def refused(self, cost: float, now: float) -> None:
        """So much was refused for want of this: less is left, whatever is shown, unless that is out of all reason."""
        if self.remaining is not None and self.remaining <= _NEAR * cost:
            self._level = min(self.level(now), 0.5 * cost)
        elif self._credit.is_lost and self._refill.counted(now) is Manner.EVENLY:
            self._level = min(self.level(now), self._kept)  # where a window shows plenty it is something else

    def recounted(self, now: float) -> None:
        """What calls took was counted wrongly up to *now*: what was made of it is worth nothing."""
        self._recounted_at = now
        self._period.recounted()
        self._inflow.forget()
        self._changed(now)

    def contradicted(self) -> None:
        """The server refused although it shows enough."""
        self._credit.contradicted()

    def overran(self, *, sent_at: float, now: float) -> bool:
        """The server refused and shows why: just too much was sent, just too early. Keep a little more apart.

        Returns whether that will do.
        """
        return self._refill.shyness.refused(sent_at=sent_at, now=now) and self.is_short

    def observe(self, shown: LimitLevel, course: Course, *, cost: float, is_refused: bool = False) -> None:
        """An answer showed the limit.

        Args:
            shown: what it said.
            course: when the attempt that it answers went and came back, and what had been sent of this limit.
            cost: what that attempt took of it.
            is_refused: was it refused?
        """
        sent_at, sent, now = course[:3]
        seen_at = self._moment.of(course)
        is_overtaken = seen_at < self._seen_at
        shown = self._far.believed(shown)
        if shown.limit and not is_overtaken:
            self._set_limit(shown, shown.limit, now)
        if self.limit and not is_refused:
            self._far.saw(shown, at=sent_at, sent=sent, limit=self.limit, rate=self.rate, cost=cost)
        if self.limit is None or self._far.is_daily or shown.remaining is None:
            return
        self._set_cap(shown.remaining, shown.reset_in, cost)
        if self.remaining is None:
            self._level, self._at = shown.remaining, now
            self._refill.echo.note(sent_at, sent)
            self._refill.echo.note(now, course.total)
            self._tempo.hurry(now)
        self.remaining = shown.remaining
        self._bear_out(shown.remaining)
        is_other = self._moment.weigh(
            shown.remaining,
            course,
            sent_by=self._sent_by,
            given_back=lambda at: self._refill.given_back(at, self.rate),
            least=max(cost, self._quantum),
            cap=self._cap,
            rate=self.rate,
        )
        if is_other:
            self._refill.moved(self._moment.of(course) - seen_at)
            self._inflow.forget_trend()
            self._seen_at = float("-inf")
        elif not is_overtaken:
            self._seen_at = seen_at
            since = self._refill.echo.last_note(seen_at) if self._moment.lag else seen_at
            look = Look(seen_at, shown.remaining, self._moment.sent(course, self._sent_by), since)
            if shown.reset_in is not None:
                self._refill.saw_reset(seen_at + self._period.ends_in(shown.reset_in), seen_at)
                self._shorten(shown.reset_in, look, cost, is_refused=is_refused)
            self._level -= self._moment.grown(course)
            covered = self._moment.covered(course, self.rate, most=_UNDER_WAY * self._cap - self._kept)
            self._follow(look, now, cost, covered=covered, is_refused=is_refused)
            self._observed_at = now
        self._reckon()

    def _shorten(self, reset_in: float, look: Look, cost: float, *, is_refused: bool) -> None:
        """The limit may be for less than a minute, whatever its name."""
        limit, new = self.limit or 1.0, self.totals[self.place] - look.sent
        if self._period.saw(look, reset_in, limit=limit, cap=self._cap, cost=cost, new=new, is_refused=is_refused):
            self.rate = self._even = limit / self._period.seconds
            self._changed(look.at)
            self._refill.edges.guess(self._period.seconds)

    def _sent_by(self, at: float) -> float:
        return self._refill.echo.sum_at(at) + self._missed

    def _bear_out(self, remaining: float) -> None:
        """Nothing contradicts what is shown."""
        self._credit.borne_out()
        if remaining % _ROUNDED:
            self._quantum = 1.0
        self._refill.shyness.passed(is_much_left=remaining >= self._cap / 2)

    def _set_cap(self, remaining: float, reset_in: float | None, cost: float) -> None:
        cap = max(self._cap, remaining, cost, 1.0)
        if cap > self._cap:
            sent = self.totals[self.place] if self.remaining is None else 0.0
            span, self._cap = span_of(cap, self.rate, reset_in=reset_in, cost=cost, sent=sent)
            self._refill.edges.guess(span)

    def _set_limit(self, shown: LimitLevel, limit: float, now: float) -> None:
        left = None if shown.remaining is None else max(self._cap, shown.remaining)
        if shown.period_s is None and not self.limit:
            self._refill.manner = Manner.AT_ONCE  # which is all that such a reset can mean
        before = self._period.seconds
        self._period.read(shown.period_s, shown.reset_in, limit=limit, left=left)
        if self._period.seconds != before:
            self._refill.edges.guess(self._period.seconds)
        elif limit == self.limit and self.rate == limit / self._period.seconds:
            return
        if self.limit is not None:
            # A limit that changes takes what was saved up beyond it along, and has a refill of its own.
            self._cap *= limit / self.limit
            self._inflow.scale(limit / self.limit)
            self._changed(now)
        self.limit = limit
        self.rate = self._even = limit / self._period.seconds

    def _changed(self, now: float) -> None:
        """What was shown before says nothing about what is shown now."""
        self._refill.forget()
        self._moment.forget()
        self._tempo.hurry(now)

    def _follow(self, look: Look, now: float, cost: float, *, covered: float, is_refused: bool) -> None:
        self._has_windows = not self.is_short and self._cap >= _FEW_CALLS * max(cost, 1.0)
        is_new = False
        if self._has_windows:
            manner = self._refill.manner
            even, least = self.rate + self._inflow.drift, max(cost, 1.0)
            is_new = self._refill.saw(look, rate=self.rate, even=even, cap=self._cap, cost=least, quantum=self._quantum)
            if self._refill.manner is not manner:
                self._moment.forget()
            if is_new or self._refill.manner is not manner:
                self._inflow.forget()
        manner = self._refill.counted(now)
        if manner is Manner.EVENLY:
            self._observe_bucket(look, now, cost, covered=covered, is_refused=is_refused)
            return
        if manner is Manner.AT_ONCE and self._refill.is_over(look, now, is_first=is_new):
            return
        back = 0.0 if is_new else self._refill.back(look.at, now, full=self._cap)
        self._level, self._at = min(self._cap, look.remaining + back - (self.totals[self.place] - look.sent)), now

    def _observe_bucket(self, look: Look, now: float, cost: float, *, covered: float, is_refused: bool) -> None:
        # What was refused took nothing, or emptied what was empty.
        self._inflow.saw(
            look.offset - self._missed - float(is_refused and not self.place) - self.rate * look.at,
            look.at,
            now=now,
            remaining=look.remaining,
            promised=self.rate,
            cap=self._cap,
            quantum=self._quantum,
            cost=cost,
            is_short=self.is_short,
        )
        self._reckon()
        since, ours = self.totals[self.place] - look.sent - covered, self.level(now)
        level = min(self._cap, look.remaining + (now - look.at) * self._even - since)
        if not is_refused:
            ours = max(ours, min(level, -since))  # what it let through, it had
        rounded = 0.0 if self._quantum == 1.0 else self._quantum / 2  # down, or to thousands
        most = level if is_refused else level + (rounded or 1.0)
        self._doubt += (max(0.0, ours - most) - self._doubt) * _WEIGHT
        level = min(max(ours, level - rounded), most)
        if level > ours and look.at > self._recounted_at:
            # Upward only slowly: what is shown may be older than it looks. Hardly where all that was sent is back.
            share = _AT_REST if since <= 0.0 and not self._moment.lag else 0.02
            most = 0.5 * self.rate * (now - self._observed_at) + share * (level - ours)
            level = ours if self._credit.is_lost else min(level, ours + most)
        self._level, self._at = level, now

    def __repr__(self) -> str:
        return f"ServerLevel({self._level:.0f}/{self._cap:.0f}, {self._even:.3g}/s, {self._refill.manner.value})"
