"""What the provider shows of its limits: the spelling, the delay and the lies of one scenario, put together."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Final

from brim.simulator.headers import Pair, Reading, limit_headers, wait_headers
from brim.simulator.limits import Gate
from brim.simulator.scenario import Headers, Spelling, Vendor

__all__ = ["Billboard"]

_SPELLING: Final[dict[Vendor, Spelling]] = {
    "anthropic": "anthropic",
    "azure": "azure",
    "groq": "groq",
    "openrouter": "openrouter",
    "litellm": "litellm",
    "openai": "openai",
}
"""Whose header names a vendor uses; the others (Gemini, DeepSeek, local servers) send none."""


class Billboard:
    """Shows the state of a gate, perhaps late, perhaps not as it is."""

    def __init__(self, headers: Headers, gate: Gate, epoch: float) -> None:
        self._headers = headers
        self._gate = gate
        self._epoch = epoch
        self._past: deque[tuple[float, list[Reading]]] = deque([(0.0, gate.read(0.0))])

    def limits(self, vendor: Vendor, now: float, *, is_refusal: bool) -> list[Pair]:
        """The lines about limits in an answer of *vendor* at *now*."""
        headers = self._headers
        spelling = _SPELLING.get(vendor, "none") if headers.spelling == "auto" else headers.spelling
        if spelling == "none":
            return []
        at, readings = now, self._gate.read(now)
        if headers.lag:
            at, readings = self._late(now, readings)
        return limit_headers(spelling, readings, wall=self._epoch + at, lie=headers.lie, is_refusal=is_refusal)

    def _late(self, now: float, readings: list[Reading]) -> tuple[float, list[Reading]]:
        """The newest state that is old enough to be shown, once the one of *now* is kept for later."""
        past = self._past
        past.append((now, readings))
        while len(past) > 1 and past[1][0] <= now - self._headers.lag:
            past.popleft()
        return past[0]

    def waits(self, wait: float, now: float) -> list[Pair]:
        """The lines that tell a refused client how long to wait; none if there is nothing to wait for."""
        if not 0 < wait < inf:
            return []
        return wait_headers(self._headers.waits, wait, wall=self._epoch + now)
