"""Admission against random providers on virtual time: `python benchmarks/providers.py` writes the table of the proof.

python benchmarks/providers.py                    # 350 seeds, writes docs/explanation/limits-proof.md
python benchmarks/providers.py --held-out         # adds the seeds that nothing was decided on
python benchmarks/providers.py --seeds 7 12-20    # looks at single seeds, writes nothing
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from msgspec.structs import replace
from worlds import (
    FIXED_SEEDS,
    HELD_OUT_SEEDS,
    PLAIN_HELD_OUT_SEEDS,
    PLAIN_SEEDS,
    WORDS_HELD_OUT_SEEDS,
    WORDS_SEEDS,
    World,
    make,
)

from brim.config import Endpoint
from brim.engine.lane import Lane, Settings
from brim.engine.path import Prepared
from brim.engine.run import Run
from brim.protocols import WireRequest
from brim.protocols.registry import find_dialect
from brim.simulator import Capacity, Limit, Provider, Scenario, SimTransport, departures, greedy, paced, run_virtual
from brim.values import Result

_TABLE: Final = Path(__file__).parent.parent / "docs" / "explanation" / "limits-proof.md"
_BASE: Final = "http://127.0.0.1:1"
_STEP: Final = 1.0
_PLACES: Final = {"requests": 0, "tokens": 1, "input": 2, "output": 3}
_WARM: Final = 0.25


@dataclass
class Score:
    """What came of one world."""

    seed: int
    kind: str
    label: str
    requests: int
    ratio: float
    refused: float
    steady_refused: float
    fill: float
    recovery: list[float] = field(default_factory=list)
    worst: int = 0
    behind: float = 0.0
    seconds: float = 0.0
    fault: str = ""


@dataclass
class Sample:
    """What a provider had counted *at* seconds; *taken* is in the order of its dimensions."""

    at: float
    taken: list[float]
    arrived: int
    refused: int


def play(world: World) -> Score:
    """Carry a world's requests with the real engine and keep the books."""
    started = time.perf_counter()
    dialect = find_dialect(world.dialect, base_url=_BASE)
    endpoint = Endpoint(dialect=world.dialect, base_url=_BASE, model="m")
    provider = Provider(world.scenario, keeps_log=True)
    results: list[Result] = []
    left: list[Result] = []
    samples: list[Sample] = []

    async def main() -> tuple[float, str]:
        lane = Lane(
            endpoint=endpoint,
            model="m",
            dialect=dialect,
            transport=SimTransport(provider),
            settings=Settings(limits=world.limits, seed=world.seed),
            price=lambda _: None,
            emit=lambda _: None,
            wall=asyncio.get_running_loop().time,
        )

        async def source() -> AsyncIterator[tuple[Lane, Prepared]]:
            for request in world.requests:
                yield lane, lane.prepare(request)

        sampler = asyncio.create_task(_sample(provider, samples))
        await Run(record=results.extend, leave=left.append).carry(source())
        sampler.cancel()
        fault = "" if lane.limiter.in_flight == 0 else "permits lost"
        return asyncio.get_running_loop().time(), fault

    ended, fault = run_virtual(main())
    if len(results) != len(world.requests):
        fault = f"{len(left)} rows left: {left[0].failure.message if left and left[0].failure else ''}"
    elif any(result.failure for result in results):
        fault = f"{sum(1 for result in results if result.failure)} rows failed"
    best = _best(world)
    accepts = [at for at, what, *_ in provider.log if what == "accept"]
    steady = [sample for sample in samples if _WARM * accepts[-1] <= sample.at <= accepts[-1]]
    tally = provider.tally
    throttles = tally.refused.total() + tally.faults["throttled"]
    return Score(
        seed=world.seed,
        kind=world.kind,
        label=world.label,
        requests=len(world.requests),
        ratio=ended / best,
        refused=throttles / len(world.requests),
        steady_refused=_steady_refused(steady),
        fill=_busy(world, provider) if world.kind == "hosted" else fill(world.scenario, steady),
        recovery=_recovery(world.scenario, samples, accepts[-1]),
        worst=max((result.throttles for result in results), default=0),
        behind=_behind(results),
        seconds=time.perf_counter() - started,
        fault=fault,
    )


async def _sample(provider: Provider, samples: list[Sample]) -> None:
    tally = provider.tally
    while True:
        now = asyncio.get_running_loop().time()
        samples.append(Sample(now, list(tally.taken), tally.arrived, tally.refused.total()))
        await asyncio.sleep(_STEP)


def _wires(world: World) -> list[WireRequest]:
    dialect = find_dialect(world.dialect, base_url=_BASE)
    url, headers = dialect.url(_BASE), dialect.headers(None)
    bodies = (dialect.encode(request, model="m") for request in world.requests)
    return [WireRequest(url=url, headers=headers, body=body) for body in bodies]


def _best(world: World) -> float:
    """The oracle's makespan: even pacing; for a ramp the greedy one, for hardware the best fixed window."""
    wires = _wires(world)
    if world.kind == "hosted":
        slots = world.scenario.capacity.slots or int(world.scenario.capacity.knee or 1)
        tried = sorted({max(1, round(slots * factor)) for factor in (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0)})
        return min(greedy(world.scenario, wires, window=window).ended for window in tried)
    if world.kind == "ramp":
        return greedy(world.scenario, wires).ended
    return paced(world.scenario, wires).ended


def _factor(scenario: Scenario, of: str, at: float) -> float:
    factor = 1.0
    for change in scenario.changes:
        if change.at <= at and change.of in {"all", of}:
            factor = change.factor
    return factor * (1.0 - sum(rival.share for rival in scenario.rivals if rival.start <= at < rival.until))


def _edges(scenario: Scenario) -> list[float]:
    """When a limit changes, or another client comes or goes."""
    rivals = [edge for rival in scenario.rivals for edge in (rival.start, rival.until)]
    return [change.at for change in scenario.changes] + rivals


def _refill(scenario: Scenario, limit: Limit, begin: float, end: float) -> float:
    edges = [begin, *sorted(edge for edge in _edges(scenario) if begin < edge < end), end]
    return limit.rate * sum(_factor(scenario, limit.of, first) * (last - first) for first, last in pairwise(edges))


def fill(scenario: Scenario, steady: Sequence[Sample]) -> float:
    """The share of the refill that was used, of the limit that was used most; nan where nothing can be said."""
    if len(steady) < 10:
        return float("nan")
    first, last = steady[0], steady[-1]
    shares = [
        (last.taken[_PLACES[limit.of]] - first.taken[_PLACES[limit.of]]) / _refill(scenario, limit, first.at, last.at)
        for limit in scenario.limits
    ]
    return max(shares, default=float("nan"))


def _busy(world: World, provider: Provider) -> float:
    """The share of the hardware that was at work in steady state.

    Work is what an answer takes where it is alone. The best fixed window keeps every slot busy, or just as many calls
    at once as run at full speed, so what it delivers is the number of these.
    """
    capacity = world.scenario.capacity
    alone = [latency for _, latency in departures(replace(world.scenario, capacity=Capacity()), _wires(world))]
    begun = {number: at for at, what, number, _ in provider.log if what == "accept"}
    last = max(begun.values())
    work = 0.0
    for at, what, number, _ in provider.log:
        if what == "complete":
            done = alone[number - 1]
            begin = at - done if capacity.slots else begun[number]
            work += done * max(0.0, min(at, last) - max(begin, _WARM * last)) / (at - begin)
    return work / (capacity.slots or capacity.knee or 1.0) / (last * (1.0 - _WARM))


def _steady_refused(steady: Sequence[Sample]) -> float:
    if len(steady) < 2 or steady[-1].arrived == steady[0].arrived:
        return 0.0
    refused = steady[-1].refused - steady[0].refused
    return refused / max(1, steady[-1].arrived - steady[0].arrived - refused)


def _recovery(scenario: Scenario, samples: Sequence[Sample], until: float) -> list[float]:
    """Seconds after each change until ten seconds in a row bring 90 % of the new refill, at 5 % refusals or fewer."""
    times = []
    for edge in _edges(scenario):
        if edge > until - 40 or not scenario.limits:
            continue
        times.append(
            next((s.at - edge for s, e in _spans(samples, edge, until) if _is_good(scenario, s, e)), until - edge)
        )
    return times


def _spans(samples: Sequence[Sample], begin: float, until: float) -> Iterable[tuple[Sample, Sample]]:
    later = [sample for sample in samples if begin <= sample.at <= until]
    return zip(later, later[10:], strict=False)


def _behind(results: Sequence[Result]) -> float:
    """Seconds by which a row that was answered went after one that came later in the input, at most."""
    earliest, longest = float("inf"), 0.0
    for result in sorted(results, key=lambda result: result.request.position, reverse=True):
        longest = max(longest, result.started_at - earliest)
        earliest = min(earliest, result.started_at)
    return longest


def _is_good(scenario: Scenario, first: Sample, last: Sample) -> bool:
    refused = last.refused - first.refused
    arrived = max(1, last.arrived - first.arrived)
    return refused / arrived <= 0.05 and fill(scenario, [first] * 9 + [last]) >= 0.9


def _run(seed: int) -> Score:
    return play(make(seed))


def _seeds(words: Sequence[str]) -> list[int]:
    seeds: list[int] = []
    for word in words:
        first, _, last = word.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def _line(score: Score) -> str:
    recovery = "/".join(f"{seconds:.0f}" for seconds in score.recovery)
    return (
        f"{score.seed:6} {score.kind:8} {score.ratio:6.3f} {score.refused:8.2%} {score.steady_refused:8.2%} "
        f"{score.fill:7.1%} {score.worst:3} {recovery:9} {score.requests:5} {score.seconds:5.1f}s "
        f"{score.label} {score.fault}"
    )


_COLUMNS: Final = (
    "world",
    "runs",
    "makespan / oracle: median",
    "p90",
    "worst",
    "steady 429s: median",
    "p90",
    "worst",
    "steady fill: median",
    "p10",
    "recovery: median",
    "p90",
    "longest a row went after a later one: median",
    "worst",
    "most throttles of a row",
)
_HEAD: Final = f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|"


def _table(scores: Sequence[Score]) -> str:
    lines = [_HEAD]
    for kind in dict.fromkeys(score.kind for score in sorted(scores, key=lambda score: score.kind)):
        group = [score for score in scores if score.kind == kind]
        ratios = _at([score.ratio for score in group], "{:.3f}", 0.5, 0.9, 1.0)
        refused = _at([score.steady_refused for score in group], "{:.2%}", 0.5, 0.9, 1.0)
        fill = _at([score.fill for score in group if score.fill == score.fill], "{:.1%}", 0.5, 0.1)
        recovery = _at([seconds for score in group for seconds in score.recovery], "{:.0f} s", 0.5, 0.9)
        worst = max(score.worst for score in group)
        behind = _at([score.behind for score in group], "{:.1f} s", 0.5, 1.0)
        lines.append(f"| {kind} | {len(group)} | {ratios} | {refused} | {fill} | {recovery} | {behind} | {worst} |")
    faults = [f"{score.seed}: {score.fault}" for score in scores if score.fault]
    return "\n".join(lines) + "\n\nRows lost or permits not given back: " + ("; ".join(faults) or "none") + ".\n"


def _at(values: Sequence[float], form: str, *shares: float) -> str:
    ordered = sorted(values)
    picks = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None for share in shares)
    return " | ".join("" if pick is None else form.format(pick) for pick in picks)


_PAGE: Final = """# The proof: admission against random providers

`python benchmarks/providers.py --held-out` writes this page: the real engine on virtual time against providers whose
every property follows from a seed (`benchmarks/worlds.py`). The oracle knows the limit and paces evenly on the same
seed; on hardware without limits it is the best fixed window, on a ramp the client that is told the server's state.
Steady state is from a quarter of the run to the last admission; on hardware without limits its fill is the share of the
hardware that is at work. Recovery is the time after a change (limit halved or doubled, another client comes or goes)
until ten seconds in a row bring 90 % of the new refill. No row starves: one
that is refused goes before those that were never sent, and after eight refusals once behind those that wait.
How admission works, and what the figures mean: [limits](limits.md).

{parts}"""

_PARTS: Final = (
    ("Seeds 1 to 200: every trait mixed with every other", FIXED_SEEDS),
    ("Seeds 301 to 400: providers as one would write them down", PLAIN_SEEDS),
    ("Seeds 1001 to 1050: no headers, but refusals that name the limit in words", WORDS_SEEDS),
    ("Seeds 10001 to 10050, held out", HELD_OUT_SEEDS),
    ("Seeds 10301 to 10350, plain ones held out", PLAIN_HELD_OUT_SEEDS),
    ("Seeds 11001 to 11025, with words, held out", WORDS_HELD_OUT_SEEDS),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="*", default=[])
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--kind")
    options = parser.parse_args()
    held_out = [*HELD_OUT_SEEDS, *PLAIN_HELD_OUT_SEEDS, *WORDS_HELD_OUT_SEEDS] if options.held_out else []
    seeds = _seeds(options.seeds) or [*FIXED_SEEDS, *PLAIN_SEEDS, *WORDS_SEEDS, *held_out]
    if options.kind:
        seeds = [seed for seed in seeds if make(seed).kind == options.kind]
    scores = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for score in pool.map(_run, seeds):
            scores.append(score)
            print(_line(score), flush=True)
    print(_table(scores))
    if options.seeds or options.kind:
        return
    groups = [(title, [score for score in scores if score.seed in part]) for title, part in _PARTS]
    parts = "\n".join(f"## {title}\n\n{_table(group)}" for title, group in groups if group)
    _TABLE.write_text(_PAGE.format(parts=parts))


if __name__ == "__main__":
    main()
