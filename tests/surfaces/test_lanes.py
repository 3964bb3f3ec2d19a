"""Each lane says what holds it up and how full its limits are, in whatever room there is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from brim.events import LaneParked, LanePaused, LaneState
from brim.surfaces.progress import plain_lines
from brim.surfaces.progress_view import view
from brim.surfaces.tally import Tally
from brim.values import Bound, Constraint, Failure, FailureKind, Gauge, GaugeSource

REQUESTS = Bound(Constraint.REQUESTS, "requests a minute")
HALF = "requests ████░░░░ 50% of 40/20 s"
WINDOW = Bound(Constraint.WINDOW, "requests in 20 s")


def gauge(name: str, used: float, limit: float, *, source: GaugeSource = GaugeSource.STATED) -> Gauge:
    periods = {"requests a minute": 60.0, "requests a day": 86_400.0, "requests in 20 s": 20.0, "concurrency": None}
    unit = "calls" if name == "concurrency" else "requests"
    return Gauge(name=name, limit=limit, used=used, unit=unit, period_s=periods.get(name, 60.0), source=source)


GAUGES = (
    gauge("requests a minute", 0.99, 500),
    gauge("requests a day", 0.25, 2_000),
    gauge("requests in 20 s", 0.5, 40),
    gauge("requests left on the server", 1.0, 600, source=GaugeSource.HEADERS),
    gauge("concurrency", 0.012, 1_000),
)


def state(lane: str = "openai:m", bound: Bound = REQUESTS, gauges: tuple[Gauge, ...] = GAUGES) -> LaneState:
    return LaneState(lane=lane, bound=bound, gauges=gauges, seconds=0.25, in_flight=12, waiting=100)


def tally_of(*states: LaneState) -> Tally:
    tally = Tally(clock=lambda: 0.0)
    for each in states:
        tally.on_event(each)
    return tally


def drawn(tally: Tally, width: int, *, encoding: str = "utf-8") -> list[str]:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=width)
    with console.capture() as capture:
        console.print(view(tally))
    return [line.rstrip() for line in capture.get().splitlines()[2:]]


def test_a_plain_line_names_what_binds_and_every_limit() -> None:
    """
    Lane, constraint, and for each limit how much of it is in use.
    """
    _, line = plain_lines(tally_of(state()))

    assert line == (
        "brim: openai:m bound by requests a minute; requests 99% of 500/min, requests 25% of 2,000/day, "
        "requests 50% of 40/20 s, requests 100% of 600/min (server), calls 12/1,000"
    )


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            120,
            [
                "openai:m bound by requests a minute",
                f"  requests ███████▉ 99% of 500/min  requests ██░░░░░░ 25% of 2,000/day  {HALF}",
                "  requests ████████ 100% of 600/min (server)  calls ░░░░░░░░ 12/1,000",
            ],
        ),
        (
            80,
            [
                "openai:m bound by requests a minute",
                "  requests ███████▉ 99% of 500/min  requests ██░░░░░░ 25% of 2,000/day",
                f"  {HALF}  requests ████████ 100% of 600/min (server)",
                "  calls ░░░░░░░░ 12/1,000",
            ],
        ),
    ],
)
def test_a_lane_by_itself_shows_all_of_its_limits(width: int, lines: list[str]) -> None:
    """
    As many to a line as fit, none torn in two.
    """
    assert drawn(tally_of(state()), width) == lines


def test_many_lanes_show_the_limit_that_binds() -> None:
    """
    From the third lane on there is one line for each, and after the tenth a count.
    """
    lanes = [state(f"openai:m{number}", WINDOW if number % 2 else REQUESTS) for number in range(12)]
    lines = drawn(tally_of(*lanes), 80)

    assert len(lines) == 11
    assert lines[0] == "openai:m0 bound by requests a minute  ███████▉ 99% of 500/min"
    assert lines[1] == "openai:m1 bound by requests in 20 s  ████░░░░ 50% of 40/20 s"
    assert lines[10] == "and 2 lanes more"


def test_an_old_screen_gets_plain_signs() -> None:
    """
    Where no blocks can be shown, bars are made of signs that every screen has.
    """
    assert "requests #######. 99% of 500/min" in drawn(tally_of(state()), 120, encoding="ascii")[1]


def test_no_line_is_wider_than_the_screen() -> None:
    """
    Long names and reasons are cut, what binds is not.
    """
    name = "openai:a-model-with-a-name-that-goes-on-and-on-until-nobody-wants-to-read-it-any-more"
    lines = drawn(tally_of(state(name), state(name + "2")), 80)

    assert all(len(line) <= 80 for line in lines)
    assert sum("bound by requests a minute" in line for line in lines) == 2


def test_a_pause_and_an_end_are_said_in_place_of_what_binds() -> None:
    """
    A lane that waits says for how long and why; one that stopped shows no limits any more.
    """
    tally = tally_of(state("openai:a", Bound(Constraint.OUTAGE, "the server asked to wait"), GAUGES[:1]), state("b:c"))
    tally.on_event(LanePaused("openai:a", 12.0, Failure(kind=FailureKind.THROTTLED, message="slow down")))
    tally.on_event(LaneParked("b:c", Failure(kind=FailureKind.QUOTA, message="no credit")))

    assert plain_lines(tally)[1:] == [
        "brim: openai:a waits 12 s: throttled: slow down; requests 99% of 500/min",
        "brim: b:c stopped: quota: no credit",
    ]


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        (Bound(Constraint.SOURCE, "source"), "bound by source"),
        (Bound(Constraint.CPU, "own CPU"), "bound by own CPU"),
        (Bound(Constraint.HELD, "paused by hand"), "paused by hand"),
    ],
)
def test_what_is_no_limit_is_named_too(bound: Bound, words: str) -> None:
    """
    The input, this machine, and somebody's hand.
    """
    assert plain_lines(tally_of(state("a:b", bound, ())))[1:] == [f"brim: a:b {words}"]
