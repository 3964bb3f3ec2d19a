"""Clients against limits, in real time: `python benchmarks/limits.py` runs each against `brim sim` and prints tables.

Each program has a `brim sim` of its own, fresh and on the same seed, and the same rows. The server's `/stats` are the
judge: they are read twenty times a second, and a client's own account is used for nothing but the texts it wrote. The
makespan is from the first call that arrives to the last answer; it is divided by the time that even pacing takes in
theory, begun when this client began, and by the same quotient of the oracle, which is a real client that knows the
limit. Steady is from a quarter of the run to the last call that was admitted; its pace is the share of the refill that
was used, or, where no rate binds, of the throughput of the best fixed number of calls at once.

python benchmarks/limits.py                                  # all, some seven minutes
python benchmarks/limits.py --cases told blind --programs brim --rounds 3 --json FILE --trace FOLDER
python benchmarks/limits.py --programs brim --times 4        # runs of a minute or more
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from math import nan
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
from limit_cases import CASES, Case
from programs import MODEL, Work, command, environment
from providers import Sample, fill
from rich.console import Console
from rich.table import Table

from brim.protocols import WireRequest
from brim.protocols.openai import OpenAIChat
from brim.simulator import Scenario, answer_to, departures, greedy, paced
from brim.values import Request

IN_FLIGHT: Final = 100
"""What the recipes' semaphores let through: their users don't know better."""

PROGRAMS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "oracle": ("oracle", {}),
    "brim": ("brim", {}),
    "recipe": ("recipe", {"in_flight": IN_FLIGHT}),
    "sdk": ("sdk", {"in_flight": IN_FLIGHT}),
    "sdk, 20 retries": ("sdk", {"in_flight": IN_FLIGHT, "retries": 20}),
}
"""What is run under each name. The first two are measured alone, the others side by side: they mostly sleep."""

ALONE: Final = ("oracle", "brim")
_LEAD_S: Final = 1.5
"""From the server's start to the oracle's first call; the others begin when they have started."""
_POLL_S: Final = 0.05
_WARM: Final = 0.25
_BASE: Final = "http://127.0.0.1:1"


@dataclass
class Look(Sample):
    """What the server had counted, in seconds after it began to listen."""

    accepted: int
    answered: int


@dataclass(frozen=True)
class Score:
    """What came of one program in one case; *ideal* is the makespan in theory, *pace* that of the steady state."""

    seconds: float
    ideal: float
    refused: int
    refused_share: float
    steady_refused: float
    pace: float
    lost: int
    right: int
    rows: int
    is_cut: bool


@contextmanager
def served(scenario: Path) -> Iterator[tuple[str, float]]:
    """`brim sim` in a process of its own: its URL, and when it began to listen, in seconds since the epoch."""
    line = [sys.executable, "-m", "brim", "sim", "--scenario", str(scenario)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["url"], time.time()
        finally:
            server.terminate()


class Watch:
    """Reads a server's counts over one connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"))

    def look(self) -> Look:
        """The counts of this moment."""
        self._connection.request("GET", "/stats")
        stats = json.load(self._connection.getresponse())
        counts = (stats["arrived"], sum(stats["refused"].values()), stats["accepted"], stats["answered"])
        return Look(stats["now"], list(stats["taken"].values()), *counts)


def play(case: Case, name: str, folder: Path, *, patience: float, trace: Path | None = None) -> Score:
    """Run one program against a server of its own."""
    source, output = folder / "rows.jsonl", folder / f"{name}.jsonl"
    for leftover in folder.glob(f"{name}.jsonl*"):
        leftover.unlink()
    program, settings = PROGRAMS[name]
    with served(folder / "provider.toml") as (url, began):
        work = Work(source=str(source), output=str(output), url=url, **settings)
        if program == "oracle":
            work = _foreseen(case, work, begin=began + _LEAD_S)
        if program == "brim":
            traced = ("--trace", str(trace)) if trace else ()
            work = replace(work, flags=(*case.flags, *traced))
        samples, is_cut = _watched(command(program, work), Watch(url), patience)
    return _score(case, samples, output, is_cut=is_cut)


def _watched(line: Sequence[str], watch: Watch, patience: float) -> tuple[list[Look], bool]:
    """The counts from start to end of a program, and was it ended after *patience* seconds?"""
    samples = [watch.look()]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()) as program:
        until = time.monotonic() + patience
        while program.poll() is None and time.monotonic() < until:
            samples.append(watch.look())
            time.sleep(_POLL_S)
        is_cut = program.poll() is None
        program.kill()
    return [*samples, watch.look()], is_cut


def _requests(case: Case) -> Iterator[dict[str, Any]]:
    """The rows of a case."""
    words = Random(1)
    cap = {} if case.max_tokens is None else {"max_tokens": case.max_tokens}
    for number, length in enumerate(case.rows):
        text = " ".join(words.choice(("kettle", "boils", "fast", "and", "quiet")) for _ in range(length))
        yield {"id": f"r{number}", "prompt": f"Review {number}: {text}", **cap}


def _wires(case: Case) -> list[WireRequest]:
    """The rows of a case as any client sends them."""
    dialect = OpenAIChat(base_url=_BASE)
    url, headers = dialect.url(_BASE), dialect.headers(None)
    asked = (
        Request(messages=[{"role": "user", "content": row["prompt"]}], max_tokens=row.get("max_tokens"))
        for row in _requests(case)
    )
    return [WireRequest(url=url, headers=headers, body=dialect.encode(request, model=MODEL)) for request in asked]


def _begun_at(scenario: Scenario, at: float) -> Scenario:
    """The provider as one meets it who comes *at* seconds after it began."""
    changes = [msgspec.structs.replace(change, at=max(0.0, change.at - at)) for change in scenario.changes]
    return msgspec.structs.replace(scenario, changes=changes)


def _best_window(case: Case) -> int:
    return min(case.windows, key=lambda window: greedy(case.scenario, _wires(case), window=window).ended)


def _foreseen(case: Case, work: Work, *, begin: float) -> Work:
    """What the oracle is to do: even pacing, or the best fixed number of calls at once."""
    if case.windows:
        return replace(work, begin=begin, leaves=[0.0] * len(case.rows), in_flight=_best_window(case))
    plan = departures(_begun_at(case.scenario, _LEAD_S), _wires(case))
    return replace(work, begin=begin, leaves=[leaves for leaves, _ in plan], in_flight=len(case.rows))


def _ideal(case: Case, at: float) -> float:
    """The makespan in theory of a client that begins *at* seconds after the server."""
    if case.windows:
        return greedy(case.scenario, _wires(case), window=_best_window(case)).ended
    return paced(_begun_at(case.scenario, at), _wires(case)).ended


def _score(case: Case, samples: Sequence[Look], output: Path, *, is_cut: bool) -> Score:
    begin = _moment(samples, lambda sample: sample.arrived > 0)
    last = samples[-1]
    end = last.at if is_cut else _moment(samples, lambda sample: sample.answered == last.answered)
    sent = _moment(samples, lambda sample: sample.accepted == last.accepted)
    steady = [sample for sample in samples if begin + _WARM * (sent - begin) <= sample.at <= sent] or [last]
    ideal = _ideal(case, begin)
    texts = [json.loads(text)["text"] for text in output.open()] if output.exists() else []
    expected = (answer_to(row["prompt"]) for row in _requests(case))
    return Score(
        seconds=end - begin,
        ideal=ideal,
        refused=last.refused,
        refused_share=_refused_share(samples[0], last),
        steady_refused=_refused_share(steady[0], steady[-1]),
        pace=_pace(case, steady, ideal),
        lost=len(case.rows) - (last.answered if is_cut else sum(text is not None for text in texts)),
        right=sum((text or "").startswith(begins) for text, begins in zip(texts, expected, strict=False)),
        rows=len(case.rows),
        is_cut=is_cut,
    )


def _refused_share(first: Look, last: Look) -> float:
    return (last.refused - first.refused) / max(1, last.arrived - first.arrived)


def _moment(samples: Sequence[Look], holds: Callable[[Look], bool]) -> float:
    """When it began to hold, half way between the two looks."""
    place = next(place for place, sample in enumerate(samples) if holds(sample))
    return (samples[max(0, place - 1)].at + samples[place].at) / 2


def _pace(case: Case, steady: Sequence[Look], ideal: float) -> float:
    """The share of the refill that was used; where no rate binds, answers a second over those of the theory."""
    if case.scenario.limits:
        return fill(case.scenario, steady)
    passed = steady[-1].at - steady[0].at
    return (steady[-1].answered - steady[0].answered) / passed / (len(case.rows) / ideal) if passed > 0 else nan


def measure(case: Case, names: Sequence[str], options: argparse.Namespace) -> dict[str, Score]:
    """One round of a case."""
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        (folder / "provider.toml").write_text(case.provider)
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _requests(case)))
        patience = options.patience * _ideal(case, _LEAD_S) + 2 * _LEAD_S
        trace = options.trace / f"{case.name}.jsonl" if options.trace else None

        def run(name: str) -> Score:
            return play(case, name, folder, patience=patience, trace=trace)

        scores = {name: run(name) for name in names if name in ALONE}
        others = [name for name in names if name not in ALONE]
        with ThreadPoolExecutor(max(1, len(others))) as pool:
            scores.update(zip(others, pool.map(run, others), strict=True))
    return scores


def show(case: Case, rounds: Sequence[dict[str, Score]]) -> None:
    """One table: the medians over the rounds."""
    ideal = statistics.median(scores["oracle"].ideal for scores in rounds)
    print(f"{case.name}: {case.about}; {len(case.rows)} rows, {ideal:.1f} s in theory", flush=True)
    table = Table()
    for column in ("program", "seconds", "x oracle", "429s", "of calls", "steady", "steady pace", "lost", "right"):
        table.add_column(column, justify="left" if column == "program" else "right")
    for name in rounds[0]:
        scores = [scores[name] for scores in rounds]
        ratio = statistics.median(_ratio(scores[name]) / _ratio(scores["oracle"]) for scores in rounds)
        table.add_row(name, *_cells(scores, ratio))
    Console(width=120).print(table)


def _ratio(score: Score) -> float:
    return score.seconds / score.ideal


def _cells(scores: Sequence[Score], ratio: float) -> list[str]:
    def middle(field: str) -> float:
        return statistics.median(getattr(score, field) for score in scores)

    over = "> " if any(score.is_cut for score in scores) else ""
    return [
        f"{over}{middle('seconds'):.1f}",
        f"{over}{ratio:.3f}",
        f"{middle('refused'):.0f}",
        f"{middle('refused_share'):.2%}",
        f"{middle('steady_refused'):.2%}",
        f"{middle('pace'):.1%}",
        f"{middle('lost'):.0f}",
        f"{middle('right'):.0f}",
    ]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument(
        "--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS), help="the oracle is always in"
    )
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--times", type=int, default=1, help="so many times as many rows")
    parser.add_argument("--patience", type=float, default=3.0, help="a program is ended after so many times the theory")
    parser.add_argument("--json", type=Path, help="write every figure of every round to this file")
    parser.add_argument("--trace", type=Path, help="write brim's traces of admission into this folder")
    options = parser.parse_args()
    names = [name for name in PROGRAMS if name == "oracle" or name in options.programs]
    report = {}
    for name in options.cases:
        case = CASES[name].longer(options.times)
        rounds = [measure(case, names, options) for _ in range(options.rounds)]
        show(case, rounds)
        report[name] = [{program: asdict(score) for program, score in scores.items()} for scores in rounds]
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
