"""The mix of faults that a night brings, against a client that never rests: `python benchmarks/faults.py`.

3,000 rows, one call in six goes wrong (hung connections, 500s, resets, cut answers, bare 429s and more), 5 s timeout,
100 in flight, on virtual time. The oracle (`brim.testing.steadfast`) meets the same faults on the same seed and keeps
all 100 places busy without a pause; the figure is brim's time over the oracle's.

python benchmarks/faults.py                                 # prints the table
python benchmarks/faults.py --latency 0.1 --seeds 3 --trace # one run, second by second
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from typing import Final

import brim
from brim import testing
from brim.events import AttemptEnded, Event, LanePaused
from brim.protocols import WireRequest
from brim.protocols.openai import OpenAIChat
from brim.values import Failure, Request

__all__ = ["MIX", "SLOTS", "TIMEOUT_S", "oracle", "play", "scenario"]

MIX: Final = {
    "hang": 0.02,
    "hang_after_headers": 0.01,
    "server_error": 0.04,
    "unavailable": 0.02,
    "reset": 0.02,
    "truncated": 0.01,
    "garbage": 0.01,
    "throttled": 0.03,
}
"""Each fault and its share of all calls."""

TIMEOUT_S: Final = 5.0
SLOTS: Final = 100
_ROWS: Final = 3_000
_BASE: Final = "http://127.0.0.1:1"
_LATENCIES: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)


def scenario(latency: float, seed: int, *, refusal: float) -> testing.Scenario:
    """The provider of *seed*: answers take *latency* seconds, errors *refusal*."""
    return testing.Scenario(
        seed=seed,
        latency=testing.Latency(first=latency, refusal=refusal),
        headers=testing.Headers(spelling="none", waits=()),
        faults=[testing.FaultRule(kind=kind, chance=chance) for kind, chance in MIX.items()],
    )


def oracle(world: testing.Scenario, rows: int = _ROWS) -> float:
    """Seconds that the client needs which keeps all places busy."""
    dialect = OpenAIChat(base_url=_BASE)
    url, headers = dialect.url(_BASE), dialect.headers(None)
    asked = (Request(messages=[{"role": "user", "content": f"prompt {n}"}]) for n in range(rows))
    wires = [WireRequest(url=url, headers=headers, body=dialect.encode(each, model="m")) for each in asked]
    return testing.steadfast(world, wires, slots=SLOTS, timeout=TIMEOUT_S).ended


def play(world: testing.Scenario, rows: int = _ROWS, *, trace: bool = False) -> tuple[float, int]:
    """Seconds that brim takes, and how many rows are wrong or missing."""
    right = 0
    log: list[tuple[float, Event]] = []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with brim.Client(
            "openai:m",
            transport=testing.SimTransport(testing.Provider(world)),
            base_url=_BASE,
            environ={},
            seed=1,
            limits=brim.Limits(concurrency=SLOTS),
            timeouts=brim.Timeouts(total=TIMEOUT_S),
            on_event=lambda event: log.append((loop.time(), event)) if trace else None,
        ) as client:
            nonlocal right
            async for result in client.complete_each(f"prompt {n}" for n in range(rows)):
                prompt = f"prompt {result.request.position}"
                right += (result.text or "").startswith(testing.answer_to(prompt))
        return loop.time()

    seconds = testing.run_virtual(main())
    if trace:
        _tell(log)
    return seconds, rows - right


def _tell(log: list[tuple[float, Event]]) -> None:
    """What happened in each half second: attempts that ended, by outcome, and the pauses of the lane."""
    ended: Counter[tuple[int, str]] = Counter()
    for at, event in log:
        if isinstance(event, AttemptEnded):
            name = str(event.outcome.kind) if isinstance(event.outcome, Failure) else "ok"
            ended[int(at * 2), name] += 1
        elif isinstance(event, LanePaused):
            ended[int(at * 2), f"paused {event.seconds:.2f} s"] += 1
    for half in sorted({half for half, _ in ended}):
        words = [f"{name} {count}" for (at, name), count in sorted(ended.items()) if at == half]
        print(f"{half / 2:6.1f} s  {', '.join(words)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latency", type=float, nargs="*", default=_LATENCIES)
    parser.add_argument("--seeds", type=int, nargs="*", default=range(1, 6))
    parser.add_argument("--trace", action="store_true", help="tell each run half second by half second")
    options = parser.parse_args()
    for errors in ("errors at once", "errors as slow as answers"):
        print(f"\n{errors}; brim / oracle (oracle's seconds), rows wrong")
        for latency in options.latency:
            cells = []
            for seed in options.seeds:
                world = scenario(latency, seed, refusal=0.0 if errors == "errors at once" else latency)
                perfect = oracle(world)
                seconds, wrong = play(world, trace=options.trace)
                cells.append(f"{seconds / perfect:.2f} ({perfect:.1f}){f' {wrong} wrong' if wrong else ''}")
            print(f"{latency:5.2f} s: {'  '.join(cells)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
