"""The window that brim finds by itself against fixed ones, on a real model: `python benchmarks/local_window.py`.

The embedded model is served once; every setting answers the same rows, round after round, each round beginning with
another setting so that what else runs on the machine hits all alike. A fixed window is `--concurrency N` with a rate
stated that is never reached, which holds the window open. Medians over the rounds; figures of different runs can't be
compared, shares of the best fixed window can.

    python benchmarks/local_window.py [--windows 1 2 4 8 16] [--rows 60] [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from programs import Work, command, environment
from rich.console import Console
from rich.table import Table

from brim.local import LocalModel

ADAPTIVE: Final = "adaptive"
_REVIEWS: Final = Path(__file__).parent.parent / "examples" / "reviews.jsonl"
_MAX_TOKENS: Final = 24
_NEVER_REACHED: Final = "1000000"


def flags(setting: str) -> list[str]:
    """What `brim run` is told: nothing but the work, or a fixed window."""
    fixed = [] if setting == ADAPTIVE else ["--rpm", _NEVER_REACHED, "--concurrency", setting]
    return ["--temperature", "0", *fixed]


def write_rows(path: Path, count: int) -> None:
    """*count* short prompts."""
    reviews = [json.loads(line)["review"] for line in _REVIEWS.read_text().splitlines()]
    with path.open("w") as file:
        for number in range(count):
            prompt = f"Review {number}: {reviews[number % len(reviews)]}\nSay in a sentence what the buyer thinks."
            file.write(json.dumps({"id": f"r{number}", "prompt": prompt, "max_tokens": _MAX_TOKENS}) + "\n")


def measure(setting: str, url: str, folder: Path, count: int) -> float:
    """Rows a second of one run, the start of the program included."""
    output = folder / "out.jsonl"
    for leftover in folder.glob("out.jsonl*"):
        leftover.unlink()
    work = Work(source=str(folder / "rows.jsonl"), output=str(output), url=url, flags=flags(setting))
    line = command("brim", work)
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, env=environment())
    answered = sum(json.loads(text)["text"] is not None for text in output.open())
    assert answered == count, f"{setting}: {answered} of {count} rows were answered"
    return count / float(json.loads(done.stdout.splitlines()[-1])["wall"])


def compare(settings: Sequence[str], rounds: int, count: int) -> dict[str, list[float]]:
    """Rows a second of every setting in every round."""
    rates: dict[str, list[float]] = {setting: [] for setting in settings}
    with tempfile.TemporaryDirectory() as name, LocalModel.start() as model:
        folder, url = Path(name), model.base_url.removesuffix("/v1")
        write_rows(folder / "rows.jsonl", count)
        measure(settings[-1], url, folder, count)  # what the first calls bring into memory is not measured
        for number in range(rounds):
            for place in range(len(settings)):
                setting = settings[(place + number) % len(settings)]
                rates[setting].append(measure(setting, url, folder, count))
                print(f"round {number + 1}, {setting}: {rates[setting][-1]:.2f} rows/s", file=sys.stderr, flush=True)
    return rates


def show(rates: dict[str, list[float]]) -> None:
    """One table."""
    medians = {setting: statistics.median(taken) for setting, taken in rates.items()}
    best = max(median for setting, median in medians.items() if setting != ADAPTIVE)
    table = Table(title=f"embedded model, {os.cpu_count()} processors")
    for column in ("window", "rows/s, median", "least", "most", "share of the best fixed"):
        table.add_column(column, justify="left" if column == "window" else "right")
    for setting, taken in rates.items():
        cells = (f"{rate:.2f}" for rate in (medians[setting], min(taken), max(taken)))
        table.add_row(setting, *cells, f"{medians[setting] / best:.0%}")
    Console().print(table)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures of every round to this file")
    options = parser.parse_args()
    rates = compare([*map(str, options.windows), ADAPTIVE], options.rounds, options.rows)
    show(rates)
    if options.json:
        options.json.write_text(json.dumps(rates, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
