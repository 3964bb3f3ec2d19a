"""Lanes whose limit is one of output tokens, of which most are in a few long answers: these are back last."""

from __future__ import annotations

from collections.abc import AsyncIterator
from statistics import mean

import pytest

from brim.config import Limits
from brim.engine.lane import Lane, Settings
from brim.engine.path import Prepared
from brim.engine.run import Run
from brim.protocols.anthropic import AnthropicMessages
from brim.simulator import Headers, Latency, Lengths, Limit, Provider, Scenario, SimTransport
from brim.simulator.clock import run_virtual
from brim.values import Request, Result
from engine.support import ENDPOINT, open_lane

MEAN = 235.0
"""Tokens of an answer."""


def scenario(
    rate: float, *, seconds: float, seed: int, spelling: str = "anthropic", when: str = "admission"
) -> Scenario:
    """So many answers a second, and *seconds* of them at once."""
    enough = {"requests": 2_000.0, "input": 800_000.0}
    output = Limit(of="output", amount=60.0 * rate * MEAN, burst=seconds * rate * MEAN)
    return Scenario(
        seed=seed,
        vendor="anthropic",
        charging="anthropic",
        limits=[*(Limit(of=of, amount=amount) for of, amount in enough.items()), output],  # type: ignore[arg-type]
        latency=Latency(first=0.6, per_token=1 / 60, refusal=0.02),
        lengths=Lengths(shape="lognormal", tokens=150, spread=1.0, most=4_000),
        headers=Headers(spelling=spelling, when=when, words="kind", waits=("seconds",)),  # type: ignore[arg-type]
    )


def plays(played: Scenario, calls: int, limits: Limits | None = None) -> tuple[float, float]:
    """When the last call went; and of the last three quarters of the time, how many were refused."""
    provider = Provider(played, keeps_log=True)
    results: list[Result] = []

    async def main() -> None:
        dialect = AnthropicMessages(base_url=ENDPOINT.base_url)
        settings = Settings(seed=1, limits=limits or Limits())
        lane = open_lane(SimTransport(provider), settings, dialect=dialect)

        async def source() -> AsyncIterator[tuple[Lane, Prepared]]:
            for position in range(calls):
                messages = [{"role": "user", "content": f"{position:08} " + "word " * 60}]
                yield lane, lane.prepare(Request(position=position, messages=messages, max_tokens=4_000))

        await Run(record=results.extend, leave=results.append).carry(source())

    run_virtual(main())
    assert sorted(result.request.position for result in results) == list(range(calls))
    went = [entry[0] for entry in provider.log if entry[1] == "accept"]
    refused = [entry[0] for entry in provider.log if entry[1] == "refuse"]
    since = went[-1] / 4
    return went[-1], sum(at > since for at in refused) / sum(at > since for at in went)


@pytest.mark.parametrize("when", ["admission", "answer"])
def test_a_bucket_of_seconds_is_used_evenly(when: str) -> None:
    """
    Shown by headers. What was sent in the first seconds overdrew the bucket when the long answers came, ten seconds
    later, and nothing could go for twenty: again and again, with one to three refusals in a hundred calls.
    """
    runs = [plays(scenario(3.5, seconds=15.0, seed=seed, when=when), 420) for seed in range(1, 5)]

    assert mean(ended for ended, _ in runs) <= 1.02 * 420 / 3.5
    assert mean(refused for _, refused in runs) <= 0.004


def test_told_and_shown_none_is_refused() -> None:
    """The limit is stated as well."""
    told = Limits(requests_per_minute=2_000, input_tokens_per_minute=800_000, output_tokens_per_minute=60 * 4.5 * MEAN)
    runs = [plays(scenario(4.5, seconds=10.0, seed=seed), 540, told) for seed in range(1, 5)]

    assert mean(ended for ended, _ in runs) <= 1.02 * 540 / 4.5
    assert mean(refused for _, refused in runs) <= 0.004
