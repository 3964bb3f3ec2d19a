"""A long prefix that all rows share is read from Anthropic's cache, and what is read there counts for nothing."""

from __future__ import annotations

import pytest

import brim
from brim.simulator import Headers, Latency, Limit, Provider, Scenario, SimTransport
from brim.simulator.clock import run_virtual

PER_MINUTE = 50_000
ROWS = 1_000
NEW = 115.0
"""Tokens of a row beside its prefix."""


@pytest.mark.parametrize(
    ("spelling", "is_told", "at_most"), [("none", True, 1.1), ("none", False, 1.15), ("anthropic", False, 1.15)]
)
def test_what_is_read_from_the_cache_is_not_reserved(*, spelling: str, is_told: bool, at_most: float) -> None:
    """
    Ten thousand tokens were reserved for each row until it was answered, of which a hundred count: a run took two to
    twenty times as long as it had to.
    """
    provider = Provider(
        Scenario(
            limits=[Limit(of="input", amount=PER_MINUTE, burst=10_500.0)],
            charging="anthropic",
            headers=Headers(spelling=spelling),  # type: ignore[arg-type]
            latency=Latency(first=2.0),
        )
    )
    prefix = {"type": "text", "text": "prefix word " * 3_333, "cache_control": {"type": "ephemeral"}}
    rows = [
        brim.Request(
            position=row,
            messages=[
                {"role": "system", "content": [prefix]},
                {"role": "user", "content": f"row {row:4} " + "word " * 80},
            ],
            max_tokens=50,
        )
        for row in range(ROWS)
    ]
    limits = brim.Limits(input_tokens_per_minute=PER_MINUTE) if is_told else brim.Limits()

    async def main() -> float:
        transport = SimTransport(provider)
        client = brim.Client(
            "anthropic:claude-haiku-4-5",
            base_url="http://127.0.0.1:1",
            environ={},
            transport=transport,
            limits=limits,
            seed=1,
        )
        async with client:
            assert len([result async for result in client.complete_each(rows)]) == ROWS
        return transport.now()

    seconds = run_virtual(main())

    assert seconds <= at_most * (ROWS * NEW + 10_000) / PER_MINUTE * 60.0
    assert provider.tally.refused.total() <= 0.03 * ROWS
