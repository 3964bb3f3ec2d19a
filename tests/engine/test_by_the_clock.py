"""Stated limits of tokens that are counted in windows which begin by the clock, before prompts of all lengths."""

from __future__ import annotations

from random import Random

import pytest

from brim.config import Limits
from brim.engine.lane import Settings
from brim.simulator import Headers, Latency, Lengths, Limit, Provider, Scenario, SimTransport
from brim.values import Request
from engine.support import play


def prompts(count: int) -> list[Request]:
    """Most are short, and some are fifty times as long."""
    rng = Random(5)
    sizes = [min(3_000, int(50 * rng.paretovariate(1.6))) for _ in range(count)]
    return [
        Request(position=each, messages=[{"role": "user", "content": "word " * (size * 4 // 5)}], max_tokens=256)
        for each, size in enumerate(sizes)
    ]


@pytest.mark.parametrize("span", [5.0, 10.0])
@pytest.mark.parametrize("waits", ["float", "seconds"])
def test_windows_are_known_by_their_ends_and_kept_to(span: float, waits: str) -> None:
    """
    A large call goes where it fits, and none is refused any more. Before, one in sixty was, for as long as a run took,
    each of them stopped the lane, and what they taught was a rate that is none.
    """
    requests = prompts(1_600)
    rate = 6.0 * 385.0
    limit = Limit(of="tokens", amount=60.0 * rate, span=span, window="fixed", phase=1.3)
    scenario = Scenario(
        seed=3,
        limits=[limit],
        charging="azure",
        latency=Latency(first=0.5, spread=0.3, refusal=0.05),
        lengths=Lengths(tokens=50),
        headers=Headers(spelling="none", words="kind", waits=(waits,)),  # type: ignore[arg-type]
    )
    provider = Provider(scenario, keeps_log=True)
    played = play(SimTransport(provider), requests, Settings(seed=1, limits=Limits(tokens_per_minute=60.0 * rate)))

    assert len(played.recorded) == len(requests)
    refused = [entry[0] for entry in provider.log if entry[1] == "refuse"]
    assert len(refused) <= 0.01 * len(requests)
    assert played.ended_at <= 1.07 * 1_600 / 6.0
