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


def input_tokens(ask: Ask, tokens_per_char: float) -> int:
    """The provider's own count of the input: its words, and 4 for each message and 3 to begin with."""
    overhead = 0 if ask.inputs else 4 * ask.messages + 3
    return (ceil(len(ask.text) * tokens_per_char) or 1) + overhead


def charge(scenario: Scenario, ask: Ask, *, true_input: int, cache_read: int) -> Charge:
    """What *ask* costs under the scenario's scheme."""
    cap = 0 if ask.inputs else (scenario.assumed_output if ask.cap is None else ask.cap) * ask.count
    return _SCHEMES[scenario.charging](ceil(len(ask.text) / 4), true_input, true_input - cache_read, cap)


def _reserved(tokens: int, true_input: int, cap: int) -> Charge:
    amounts = (1.0, float(tokens), float(true_input), float(cap))
    return Charge(amounts, amounts)


def _openai(estimate: int, true_input: int, _fresh: int, cap: int) -> Charge:
    fits_cap = estimate <= cap
    return _reserved(cap if fits_cap else estimate, true_input, cap)


def _openai_sum(_estimate: int, true_input: int, _fresh: int, cap: int) -> Charge:
    return _reserved(true_input + cap, true_input, cap)


def _azure(estimate: int, true_input: int, _fresh: int, cap: int) -> Charge:
    return _reserved(estimate + cap, true_input, cap)


def _gemini(_estimate: int, true_input: int, _fresh: int, cap: int) -> Charge:
    return _reserved(true_input, true_input, cap)


def _anthropic(estimate: int, _true_input: int, fresh: int, _cap: int) -> Charge:
    start = float(min(estimate, fresh) if fresh else 0)
    rest = fresh - start
    return Charge(
        need=(1.0, max(1.0, start), start, 1.0),
        take=(1.0, start, start, 0.0),
        correction=(0.0, rest, rest, 0.0),
        is_metered=True,
    )


_SCHEMES: Final[dict[Scheme, Callable[[int, int, int, int], Charge]]] = {
    "openai": _openai,
    "openai-sum": _openai_sum,
    "azure": _azure,
    "gemini": _gemini,
    "anthropic": _anthropic,
}
"""From characters / 4, the true input, the input that is not read from the cache, and the cap to the cost."""
