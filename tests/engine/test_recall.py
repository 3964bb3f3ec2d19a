"""A run killed at any point and started again: no stated limit is broken over the seam. Virtual time, real journals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.config import Limits, Window
from brim.engine.lane import Lane, Settings
from brim.engine.path import Prepared
from brim.engine.run import Run
from brim.policies.tokens import Spent
from brim.protocols import WireRequest
from brim.simulator.clock import run_virtual
from brim.storage.journal import Journal
from brim.storage.use import Book, Ledger, reach_of
from brim.transport.scripted import Answers, Scripted
from brim.values import FailureKind
from engine.support import ask, open_lane, refusal, reply

DAY = 86_400.0


class Unmarked(Ledger):
    """Of a run that states no limit: only results tell the next one what was sent."""

    def stated(self, limits: Limits) -> None:
        """Mark nothing."""


class Process:
    """One process of a run over the same journal: begins at a time of the wall clock, and is killed or ends."""

    def __init__(self, folder: Path, limits: Limits, *, latency: float = 1.0, refused: int = 0) -> None:
        self.path = folder / "journal"
        self.limits = limits
        self.latency = latency
        self.refused = refused
        self.sent: list[float] = []
        self.refusal: Answers | None = None
        self.parked: Lane | None = None
        self.retuned: Limits | None = None

    def live(self, rows: int, *, at: float, until: float, model: str = "m", marks: bool = True) -> None:
        """Run from *at* on, for *until* seconds at most."""
        book = Book(now=at, reach_s=reach_of(self.limits))
        far_end = Scripted(then=self._answers())
        with Journal.open(
            self.path, settings={"model": "m"}, input_name="in", sync_every_s=None, hear=book.read
        ) as journal:
            ledger = (Ledger if marks else Unmarked)(journal, book, default="m")

            async def main() -> None:
                lane = open_lane(far_end, Settings(limits=self.limits, seed=1), ledger=ledger, began_at=at, model=model)

                async def source() -> AsyncIterator[tuple[Lane, Prepared]]:
                    for position in range(rows):
                        prepared = lane.prepare(ask(position, f"question {position}", model if model != "m" else None))
                        if journal.claim(prepared.request, prepared.fingerprint) is None:
                            yield lane, prepared

                if self.retuned is not None:
                    lane.retune(self.retuned)
                run = asyncio.create_task(Run(record=journal.record_all, leave=lambda _: None).carry(source()))
                await asyncio.wait([run], timeout=until)
                if not run.done():
                    run.cancel()  # nothing is recorded any more
                    await asyncio.wait([run])
                if lane.limiter.parked is not None:
                    self.parked = lane

            run_virtual(main())
        self.sent += [at + each for each in far_end.sent_at]

    def _answers(self) -> Callable[[WireRequest], Answers]:
        count = 0

        def answer(_: WireRequest) -> Answers:
            nonlocal count
            if self.refusal is not None:
                return self.refusal
            count += 1
            if self.refused and count % self.refused == 0:
                return refusal(429)
            return reply(after=self.latency)

        return answer


def most_within(sent: list[float], seconds: float) -> int:
    """The most that was sent in any stretch of *seconds*."""
    times = sorted(sent)
    return max(sum(begin <= each <= begin + seconds for each in times) for begin in times)


seams = st.lists(st.tuples(st.floats(0.0, 40.0), st.floats(0.0, 70.0)), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(seams=seams, requests=st.integers(1, 40), seconds=st.integers(1, 60), latency=st.floats(0.01, 90.0))
def test_no_window_is_broken_over_the_seam(
    seams: list[tuple[float, float]], requests: int, seconds: int, latency: float
) -> None:
    """
    Killed at any point, whatever was in flight then, and started again after any pause.
    """
    with TemporaryDirectory() as folder:
        limits = Limits(windows=(Window(requests=requests, seconds=seconds),))
        process = Process(Path(folder), limits, latency=latency)
        at = 1_000_000.25
        for lasts, pause in seams:
            process.live(80, at=at, until=lasts)
            at += lasts + pause
        process.live(80, at=at, until=30.0)

        assert most_within(process.sent, seconds) <= requests


@settings(max_examples=25, deadline=None)
@given(seams=seams, per_minute=st.sampled_from([6, 30, 60, 600]), latency=st.floats(0.01, 90.0))
def test_no_minute_is_broken_over_the_seam(seams: list[tuple[float, float]], per_minute: int, latency: float) -> None:
    """
    However often it is started anew, a minute holds no more than stated.
    """
    with TemporaryDirectory() as folder:
        process = Process(Path(folder), Limits(requests_per_minute=per_minute), latency=latency)
        at = 1_000_000.25
        for lasts, pause in [*seams, (20.0, 0.0)]:
            process.live(400, at=at, until=lasts)
            at += lasts + pause

        assert most_within(process.sent, 60.0 - 1e-3) <= per_minute + 1


@settings(max_examples=15, deadline=None)
@given(
    seams=st.lists(st.tuples(st.floats(0.0, 30_000.0), st.floats(0.0, 30_000.0)), min_size=1, max_size=5),
    refused=st.sampled_from([0, 3]),
)
def test_no_day_is_broken_over_the_seam(seams: list[tuple[float, float]], refused: int) -> None:
    """
    Attempts that were refused count too, since the provider may count them.
    """
    with TemporaryDirectory() as folder:
        limits = Limits(requests_per_day=40, windows=(Window(requests=1, seconds=500.0),))
        process = Process(Path(folder), limits, latency=5.0, refused=refused)
        at = 1_000_000.25
        for lasts, pause in [*seams, (DAY, 0.0)]:
            process.live(200, at=at, until=lasts)
            at += lasts + pause

        assert most_within(process.sent, DAY) <= 40


def test_a_day_used_up_before_parks_at_once_and_says_until_when() -> None:
    """
    Nothing is sent, and the wait counts from when the day's first request went.
    """
    with TemporaryDirectory() as folder:
        process = Process(Path(folder), Limits(requests_per_day=10))
        process.live(10, at=1_000_000.0, until=60.0)
        process.live(11, at=1_000_000.0 + 6 * 3_600.0, until=60.0)

        assert len(process.sent) == 10
        assert process.parked is not None
        failure = process.parked.limiter.parked
        assert failure is not None
        assert failure.kind is FailureKind.DAILY
        assert failure.message == "the stated limit of 10 requests a day is used up; there is room in 18.0 hours"

        process.live(11, at=1_000_000.0 + 25 * 3_600.0, until=60.0)
        assert len(process.sent) == 11


def test_a_day_that_is_stated_in_the_run_counts_what_earlier_ones_sent() -> None:
    """
    A limit a day may be stated by hand at any moment, to a run that began without one.
    """
    with TemporaryDirectory() as folder:
        process = Process(Path(folder), Limits())
        process.live(30, at=1_000_000.0, until=60.0)
        process.retuned = Limits(requests_per_day=50)
        process.live(200, at=1_000_000.0 + 3_600.0, until=60.0)

        assert len(process.sent) == 50


@pytest.mark.parametrize("limits", [Limits(), Limits(requests_per_minute=6_000)])
@pytest.mark.parametrize("words", ["slow down", "you have reached the limit of requests per day"])
def test_a_closed_lane_is_asked_with_one_call(limits: Limits, words: str) -> None:
    """
    Who was told to come back tomorrow sends one call when it is started again before that, and goes on if it is
    answered; the day after it begins as ever.
    """
    closed = Answers(
        status=429, headers={"retry-after": f"{DAY:g}"}, body=msgspec.json.encode({"error": {"message": words}})
    )
    with TemporaryDirectory() as folder:
        process = Process(Path(folder), limits)
        sent = []
        for at, refusal, rows in ((0.0, closed, 30), (3_600.0, closed, 30), (7_200.0, None, 20), (3 * DAY, None, 30)):
            before = len(process.sent)
            process.refusal = refusal
            process.live(rows, at=1_000_000.0 + at, until=60.0)
            sent.append([each - 1_000_000.0 - at for each in process.sent[before:]])

        at_once = [sum(each < 0.9 for each in times) for times in sent]
        assert at_once[0] > 1 or limits.requests_per_minute  # a stated rate begins with one
        assert at_once[1:3] == [1, 1]
        assert at_once[3] > 1
        assert (len(sent[1]), len(sent[2])) == (1, 20)


@pytest.mark.parametrize("limits", [Limits(), Limits(requests_per_minute=6_000)])
@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_the_server_asked_for_goes_on(limits: Limits, status: int) -> None:
    """
    Killed while it waits for the server, and started again before that is over, twice: nothing goes before its time.
    """
    with TemporaryDirectory() as folder:
        process = Process(Path(folder), limits)
        process.refusal = Answers(status=status, headers={"retry-after": "100"}, body=b"{}")
        process.live(30, at=1_000_000.0, until=20.0)
        told = max(process.sent)
        process.refusal = None
        process.live(30, at=1_000_040.0, until=5.0)
        process.live(30, at=1_000_060.0, until=300.0)

        later = [each for each in process.sent if each > told]
        assert min(later) >= told + 100.0
        assert len(later) == 30


def test_a_wait_is_no_longer_by_a_clock_that_was_set_back() -> None:
    """
    Nobody waits for an hour that the clock was set back by: no longer than the server asked for.
    """
    with TemporaryDirectory() as folder:
        process = Process(Path(folder), Limits())
        process.refusal = refusal(429, retry_after=100)
        process.live(30, at=1_000_000.0, until=20.0)
        process.refusal = None
        before = len(process.sent)
        process.live(30, at=1_000_000.0 - 3_600.0, until=130.0)

        assert len(process.sent) - before == 30


def test_a_day_of_tokens_counts_what_answers_took() -> None:
    """
    Ten answers of fifteen tokens are a hundred and fifty, whatever was reserved for them.
    """
    for limit, sent in ((150, 10), (500, 11)):
        with TemporaryDirectory() as folder:
            process = Process(Path(folder), Limits(tokens_per_day=10_000))
            process.live(10, at=1_000_000.0, until=60.0)
            process.limits = Limits(tokens_per_day=limit)
            process.live(11, at=1_000_000.0 + 3_600.0, until=60.0)

            assert len(process.sent) == sent


@pytest.mark.parametrize("marks", [True, False])
def test_other_lanes_are_not_counted(*, marks: bool) -> None:
    """
    Rows that name another model have a day of their own.
    """
    with TemporaryDirectory() as folder:
        process = Process(Path(folder), Limits(requests_per_day=10))
        process.live(10, at=1_000_000.0, until=60.0, model="other", marks=marks)
        process.live(10, at=1_000_100.0, until=60.0, marks=marks)
        assert len(process.sent) == 20

        process.live(20, at=1_000_200.0, until=60.0, model="other", marks=marks)
        assert len(process.sent) == 20


@pytest.mark.parametrize(("pause", "at_once"), [(5.0, 1), (90.0, 8)])
def test_told_nothing_a_restart_is_a_ramp(pause: float, at_once: int) -> None:
    """
    Less than a minute after a stop it begins with a single call, later as ever.
    """
    with TemporaryDirectory() as folder:
        process = Process(Path(folder), Limits(), latency=10.0)
        process.live(4, at=1_000_000.0, until=60.0, marks=False)
        process.sent.clear()
        began = 1_000_010.0 + pause
        process.live(40, at=began, until=0.5, marks=False)

        assert process.sent.count(began) == at_once


def test_recalled_use_is_what_a_limit_would_have_seen() -> None:
    """
    A debt of tokens is waited for after a restart as before it.
    """

    async def main(*, is_recalled: bool) -> float:
        lane = open_lane(Scripted(), Settings(limits=Limits(tokens_per_minute=6_000)))
        cost = lane.limiter._admission.cost(b"", 100)
        if is_recalled:
            lane.limiter.recall([Spent(10.0, (1.0, 4_000.0, 0.0, 0.0))])
        await lane.limiter.admit_cost(cost)
        return asyncio.get_running_loop().time()

    assert run_virtual(main(is_recalled=False)) < 1.0
    assert 29.0 < run_virtual(main(is_recalled=True)) < 31.0


def test_a_row_of_many_attempts_counts_each() -> None:
    """
    Refused twice and answered once is three requests of the day, marked or not.
    """
    for marks in (True, False):
        with TemporaryDirectory() as folder:
            process = Process(Path(folder), Limits(requests_per_day=30), refused=2)
            process.live(5, at=1_000_000.0, until=600.0, marks=marks)
            sent = len(process.sent)
            assert sent > 5

            process.limits = Limits(requests_per_day=sent)
            process.live(6, at=1_010_000.0, until=600.0, marks=marks)
            assert len(process.sent) == sent
