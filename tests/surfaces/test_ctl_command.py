"""`brim ctl`: what it refuses before it asks anybody, and what it shows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import mktime
from typing import Any

import msgspec
import pytest

from brim.config import Limits, Window
from brim.errors import ConfigError
from brim.surfaces.control_socket import control_path, listening
from brim.surfaces.ctl_command import Word, ctl
from brim.surfaces.ctl_view import after, view
from brim.surfaces.orders import LaneStatus, Order, Refused, Retune, State, Status, read_order, write
from brim.surfaces.tally import Rates
from brim.values import Gauge, GaugeSource

LANE = LaneStatus(
    name="openai:m",
    state=State.RUNNING,
    in_flight=48,
    window=64,
    queued=1_000,
    binding="requests a minute",
    limits=Limits(requests_per_minute=500, windows=(Window(requests=40, seconds=60),), concurrency=64),
    gauges=(
        Gauge(name="requests a minute", limit=500, used=0.96, unit="requests", period_s=60, source=GaugeSource.STATED),
        Gauge(name="concurrency", limit=64, used=0.75, unit="calls", period_s=None, source=GaugeSource.STATED),
    ),
)
STATUS = Status(
    pid=42,
    state=State.RUNNING,
    total=10_000,
    answered=1_200,
    failed=4,
    earlier=100,
    in_flight=48,
    retried=12,
    throttled=3,
    perhaps_paid=0,
    truncated=0,
    seconds=723,
    left_s=1_300,
    rates=Rates(requests=480, tokens=51_200, ended=478),
    input_tokens=120_000,
    output_tokens=36_000,
    cost_usd=0.12,
    lanes=(LANE,),
)
replaced = msgspec.structs.replace


def test_the_state_is_a_short_table() -> None:
    """
    Rows, rates, cost and time left; for each lane what is on the wire, what holds it up, its limits and their fill.
    """
    assert view(STATUS).splitlines() == [
        "run       running, 12 min 03 s so far, process 42",
        "rows      1,204 of 10,000 (12%) done, 4 failed, 100 in an earlier run, 21 min 40 s left",
        "requests  48 in flight, 480/min, 12 retried, 3 throttled",
        "tokens    51.2k/min; 120,000 in, 36,000 out, $0.1200 at list price",
        "",
        "openai:m: running",
        "  on the wire        48 of 64, 1,000 queued",
        "  held up by         requests a minute",
        "  stated             --concurrency 64 --rpm 500 --limit 40/60s",
        "  requests a minute  [###################.]  96% of 500 (stated)",
        "  concurrency        [###############.....]  75% of 64 (stated)",
    ]


def test_what_nobody_knows_is_left_out() -> None:
    """
    No total, no price, no lane.
    """
    shown = view(replaced(STATUS, total=None, cost_usd=None, left_s=None, lanes=()))

    assert "rows      1,204 done, 4 failed" in shown
    assert "$" not in shown
    assert "left" not in shown


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": State.PAUSED}, "openai:m: paused by hand; 48 still on the wire"),
        ({"state": State.PAUSED, "in_flight": 0}, "openai:m: paused by hand\n"),
        ({"state": State.WAITING, "why": "throttled", "waits_s": 12.0}, "openai:m: waits 12 s (throttled)"),
        ({"state": State.STOPPED, "why": "quota"}, "openai:m: stopped (quota)"),
        ({"state": State.STOPPED, "why": "stopped"}, "openai:m: stopped\n"),
        (
            {"state": State.STOPPED, "why": "daily", "opens_at": mktime((2099, 11, 24, 3, 20, 1, 0, 0, -1))},
            "openai:m: stopped until 2099-11-24 03:21 (daily)",
        ),
        ({"name": "openai:\x1b[2Jm"}, "openai: [2Jm: running"),
    ],
)
def test_a_lane_says_what_it_does(changes: dict[str, Any], said: str) -> None:
    """
    In one line, whatever its name holds.
    """
    assert said in view(replaced(STATUS, lanes=(replaced(LANE, **changes),)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "openai:m: running; --concurrency 64 --rpm 500 --limit 40/60s\n"),
        ({"state": State.DRAINING}, "draining: 48 requests still to come home\n"),
        ({"state": State.PAUSED, "lanes": ()}, "paused by hand; no lane has begun yet\n"),
    ],
)
def test_after_an_order_each_lane_has_a_line(changes: dict[str, Any], said: str) -> None:
    """
    What it does now, and what is stated, as one would type it.
    """
    assert after(replaced(STATUS, **changes)) == said


@contextmanager
def listens(path: Path, answer: Callable[[bytes], bytes]) -> Iterator[None]:
    """Something that answers at *path*, in a thread of its own."""
    ready, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def main() -> None:
        async with listening(path, answer) as obstacle:
            assert obstacle is None
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({"rpm": "100"}, Retune(requests_per_minute=100.0)),
        ({"rpm": "none", "lane": "m"}, Retune(lane="m", requests_per_minute=None)),
        ({"concurrency": "none", "tpd": "1e6"}, Retune(concurrency=None, tokens_per_day=1e6)),
        ({"limit": ["none"], "itpm": "5", "otpm": "6", "rpd": "7"}, None),
        (
            {"limit": ["40/60s", "5/1s"]},
            Retune(windows=(Window(requests=40, seconds=60), Window(requests=5, seconds=1))),
        ),
    ],
)
def test_set_names_only_what_was_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, Any], order: Order | None
) -> None:
    """
    The order that goes out changes these limits and no other.
    """
    seen: list[Order] = []

    def answer(line: bytes) -> bytes:
        seen.append(read_order(line))
        return write(STATUS)

    with listens(control_path(tmp_path / "out"), answer):
        ctl(tmp_path / "out", Word.SET, **options)

    everything = Retune(windows=None, input_tokens_per_minute=5.0, output_tokens_per_minute=6.0, requests_per_day=7.0)
    assert seen == [order or everything]
    assert capsys.readouterr().out == after(STATUS)


@pytest.mark.parametrize("name", ["out", "out.journal"])
def test_output_and_journal_name_the_same_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """
    Either is taken; the state goes to standard output.
    """
    with listens(control_path(tmp_path / "out"), lambda _: write(STATUS)):
        ctl(tmp_path / name)

    assert capsys.readouterr().out == view(STATUS)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (write(Refused("the run has no lane 'x'")), "the run has no lane 'x'"),
        (b"{}\n", "is not this version's brim run"),
        (b'"\xff"\n', "is not this version's brim run"),
    ],
)
def test_a_refusal_is_an_error(tmp_path: Path, answer: bytes, said: str) -> None:
    """
    What the run says, or that something else answers there.
    """
    with listens(control_path(tmp_path / "out"), lambda _: answer), pytest.raises(ConfigError, match=said):
        ctl(tmp_path / "out")


@pytest.mark.parametrize(
    ("word", "options", "said"),
    [
        (Word.STATUS, {}, "and there is no journal beside it"),
        (Word.SET, {}, "set changes nothing without one of --concurrency"),
        (Word.SET, {"rpm": "lots"}, "--rpm 'lots' should be a number above 0, or none"),
        (Word.SET, {"rpm": "0"}, "--rpm '0' should be a number above 0, or none"),
        (Word.SET, {"tpm": "inf"}, "--tpm 'inf' should be a number above 0, or none"),
        (Word.SET, {"tpm": "nan"}, "--tpm 'nan' should be a number above 0, or none"),
        (Word.SET, {"concurrency": "9" * 30}, "should be a whole number above 0, or none"),
        (Word.SET, {"concurrency": "2.5"}, "--concurrency '2.5' should be a whole number above 0, or none"),
        (Word.SET, {"limit": ["40"]}, "--limit '40' should look like 40/60s"),
        (Word.SET, {"budget": "much"}, "--budget 'much' should be a number above 0, or none"),
        (Word.PAUSE, {"rpm": "5"}, "--rpm would change limits, so the order is set, not pause"),
        (Word.DRAIN, {"lane": "x"}, "drain is for the whole run; leave --lane out"),
    ],
)
def test_a_wrong_order_says_what_to_do(tmp_path: Path, word: Word, options: dict[str, Any], said: str) -> None:
    """
    One clear message, before anybody is asked.
    """
    with pytest.raises(ConfigError, match=said):
        ctl(tmp_path / "out", word, **options)


def test_a_run_that_is_over_is_told_from_none(tmp_path: Path) -> None:
    """
    Where a journal is, there is something to go on with.
    """
    (tmp_path / "out.journal").touch()

    for name in ("out", "out.journal"):
        with pytest.raises(ConfigError, match="its journal is there, so the command that began it goes on with it"):
            ctl(tmp_path / name)
