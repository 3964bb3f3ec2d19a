"""The provider: a request and the time go in, a delivery comes out. No I/O, no clock, no tasks.

Rule: whatever decides about a call lives behind `Provider.receive`; a driver only carries the delivery out and tells
how it ended (`finish`, `abandon`). What happens later by itself (output that is taken as it is produced, a generation
that completes) stands in one agenda by its time and is caught up with before anything else is looked at, so the order
of events does not depend on how often the provider is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import ceil
from typing import Any, Final, TypeAlias

import msgspec

from brim.simulator.agenda import Agenda
from brim.simulator.asks import Ask, BadAsk, route
from brim.simulator.billboard import Billboard
from brim.simulator.charging import Charge, charge, input_tokens
from brim.simulator.checks import PromptCache, check, check_room
from brim.simulator.delivery import Ending
from brim.simulator.dice import Dice
from brim.simulator.errors import ERRORS, Facts, error_of
from brim.simulator.exchange import Exchange
from brim.simulator.generation import Hardware, Plan
from brim.simulator.headers import Pair
from brim.simulator.limits import Amounts, Gate, Refusal
from brim.simulator.luck import Choose, Luck
from brim.simulator.making import Case, Say, deliver, lasting, words_of
from brim.simulator.respond import counted, facts_of, refused, vaguely, vendor_of
from brim.simulator.scenario import Scenario
from brim.simulator.stats import Tally

__all__ = ["EPOCH", "LogEntry", "Provider"]

EPOCH: Final = 1_800_000_000.0
"""The wall clock at the provider's second 0 unless told otherwise: 15 January 2027."""

LogEntry: TypeAlias = tuple[float, str, int, str]
"""When, what (accept, refuse, complete, finish, abandon), the number of the call, and a detail."""

_NOTHING: Final[Amounts] = (0.0, 0.0, 0.0, 0.0)
_MOST_SLICES: Final = 8
_MADE_UP: Final = {"text": "The simulator was asked to refuse this.", "tokens": 200_001, "context": 200_000}


class Provider:
    """A provider that behaves as its scenario says.

    Args:
        scenario: what it is like.
        epoch: the wall clock at second 0, in seconds since the epoch.
        choose: names the fault of a call, before the scenario's own rules.
        say: gives the words of an answer.
        keeps_log: is every event kept in `log`?
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        epoch: float = EPOCH,
        choose: Choose | None = None,
        say: Say | None = None,
        keeps_log: bool = False,
    ) -> None:
        self.scenario = scenario
        self.epoch = epoch
        self.tally = Tally()
        self.log: list[LogEntry] = []
        self._keeps_log = keeps_log
        self._say = say
        self._gate = Gate(scenario)
        self._hardware = Hardware(scenario.capacity, scenario.latency)
        self._luck = Luck(scenario, choose)
        self._billboard = Billboard(scenario.headers, self._gate, epoch)
        self._cache = PromptCache(scenario.tokens_per_char)
        self._turns: dict[bytes, int] = {}
        self._agenda = Agenda()
        self._shows_when_admitted = scenario.headers.when == "admission"

    def receive(self, path: str, headers: Mapping[str, str], body: bytes, now: float) -> Exchange:
        """A request came in whole at *now*. *headers* has lower-case names."""
        self.advance(now)
        self.tally.arrived = ordinal = self.tally.arrived + 1
        exchange = Exchange(ordinal, f"{ordinal:024x}")
        try:
            ask = exchange.ask = check(self.scenario, path, headers, body)
            self._judge(exchange, ask, now)
        except BadAsk as error:
            self._complain(exchange, path, error, now)
        if self._shows_when_admitted and exchange.shows_limits:
            exchange.limits = self._billboard.limits(exchange.vendor, now, is_refusal=bool(exchange.refusal))
        return exchange

    def head(self, exchange: Exchange, now: float) -> list[Pair]:
        """The header lines of an answer whose head is sent at *now*."""
        lines = list(exchange.delivery.headers)
        if exchange.limits is not None:
            lines += exchange.limits
        elif exchange.shows_limits:
            self.advance(now)
            lines += self._billboard.limits(exchange.vendor, now, is_refusal=bool(exchange.refusal))
        return lines

    def finish(self, exchange: Exchange, now: float) -> None:
        """The delivery was carried out to its end."""
        self.advance(now)
        self._leave(exchange, now)
        if not exchange.refusal and exchange.delivery.end is Ending.DONE:
            self.tally.answered += 1
        if self._keeps_log:
            self._note(now, "finish", exchange)

    def abandon(self, exchange: Exchange, now: float) -> None:
        """The client left, or the connection broke, before the delivery's end."""
        self.advance(now)
        self.tally.abandoned += 1
        if self._keeps_log:
            self._note(now, "abandon", exchange)
        plan = exchange.plan
        if plan is None or plan.done <= now:
            self._leave(exchange, now)
        elif self.scenario.on_cancel == "completes":
            self._agenda.plan(plan.done, partial(self._leave, exchange))
        else:
            exchange.is_stopped = True
            self.tally.stopped += 1
            self._hardware.release(plan, now)
            self._leave(exchange, now)

    def advance(self, now: float) -> None:
        """Catch up with everything that happened by itself up to *now*."""
        agenda, gate = self._agenda, self._gate
        while agenda.next_at <= now:
            at, act = agenda.pop()
            if gate.next_at <= at:
                gate.advance(at)
            act(at)
        if gate.next_at <= now:
            gate.advance(now)

    def drain(self) -> float:
        """Let everything that is under way come to its end, and say when the last of it does."""
        last = self._agenda.last_at
        self.advance(last)
        return last

    def snapshot(self, now: float) -> dict[str, Any]:
        """Everything that was counted, and what each limit has left, as plain values for JSON."""
        self.advance(now)
        limits = [
            {"of": reading.of, "per": reading.per, "limit": reading.limit, "remaining": reading.remaining}
            for reading in self._gate.read(now)
        ]
        return {"scenario": self.scenario.name, "now": now, **self.tally.snapshot(), "limits": limits}

    def ready_in(self, path: str, headers: Mapping[str, str], body: bytes, now: float) -> tuple[float, str]:
        """Seconds until this call would be admitted if nothing else came, and what is in its way; nothing is taken."""
        self.advance(now)
        ask = check(self.scenario, path, headers, body)
        tokens = input_tokens(ask, self.scenario.tokens_per_char)
        cached = self._cache.look(ask, now)[0]
        refusal = self._refusal(charge(self.scenario, ask, true_input=tokens, cache_read=cached), now)
        return (0.0, "") if refusal is None else (refusal.wait, refusal.reason)

    def _judge(self, exchange: Exchange, ask: Ask, now: float) -> None:
        tokens = input_tokens(ask, self.scenario.tokens_per_char)
        exchange.vendor = vendor_of(self.scenario.vendor, ask.api)
        if ask.api.is_count:
            exchange.delivery = counted(ask, tokens, at=now, name=exchange.name, vendor=exchange.vendor)
            return
        turn = self._turns.get(ask.key, 0) + 1
        case = self._case(exchange, ask, tokens, turn, now)
        refusal = self._refusal(case.cost, now) if case.hit.arrives else None
        if refusal is not None:
            self._refuse(exchange, case, refusal)
            return
        self._turns[ask.key] = turn
        exchange.fault = case.hit.kind
        if exchange.fault:
            self.tally.faults[exchange.fault] += 1
        if exchange.fault in ERRORS:
            self._fail(exchange, case)
        else:
            self._accept(exchange, case)

    def _case(self, exchange: Exchange, ask: Ask, tokens: int, turn: int, now: float) -> Case:
        scenario = self.scenario
        room = check_room(scenario, ask, tokens)
        dice = Dice(scenario.seed, ask.key, turn)
        hit = self._luck.draw(ask, ordinal=exchange.ordinal, turn=turn, now=now, dice=dice)
        cache_read, cache_write = self._cache.look(ask, now)
        return Case(
            ask=ask,
            vendor=exchange.vendor,
            name=exchange.name,
            at=now,
            wall=int(self.epoch + now),
            hit=hit,
            cost=charge(scenario, ask, true_input=tokens, cache_read=cache_read),
            input_tokens=tokens,
            cache_read=cache_read,
            cache_write=cache_write,
            room=room,
            dice=dice,
        )

    def _refusal(self, cost: Charge, now: float) -> Refusal | None:
        tally = self.tally
        credit = self.scenario.credit_tokens
        if credit is not None and tally.input_tokens + tally.output_tokens >= credit:
            return Refusal("quota", 0.0)
        if self._hardware.is_full(tally.running):
            return Refusal("busy", 0.0)
        return self._gate.refusal(cost.need, tally.running, now)

    def _refuse(self, exchange: Exchange, case: Case, refusal: Refusal) -> None:
        self.tally.refused[refusal.reason] += 1
        says = "text" in self.scenario.headers.waits
        facts = facts_of(case.vendor, refusal, model=case.ask.model, name=case.name, says_wait=says)
        self._turn_away(exchange, refusal.reason, facts, now=case.at)

    def _fail(self, exchange: Exchange, case: Case) -> None:
        """Answer with the error that chance drew, as if the first limit had been the reason."""
        limit = next(iter(self.scenario.limits), None)
        refusal = Refusal(case.hit.kind, case.hit.seconds, limit)
        facts = facts_of(case.vendor, refusal, model=case.ask.model, name=case.name, says_wait=True)
        facts = msgspec.structs.replace(facts, **_MADE_UP)
        self._turn_away(exchange, case.hit.kind, facts, now=case.at)

    def _complain(self, exchange: Exchange, path: str, error: BadAsk, now: float) -> None:
        self.tally.refused[error.kind] += 1
        ask = exchange.ask
        facts = Facts(
            model=ask.model if ask else error.model,
            text=str(error),
            param=error.param,
            tokens=0 if ask is None else input_tokens(ask, self.scenario.tokens_per_char) + (ask.cap or 0),
            context=self.scenario.context or 0,
            request_id="req_" + exchange.name,
        )
        exchange.vendor = vendor_of(self.scenario.vendor, route(path))
        self._turn_away(exchange, error.kind, facts, now=now)

    def _turn_away(self, exchange: Exchange, kind: str, facts: Facts, *, now: float) -> None:
        exchange.refusal = kind
        vendor = exchange.vendor
        error = error_of(vendor, kind)
        exchange.shows_limits = error.page is None
        if self.scenario.headers.words == "kind":
            error, facts = vaguely(error, facts)
        if self.scenario.refusals_count:
            self._gate.count_refusal(now)
        waits = self._billboard.waits(facts.wait, now) if error.waits else []
        delay = self.scenario.latency.refusal
        exchange.delivery = refused(vendor, error, facts, at=now, delay=delay, headers=waits, name=exchange.name)
        if self._keeps_log:
            self._note(now, "refuse", exchange, kind)

    def _accept(self, exchange: Exchange, case: Case) -> None:
        ask, cost, tally = case.ask, case.cost, self.tally
        words = words_of(self.scenario, case, self._say)
        made = 0 if ask.inputs else words.tokens * ask.count
        if case.hit.arrives:
            tally.accepted += 1
            tally.enter()
            exchange.is_inside = True
            self._spend(cost.take, case.at)
        plan = lasting(self._hardware.plan(case.input_tokens, made, tally.running, case.at, case.dice), case)
        exchange.plan = plan
        exchange.cost = cost
        exchange.spent = (case.input_tokens, made)
        if case.hit.executes:
            self._schedule(exchange, cost, plan)
            if case.cache_write:
                self._cache.write(ask, plan.first)
        exchange.delivery = deliver(case, words, plan, piece_tokens=self.scenario.stream_tokens)
        exchange.shows_limits = True
        if self._keeps_log:
            self._note(case.at, "accept", exchange, case.hit.kind)

    def _schedule(self, exchange: Exchange, cost: Charge, plan: Plan) -> None:
        if cost.correction != _NOTHING:
            self._agenda.plan(plan.first, partial(self._take, exchange, cost.correction))
        made = exchange.spent[1]
        if cost.is_metered and made:
            slices = max(1, min(_MOST_SLICES, made, ceil(plan.done - plan.first)))
            part = partial(self._take, exchange, (0.0, made / slices, 0.0, made / slices))
            for place in range(1, slices + 1):
                self._agenda.plan(plan.first + (plan.done - plan.first) * place / slices, part)
        self._agenda.plan(plan.done, partial(self._complete, exchange))

    def _take(self, exchange: Exchange, amounts: Amounts, at: float) -> None:
        if not exchange.is_stopped:
            self._spend(amounts, at)

    def _spend(self, amounts: Amounts, at: float) -> None:
        self._gate.take(amounts, at)
        self.tally.take(amounts)

    def _complete(self, exchange: Exchange, at: float) -> None:
        if exchange.is_stopped or exchange.ask is None or exchange.cost is None:
            return
        tokens, made = exchange.spent
        self.tally.generate(exchange.ask.key, tokens, made)
        if self.scenario.refunds and not exchange.cost.is_metered:
            _, total, inputs, outputs = exchange.cost.take
            self._spend((0.0, tokens + made - total, tokens - inputs, made - outputs), at)
        if self._keeps_log:
            self._note(at, "complete", exchange)

    def _leave(self, exchange: Exchange, _at: float) -> None:
        if exchange.is_inside:
            exchange.is_inside = False
            self.tally.running -= 1

    def _note(self, now: float, what: str, exchange: Exchange, detail: str = "") -> None:
        self.log.append((now, what, exchange.ordinal, detail))
