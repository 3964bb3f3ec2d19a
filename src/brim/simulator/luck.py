"""Which fault befalls a call: what its prompt asks for, then the test's own choice, then the scenario's rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from brim.errors import ConfigError
from brim.simulator.answers import ODDITIES
from brim.simulator.asks import Ask, BadAsk
from brim.simulator.delivery import FAULTS
from brim.simulator.dice import Dice
from brim.simulator.errors import ERRORS
from brim.simulator.respond import BODY_ERRORS, STREAM_ERRORS
from brim.simulator.scenario import FaultRule, Scenario

__all__ = ["Choose", "Hit", "Luck", "all_faults"]

Choose: TypeAlias = Callable[[Ask, int], str | None]
"""A test's own choice: told the request and the number of its try from 1, it names a fault or None."""


class Hit(msgspec.Struct, frozen=True, gc=False):
    """What befalls a call.

    Attributes:
        kind: the fault's name; empty for none.
        seconds: what its rule gives it.
        arrives: does the request reach the provider at all?
        executes: is the answer generated, whatever becomes of it?
    """

    kind: str
    seconds: float
    arrives: bool = True
    executes: bool = True


_NONE: Final = Hit("", 0.0)


def _hit(kind: str, seconds: float) -> Hit:
    fault = FAULTS.get(kind)
    return Hit(kind, seconds) if fault is None else Hit(kind, seconds, fault.arrives, fault.executes)


def all_faults() -> list[str]:
    """Every name that a fault rule, a mark in a prompt or a test's choice may use."""
    return sorted({*ERRORS, *FAULTS, *ODDITIES, *BODY_ERRORS, *STREAM_ERRORS})


class Luck:
    """Draws the faults of one scenario. Raises `ConfigError` for a rule that names no fault."""

    def __init__(self, scenario: Scenario, choose: Choose | None) -> None:
        self._known = frozenset(all_faults())
        self._rules = scenario.faults
        self._choose = choose
        for rule in scenario.faults:
            self._check(rule.kind)

    def _check(self, kind: str) -> str:
        if kind not in self._known:
            raise ConfigError(f"there is no fault {kind!r}; `brim sim --list-faults` shows all of them")
        return kind

    def draw(self, ask: Ask, *, ordinal: int, turn: int, now: float, dice: Dice) -> Hit:
        """The fault of a call that came in as number *ordinal* and is its request's try number *turn*, from 1."""
        marked = ask.marks.get("fault")
        if marked is not None:
            return self._marked(ask, marked, turn)
        chosen = self._choose(ask, turn) if self._choose else None
        if chosen is not None:
            return _hit(self._check(chosen), FaultRule(kind=chosen).seconds)
        for rule in self._rules:
            # Each rule throws its own die whether it matters or not, so that one rule's hit can't shift another's.
            is_drawn = rule.chance >= 1.0 or dice.hits(rule.chance)
            if is_drawn and _applies(rule, ask, ordinal, turn, now):
                return _hit(rule.kind, rule.seconds)
        return _NONE

    def _marked(self, ask: Ask, kind: str, turn: int) -> Hit:
        if kind not in self._known:
            raise BadAsk(f"The simulator knows no fault {kind!r}, which the prompt's mark asks for.")
        if turn > int(ask.marks.get("times", turn)):
            return _NONE
        return _hit(kind, float(ask.marks.get("seconds", FaultRule(kind=kind).seconds)))


def _applies(rule: FaultRule, ask: Ask, ordinal: int, turn: int, now: float) -> bool:
    return (
        rule.start <= now < rule.until
        and rule.match in ask.text
        and (not rule.ordinals or ordinal in rule.ordinals)
        and (not rule.every or ordinal % rule.every == 0)
        and (not rule.times or turn <= rule.times)
    )
