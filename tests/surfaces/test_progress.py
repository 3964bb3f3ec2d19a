"""Progress shows the tally, in a terminal and elsewhere, and never harms the run."""

from __future__ import annotations

import io
import sys
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from brim.events import LaneParked, LanePaused, LaneRetuned, LaneState, RequestEnded
from brim.surfaces.progress import Progress, plain_lines
from brim.surfaces.progress_view import view
from brim.surfaces.screen import compact, duration, money, one_line
from brim.surfaces.tally import Tally
from brim.values import Bound, Constraint, Failure, FailureKind, Reply, Request, Result

REPLY = Reply(text="x")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A pipe whose reader went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


class GoneTerminal(Gone):
    def isatty(self) -> bool:
        return True


class Watched(io.StringIO):
    """Sets *enough* once so many pieces were written."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.enough = Event()

    def write(self, text: str) -> int:
        self.pieces -= 1
        if self.pieces == 0:
            self.enough.set()
        return super().write(text)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def tally_at_work() -> Tally:
    """Thirty seconds into a run of a hundred rows, with one lane waiting and one parked."""
    clock = Clock()
    tally = Tally(total=100, clock=clock)
    clock.now += 30
    for _ in range(30):
        tally.on_event(RequestEnded("a", Result(request=Request(messages=[]), outcome=REPLY, cost_usd=0.001)))
    tally.on_event(LanePaused("openai:a", 12.0, Failure(kind=FailureKind.THROTTLED, message="Slow\n\x1b[2Jdown")))
    tally.on_event(LaneParked("anthropic:b", Failure(kind=FailureKind.QUOTA, message="No credit left")))
    return tally


def drawn(tally: Tally, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        console.print(view(tally))
    return capture.get().splitlines()


def test_plain_line_tells_it_all() -> None:
    """
    One whole line has the counters, the rates, the cost and the time left; each stopped lane has its own.
    """
    assert plain_lines(tally_at_work()) == [
        "brim: 30/100 done, 0 failed, 0 retried, 0 throttled, 0 requests/min, 0 tokens/min, $0.0300, 1 min 10 s left",
        "brim: openai:a waits 12 s: throttled: Slow [2Jdown",
        "brim: anthropic:b stopped: quota: No credit left",
    ]


def test_a_change_by_hand_is_said_for_half_a_minute() -> None:
    """
    In the words of the command line; then the screen is as before.
    """
    clock = Clock()
    tally = Tally(clock=clock)
    tally.on_event(LaneRetuned("openai:a", {"requests_per_minute": None, "concurrency": 20}))

    said = "openai:a changed by hand to --concurrency 20 --rpm none"
    assert plain_lines(tally)[1:] == [f"brim: {said}"]
    assert drawn(tally, 80)[-1].rstrip() == said

    clock.now += 31
    assert len(plain_lines(tally)) == 1


def test_a_pause_by_hand_is_said_before_the_servers() -> None:
    """
    Of two reasons to wait, the one that does not go by itself is shown.
    """
    tally = tally_at_work()
    held = Bound(Constraint.HELD, "paused by hand")
    tally.on_event(LaneState(lane="openai:a", bound=held, gauges=(), seconds=0.25, in_flight=0, waiting=9))

    assert plain_lines(tally)[1] == "brim: openai:a paused by hand"


def test_plain_line_leaves_out_what_nobody_knows() -> None:
    """
    Without total, prices or pace there is no total, cost or time left.
    """
    assert plain_lines(Tally()) == ["brim: 0 done, 0 failed, 0 retried, 0 throttled, 0 requests/min, 0 tokens/min"]


def test_without_a_terminal_there_are_whole_lines() -> None:
    """
    First and last state are told, in lines without control characters.
    """
    stream, tally = io.StringIO(), Tally(total=1)

    with Progress(tally, stderr=stream):
        tally.on_event(RequestEnded("a", Result(request=Request(messages=[]), outcome=REPLY)))

    first, *_, last = stream.getvalue().splitlines()
    assert first.startswith("brim: ")
    assert last.startswith("brim: 1/1 done, 0 failed")
    assert stream.getvalue().endswith("\n")
    assert "\x1b" not in stream.getvalue()


def test_without_a_terminal_lines_come_at_intervals() -> None:
    """
    While the run goes on, a line comes every interval.
    """
    stream = Watched(pieces=4)

    with Progress(Tally(), stderr=stream, interval=0.001):
        assert stream.enough.wait(30)


def test_forced_colour_draws_no_picture_into_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    FORCE_COLOR, common on build servers, does not make a log file a terminal.
    """
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream = io.StringIO()

    with Progress(Tally(), stderr=stream):
        pass

    assert "\x1b" not in stream.getvalue()


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where nothing can be drawn over, lines are told.
    """
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()

    with Progress(Tally(), stderr=stream):
        pass

    assert stream.getvalue().startswith("brim: 0 done")


def test_a_terminal_gets_a_picture_that_goes_away() -> None:
    """
    The picture is drawn, wiped at the end, and the cursor is given back.
    """
    stream = Terminal()

    with Progress(tally_at_work(), stderr=stream):
        pass

    assert "30/100" in stream.getvalue()
    assert "\x1b[?25h" in stream.getvalue()  # show cursor
    assert stream.getvalue().endswith("\x1b[2K")  # erase line


def test_standard_output_is_left_alone() -> None:
    """
    Standard output is data: a picture on standard error takes nothing from it.
    """
    before = sys.stdout

    with Progress(Tally(), stderr=Terminal()):
        assert sys.stdout is before


@pytest.mark.parametrize("stream", [Gone(), GoneTerminal()])
def test_a_screen_that_is_gone_ends_nothing(stream: io.StringIO) -> None:
    """
    A closed pipe or a lost terminal costs the picture, not the run.
    """
    with Progress(tally_at_work(), stderr=stream):
        pass


def test_no_screen_at_all_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A process started without standard error runs all the same.
    """
    monkeypatch.setattr(sys, "stderr", None)

    with Progress(tally_at_work()):
        pass


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80, 200])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    """
    On every width each line fits, so that wiping the picture wipes all of it.
    """
    assert all(len(line) <= width for line in drawn(tally_at_work(), width))


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_picture_holds_everything(width: int) -> None:
    """
    From forty columns on, no counter is missing.
    """
    text = "\n".join(drawn(tally_at_work(), width))

    for piece in (
        "30/100",
        "30%",
        "1 min 10 s left",
        "0 failed",
        "0 retried",
        "0 throttled",
        "requests/min",
        "$0.0300",
    ):
        assert piece in text
    assert "openai:a waits 12 s" in text
    assert "anthropic:b stopped: quota" in text


def test_an_unknown_total_has_no_share() -> None:
    """
    Rows from a pipe are counted without a percentage.
    """
    first, *_ = drawn(Tally(), 80)

    assert first.endswith("0 done")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3600, "1 h 00 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """
    A time span is said in at most two units.
    """
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (9_999, "9,999"), (12_345, "12.3k"), (999_949, "999.9k"), (999_951, "1.00M")]
)
def test_compact_numbers(number: float, text: str) -> None:
    """
    A rate takes few columns.
    """
    assert compact(number) == text


@pytest.mark.parametrize(
    ("usd", "text"), [(0, "$0.00"), (1234.5, "$1,234.50"), (0.0312, "$0.0312"), (0.0000123, "$1.2e-05")]
)
def test_money(usd: float, text: str) -> None:
    """
    Small amounts keep the digits that matter.
    """
    assert money(usd) == text


@given(text=st.text(), limit=st.integers(3, 50))
def test_foreign_text_is_harmless(text: str, limit: int) -> None:
    """
    Whatever a provider says, it is one printable line of bounded length.
    """
    line = one_line(text, limit)

    assert line.isprintable()
    assert len(line) <= limit
