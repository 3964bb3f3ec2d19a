"""What a call costs at the gate: each vendor counts its own way.

*need* must be there for the call to be admitted, *take* is taken then. What follows later is either nothing (OpenAI and
Azure reserve the whole cap and keep it), a correction when the answer is complete, or output taken token by token as
it is produced (Anthropic, where the cap has no effect at all).
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Final

import msgspec

from brim.simulator.asks import Ask
from brim.simulator.limits import Amounts
from brim.simulator.scenario import Scenario, Scheme

__all__ = ["Charge", "charge", "input_tokens"]


class Charge(msgspec.Struct, frozen=True, gc=False):
    """What one call costs.

    Attributes:
        need: what must be available.
        take: what is taken at admission.
        correction: what is taken (or given back) when the input has been counted.
        is_metered: is output taken as it is produced?
    """

    need: Amounts
    take: Amounts
    correction: Amounts = (0.0, 0.0, 0.0, 0.0)
    is_metered: bool = False


class Counted(msgspec.Struct, frozen=True, gc=False):
    """The numbers a scheme works with: characters / 4, true input, input that is not read from the cache, the cap."""

    estimate: int
    true_input: int
    fresh_input: int
    cap: int


def input_tokens(ask: Ask, tokens_per_char: float) -> int:
    """The provider's own count of the input: its words, and 4 for each message and 3 to begin with."""
    overhead = 0 if ask.inputs else 4 * ask.messages + 3
    return max(1, ceil(len(ask.text) * tokens_per_char)) + overhead


def charge(scenario: Scenario, ask: Ask, *, true_input: int, cache_read: int) -> Charge:
    """What *ask* costs under the scenario's scheme."""
    cap = 0 if ask.inputs else (scenario.assumed_output if ask.cap is None else ask.cap) * ask.count
    counted = Counted(ceil(len(ask.text) / 4), true_input, true_input - cache_read, cap)
    return _SCHEMES[scenario.charging](counted)


def _reserved(tokens: int, counted: Counted) -> Charge:
    amounts = (1.0, float(tokens), float(counted.true_input), float(counted.cap))
    return Charge(need=amounts, take=amounts)


def _openai(counted: Counted) -> Charge:
    return _reserved(max(counted.cap, counted.estimate), counted)


def _openai_sum(counted: Counted) -> Charge:
    return _reserved(counted.true_input + counted.cap, counted)


def _azure(counted: Counted) -> Charge:
    return _reserved(counted.estimate + counted.cap, counted)


def _gemini(counted: Counted) -> Charge:
    return _reserved(counted.true_input, counted)


def _anthropic(counted: Counted) -> Charge:
    start = float(min(counted.estimate, counted.fresh_input) if counted.fresh_input else 0)
    rest = counted.fresh_input - start
    return Charge(
        need=(1.0, max(1.0, start), start, 1.0),
        take=(1.0, start, start, 0.0),
        correction=(0.0, rest, rest, 0.0),
        is_metered=True,
    )


_SCHEMES: Final[dict[Scheme, Callable[[Counted], Charge]]] = {
    "openai": _openai,
    "openai-sum": _openai_sum,
    "azure": _azure,
    "gemini": _gemini,
    "anthropic": _anthropic,
}
