"""What happened, counted: by the provider, so that no client can talk itself out of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from brim.simulator.asks import key_of
from brim.simulator.limits import DIMENSIONS, Amounts

__all__ = ["Tally"]


class Tally:
    """The provider's own book-keeping.

    Attributes:
        arrived: requests that reached the provider.
        accepted: of these, admitted past every limit.
        refused: of these, turned away, by reason (a name in `ERRORS`).
        faults: what was made to go wrong, by name; errors drawn by a fault rule are here, not in *refused*.
        answered: answers that were delivered whole.
        abandoned: calls whose client left before the end.
        stopped: of these, the ones whose generation was stopped.
        generations: completed generations for each request, by its key: what a provider bills.
        input_tokens: billed input.
        output_tokens: billed output.
        taken: what the accepted calls have cost so far, in the order of `brim.simulator.limits.DIMENSIONS`.
        running: calls inside now.
        peak: the most that ever were.
    """

    def __init__(self) -> None:
        self.arrived = 0
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.answered = 0
        self.abandoned = 0
        self.stopped = 0
        self.generations: Counter[bytes] = Counter()
        self.input_tokens = 0
        self.output_tokens = 0
        self.taken = [0.0] * len(DIMENSIONS)
        self.running = 0
        self.peak = 0

    @property
    def completed(self) -> int:
        """Generations completed, each of which is paid."""
        return self.generations.total()

    @property
    def paid_twice(self) -> int:
        """Generations beyond the first of the same request: money for nothing, if no prompt was meant to repeat."""
        return self.completed - len(self.generations)

    def generations_of(self, prompt: str, *, model: str) -> int:
        """How often *model* completed an answer to *prompt* (all words of the request, joined by line breaks)."""
        return self.generations[key_of(prompt, model)]

    def take(self, amounts: Amounts) -> None:
        """Calls have cost this much more."""
        requests, tokens, inputs, outputs = self.taken
        self.taken = [requests + amounts[0], tokens + amounts[1], inputs + amounts[2], outputs + amounts[3]]

    def enter(self) -> None:
        """One more call is inside."""
        self.running = running = self.running + 1
        is_peak = running > self.peak
        if is_peak:
            self.peak = running

    def generate(self, key: bytes, input_tokens: int, output_tokens: int) -> None:
        """An answer to the request *key* is complete."""
        self.generations[key] = self.generations.get(key, 0) + 1  # adding asks Counter's slow way for what is new
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain numbers, ready for JSON."""
        return {
            "arrived": self.arrived,
            "accepted": self.accepted,
            "refused": dict(sorted(self.refused.items())),
            "faults": dict(sorted(self.faults.items())),
            "answered": self.answered,
            "abandoned": self.abandoned,
            "stopped": self.stopped,
            "completed": self.completed,
            "paid_twice": self.paid_twice,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "taken": dict(zip(DIMENSIONS, self.taken, strict=True)),
            "running": self.running,
            "peak": self.peak,
        }
