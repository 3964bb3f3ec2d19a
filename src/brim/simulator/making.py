"""From an accepted call to what its client will see: the words, the answer around them, the fault upon it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from brim.simulator.answers import ODDITIES, Answer, Finish
from brim.simulator.asks import Ask
from brim.simulator.charging import Charge
from brim.simulator.delivery import FAULTS, Delivery
from brim.simulator.dice import Dice
from brim.simulator.errors import Facts
from brim.simulator.generation import Plan, Words, compose
from brim.simulator.luck import Hit
from brim.simulator.respond import BODY_ERRORS, STREAM_ERRORS, answered, in_200, midway
from brim.simulator.scenario import Scenario, Vendor

__all__ = ["Case", "Say", "deliver", "lasting", "words_of"]

Say: TypeAlias = Callable[[Ask], str | None]
"""A test's own answers: told the request, it gives the words, or None to leave them to the scenario."""


class Case(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known about a call when its fate is decided.

    Attributes:
        ask: the request.
        vendor: whose words are used.
        name: 24 characters that name the call.
        at: when it came in, in the provider's seconds.
        wall: the same in whole seconds since the epoch.
        hit: the fault that befalls it.
        cost: what it costs.
        input_tokens: all of its input.
        cache_read: of these, read from the cache.
        cache_write: of these, written to it.
        room: the most tokens its answer may have; None for no bound.
        dice: its luck.
    """

    ask: Ask
    vendor: Vendor
    name: str
    at: float
    wall: int
    hit: Hit
    cost: Charge
    input_tokens: int
    cache_read: int
    cache_write: int
    room: int | None
    dice: Dice


def words_of(scenario: Scenario, case: Case, say: Say | None) -> Words:
    """What the answer says: what the prompt asks for, else what *say* gives, else what the scenario does."""
    said = case.ask.marks.get("say")
    if said is None and say is not None:
        said = say(case.ask)
    return compose(scenario, case.ask, said, case.room)


def lasting(plan: Plan, case: Case) -> Plan:
    """The plan, or one that takes the seconds its prompt asks for (a fault's seconds are its own)."""
    seconds = case.ask.marks.get("seconds")
    if seconds is None or case.hit.kind:
        return plan
    done = plan.begin + float(seconds)
    return Plan(plan.begin, min(plan.first, done), done)


def _answer(case: Case, words: Words) -> Answer:
    cap = case.ask.cap
    cut: Finish = "length" if cap is not None and words.tokens >= cap else "window"
    answer = Answer(
        id=case.name,
        model=case.ask.model,
        created=case.wall,
        text=words.text,
        finish=cut if words.is_cut else "stop",
        input_tokens=case.input_tokens,
        output_tokens=words.tokens * case.ask.count,
        cache_read=case.cache_read,
        cache_write=case.cache_write,
        copies=case.ask.count,
        cap=cap,
    )
    return ODDITIES[case.hit.kind](answer) if case.hit.kind in ODDITIES else answer


def deliver(case: Case, words: Words, plan: Plan, *, piece_tokens: int) -> Delivery:
    """The delivery of an accepted call's answer, its fault included."""
    answer = _answer(case, words)
    good = answered(case.ask, answer, plan, at=case.at, vendor=case.vendor, piece_tokens=piece_tokens)
    return _spoilt(good, case) if case.hit.kind else good


def _spoilt(good: Delivery, case: Case) -> Delivery:
    """The delivery with the fault upon it."""
    kind = case.hit.kind
    if kind in STREAM_ERRORS and not case.ask.is_stream:
        kind = "error_in_200"
    facts = Facts(model=case.ask.model, wait=case.hit.seconds, request_id=_REQUEST + case.name)
    if kind in STREAM_ERRORS:
        return midway(good, case.ask, case.vendor, facts, is_done=kind == "stream_error_done")
    if kind in BODY_ERRORS:
        return in_200(good, case.vendor, kind, facts)
    fault = FAULTS.get(kind)
    if fault is not None and fault.plain is not None and not case.ask.is_stream:
        fault = FAULTS[fault.plain]
    return fault.apply(good, case.hit.seconds) if fault else good


_REQUEST: Final = "req_"
