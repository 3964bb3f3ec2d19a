"""The cases of `benchmarks/limits.py`: the provider, the work, and what each client is told.

All are small on purpose: limits a minute of which only seconds are used, and bursts of half a second at most, so that a
short run shows the steady state. Everything that is chance follows from the seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from brim.simulator import Scenario, read_scenario

__all__ = ["CASES", "Case"]

_SEED: Final = 5


@dataclass(frozen=True, kw_only=True)
class Case:
    """One provider and one load.

    Attributes:
        name: its name on the command line.
        about: what is put to the test.
        lasts: the scenario, as `brim sim` reads it, but for what changes.
        rows: prompts with the words they have.
        max_tokens: cap of each answer; None to send none.
        flags: what `brim run` is told.
        windows: the fixed numbers of calls at once of which the oracle takes the best; empty where a rate binds and it
            paces.
        halved_at: seconds after which the limit is halved; None for never.
    """

    name: str
    about: str
    lasts: str
    rows: Sequence[int]
    max_tokens: int | None = None
    flags: Sequence[str] = ()
    windows: Sequence[int] = ()
    halved_at: float | None = None

    @property
    def provider(self) -> str:
        """The scenario, as `brim sim` reads it."""
        halves = "" if self.halved_at is None else f"[[changes]]\nat = {self.halved_at}\nfactor = 0.5\n"
        return self.lasts + halves

    def longer(self, times: int) -> Case:
        """The same with so many times as many rows."""
        at = None if self.halved_at is None else self.halved_at * times
        return replace(self, rows=[*self.rows] * times, halved_at=at)

    @property
    def scenario(self) -> Scenario:
        """The provider, parsed."""
        return read_scenario(self.provider, origin=self.about)


def _alike(count: int) -> list[int]:
    """Rows that are all alike."""
    return [20] * count


def _heavy_tailed(count: int) -> list[int]:
    """Rows most of which are short, and some of which are fifty times as long."""
    rng = Random(_SEED)
    return [min(2_000, int(40 * rng.paretovariate(1.4))) for _ in range(count)]


_QUICK: Final = """
seed = 5
[latency]
first = 0.25
spread = 0.3
"""
_SLOW: Final = """
seed = 5
[latency]
first = 0.5
spread = 0.3
"""
_BY_RATE: Final = """
[[limits]]
of = "requests"
amount = 3000
burst = 20
"""
_HARDWARE: Final = """
[capacity]
knee = 32.0
power = 1.2
[latency]
first = 0.3
per_token = 0.005
[lengths]
shape = "lognormal"
tokens = 100
spread = 0.3
"""
_SILENT: Final = """
[headers]
spelling = "none"
waits = []
words = "kind"
"""

_CASES: Final = (
    Case(
        name="told",
        about="told the rate, no headers",
        lasts=_QUICK + _SILENT + _BY_RATE,
        rows=_alike(700),
        flags=("--rpm", "3000"),
    ),
    Case(name="headers", about="told nothing, headers", lasts=_QUICK + _BY_RATE, rows=_alike(700)),
    Case(name="blind", about="told nothing, no headers", lasts=_QUICK + _SILENT + _BY_RATE, rows=_alike(1_100)),
    Case(
        name="tokens",
        about="told, tokens bind, heavy-tailed prompts",
        lasts='charging = "openai-sum"'
        + _QUICK
        + """
[[limits]]
of = "requests"
amount = 6000
burst = 50
[[limits]]
of = "tokens"
amount = 600000
burst = 5000
""",
        rows=_heavy_tailed(700),
        max_tokens=64,
        flags=("--rpm", "6000", "--tpm", "600000"),
    ),
    Case(
        name="concurrency",
        about="20 calls at once and no rate, told nothing, no headers",
        lasts="concurrency = 20" + _SLOW + _SILENT,
        rows=_alike(600),
        windows=(20,),
    ),
    Case(
        name="saturating",
        about="hardware that is full at 32 calls at once and refuses nothing",
        lasts="seed = 5" + _SILENT + _HARDWARE,
        rows=_alike(600),
        windows=(24, 28, 32, 36, 40, 48),
    ),
    Case(
        name="halved",
        about="told nothing, headers, the limit is halved on the way",
        lasts=_QUICK + _BY_RATE,
        halved_at=8.0,
        rows=_alike(700),
    ),
    Case(
        name="counting",
        about="told nothing, no headers but the wait, refused calls count",
        lasts="refusals_count = true" + _QUICK + _BY_RATE + '[headers]\nspelling = "none"\nwords = "kind"\n',
        rows=_alike(900),
    ),
)
CASES: Final[dict[str, Case]] = {case.name: case for case in _CASES}
"""By name, in the order of the page."""
