"""All evidence about one lane's limits, fused into one number: how long the next attempt has to wait.

Stated limits, the levels that headers show, and the pace that refusals taught each have their say, and the longest wait
holds. An attempt takes from all of them at once or from none. Nothing here waits: the limiter asks, and tells what came
of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from brim.config import Limits
from brim.policies.blame import PLACES, blamed_place, is_named, named_rate, shows_less
from brim.policies.charges import Charge, LearntCosts, Verdict
from brim.policies.clock_pace import ClockPace
from brim.policies.fit import outgrown, too_large
from brim.policies.growth import RAMP_CODES, Growth
from brim.policies.level import ServerLevel
from brim.policies.pace import Pace
from brim.policies.past import Past
from brim.policies.refusal import Refusal
from brim.policies.shown_spans import ShownSpans
from brim.policies.stated import Stated, arrived, ceilings, fastest, hold, minutes, rest, state_days, state_rates
from brim.policies.surprises import Surprises, overdrew
from brim.policies.telling import day_used_up, gauges_of_levels, gauges_of_paces, longest_wait
from brim.policies.tokens import Amounts, Charging, Cost, Spent
from brim.values import Answer, Bound, Dimension, Failure, FailureKind, Gauge

__all__ = ["Admission"]

_NOTHING: Final[Amounts] = (0.0, 0.0, 0.0, 0.0)
_LONG_AGO: Final = float("-inf")
_NEVER: Final = float("inf")
_RECENT: Final = 1 / 64
_OFTEN: Final = 0.04
"""A share of refusals, each explained by a level that was used up, above which the levels alone do not do."""
_OFTEN_FOR_SHY: Final = 0.07
"""The same where a level can make up for it by itself."""


class Admission:
    """Knows when the next attempt may go.

    Args:
        limits: what the user stated.
        charging: how the provider counts output.
        now: the present time.
        is_even: are stated rates a minute kept evenly, whatever was not used before?
    """

    def __init__(self, limits: Limits, *, charging: Charging, now: float, is_even: bool = False) -> None:
        self._totals = [0.0, 0.0, 0.0, 0.0]
        self._past = Past(self._totals, now)
        self._costs = LearntCosts(charging)
        self.lost = self._costs.lost
        self._levels: dict[tuple[Dimension, float | None], ServerLevel] = {}
        self._known: list[ServerLevel] = []
        self._spans = ShownSpans()
        self._passed = [0.0, 0.0, 0.0, 0.0]
        self._refused = self._explained = 0.0
        self._paces: list[ClockPace] = []
        self._growth: Growth | None = None
        self._shown_at = _NEVER
        self._began_at, self._is_even = now, is_even
        self._stated: list[Stated] = []
        self._days: list[Stated] = []
        self._surprises = Surprises(minutes(limits))
        self.restate(limits, now)

    def restate(self, limits: Limits, now: float) -> None:
        """The user states other *limits*. What was spent stays spent, what was learnt is kept where it still fits."""
        self._minutes = minutes(limits)
        self._surprises = Surprises(self._minutes, self._surprises.ends)
        self._costs.ceilings = ceilings(limits)
        self._stated = state_rates(limits, now, past=self._past, before=self._stated, is_even=self._is_even)
        self._kept = self._stated
        self._days = state_days(limits, now, past=self._past, before=self._days)
        self._paces = [pace for pace in self._paces if pace.restated(fastest(pace.place, self._minutes, self._stated))]

    def wrote(self, late_s: float, now: float) -> None:
        """A request was written so many seconds after it was admitted."""
        for each in self._stated:
            each.wrote(late_s, now)

    def closed(self, until: float, now: float) -> None:
        """Nobody goes *until* then."""
        rest(self._stated, until, now)

    @property
    def is_rate_known(self) -> bool:
        """Does a stated or shown rate hold us back?"""
        return bool(self._stated) or bool(self._known)

    def cost(self, body: bytes, max_tokens: int | None) -> Cost:
        """What an attempt will take."""
        return self._costs.reserve(body, max_tokens)

    def renew(self, cost: Cost, max_tokens: int | None) -> Cost:
        """What an attempt that was said to take *cost* will take as far as is known now."""
        return self._costs.renew(cost, max_tokens)

    @property
    def is_paced(self) -> bool:
        """Did refusals teach a rate?"""
        return self._growth is not None or any(pace.holds for pace in self._paces)

    @property
    def is_window_promised(self) -> bool:
        """Did the wait that the first refusal names tell a window? Then nothing else is to blame."""
        return any(pace.is_promised for pace in self._paces)

    def unlearn(self, place: int | None = None) -> None:
        """What was taken for refusals of a rate were none: none is known from them, of one *place* or of any."""
        self._paces = [pace for pace in self._paces if place not in {None, pace.place}]

    def too_large(self, cost: Cost, body: bytes, max_tokens: int | None) -> Failure | None:
        """Why an attempt with *body* can never go; None if it may: an estimate alone is no reason."""
        if not self._costs.ceilings:
            return None
        return too_large(cost.amounts, self._costs.ceilings, partial(self._costs.least, cost, body, max_tokens))

    def outgrown(
        self, charge: Charge, answer: Answer, failure: Failure, body: bytes, *, is_sure: bool
    ) -> Failure | None:
        """Why an attempt with *body* that was refused can never go; None if it may. *is_sure*: an estimate will do."""
        cost = charge.cost
        limits = [(level.place, level.limit) for level in self._known if level.limit]
        limits += [(place, limit) for place, limit, _ in self._costs.ceilings] if is_sure else []
        least = partial(self._costs.least, cost, body, charge.max_tokens)
        return outgrown(cost.amounts, answer, failure, limits, (lambda: cost.amounts) if is_sure else least)

    def recall(self, spent: Sequence[Spent], now: float) -> None:
        """Let the stated limits begin with what was spent before, which comes in the order of time."""
        for each in (*self._stated, *self._days):
            each.gauge.recall([(now - one.ago, one.amounts[each.place]) for one in spent])
        self._past.recall([(now - one.ago, one.amounts) for one in spent], now)

    def day_over(self, cost: Cost, now: float) -> Failure | None:
        """Why nothing more may go today; None if it may."""
        waits = ((each, each.gauge.ready_in(cost.amounts[each.place], now)) for each in self._days)
        return next((day_used_up(each, wait) for each, wait in waits if wait > 0.0), None)

    def is_day_reserved(self, cost: Cost, now: float) -> bool:
        """Is a day's limit used up for *cost* that may have room again when calls come home? Requests never do."""
        return any(each.place and each.gauge.ready_in(cost.amounts[each.place], now) > 0.0 for each in self._days)

    def ready_in(self, cost: Cost, now: float, *, since: float = _LONG_AGO, is_paced: bool = True) -> float:
        """Seconds until an attempt of *cost* may go that waits *since* then; 0 if now. *is_paced*: do rates count?"""
        wait, amounts = 0.0, cost.amounts
        if since == now:
            arrived(self._stated, now)
        for pace in self._paces if is_paced else ():
            wait = max(wait, pace.ready_in(amounts[pace.place], now))
        if self._growth is not None:
            wait = max(wait, self._growth.ready_in(amounts[self._growth.place], now))
        held = max([each.gauge.ready_in(amounts[each.place], now) for each in self._kept], default=0.0)
        if held > 0.0 and len(self._kept) > 1:
            hold(self._kept, now + held, now)
        wait = max(wait, held)
        for level in self._known:
            wait = max(wait, level.ready_in(amounts[level.place], now))
        return wait

    def take(self, cost: Cost, now: float, *, among: int, max_tokens: int | None, rest: float = _NEVER) -> Charge:
        """An attempt goes: take its cost everywhere. *rest* are still to go, as far as anybody knows."""
        amounts = cost.amounts
        totals = self._move(amounts, now)
        for level in self._known:
            level.take(amounts[level.place], now, rest=rest)
        if self._explained:
            self._explained -= self._explained * _RECENT
        for pace in self._paces:
            pace.took(amounts[pace.place], now)
        if self._growth is not None:
            self._growth.took(amounts[self._growth.place], now)
        return self._costs.took(cost, now, among=among, max_tokens=max_tokens, totals=totals)

    def _move(self, amounts: Amounts, now: float) -> Amounts:
        """Add *amounts* to all that was sent. Returns that."""
        if now >= self._past.due:
            self._past.note(now)
            for each in self._stated:
                each.relax(now)
        requests, tokens, given, made = amounts
        had_requests, had_tokens, had_given, had_made = self._totals
        requests += had_requests
        tokens += had_tokens
        given += had_given
        made += had_made
        totals = (requests, tokens, given, made)
        self._totals[:] = totals
        if self._paces:
            self._passed[:] = requests - self._refused, tokens, given, made
        for each in self._stated:
            each.gauge.take(amounts[each.place], now)
        for each in self._days:
            each.gauge.take(amounts[each.place], now)
        return totals

    def _settle(self, held: Amounts, used: Amounts, now: float) -> Amounts:
        """Tokens were *held* for an attempt, and *used* is what it took. Returns the change."""
        change = (0.0, used[1] - held[1], used[2] - held[2], used[3] - held[3])
        self._move(change, now)
        for level in self._known:
            if level.place:
                level.settle(held[level.place], used[level.place], now)
        return change

    def answered(self, charge: Charge, answer: Answer, now: float, *, used: Amounts | None = None) -> None:
        """An attempt came back: true up its tokens, and believe what its headers show.

        *used* is what it took; None where that has to be worked out from the usage.
        """
        is_refused = isinstance(answer.outcome, Failure) and answer.outcome.kind is FailureKind.THROTTLED
        if is_refused:
            # A refused call took no tokens; whether it took a request is the server's secret, so that stays.
            self._settle(charge.cost.amounts, _NOTHING, now)
        self._costs.came_back(charge, answer, now)
        usage = answer.outcome.usage
        if usage is not None:
            self._surprises.passed(charge.cost.amounts, charge.at)
        if used is None and usage is not None:
            used = self._costs.settle(charge, usage)
            self._costs.answered(charge, usage, self._kept, now)
        if used is not None:
            change = self._settle(charge.cost.amounts, used, now)
            for pace in self._paces:
                pace.trued_up(change[pace.place], now)
                pace.passed(charge.cost.amounts[pace.place], charge.at)
        if answer.levels:
            # What the server gave back of this call may be in what it shows: it must not be counted twice.
            self._observe(charge, answer, now, is_refused=is_refused)

    def _observe(self, charge: Charge, answer: Answer, now: float, *, is_refused: bool) -> None:
        failed = isinstance(answer.outcome, Failure)
        for each in answer.levels:
            shown = self._spans.read(each, self._stated, past=self._past, now=now)
            level = self._levels.get(limit := (each.dimension, each.period_s))
            if level is None:
                if failed and shown.period_s is None:
                    continue  # OpenRouter shows a limit, of which window nobody knows, with refusals only: a hint
                level = self._levels[limit] = ServerLevel(self._totals, PLACES[shown.dimension])
            place = level.place
            cost = charge.cost.amounts[place]
            sent = charge.totals[place] - (cost if is_refused and place else 0.0)
            before, slid = level.rate, level.slides
            course = self._costs.course(charge, sent, self._totals[place], now)
            level.observe(shown, course, cost=0.0 if failed else cost, is_refused=is_refused)
            if place == 1 and not failed and shown.remaining is not None and level.is_known:
                self._weigh_charging(charge, shown.remaining, level, now)
            if level.slides and not slid:  # what was refused before that was known taught a rate that is none
                self.unlearn(place)
            factor = level.rate / before if before else 1.0
            for pace in self._paces:
                if pace.place == place and factor != 1.0:
                    pace.scaled(factor)
                elif pace.place == place and not failed and level.shows_plenty:
                    pace.relieved(shown=level.rate, most=level.most_rate)
        if len(self._known) != len(known := [level for level in self._levels.values() if level.is_known]):
            self._know(known, now)
        self._yield(now)

    def _know(self, levels: list[ServerLevel], now: float) -> None:
        """More or fewer *levels* are shown than before."""
        self._known = levels
        if self._shown_at == float("inf"):  # what refusals alone made one guess is worth nothing
            places = {level.place for level in levels}
            self._paces = [pace for pace in self._paces if not (pace.is_guess and pace.place in places)]
        self._shown_at = min(self._shown_at, now)

    def _weigh_charging(self, charge: Charge, remaining: float, level: ServerLevel, now: float) -> None:
        if self._costs.shown(
            remaining, charge.stake, sent_at=charge.at, now=now, rate=level.rate, is_short=level.is_short
        ):
            for each in self._known:
                if each.place == 1:
                    each.recounted(now)

    def _yield(self, now: float) -> None:
        """A stated limit of tokens does not hold back while the server, which alone knows its count, shows plenty."""
        self._kept = []
        for each in self._stated:
            if each.place and any(each.is_shown_by(level) and level.shows_plenty for level in self._known):
                each.forgive(now)
            else:
                self._kept.append(each)

    def tells_wait(self, answer: Answer, now: float) -> bool:
        """Is it known how all limits come back that *answer* shows as used up?"""
        used_up = [shown for shown in answer.levels if shown.remaining is not None and shown.remaining < 1.0]
        levels = [self._levels.get((shown.dimension, shown.period_s)) for shown in used_up]
        return bool(levels) and all(level is not None and level.tells_wait(now) for level in levels)

    def refused(
        self, charge: Charge, answer: Answer, failure: Failure, now: float, *, is_crowd: bool = False
    ) -> Verdict:
        """A limit refused an attempt. Told after `answered`; *is_crowd* if too many calls at once are to blame."""
        self.missed(now)
        if is_crowd or failure.code in RAMP_CODES:
            return self._not_by_rate(charge, failure, now)
        place = self._costs.blamed(failure, charge)
        for level in self._known:
            if level.place == place:
                level.refused(charge.cost.amounts[place], now)
        shown = any(level.remaining is not None for level in answer.levels)
        # What remains of nobody knows how much is nothing to go by.
        is_followed = any(level.limit is not None for level in self._levels.values())
        explained = is_followed and shows_less(answer, charge.cost.amounts)
        if explained and charge.at < self._shown_at:
            return Verdict(is_strike=True, is_explained=True)  # sent before anything was known
        self._explained += (explained - self._explained) * _RECENT
        cope = [explained and level.overran(sent_at=charge.at, now=now) for level in self._known]
        often = _OFTEN_FOR_SHY if any(cope) else _OFTEN
        if explained and self._explained < often and not self._is_held_by_pace(place):
            return Verdict(is_strike=True, is_explained=True)
        if shown and not explained:
            for level in self._known:
                level.contradicted()
        return self._unexplained(place, charge, failure, now)

    def missed(self, now: float) -> None:
        """An attempt did not get through."""
        self._refused += 1.0
        self._passed[:] = self._totals[0] - self._refused, *self._totals[1:]
        for level in self._known:
            if level.place == 0:
                level.missed(1.0, now)

    def _is_held_by_pace(self, place: int) -> bool:
        """Does a learnt rate hold calls back, and not what the server shows? Then what is used up is for it to heed."""
        paced = min((pace.rate for pace in self._paces if pace.place == place and pace.holds), default=float("inf"))
        return any(level.place == place and paced < level.rate for level in self._known)

    def _unexplained(self, place: int, charge: Charge, failure: Failure, now: float) -> Verdict:
        """Does a refusal that no level explains say anything about the rate?"""
        refusal = Refusal(charge.cost.amounts[place], charge.at, now, failure.retry_after or 0.0, failure.exact_wait)
        self._surprises.named(place, refusal)
        is_ours = overdrew(self._stated, place, charge, now) or self._is_early(place, charge, failure, now)
        if is_ours or (place < 2 and self._costs.reserved_too_little(charge, self._stated, now)):
            return Verdict(is_strike=False, is_explained=False)
        before, is_overdrawn = self._stated, self._costs.was_mistaken(now)
        stated, explains = self._surprises.explain(place, refusal, before, past=self._past, is_overdrawn=is_overdrawn)
        if stated is not before:
            self._kept = self._stated = stated
            self.unlearn(place)
        if explains:
            return Verdict(is_strike=True, is_explained=False)
        pace = self._blamed(place)
        pace.told(named_rate(failure), now)
        is_strike = pace.refused(refusal, sent=charge.totals)
        if pace.holds and place and not is_named(failure):
            self.unlearn(0)  # what passed for a limit of calls
        is_stray = not is_strike and pace.strays.share > 0.0
        return Verdict(is_strike=is_strike, is_explained=False, is_stray=is_stray, room_in=pace.room_in(now))

    def _is_early(self, place: int, charge: Charge, failure: Failure, now: float) -> bool:
        """Does a stated limit of requests, the only one that is known, make up for this by itself?"""
        if place or self._paces or any(level.place == 0 for level in self._known):
            return False
        return any(each.refused(sent_at=charge.at, now=now, wait=failure.retry_after or 0.0) for each in self._stated)

    def _not_by_rate(self, charge: Charge, failure: Failure, now: float) -> Verdict:
        """Too many calls at once are to blame, or a rate that grew too fast, and no rate that stands."""
        if failure.code not in RAMP_CODES:
            return Verdict(is_strike=True, is_explained=False)
        if self._growth is None:
            place = blamed_place(failure)
            self._growth = Growth(place, sent=self._totals[place], trail=self._past.trail(place), now=now)
        amount = charge.cost.amounts[self._growth.place]
        self._growth.refused(amount, sent_at=charge.at, now=now, wait=failure.retry_after or 0.0)
        return Verdict(is_strike=True, is_explained=True)

    def _blamed(self, place: int) -> ClockPace:
        """The pace of what the refusal blames."""
        for known in self._paces:
            if known.place == place:
                return known
        ceiling = fastest(place, self._minutes, self._stated)
        hint = min((level.rate for level in self._known if level.place == place and level.rate), default=ceiling)
        trail = self._past.trail(place)
        pace = Pace(self._passed, place, ceiling=ceiling, hint=hint, now=self._began_at, trail=trail)
        self._paces.append(ClockPace(pace))
        return self._paces[-1]

    def binding(self, cost: Cost, now: float) -> Bound | None:
        """The limit that holds up an attempt of *cost* the longest; None if none does."""
        return longest_wait(
            cost.amounts, now, stated=self._kept, paces=self._paces, levels=self._levels, growth=self._growth
        )

    def gauges(self, now: float) -> list[Gauge]:
        """How full every limit is that is stated, shown or learnt."""
        stated = [each.shown(self._past, now) for each in (*self._stated, *self._days)]
        shown = gauges_of_levels(self._levels, self._past, now)
        return [*stated, *shown, *gauges_of_paces(self._paces, self._past, now)]
