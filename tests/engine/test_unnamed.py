"""Lanes before a limit of tokens whose refusals do not say what they count, with prompts of very different lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import msgspec
import pytest

from brim.engine.lane import Settings
from brim.protocols import WireRequest, WireResponse
from brim.simulator import Headers, Latency, Lengths, Limit, Provider, Scenario, SimTransport
from brim.transport import Phases
from brim.values import Request
from engine.support import play

_SAYS_NOTHING = b'{"error":{"message":"Too many requests, please slow down.","type":"rate_limit_error"}}'


class Mute(SimTransport):
    """A relay that says of no refusal what it is for."""

    async def exchange(self, request: WireRequest, phases: Phases) -> WireResponse:
        """See `SimTransport.exchange`."""
        response = await super().exchange(request, phases)
        return response if response.status != 429 else msgspec.structs.replace(response, body=_SAYS_NOTHING)


def rows(count: int, rng: Random) -> Iterator[Request]:
    """Prompts of twelve to eight thousand tokens, most of some hundred."""
    for position in range(count):
        words = int(0.8 * min(8_000.0, max(12.0, rng.lognormvariate(5.7, 1.2))))
        content = f"{position} " + "word " * words
        yield Request(position=position, messages=[{"role": "user", "content": content}], max_tokens=300)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("waits", [(), ("seconds",)], ids=["no wait", "whole seconds"])
def test_a_limit_of_tokens_is_known_by_the_sizes_that_it_refuses(waits: Sequence[str], seed: int) -> None:
    """
    Taken for a limit of calls, it refused 4 to 8 % for as long as a run took, the long ones again and again.
    """
    scenario = Scenario(
        seed=seed,
        limits=[Limit(of="tokens", amount=200_000.0, burst=33_330.0)],
        charging="openai-sum",
        refunds=True,
        headers=Headers(spelling="none", waits=waits),  # type: ignore[arg-type]
        latency=Latency(first=0.4, per_token=0.014),
        lengths=Lengths(shape="lognormal", tokens=100, most=300),
    )
    provider = Provider(scenario, keeps_log=True)

    played = play(Mute(provider), rows(500, Random(seed)), Settings(seed=seed))

    assert played.positions == list(range(500))
    went = [entry[0] for entry in provider.log if entry[1] == "accept"]
    refused = sum(went[-1] / 4 < entry[0] <= went[-1] for entry in provider.log if entry[1] == "refuse")
    assert refused <= 12
