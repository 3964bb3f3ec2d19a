"""All evidence about one lane's limits, fused into one number: how long the next attempt has to wait.

Stated limits, the levels that headers show, and the pace that refusals taught each have their say, and the longest wait
holds. An attempt takes from all of them at once or from none. Nothing here waits: the limiter asks, and tells what came
of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from brim.config import Limits
from brim.policies.level import ServerLevel
from brim.policies.limits import BURST_SECONDS, Bucket, Sliding
from brim.policies.pace import Pace
from brim.policies.tokens import Amounts, Charging, Cost, Spent, TokenCosts
from brim.values import Answer, Dimension, Failure, FailureKind, Sent

__all__ = ["Admission", "Charge"]

_MARGIN: Final = 0.997
"""Stated rates are used up to this share: what is over pays for clocks that differ and for windows cut elsewhere."""
_DAY_S: Final = 86_400.0
_PLACES: Final = {
    Dimension.REQUESTS: 0,
    Dimension.TOKENS: 1,
    Dimension.PROJECT_TOKENS: 1,
    Dimension.INPUT_TOKENS: 2,
    Dimension.OUTPUT_TOKENS: 3,
}
_WORDS: Final = ("requests", "tokens", "input tokens", "output tokens")
_RECENT: Final = 1 / 64
_OFTEN: Final = 0.04
"""A share of refusals, each explained by a level that was used up, above which the levels alone do not do."""
_BLAMES: Final = (("input token", 2), ("output token", 3), ("token", 1))
"""Words in a refusal that name what was used up; numbers are not read."""


class Charge(msgspec.Struct, frozen=True, gc=False):
    """What an attempt took when it was admitted.

    Attributes:
        cost: what it took.
        at: when.
        among: attempts on the wire then, itself included.
        max_tokens: its own cap on output.
        totals: all that had been sent by then, itself included.
    """

    cost: Cost
    at: float
    among: int
    max_tokens: int | None
    totals: Amounts


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What a refusal means: is it news about our speed, and is it explained by a level that was used up?"""

    is_strike: bool
    is_explained: bool


class _Stated:
    """One stated limit: its place among the amounts and its arithmetic."""

    __slots__ = ("gauge", "name", "place")

    def __init__(self, place: int, gauge: Bucket | Sliding, name: str) -> None:
        self.place = place
        self.gauge = gauge
        self.name = name


class Admission:
    """Knows when the next attempt may go.

    Args:
        limits: what the user stated.
        charging: how the provider counts output.
        now: the present time.
    """

    def __init__(self, limits: Limits, *, charging: Charging, now: float) -> None:
        self._limits = limits
        per_minute = (
            limits.requests_per_minute,
            limits.tokens_per_minute,
            limits.input_tokens_per_minute,
            limits.output_tokens_per_minute,
        )
        self._minutes = per_minute
        self._stated = [
            _Stated(place, _bucket(amount, now), f"{_WORDS[place]} a minute")
            for place, amount in enumerate(per_minute)
            if amount is not None
        ]
        self._stated += [
            _Stated(0, Sliding(amount=each.requests, seconds=each.seconds), f"requests in {each.seconds:g} s")
            for each in limits.windows
        ]
        self._days = [
            _Stated(place, Sliding(amount=amount, seconds=_DAY_S), f"{_WORDS[place]} a day")
            for place, amount in ((0, limits.requests_per_day), (1, limits.tokens_per_day))
            if amount is not None
        ]
        tokens = (limits.tokens_per_day,) if limits.tokens_per_day is not None else ()
        self._ceilings = [
            # One request is always possible; so seldom as less than one a minute may be.
            *((place, amount, "minute") for place, amount in enumerate(per_minute) if place and amount is not None),
            *((1, amount, "day") for amount in tokens),
        ]
        self._costs = TokenCosts(charging)
        self._totals = [0.0, 0.0, 0.0, 0.0]
        self._levels: dict[Dimension, ServerLevel] = {}
        self._known: list[ServerLevel] = []
        self._passed = [0.0, 0.0, 0.0, 0.0]
        self._paces: list[Pace] = []
        self._explained = 0.0
        self._began_at = now

    @property
    def is_rate_known(self) -> bool:
        """Does a stated or shown rate hold us back?"""
        return bool(self._stated) or bool(self._known)

    def cost(self, body: bytes, max_tokens: int | None) -> Cost:
        """What an attempt will take."""
        return self._costs.reserve(body, max_tokens)

    @property
    def is_paced(self) -> bool:
        """Did refusals teach a rate?"""
        return any(pace.holds for pace in self._paces)

    def too_large(self, cost: Cost) -> Failure | None:
        """Why an attempt can never go; None if it can."""
        for place, limit, span in self._ceilings:
            if cost.amounts[place] > limit:
                return _too_large(cost.amounts[place], limit, place, span)
        return None

    def recall(self, spent: Sequence[Spent], now: float) -> None:
        """Let the stated limits begin with what was spent before, which comes in the order of time."""
        for each in (*self._stated, *self._days):
            each.gauge.recall([(now - one.ago, one.amounts[each.place]) for one in spent])

    def day_over(self, cost: Cost, now: float) -> Failure | None:
        """Why nothing more may go today; None if it may."""
        for each in self._days:
            wait = each.gauge.ready_in(cost.amounts[each.place], now)
            if wait > 0.0:
                hours = f"{wait / 3600:.1f}"
                limit = each.gauge.amount if isinstance(each.gauge, Sliding) else 0.0
                return Failure(
                    kind=FailureKind.DAILY,
                    message=f"the stated limit of {limit:,.0f} {each.name} is used up; there is room in {hours} hours",
                    retry_after=wait,
                    sent=Sent.NO,
                )
        return None

    def ready_in(self, cost: Cost, now: float) -> float:
        """Seconds until an attempt of *cost* may go; 0 if it may now."""
        wait = 0.0
        amounts = cost.amounts
        for pace in self._paces:
            wait = max(wait, pace.ready_in(now))
        for each in self._stated:
            wait = max(wait, each.gauge.ready_in(amounts[each.place], now))
        for level in self._known:
            wait = max(wait, level.ready_in(amounts[level.place], now))
        return wait

    def take(self, cost: Cost, now: float, *, among: int, max_tokens: int | None) -> Charge:
        """An attempt goes: take its cost everywhere."""
        amounts = cost.amounts
        self._move(amounts, now)
        self._explained -= self._explained * _RECENT
        for pace in self._paces:
            pace.took(amounts[pace.place], now)
        totals = self._totals
        return Charge(cost, now, among, max_tokens, (totals[0], totals[1], totals[2], totals[3]))

    def _move(self, amounts: Amounts, now: float) -> None:
        requests, tokens, given, made = amounts
        for sums in (self._totals, self._passed):
            sums[0] += requests
            sums[1] += tokens
            sums[2] += given
            sums[3] += made
        for each in self._stated:
            each.gauge.take(amounts[each.place], now)
        for each in self._days:
            each.gauge.take(amounts[each.place], now)
        for level in self._known:
            level.take(amounts[level.place], now)

    def answered(self, charge: Charge, answer: Answer, now: float, *, used: Amounts | None = None) -> None:
        """An attempt came back: true up its tokens, and believe what its headers show.

        *used* is what it took; None where that has to be worked out from the usage.
        """
        if answer.levels:
            self._observe(charge, answer, now)
        usage = answer.outcome.usage
        if used is None and usage is not None:
            used = self._costs.true_up(charge.cost, charge.max_tokens, usage)
        if used is not None:
            _, tokens, given, made = used
            _, held, held_given, held_made = charge.cost.amounts
            change = (0.0, tokens - held, given - held_given, made - held_made)
            self._move(change, now)
            for pace in self._paces:
                pace.trued_up(change[pace.place])

    def _observe(self, charge: Charge, answer: Answer, now: float) -> None:
        refused = isinstance(answer.outcome, Failure)
        for shown in answer.levels:
            level = self._levels.get(shown.dimension)
            if level is None:
                level = self._levels[shown.dimension] = ServerLevel(self._totals, _PLACES[shown.dimension])
            place = level.place
            sent = charge.totals[place]
            cost = 0.0 if refused else charge.cost.amounts[place]
            before = level.limit
            level.observe(shown, sent_at=charge.at, sent=sent, now=now, cost=cost)
            factor = level.limit / before if before and level.limit else 1.0
            for pace in self._paces:
                if pace.place == place and factor != 1.0:
                    pace.scaled(factor)
                elif pace.place == place and not refused and level.shows_plenty:
                    pace.relieved()
        if len(self._known) != sum(level.is_known for level in self._levels.values()):
            self._known = [level for level in self._levels.values() if level.is_known]

    def forget_paces(self) -> None:
        """It was calls at once that were refused: what that taught about rates is worth nothing."""
        self._paces.clear()

    def refused(
        self, charge: Charge, answer: Answer, failure: Failure, now: float, *, is_crowd: bool = False
    ) -> Verdict:
        """A limit refused an attempt. Told after `answered`; *is_crowd* if too many calls at once are to blame."""
        # A refused call took no tokens; whether it took a request is the server's secret, so that stays.
        _, tokens, given, made = charge.cost.amounts
        self._move((0.0, -tokens, -given, -made), now)
        self._passed[0] -= 1.0
        if is_crowd:
            return Verdict(is_strike=True, is_explained=False)
        shown = [level for level in answer.levels if level.remaining is not None]
        explained = any(
            level.remaining is not None and level.remaining < charge.cost.amounts[_PLACES[level.dimension]]
            for level in shown
        )
        self._explained += (explained - self._explained) * _RECENT
        if explained and self._explained < _OFTEN:
            return Verdict(is_strike=True, is_explained=True)
        if shown and not explained:
            for level in self._known:
                level.contradicted()
        pace = self._blamed(failure)
        amount = charge.cost.amounts[pace.place]
        strike = pace.refused(amount, sent_at=charge.at, now=now, wait=failure.retry_after or 0.0)
        return Verdict(is_strike=strike, is_explained=False)

    def _blamed(self, failure: Failure) -> Pace:
        """The pace of the dimension that the refusal names; requests if it names none."""
        text = failure.message
        place = next((place for words, place in _BLAMES if words in text), 0)
        for pace in self._paces:
            if pace.place == place:
                return pace
        limit = self._minutes[place]
        ceiling = None if limit is None else limit / 60.0
        self._paces.append(Pace(self._passed, place, ceiling=ceiling, now=self._began_at))
        return self._paces[-1]

    def binding(self, cost: Cost, now: float) -> str | None:
        """The limit that holds up an attempt of *cost* the longest; None if none does."""
        amounts = cost.amounts
        waits = [(0.0, "")]
        waits += [(pace.ready_in(now), f"{_WORDS[pace.place]}, a rate learnt from refusals") for pace in self._paces]
        waits += [(each.gauge.ready_in(amounts[each.place], now), each.name) for each in self._stated]
        waits += [
            (level.ready_in(amounts[level.place], now), f"{dimension.value} left on the server")
            for dimension, level in self._levels.items()
        ]
        wait, name = max(waits)
        return name if wait > 0.0 else None


def _bucket(per_minute: float, now: float) -> Bucket:
    rate = per_minute / 60.0 * _MARGIN
    return Bucket(rate=rate, burst=max(1.0, rate * BURST_SECONDS), start=1.0, now=now)


def _too_large(cost: float, limit: float, place: int, span: str) -> Failure:
    return Failure(
        kind=FailureKind.TOO_LARGE,
        message=f"the request needs about {cost:,.0f} {_WORDS[place]} but the limit is {limit:,.0f} {_WORDS[place]} "
        f"a {span}; raise that limit or make the request smaller",
        sent=Sent.NO,
    )
