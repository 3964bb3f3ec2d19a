"""Stated limits with their arithmetic, made from what a user states, and made anew when that changes.

What was spent is not forgotten: a limit that is changed keeps its level, one that is stated in a lane at work is told
what the lane has sent. So a limit may be lowered, raised or stated at any time and holds from that moment on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from brim.policies.clock_window import ClockWindow
from brim.policies.lateness import Lateness
from brim.policies.limits import BURST_SECONDS, FEW, Bucket, Sliding
from brim.policies.lulls import LullBucket
from brim.policies.savings import SavingBucket
from brim.policies.slack import Slack
from brim.policies.spans import MINUTE_S
from brim.values import Constraint, Gauge, GaugeSource

if TYPE_CHECKING:
    from brim.config import Limits
    from brim.policies.level import ServerLevel
    from brim.policies.past import Past

__all__ = [
    "CONSTRAINTS",
    "MARGIN",
    "WORDS",
    "Stated",
    "arrived",
    "ceilings",
    "drain",
    "fastest",
    "hold",
    "is_held",
    "minutes",
    "recalled",
    "rest",
    "state_days",
    "state_minute",
    "state_rates",
]

_SPARE_S: Final = 1.0
"""So much is left to a server whose limit was found to be used up."""
WORDS: Final = ("requests", "tokens", "input tokens", "output tokens")
"""What an amount counts, by its place."""
CONSTRAINTS: Final = (
    Constraint.REQUESTS,
    Constraint.TOKENS,
    Constraint.INPUT_TOKENS,
    Constraint.OUTPUT_TOKENS,
)
"""The constraint that a rate of it is, by its place."""

MARGIN: Final = 0.997
"""Stated rates are used up to this share: what is over pays for clocks that differ and for windows cut elsewhere."""
_DAY_S: Final = 86_400.0
_SAME: Final = 0.01
"""Limits that differ by less are the same."""
_LATER: Final = 1.5
"""What was written late is counted so many times as late at most: a new connection is new for the server too."""
_TIMER_S: Final = 0.002
"""A timer is late by up to so much, which is made up for: else a pace of ten a second would lose a hundredth."""
_LONGEST_WAIT_S: Final = 2.0
"""Who came just too early is not told to wait for longer."""


class Stated:
    """One stated limit: its place among the amounts, its arithmetic, and how it is called.

    Attributes:
        amount: units in *period_s* seconds.
    """

    __slots__ = (
        "_burst",
        "_is_single",
        "_lateness",
        "_slack",
        "amount",
        "constraint",
        "gauge",
        "name",
        "period_s",
        "place",
    )

    def __init__(
        self,
        place: int,
        gauge: Bucket | Sliding | ClockWindow,
        name: str,
        constraint: Constraint,
        *,
        amount: float,
        period_s: float,
    ) -> None:
        self.place = place
        self.gauge = gauge
        self.name = name
        self.constraint = constraint
        self.amount = amount
        self.period_s = period_s
        self._lateness = Lateness(period_s)
        self._slack: Slack | None = None
        self._burst = gauge.burst if isinstance(gauge, Bucket) else 0.0
        self._is_single = BURST_SECONDS * amount <= period_s
        if place == 0 and isinstance(gauge, Bucket):
            self._slack = Slack(1.0 / gauge.rate)
        elif place == 0 and constraint is Constraint.WINDOW and amount <= FEW:
            self._slack = Slack(period_s)

    def refused(self, *, sent_at: float, now: float, wait: float) -> bool:
        """A call was refused that this let go. Was it just too early, as the limit is enforced without any slack?

        If so, calls keep further apart from now on. *wait* is what the server asks for in seconds, 0 if it does not
        say.
        """
        if self._slack is None or wait > _LONGEST_WAIT_S:
            return False
        is_early = self._slack.refused(sent_at=sent_at, now=now, wait=wait)
        self.relax(now)
        return is_early

    def overdrew(self, cost: float, *, sent_at: float, now: float) -> bool:
        """A call was refused. Had more been saved for it than the server allows? If so, less is from now on."""
        gauge = self.gauge
        return isinstance(gauge, SavingBucket | LullBucket) and gauge.refused(cost, sent_at=sent_at, now=now)

    def is_shown_by(self, level: ServerLevel) -> bool:
        """Does the server show this very limit?"""
        return level.place == self.place and abs(level.rate * self.period_s - self.amount) <= _SAME * self.amount

    def forgive(self, now: float) -> None:
        """Somebody else keeps the account: what this counted too much is no debt."""
        if isinstance(self.gauge, Bucket):
            self.gauge.forgive(now)

    def relax(self, now: float) -> None:
        """Time passed: calls that keep further apart than stated may come closer again."""
        gap = self._slack.gap(now) if self._slack is not None and self._slack.is_kept else None
        if isinstance(self.gauge, Sliding):
            late_s = min(_LATER * self._lateness.most_s, self.period_s)  # one that hung holds up nobody for long
            self.gauge.late_s = late_s + (0.0 if gap is None else gap - self.period_s)
        elif gap is not None and isinstance(self.gauge, Bucket):
            burst = self.gauge.burst
            if burst <= self._burst:  # and not what lulls have shown to go at once
                is_strict = self._slack is not None and self._slack.is_kept
                strict = 1.0 if self._is_single else min(self._burst, 1.0 + _TIMER_S / gap)
                burst = strict if is_strict else self._burst
            self.gauge.restate(rate=1.0 / gap, burst=burst, now=now)

    def wrote(self, late_s: float, now: float) -> None:
        """A request was written so many seconds after it was admitted: the server counts it no sooner."""
        if self._slack is not None and isinstance(self.gauge, Bucket) and self._is_single:
            self.gauge.take(self._slack.wrote(late_s) * self.gauge.rate, now)
        before = self._lateness.most_s
        self._lateness.saw(late_s, now)
        if self._lateness.most_s > before:
            self.relax(now)

    def shown(self, past: Past, now: float) -> Gauge:
        """How full it is: of a window what was sent in it, of a rate what the last minute used of it."""
        if isinstance(self.gauge, Sliding):
            used = 1.0 - self.gauge.level(now) / self.amount
        else:
            used = past.rate(self.place, self.period_s, now) * self.period_s / self.amount
        return Gauge(
            name=self.name,
            limit=self.amount,
            used=min(1.0, max(0.0, used)),
            unit=WORDS[self.place],
            period_s=self.period_s,
            source=GaugeSource.STATED,
        )


def minutes(limits: Limits) -> tuple[float | None, ...]:
    """The limits a minute, by place."""
    return (
        limits.requests_per_minute,
        limits.tokens_per_minute,
        limits.input_tokens_per_minute,
        limits.output_tokens_per_minute,
    )


def fastest(place: int, minutes: Sequence[float | None], stated: Iterable[Stated]) -> float | None:
    """The fastest that *stated* limits and those for *minutes* allow in the long run, units a second; None for any."""
    limit = minutes[place]
    rates = [] if limit is None else [limit / MINUTE_S]
    rates += [each.amount / each.period_s for each in stated if each.place == place]
    return min(rates, default=None)


def ceilings(limits: Limits) -> list[tuple[int, float, str]]:
    """What a single request may not exceed: place, units and the time for which they are given.

    One request is always possible; as seldom as less than one a minute it may be.
    """
    by_minute = [(place, amount, "minute") for place, amount in enumerate(minutes(limits)) if place and amount]
    return by_minute + ([(1, limits.tokens_per_day, "day")] if limits.tokens_per_day is not None else [])


def state_rates(
    limits: Limits, now: float, *, past: Past, before: Iterable[Stated] = (), is_even: bool = False
) -> list[Stated]:
    """The limits that make an attempt wait, in the place of those *before*. *is_even*: lulls save nothing."""
    amounts = [(place, amount) for place, amount in enumerate(minutes(limits)) if amount is not None]
    kind = SavingBucket if len(amounts) > 1 else LullBucket
    buckets = {each.place: each.gauge for each in before if isinstance(each.gauge, Bucket)}
    rates = [
        state_minute(place, amount, now, kind=kind, before=buckets.get(place), past=past, is_even=is_even)
        for place, amount in amounts
    ]
    windows = [(0, float(each.requests), each.seconds, f"requests in {each.seconds:g} s") for each in limits.windows]
    return rates + _slidings(windows, Constraint.WINDOW, now, past=past, before=before)


def state_minute(
    place: int,
    amount: float,
    now: float,
    *,
    past: Past,
    kind: type[SavingBucket | LullBucket] = LullBucket,
    before: Bucket | None = None,
    is_even: bool = False,
) -> Stated:
    """A limit of *amount* a minute, which is kept to evenly, in the place of the bucket *before*."""
    gauge = _minute(kind, place, amount, now, before=before, past=past, is_even=is_even)
    name = f"{WORDS[place]} a minute"
    return Stated(place, gauge, name, CONSTRAINTS[place], amount=amount, period_s=MINUTE_S)


def state_days(limits: Limits, now: float, *, past: Past, before: Iterable[Stated] = ()) -> list[Stated]:
    """The limits that park a lane when they are used up, in the place of those *before*."""
    amounts = ((0, limits.requests_per_day), (1, limits.tokens_per_day))
    days = [(place, amount, _DAY_S, f"{WORDS[place]} a day") for place, amount in amounts if amount is not None]
    return _slidings(days, Constraint.DAY, now, past=past, before=before)


def _slidings(
    wanted: Iterable[tuple[int, float, float, str]],
    constraint: Constraint,
    now: float,
    *,
    past: Past,
    before: Iterable[Stated],
) -> list[Stated]:
    kept: dict[tuple[int, float], list[Sliding]] = {}
    for each in before:
        if isinstance(each.gauge, Sliding):
            kept.setdefault((each.place, each.gauge.seconds), []).append(each.gauge)
    stated = []
    for place, amount, seconds, name in wanted:
        # Taken out, since two limits may have the same length, and each keeps its own account.
        accounts = kept.get((place, seconds))
        sliding = accounts.pop() if accounts else recalled(place, amount, seconds, past, now)
        sliding.restate(amount)
        stated.append(Stated(place, sliding, name, constraint, amount=amount, period_s=seconds))
    return stated


def recalled(place: int, amount: float, seconds: float, past: Past, now: float, *, is_spread: bool = False) -> Sliding:
    """A sliding limit that knows what has been sent."""
    sliding = Sliding(amount=amount, seconds=seconds, is_spread=is_spread)
    for at, units in past.units(place, now - seconds, now):
        sliding.take(units, at)
    return sliding


def hold(stated: Iterable[Stated], until: float, now: float) -> None:
    """One of these limits makes calls wait *until* then: the others may save what flows into them meanwhile."""
    for each in stated:
        if isinstance(each.gauge, SavingBucket):
            each.gauge.held(until, now)


def arrived(stated: Iterable[Stated], now: float) -> None:
    """Somebody comes, and nobody waits: if these limits have been full for a while there was a lull."""
    for each in stated:
        if isinstance(each.gauge, SavingBucket | LullBucket):
            each.gauge.arrived(now)


def rest(stated: Iterable[Stated], until: float, now: float) -> None:
    """No call goes *until* then, and none makes up for it: a limit that is enforced by the second would refuse that."""
    for each in stated:
        if each.place == 0 and isinstance(each.gauge, Bucket):
            each.gauge.drain((until - now) * each.gauge.rate - 1.0, now)


def is_held(stated: Iterable[Stated], place: int, amount: float, now: float) -> bool:
    """Does a limit of *place* make a call of *amount* wait?"""
    return any(each.place == place and each.gauge.ready_in(amount, now) > 0.0 for each in stated)


def drain(stated: Iterable[Stated], place: int, least: float, now: float) -> None:
    """The server has nothing left of *place*, whatever was counted here, and needs *least* before the next call.

    A second's worth is left to it besides: what is not estimated exactly would be refused again and again.
    """
    for each in stated:
        if each.place == place and isinstance(each.gauge, Bucket):
            each.gauge.drain(least + _SPARE_S * each.gauge.rate, now)


def _minute(
    kind: type[SavingBucket | LullBucket],
    place: int,
    amount: float,
    now: float,
    *,
    before: Bucket | None,
    past: Past,
    is_even: bool,
) -> Bucket:
    rate = amount / MINUTE_S * MARGIN
    burst = max(1.0 + (0.0 if place else rate * _TIMER_S), rate * BURST_SECONDS)
    if isinstance(before, SavingBucket | LullBucket) and type(before) is kind:
        before.hold_to(amount, rate=rate, burst=burst, now=now)
        return before
    # A lane at work has no burst left over: what it sent, it sent without this limit.
    start = 0.0 if past else burst
    if place == 0:
        start = min(start, 1.0)
    if before is not None:
        start = min(burst, before.level(now))
    bucket = kind(amount, rate=rate, burst=burst, start=start, now=now, is_even=is_even)
    bucket.remember(past.units(place, now - MINUTE_S, now))
    return bucket
