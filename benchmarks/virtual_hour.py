"""What an hour of virtual time costs in CPU: 1,000 calls a minute against the simulated provider, in process.

Beside each figure stands what a loop of nothing but additions takes on the same machine at the same time, as machines
differ and a shared one differs from minute to minute: compare the ratios.

    python benchmarks/virtual_hour.py [--minutes 60] [--rounds 3] [--cases plain bare rpm headers]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import brim
from brim.protocols import WireRequest
from brim.simulator import Headers, Latency, Limit, Provider, Scenario, SimTransport, run_virtual
from brim.transport import Phase

_RPM: Final = 1_000
_URL: Final = "http://127.0.0.1:1"
_HEADERS: Final = {"authorization": "Bearer none", "content-type": "application/json"}
_BODY: Final = b'{"model":"m","messages":[{"role":"user","content":"row %d"}]}'
_LATENCY: Final = Latency(first=1.0, spread=0.3)
_LIMITS: Final = (Limit(of="requests", amount=_RPM, burst=_RPM / 60), Limit(of="tokens", amount=1_000_000))
_ADDITIONS: Final = 20_000_000


class _Nobody:
    def reached(self, phase: Phase) -> None:
        """Care for no phase."""


async def _loop(transport: SimTransport, calls: int) -> int:
    """A client that paces evenly and does nothing else; how many answers it got."""
    nobody, answered = _Nobody(), 0

    async def one(number: int) -> None:
        nonlocal answered
        wire = WireRequest(url=f"{_URL}/v1/chat/completions", headers=_HEADERS, body=_BODY % number)
        answer = await transport.exchange(wire, nobody)
        answered += answer.status == 200

    async with asyncio.TaskGroup() as tasks:
        for number in range(calls):
            tasks.create_task(one(number))
            await asyncio.sleep(60 / _RPM)
    return answered


async def _engine(transport: SimTransport, calls: int, **more: Any) -> int:
    """The whole engine; how many answers it got."""
    rows, answered = (f"row {number}" for number in range(calls)), 0
    async with brim.Client("openai:m", base_url=_URL, transport=transport, seed=1, **more) as client:
        async for result in client.complete_each(rows):
            answered += result.text is not None
    return answered


@dataclass(frozen=True)
class Case:
    """A client and its provider."""

    about: str
    scenario: Scenario
    client: Callable[..., Coroutine[Any, Any, int]]


CASES: Final = {
    "plain": Case("bare loop, a provider without limits", Scenario(latency=_LATENCY), _loop),
    "bare": Case("bare loop, limits and their headers", Scenario(latency=_LATENCY, limits=_LIMITS), _loop),
    "rpm": Case(
        "whole engine, told --rpm 1000, no headers",
        Scenario(latency=_LATENCY, limits=_LIMITS, headers=Headers(spelling="none")),
        lambda transport, calls: _engine(transport, calls, limits=brim.Limits(requests_per_minute=_RPM)),
    ),
    "headers": Case("whole engine, learns from headers", Scenario(latency=_LATENCY, limits=_LIMITS), _engine),
}


def additions(count: int = _ADDITIONS // 10) -> float:
    """CPU seconds of *count* additions, scaled to all of them."""
    begun = time.process_time()
    sum(range(count))
    return (time.process_time() - begun) * _ADDITIONS / count


def measure(case: Case, calls: int) -> tuple[float, float]:
    """CPU seconds of *calls* calls, and of the additions around them."""
    transport = SimTransport(Provider(case.scenario))
    gc.collect()
    before = min(additions() for _ in range(3))
    begun = time.process_time()
    answered = run_virtual(case.client(transport, calls))
    took = time.process_time() - begun
    assert answered == calls, f"{answered} answers to {calls} calls"
    return took, (before + min(additions() for _ in range(3))) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    options = parser.parse_args()
    calls = options.minutes * _RPM
    print(f"{calls:,} calls; CPU s: best of {options.rounds}; additions: sum(range({_ADDITIONS:,})); ratio: median")
    print("| case | CPU s | us a call | additions s | ratio |\n|---|---|---|---|---|")
    for name in options.cases:
        rounds = [measure(CASES[name], calls) for _ in range(options.rounds)]
        best = min(took for took, _ in rounds)
        ratio = statistics.median(took / base for took, base in rounds)
        base = min(base for _, base in rounds)
        print(f"| {CASES[name].about} | {best:.2f} | {best / calls * 1e6:.0f} | {base:.2f} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
