"""Everything that can go wrong, over real sockets: the real transport against the simulated provider."""

from __future__ import annotations

import asyncio

import pytest

import brim
from brim import testing
from brim.config import Timeouts
from end_to_end.test_fault_mix import PASSING, PROTOCOLS

# Without a listener there is no connection to refuse, and a dribble takes its whole clock: those are proven in virtual
# time and in the transport's own tests.
OVER_SOCKETS = [fault for fault in PASSING if fault not in {"refused", "unreachable", "dribble"}]


@pytest.mark.parametrize(("model", "api"), PROTOCOLS)
def test_every_fault_at_once_costs_no_row(model: str, api: str) -> None:
    """
    Each fault befalls a few of 300 rows once: every row is answered, each with the answer to its own prompt.
    """
    rules = [testing.FaultRule(kind=kind, chance=0.02, times=1, seconds=0.2) for kind in OVER_SOCKETS]
    world = testing.Scenario(faults=rules, latency=testing.Latency(first=0.01), headers=testing.Headers(waits=()))

    async def main(base_url: str) -> list[brim.Result]:
        options: brim.Options = {
            "base_url": base_url,
            "api": api,
            "timeouts": Timeouts(total=1.5),
            "wait": lambda _: 0.01,
            "environ": {},
        }
        async with brim.Client(model, **options) as client:
            prompts = (f"prompt {number}" for number in range(300))
            return [result async for result in client.complete_each(prompts)]

    with testing.serve(world) as provider:
        results = asyncio.run(main(provider.base_url))
        faults = provider.tally.faults

    assert sorted(result.request.position for result in results) == list(range(300))
    assert [result.failure.message for result in results if result.failure] == []
    for result in results:
        assert (result.text or "").startswith(testing.answer_to(f"prompt {result.request.position}"))
    assert len(faults) >= len(OVER_SOCKETS) // 2, "the mix was a mix"
