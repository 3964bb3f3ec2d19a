"""The thinking that the provider pretends: what an answer says, how long it is, and when each part of it is there.

The words come from the prompt alone, so that a test can tell whether every request got its own answer: sixteen hex
digits that name the prompt, then filler to the length drawn. A token is four characters.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from heapq import heapify, heapreplace
from math import ceil
from typing import Final

import msgspec

from brim.simulator.asks import Ask
from brim.simulator.dice import Dice
from brim.simulator.scenario import Capacity, Latency, Lengths, Scenario

__all__ = ["CHARS_PER_TOKEN", "Hardware", "Plan", "Words", "answer_to", "compose"]

CHARS_PER_TOKEN: Final = 4
_FILLER: Final = (
    " the answer goes on in plain words that mean nothing and only take their time, as long as they are asked for;"
)


class Words(msgspec.Struct, frozen=True, gc=False):
    """What an answer says, in how many tokens, and whether the cap cut it."""

    text: str
    tokens: int
    is_cut: bool


class Plan(msgspec.Struct, frozen=True, gc=False):
    """When an answer is made: *begin* the slot is free, *first* the first token is there, *done* the last."""

    begin: float
    first: float
    done: float


def answer_to(prompt: str, tokens: int | None = None) -> str:
    """The text that answers *prompt*, the whole conversation joined by line breaks.

    Args:
        prompt: all words of the request, system prompt first.
        tokens: how long the answer is; None for its name alone, which begins every answer of 4 tokens or more.
    """
    name = blake2b(prompt.encode("utf-8", "replace"), digest_size=8).hexdigest()
    if tokens is None:
        return name
    length = tokens * CHARS_PER_TOKEN
    return name[:length] + _filler(length - len(name))


@lru_cache(maxsize=64)
def _filler(length: int) -> str:
    """Words that mean nothing; none where *length* is negative."""
    return (_FILLER * ceil(length / len(_FILLER)))[: max(0, length)]


def compose(scenario: Scenario, ask: Ask, said: str | None, room: int | None) -> Words:
    """Say something.

    Args:
        scenario: how long answers are.
        ask: the request.
        said: the words, if they are given; None to make some up.
        room: the most tokens there may be; None for no bound.
    """
    if said is None and scenario.answer == "echo":
        said = ask.text
    wanted = _length(scenario, ask) if said is None else ceil(len(said) / CHARS_PER_TOKEN)
    tokens = wanted if room is None else min(wanted, room)
    text = answer_to(ask.text, tokens) if said is None else said[: tokens * CHARS_PER_TOKEN]
    return Words(text, tokens, tokens < wanted)


def _length(scenario: Scenario, ask: Ask) -> int:
    if "tokens" in ask.marks:
        return int(ask.marks["tokens"])
    lengths = scenario.lengths
    if lengths.shape == "fixed":
        return lengths.tokens
    # The first throw of a request, whatever its try: the same prompt has the same answer every time.
    return _drawn(lengths, Dice(scenario.seed, ask.key, 0))


def _drawn(lengths: Lengths, dice: Dice) -> int:
    factor = dice.lognormal(lengths.spread) if lengths.shape == "lognormal" else dice.pareto(lengths.tail)
    return max(1, min(lengths.most, round(lengths.tokens * factor)))


class Hardware:
    """Where answers are made: slots, a queue before them, and a speed that falls when it is crowded.

    When an answer begins and ends is settled when its request comes in: first in, first out, at the speed of that
    moment. A client that leaves frees the rest of its time for those who come after.
    """

    def __init__(self, capacity: Capacity, latency: Latency) -> None:
        self._capacity = capacity
        self._latency = latency
        self._free_at = [0.0] * (capacity.slots or 0)

    def is_full(self, running: int) -> bool:
        """Is the queue full while *running* calls are inside?"""
        slots, queue = self._capacity.slots, self._capacity.queue
        return slots is not None and queue is not None and running >= slots + queue

    def plan(self, input_tokens: int, output_tokens: int, running: int, now: float, dice: Dice) -> Plan:
        """Fix when an answer is made whose request comes in at *now*, as one of *running*."""
        latency = self._latency
        factor = dice.lognormal(latency.spread) if latency.spread else 1.0
        if self._capacity.knee is not None:
            factor *= self._crowding(running, self._capacity.knee)
        if latency.straggler_share and dice.hits(latency.straggler_share):
            factor *= latency.straggler_factor
        reading = (latency.first + input_tokens * latency.per_input_token) * factor
        writing = max(0, output_tokens - 1) * latency.per_token * factor if latency.per_token else 0.0
        begin = max(now, self._free_at[0]) if self._free_at else now
        plan = Plan(begin, begin + reading, begin + reading + writing)
        if self._free_at:
            heapreplace(self._free_at, plan.done)
        return plan

    def _crowding(self, running: int, knee: float) -> float:
        at_once = min(running, self._capacity.slots or running)
        return float(max(1.0, at_once / knee) ** self._capacity.power)

    def release(self, plan: Plan, now: float) -> None:
        """Stop an answer at *now*: its slot is free for the rest of the time that was planned for it."""
        left = plan.done - max(now, plan.begin)
        if left <= 0 or not self._free_at:
            return
        # The slot that this answer stood in is free, or serves the next in its queue, that much earlier.
        latest = self._free_at.index(min((at for at in self._free_at if at >= plan.done), default=max(self._free_at)))
        self._free_at[latest] -= left
        heapify(self._free_at)
