"""The main job: a file of prompts becomes a file of answers.

Wires rows, client, journal and screen into one run, and says in one number how it ended. What may stop a run (an
interrupt, a deadline, a parked lane) leaves the journal whole, so that the same command goes on.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from itertools import chain
from pathlib import Path
from threading import Semaphore, Thread
from typing import Any, BinaryIO, Final, TypeAlias

import msgspec

from brim import __version__
from brim.config import Limits
from brim.engine.lane import Lane
from brim.engine.path import Prepared
from brim.engine.run import Run
from brim.errors import ConfigError, InputError
from brim.events import RequestEnded
from brim.policies.tokens import CHARGING, Charging
from brim.storage.export import export
from brim.storage.formats import form_of
from brim.storage.inputs import read_rows, survey_rows
from brim.storage.journal import Journal
from brim.storage.lines import Line
from brim.storage.outlay import Outlay
from brim.storage.rows import RowShape
from brim.storage.use import DAY_S, Book, Ledger, reach_of
from brim.surfaces.client import Client, Options
from brim.surfaces.control_socket import control_path
from brim.surfaces.controls import controlled
from brim.surfaces.endpoints import split_model
from brim.surfaces.loops import run_loop
from brim.surfaces.progress import Progress
from brim.surfaces.reading import Reading, in_turns
from brim.surfaces.report import print_report
from brim.surfaces.tally import Tally
from brim.values import Failure, FailureKind, Request, Result, Sent

__all__ = ["Exit", "Job", "carry_out", "carry_out_alone", "journal_path"]

_Hear: TypeAlias = Callable[[Line, bytes], None]

_TURN: Final = 256
"""Rows read in one turn of the event loop when none of them needs sending."""


class Exit(IntEnum):
    """Exit status of a run (design section 7)."""

    ANSWERED = 0
    SOME_FAILED = 1
    WRONG = 2
    PARKED = 3
    INTERRUPTED = 130


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is asked to do.

    Attributes:
        inputs: files of rows, `-` for standard input.
        output: where the results go.
        model: see `Client`.
        options: see `Client`.
        shape: how a row becomes a request.
        deadline_s: the run stops sending after this many seconds.
        retry_failed: send again what an earlier run recorded as failed.
        format: of the output, see `form_of`.
        sources: files beside the inputs that say how to carry it out.
    """

    inputs: Sequence[str]
    output: Path
    model: str | None
    options: Options
    shape: RowShape
    deadline_s: float | None = None
    retry_failed: bool = False
    format: str | None = None
    sources: Sequence[Path] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters that shape the answers: a journal takes results of one set only."""
        return {
            "model": self.model,
            "api": self.options.get("api", "chat"),
            "api_settings": dict(self.options.get("api_settings", {})),
            "system": self.options.get("system"),
            "max_tokens": self.options.get("max_tokens"),
            "params": dict(self.options.get("params", {})),
            "template": self.shape.template,
            "prompt_field": self.shape.prompt_field,
        }


def journal_path(output: Path) -> Path:
    """Where the journal of *output* is kept: beside it."""
    return output.with_name(output.name + ".journal")


def carry_out_alone(job: Job) -> Exit:
    """`carry_out` for a process that does nothing else."""
    gc.freeze()  # what is loaded by now lives to the end: nobody need look whether it is garbage
    return run_loop(carry_out(job))


async def carry_out(job: Job, *, stdin: BinaryIO | None = None) -> Exit:
    """Carry out *job*, showing progress on standard error.

    Raises:
        ConfigError: a setting is wrong. Nothing was sent.
        InputError: an input can't be read. Nothing was sent.
        JournalError: the journal belongs to another run, or the disk is lost.
    """
    form = form_of(job.output, job.format)
    _check_output(job)
    survey = await asyncio.to_thread(survey_rows, job.inputs)
    tally = Tally(total=survey.rows)
    options: Options = {**job.options, "on_event": tally.on_event}
    async with Client(job.model, **options) as client:
        tally.begin()
        purse = client.costs.purse
        book, outlay = _book_of(job), Outlay(client.costs.price)
        with Journal.open(
            journal_path(job.output),
            settings=job.settings,
            input_name=", ".join(job.inputs),
            retry_failed=job.retry_failed,
            hear=book.read if purse is None else _both(book.read, outlay.read),
            brim=__version__,
        ) as journal:
            default = split_model(job.model)[1]
            tally.price_basis = client.costs.basis
            client.ledger = Ledger(journal, book, default=default, marks=purse is not None)
            if purse is not None:
                purse.account.recall(outlay.spent, outlay.unsure)
                tally.account = purse.account
            run = Run(record=journal.record_all, leave=lambda _: tally.left(), sampler=client.sampler)
            async with controlled(run, tally, job.output, purse):
                with Progress(tally):
                    rows_from = _rows_of(job, stdin or sys.stdin.buffer)
                    reading = Reading(run, _Desk(client, journal, tally), rows_from, is_again=survey.names_models)
                    interrupts = await _carry(run, reading, deadline_s=job.deadline_s)
            if interrupts > 1:  # no time for an output: the journal has it all
                return Exit.INTERRUPTED
            exported = await asyncio.to_thread(export, journal, job.output, form)
    print_report(tally, output=job.output, rows=exported.rows)
    return Exit.INTERRUPTED if interrupts else _status(tally, run.stopped)


def _both(first: _Hear, second: _Hear) -> _Hear:
    def hear(line: Line, raw: bytes) -> None:
        first(line, raw)
        second(line, raw)

    return hear


async def _carry(run: Run, reading: Reading, *, deadline_s: float | None) -> int:
    """Carry every row. Returns how often the run was interrupted."""
    with _interruptible(run) as interrupts, _deadline(run, deadline_s):
        await reading.carry()
    return interrupts()


def _rows_of(job: Job, stdin: BinaryIO) -> Callable[[int], AsyncIterator[Iterable[Request | Result]]]:
    """Reads the input's rows from a position on, turn by turn; what can't be read as a row is a failed result."""
    marks = [(path, _mark(path)) for path in job.inputs if path != "-"]

    async def rows_from(position: int) -> AsyncIterator[Iterable[Request | Result]]:
        for path, mark in marks:
            if position and _mark(path) != mark:
                raise InputError(f"input {path} was replaced while it was read; run the same command again to go on")
        rows = read_rows(job.inputs, shape=job.shape, stdin=stdin, start=position)
        if position:  # to pass over many rows takes a while
            first = await asyncio.to_thread(next, rows, None)
            rows = chain(() if first is None else (first,), rows)
        async for turn in _from_pipe(rows) if "-" in job.inputs else in_turns(rows):
            yield turn

    return rows_from


def _mark(path: str) -> tuple[int, int] | None:
    """What tells a file from another of the same name; None if there is none."""
    with suppress(OSError):
        found = Path(path).stat()
        return found.st_dev, found.st_ino
    return None


def _book_of(job: Job) -> Book:
    """Where what earlier runs of *job* sent is added up."""
    limits = job.options.get("limits")
    reach_s = reach_of(limits) if isinstance(limits, Limits) else DAY_S
    charging = CHARGING.get(split_model(job.model)[0])
    return Book(now=time.time(), reach_s=reach_s, is_cache_free=charging is Charging.COUNTS_OUTPUT)


class _Desk:
    """Where the rows of a run go: to their lanes, unless a result of an earlier run answers them."""

    def __init__(self, client: Client, journal: Journal, tally: Tally) -> None:
        self.lane_of = client.lane_of
        self.ended = journal.finish_input
        self._client = client
        self._journal = journal
        self._tally = tally

    def admit(self, row: Request | Result) -> tuple[Lane, Prepared] | None:
        """See `Desk`. One that can't be sent is recorded as failed; one recorded before is passed over."""
        item = self._client.prepare(row) if isinstance(row, Request) else row
        asked = item[1] if isinstance(item, tuple) else item
        claimed = self._journal.claim(asked.request, asked.fingerprint)
        if claimed is not None:
            self._tally.resumed(claimed)
        elif isinstance(item, tuple):
            return item
        else:
            self._journal.record(item)
            self._tally.on_event(RequestEnded("", item))
        return None


async def _from_pipe(rows: Iterator[Request | Result]) -> AsyncIterator[Iterable[Request | Result]]:
    """Read *rows* from a pipe that may be silent for long, in a thread that nobody waits for at the end."""
    loop = asyncio.get_running_loop()
    waiting: deque[Request | Result | BaseException | None] = deque()
    arrived, room = asyncio.Event(), Semaphore(_TURN)

    def put(item: Request | Result | BaseException | None) -> None:
        room.acquire()
        waiting.append(item)
        with suppress(RuntimeError):  # the loop is closed: the run is over
            loop.call_soon_threadsafe(arrived.set)

    def pump() -> None:
        try:
            for row in rows:
                put(row)
            put(None)
        except BaseException as error:  # noqa: BLE001 - handed over, to be raised where it is awaited
            put(error)

    Thread(target=pump, daemon=True).start()
    while True:
        while not waiting:
            arrived.clear()
            await arrived.wait()
        item = waiting.popleft()
        room.release()
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield (item,)


@contextmanager
def _interruptible(run: Run) -> Iterator[Callable[[], int]]:
    """The first interrupt drains the run, the second cancels it and is over with that."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None, "a run is a task"
    interrupts = 0

    def interrupt() -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts == 1:
            run.stop(Failure(kind=FailureKind.STOPPED, message="interrupted", sent=Sent.NO))
        elif interrupts == 2:
            task.cancel()

    signals = (signal.SIGINT, signal.SIGTERM) if os.name == "posix" else ()
    for number in signals:
        loop.add_signal_handler(number, interrupt)
    try:
        yield lambda: interrupts
    except asyncio.CancelledError:
        if interrupts < 2 or task.uncancel():  # cancelled by somebody else
            raise
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


@contextmanager
def _deadline(run: Run, seconds: float | None) -> Iterator[None]:
    """Stop *run* when its time is up."""
    if seconds is None:
        yield
        return
    failure = Failure(kind=FailureKind.STOPPED, message=f"the deadline of {seconds:g} s is over", sent=Sent.NO)
    timer = asyncio.get_running_loop().call_later(seconds, run.stop, failure)
    try:
        yield
    finally:
        timer.cancel()


def _check_output(job: Job) -> None:
    """Refuse to write over what is not ours."""
    job.output.parent.mkdir(parents=True, exist_ok=True)
    if job.output.is_dir():
        raise ConfigError(f"the output {job.output} is a folder; name a file in it")
    for name in job.inputs:
        if name != "-" and job.output.exists() and job.output.samefile(name):
            raise ConfigError(f"the output {job.output} is an input too; name another file")
    _check_trace(job)
    if job.output.exists() and job.output.stat().st_size and not journal_path(job.output).exists():
        raise ConfigError(
            f"the output {job.output} exists and has no journal beside it, so it is not from a run that can go on; "
            "move it away or name another file"
        )


def _check_trace(job: Job) -> None:
    """Refuse to write the trace into what the run reads or writes, be it there already or not."""
    trace, output = job.options.get("trace"), job.output
    if not isinstance(trace, Path):
        return
    inputs = (Path(name) for name in job.inputs if name != "-")
    for path in (*inputs, *job.sources, output, journal_path(output), control_path(output)):
        is_there = trace.exists() and path.exists()
        if os.path.realpath(trace) == os.path.realpath(path) or (is_there and trace.samefile(path)):
            raise ConfigError(f"the trace {trace} is a file of the run itself; name another file")


def _status(tally: Tally, stopped: Failure | None) -> Exit:
    parked = {failure.kind for failure in tally.parked.values()}
    if parked & {FailureKind.UNKNOWN_MODEL, FailureKind.SAME_FAULT}:
        return Exit.WRONG
    if parked or tally.untouched or stopped is not None:
        return Exit.PARKED
    return Exit.SOME_FAILED if tally.failed else Exit.ANSWERED
