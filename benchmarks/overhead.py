"""What one call costs in CPU: brim, everything on, beside a bare aiohttp loop, the common recipe and an official SDK.

One run, one machine, the programs in turn against one loopback server in a process of its own, pinned to different
processors where there are two. Ratios are to the bare loop of the same round, and medians over the rounds. Figures of
different runs can't be compared; ratios can.

    python benchmarks/overhead.py [--rounds 3] [--plain-only] [--programs bare brim] [--memory]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme
from programs import Work, command, environment
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
SMALL, LARGE = 1_000, 10_000
PEERS = ("bare", "recipe", "sdk", "brim", "brim_alone")
SLOW = {"sdk"}  # one round is enough: it takes half a minute


def pin(processor: int) -> Callable[[], None] | None:
    """Keep a child on one processor, where the platform can and there are two."""
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        return None
    chosen = sorted(os.sched_getaffinity(0))[processor]
    return lambda: os.sched_setaffinity(0, {chosen})


@contextmanager
def stub(tls: tuple[str, str] | None) -> Iterator[str]:
    """The loopback server, on the second processor."""
    command = [sys.executable, str(HERE / "stub.py")] + (["--tls", *tls] if tls else [])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=pin(1)) as server:  # noqa: PLW1509 - no threads yet
        assert server.stdout is not None
        yield f"http{'s' if tls else ''}://127.0.0.1:{int(server.stdout.readline())}"
        assert server.stdin is not None
        server.stdin.close()


def measure(name: str, count: int, url: str, ca: str, folder: Path) -> dict[str, float]:
    """Run one program over *count* rows and read its own account of itself."""
    source, output = folder / f"{count}.jsonl", folder / "out.jsonl"
    for leftover in folder.glob("out.jsonl*"):
        leftover.unlink()
    flags = ["--concurrency", str(Work.in_flight)]
    work = Work(source=str(source), output=str(output), url=url, ca=ca, flags=flags)
    done = subprocess.run(
        command(name, work),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        env=environment(),
        preexec_fn=pin(0),
    )
    answered = sum(json.loads(line)["text"] == "positive" for line in output.open())
    assert answered == count, f"{name} answered {answered} of {count}"
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def write_rows(path: Path, count: int) -> None:
    """*count* prompts of some 200 bytes."""
    with path.open("w") as file:
        for number in range(count):
            prompt = f"Review {number}: " + "The kettle boils fast, pours well and is easy to clean. " * 3
            file.write(json.dumps({"id": f"r{number}", "prompt": prompt + "Positive or negative?"}) + "\n")


def compare(names: list[str], rounds: int, url: str, ca: str, folder: Path) -> dict[str, dict[str, float]]:
    """Medians for every program: CPU a call at 10,000 rows, its slope from 1,000, calls a second, ratio to bare."""
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names:
            if name in SLOW and number:
                continue
            small, large = (measure(name, count, url, ca, folder) for count in (SMALL, LARGE))
            bare = samples["bare"][number]["cpu"] if name != "bare" else large["cpu"] / LARGE * 1e6
            samples[name].append(
                {
                    "cpu": large["cpu"] / LARGE * 1e6,
                    "slope": (large["cpu"] - small["cpu"]) / (LARGE - SMALL) * 1e6,
                    "rate": LARGE / large["wall"],
                    "peak": large["peak_mb"],
                    "ratio": large["cpu"] / LARGE * 1e6 / bare,
                }
            )
    return {
        name: {key: statistics.median(sample[key] for sample in taken) for key in taken[0]}
        for name, taken in samples.items()
    }


def show(title: str, figures: dict[str, dict[str, float]]) -> None:
    """One table."""
    table = Table(title=title)
    for column in ("program", "us CPU a call", "slope us", "x bare", "x bare (slope)", "calls/s", "peak MB"):
        table.add_column(column, justify="left" if column == "program" else "right")
    bare = figures["bare"]["slope"]
    for name, row in figures.items():
        slope_ratio = row["slope"] / bare
        cells = (f"{row['cpu']:.0f}", f"{row['slope']:.0f}", f"{row['ratio']:.2f}", f"{slope_ratio:.2f}")
        table.add_row(name, *cells, f"{row['rate']:.0f}", f"{row['peak']:.0f}")
    Console().print(table)


def memory(url: str, folder: Path) -> None:
    """Peak memory at 2,000 and 200,000 rows."""
    peaks = {}
    for count in (2_000, 200_000):
        write_rows(folder / f"{count}.jsonl", count)
        peaks[count] = measure("brim", count, url, "", folder)["peak_mb"]
    grown = peaks[200_000] - peaks[2_000]
    print(
        f"brim's peak memory: {peaks[2_000]:.0f} MB at 2,000 rows, {peaks[200_000]:.0f} MB at 200,000: +{grown:.0f} MB"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain-only", action="store_true")
    parser.add_argument("--programs", nargs="+", choices=PEERS, default=list(PEERS), help="bare is always among them")
    parser.add_argument("--memory", action="store_true", help="also measure peak memory at 200,000 rows")
    arguments = parser.parse_args()
    names = ["bare", *(name for name in arguments.programs if name != "bare")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in (SMALL, LARGE):
            write_rows(folder / f"{count}.jsonl", count)
        report: dict[str, Any] = {}
        with stub(None) as url:
            report["plain"] = compare(names, arguments.rounds, url, "", folder)
            show("plain HTTP", report["plain"])
            if arguments.memory:
                memory(url, folder)
        if not arguments.plain_only:
            files = make_certificates(folder)
            with stub(files[:2]) as url:
                report["tls"] = compare(names, arguments.rounds, url, files[2], folder)
                show("TLS", report["tls"])


def make_certificates(folder: Path) -> tuple[str, str, str]:
    """A certificate for 127.0.0.1, its key, and the authority that signed it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    paths = tuple(str(folder / name) for name in ("cert.pem", "key.pem", "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(paths[0])
    issued.private_key_pem.write_to_path(paths[1])
    authority.cert_pem.write_to_path(paths[2])
    return paths[0], paths[1], paths[2]


if __name__ == "__main__":
    main()
