"""The report says what a run came to, and what to do next."""

from __future__ import annotations

import io
import time
from pathlib import Path

import msgspec
import pytest

from brim.events import AttemptEnded, LaneParked, LaneState, RequestEnded
from brim.storage.journal import Recorded
from brim.surfaces.lanes import lane_lines
from brim.surfaces.report import print_report, summarize
from brim.surfaces.tally import Tally
from brim.values import (
    Attempt,
    Bound,
    Constraint,
    Failure,
    FailureKind,
    FinishReason,
    Outcome,
    Reply,
    Request,
    Result,
    Usage,
)

REQUEST = Request(messages=[])
OUTPUT = Path("out.jsonl")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def end(tally: Tally, outcome: Outcome, *, cost_usd: float | None = None) -> None:
    """Let a request be sent once and end so."""
    tally.on_event(AttemptEnded("lane", Attempt(request=REQUEST, number=1, body=b""), outcome, 0.5, None))
    tally.on_event(RequestEnded("lane", Result(request=REQUEST, outcome=outcome, cost_usd=cost_usd)))


def good(tally: Tally, count: int, *, reason: FinishReason = FinishReason.STOP) -> None:
    reply = Reply(text="x", finish_reason=reason, usage=Usage(input_tokens=100, output_tokens=10))
    for _ in range(count):
        end(tally, reply, cost_usd=0.001)


def report(tally: Tally, *, stream: io.StringIO | None = None) -> list[str]:
    stream = stream or io.StringIO()
    print_report(tally, output=OUTPUT, rows=tally.ended, stderr=stream)
    return stream.getvalue().splitlines()


def test_a_perfect_run() -> None:
    """
    All well is four lines.
    """
    clock = Clock()
    tally = Tally(total=100, clock=clock)
    good(tally, 100)
    clock.now = 30.0

    assert report(tally) == [
        "brim: rows: 100 answered (100 %), 0 failed, in 30 s",
        "brim: requests: 100 sent (200/min), 0 retried, 0 throttled",
        "brim: tokens: 10,000 in (20,000/min), 1,000 out (2,000/min), $0.1000 at list price",
        "brim: output: out.jsonl (100 rows)",
    ]


def test_failures_come_by_kind_with_an_example() -> None:
    """
    The most frequent kind comes first, each with its count and its first message in one line.
    """
    tally = Tally(total=6)
    good(tally, 3)
    end(tally, Failure(kind=FailureKind.TIMEOUT, message="no answer within 60 s"))
    for message in ("too\nlong", "other"):
        end(tally, Failure(kind=FailureKind.INVALID, message=message))

    lines = report(tally)

    assert lines[0].startswith("brim: rows: 3 answered (50.0 %), 3 failed, in ")
    assert lines[1].endswith("1 brought nothing and may be billed")
    assert lines[3:5] == ["brim: failed: 2 invalid: too long", "brim: failed: 1 timeout: no answer within 60 s"]


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        (FailureKind.QUOTA, "add credit or raise the spending limit, then run the same command again"),
        (FailureKind.DENIED, "check the API key, its permissions and the region, then run the same command again"),
        (FailureKind.DAILY, "wait until the daily limit is reset, then run the same command again"),
        (FailureKind.UNKNOWN_MODEL, "name a model that this endpoint serves, then run the same command again"),
        (FailureKind.STOPPED, "run the same command again"),
    ],
)
def test_a_parked_lane_says_why_and_what_next(kind: FailureKind, step: str) -> None:
    """
    Rows that were left are counted, the reason is told, and so is the way to go on.
    """
    tally = Tally(total=10)
    good(tally, 1)
    tally.on_event(LaneParked("openai:a", Failure(kind=kind, message="the reason")))

    lines = report(tally)

    assert "9 untouched" in lines[0]
    why = "the reason" if kind == "stopped" else f"{kind}: the reason"
    assert f"brim: stopped: openai:a: {why}" in lines
    assert lines[-1] == f"brim: next: {step}: it goes on with the untouched rows"


@pytest.mark.parametrize(
    ("kind", "wait", "until"),
    [
        (FailureKind.DAILY, 43_200.0, "2026-11-24 03:21"),
        (FailureKind.STOPPED, 3_570.0, "16:20"),
        (FailureKind.STOPPED, 40_000_000.0, "2028-02-29 14:28"),
    ],
)
def test_a_lane_that_was_told_until_when_says_so(kind: FailureKind, wait: float, until: str) -> None:
    """
    Whoever has to wait for hours is told until what time of the clock, to the minute above, and of which day.
    """
    now = time.mktime((2026, 11, 23, 15, 20, 30, 0, 0, -1))
    tally = Tally(total=1, clock=Clock(), wall=lambda: now)
    tally.on_event(LaneParked("openai:m", Failure(kind=kind, message="slow down", retry_after=wait)))

    *_, stopped, _output, then = report(tally)

    assert stopped.startswith(f"brim: stopped: openai:m until {until}: ")
    assert then.startswith(f"brim: next: wait until {until}, then run the same command again")
    assert lane_lines(tally) == [stopped.removeprefix("brim: stopped: ").replace(" until", " stopped until", 1)]


@pytest.mark.parametrize(
    ("kind", "wait"),
    [(FailureKind.QUOTA, 60.0), (FailureKind.DAILY, 0.0), (FailureKind.STOPPED, 1e300), (FailureKind.STOPPED, None)],
)
def test_nothing_is_said_of_a_time_that_opens_nothing(kind: FailureKind, wait: float | None) -> None:
    """
    Credit does not come back by waiting, and nobody means the end of time.
    """
    tally = Tally(total=1)
    tally.on_event(LaneParked("openai:m", Failure(kind=kind, message="no", retry_after=wait)))

    assert not any(" until 2" in line or " until 1" in line for line in report(tally))
    assert not summarize(tally).opens_at


def test_an_earlier_run_is_told() -> None:
    """
    Recorded rows count as rows and not as requests; a recorded failure has no message.
    """
    tally = Tally(total=3)
    good(tally, 1)
    for kind in (None, FailureKind.INVALID):
        tally.resumed(Recorded(kind, None, None, None, 1, 0, 0))

    lines = report(tally)

    assert lines[0].startswith("brim: rows: 2 answered (66.7 %), 1 failed, 2 of them from an earlier run, in ")
    assert lines[1].startswith("brim: requests: 1 sent ")
    assert "brim: failed: 1 invalid (in an earlier run)" in lines


@pytest.mark.parametrize(("cut", "is_told"), [(1, False), (2, True)])
def test_cut_answers_over_one_percent_are_worth_a_hint(cut: int, is_told: bool) -> None:  # noqa: FBT001 - a table
    """
    One in a hundred is life; more than that says which option to raise.
    """
    tally = Tally(total=100)
    good(tally, cut, reason=FinishReason.LENGTH)
    good(tally, 100 - cut)

    hint = "brim: hint: 2 answers (2.0 %) cut by the token cap: raise --max-tokens"
    assert (hint in report(tally)) is is_told


def test_almost_all_is_not_all() -> None:
    """
    One failure in a million does not read 100 %.
    """
    tally = Tally()
    tally.answered = 999_999
    end(tally, Failure(kind=FailureKind.INVALID, message="no"))

    assert "(99.9 %)" in report(tally)[0]


def test_nothing_done_has_no_rate() -> None:
    """
    Without a single result there is no share of success.
    """
    assert report(Tally(clock=Clock()))[0] == "brim: rows: 0 answered, 0 failed, in 0 s"


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    In a terminal the lines stand in two columns and fit its width.
    """

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    tally = Tally(total=2)
    good(tally, 1)

    lines = report(tally, stream=Terminal())

    assert "rows" in lines[0]
    assert "brim:" not in "".join(lines)
    assert any("run the same" in line for line in lines)


def test_a_summary_is_data() -> None:
    """
    The numbers are to be had as plain data, for machines.
    """
    tally = Tally(total=2)
    good(tally, 1)
    end(tally, Failure(kind=FailureKind.INVALID, message="no"))

    data = msgspec.to_builtins(summarize(tally))

    assert data["success_rate"] == 0.5
    assert data["failures"] == [{"kind": "invalid", "count": 1, "example": "no"}]


def look(tally: Tally, lane: str, bound: Bound, times: int) -> None:
    for _ in range(times):
        state = LaneState(lane=lane, bound=bound, gauges=(), seconds=0.25, in_flight=1, waiting=1)
        tally.on_event(state)


def test_what_held_up_the_run_is_said_with_its_share_of_the_time() -> None:
    """
    The largest first; what took less than a hundredth is left out, and so is the time in which a lane was parked.
    """
    tally = Tally(total=1)
    good(tally, 1)
    look(tally, "a:b", Bound(Constraint.SOURCE, "source"), 20)
    look(tally, "a:b", Bound(Constraint.REQUESTS, "requests a minute"), 179)
    look(tally, "a:b", Bound(Constraint.CPU, "own CPU"), 1)
    look(tally, "a:b", Bound(Constraint.PARKED, "parked"), 500)

    assert "brim: bound by: requests a minute 89.5 %, source 10.0 %" in report(tally)
    assert summarize(tally).bound == {"a:b": {"requests a minute": 0.895, "source": 0.1, "own CPU": 0.005}}


def test_each_lane_has_its_own_share() -> None:
    """
    With several lanes each says what held it up.
    """
    tally = Tally(total=1)
    good(tally, 1)
    look(tally, "a:b", Bound(Constraint.CONCURRENCY, "concurrency"), 4)
    look(tally, "c:d", Bound(Constraint.SOURCE, "source"), 4)

    assert [line for line in report(tally) if "bound by" in line] == [
        "brim: bound by: a:b: concurrency 100 %",
        "brim: bound by: c:d: source 100 %",
    ]
