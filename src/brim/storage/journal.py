"""The journal: every result of a run, one line each, written before it counts as done.

The rule: what `record` returned for is in the operating system's hands, whole, and is never asked for again. A killed
process loses none of it, a power cut at most the last `sync_every_s` seconds. The format is described in
`brim.storage.lines`. One process writes a journal at a time; anyone may read it meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec

from brim.errors import JournalError
from brim.storage.disk import Syncer, advice, sync, sync_directory, try_lock
from brim.storage.index import Index, ignore, key_of
from brim.storage.lines import (
    VERSION,
    Answer,
    Bind,
    Charged,
    Closed,
    End,
    Header,
    Line,
    Sent,
    answer_to,
    body_of,
    failure_kind,
    is_torn_header,
    read_answer,
    read_header,
    seal,
)
from brim.storage.results import row_digest, to_millis
from brim.values import FailureKind, FinishReason, Request, Result, Usage

__all__ = ["Journal", "Recorded", "read_index"]

_READ_AHEAD = 1 << 14  # rows end nearly in the order of the input, a few lines apart


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """A result of an earlier run that answers a row of this one: what the summary counts.

    Attributes:
        kind: the kind of failure; None for a reply.
        attempts: how often it was sent.
        throttles: how often it was waited out.
        perhaps_paid: attempts that brought nothing and may be billed all the same.
    """

    kind: FailureKind | None
    finish_reason: FinishReason | None
    usage: Usage | None
    cost_usd: float | None
    attempts: int
    throttles: int
    perhaps_paid: int


class Journal:
    """An append-only file of results. Make one with `Journal.open`; close it, or use it in a `with`.

    Attributes:
        path: the file.
        index: where each result lies.
        torn_bytes: the length of the unfinished last line that was cut off on opening.
    """

    def __init__(self, path: Path, fd: int, index: Index, *, sync_every_s: float | None) -> None:
        self.path = path
        self.index = index
        self.torn_bytes = 0
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._is_resumed = index.is_resumed
        self._is_torn = False
        self._is_closed = False
        self._reader = path.open("rb", buffering=_READ_AHEAD)
        self._syncer = Syncer(fd, every_s=sync_every_s)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        settings: Mapping[str, Any],
        input_name: str,
        retry_failed: bool = False,
        sync_every_s: float | None = 0.05,
        hear: Callable[[Line, bytes], None] = ignore,
        brim: str = "",
    ) -> Journal:
        """Create the journal *path*, or go on with it.

        Args:
            path: the file; its directory exists.
            settings: the parameters that shape answers, as plain JSON. Never a key.
            input_name: what the rows are read from, for whoever reads the journal.
            retry_failed: recorded failures answer no row, so that their rows run again.
            sync_every_s: seconds until a line is on disk; None: only `close` syncs (for virtual time).
            hear: told every line that is read back, see `brim.storage.use`.
            brim: the version that writes, for whoever reads the journal.

        Raises:
            JournalError: another run is writing to it, it was written with other settings, it is no journal or too
                new a one, or it can't be read or written.
        """
        try:
            with ExitStack() as undo:
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
                undo.callback(os.close, fd)
                _lock(path, fd)
                header = Header(journal="brim", version=VERSION, brim=brim, input=input_name, settings=_plain(settings))
                begin = partial(_begin, path, fd, header)
                index, torn = _restore(path, fd, begin, settings=header.settings, retry_failed=retry_failed, hear=hear)
                journal = cls(path, fd, index, sync_every_s=sync_every_s)
                undo.pop_all()
        except OSError as error:
            raise JournalError(f"can't use the journal {path}: {advice(error)}") from error
        journal.torn_bytes = torn
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """How many positions have a result. Right after opening: what earlier runs left."""
        return len(self.index)

    @property
    def bad_lines(self) -> int:
        """Lines that were damaged when the journal was opened. Their rows run again."""
        return self.index.bad_lines

    def record(self, result: Result) -> None:
        """Hand *result* to the operating system as one whole line. An untouched one is left for another run.

        Raises:
            JournalError: the disk is full or broken. Nothing of the line is left, so the call may be repeated.
        """
        if not result.is_untouched:
            self.record_all((result,))

    def record_all(self, results: Sequence[Result]) -> None:
        """The same for several that all stand, in one piece.

        Raises:
            JournalError: the disk is full or broken. As many of the lines are left as were written whole.
        """
        lines = [seal(answer_to(result)) for result in results]
        offset = self._size
        try:
            self._write(lines, is_synced=True)
        finally:
            for result, line in zip(results, lines, strict=True):
                if offset >= self._size:
                    break
                self.index.add(result.request.position, offset)
                offset += len(line)

    def mark(
        self,
        request: Request,
        amounts: tuple[float, float, float, float],
        at: float,
        *,
        keeps: bool,
        worst: int = 0,
    ) -> None:
        """Write down that an attempt of *request* goes *at* that time, before it does. Not synced: it tells no result.

        *worst* is the most that it may cost, in nano-dollars; 0 where there is no budget.

        Raises:
            JournalError: the disk is full or broken.
        """
        line = Sent(
            position=request.position,
            at=to_millis(at),
            amounts=amounts[1:],
            lane=request.model,
            keeps=keeps,
            worst=worst,
        )
        self._append(line, is_synced=False)

    def note(self, line: Charged | Closed) -> None:
        """Write down what no result tells: a charge for the attempt marked last, or that a lane closed. Not synced.

        Raises:
            JournalError: the disk is full or broken.
        """
        self._append(line, is_synced=False)

    def claim(self, request: Request, fingerprint: bytes) -> Recorded | None:
        """Find a result of an earlier run for *request*, and let it answer this row. None: the row must run.

        Call it once for every row of the input, in order, before the row runs, with what `Result.fingerprint` would
        be. Each result answers one row, so of three rows that ask the same, two are found if two were recorded. The
        row keeps its own id and extra fields, whatever they were when the answer came.
        """
        if not self._is_resumed:
            return None
        position, name = request.position, fingerprint.hex()
        key = key_of(name)
        for entry in self.index.candidates(key, position=position):
            answer, bind = read_answer(self._reader, self.index.offset(entry))
            if answer.fingerprint == name:
                self._bind(request, entry, known_row=answer.row if bind is None else bind.row)
                return _recorded(answer)
        if self.index.at(position) is not None and not self.index.stands(position, key):
            self._append(Bind(position=position, offset=None))
            self.index.drop(position)
        return None

    def finish_input(self, rows: int) -> None:
        """The input ended after *rows* rows: what was recorded beyond them, for a longer one, belongs to no row."""
        if rows < self.index.end:
            self._append(End(rows))
            self.index.trim(rows)

    def close(self) -> None:
        """Bring everything to the disk and give the lock back. Raises `JournalError` if that failed."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._is_torn:
                self._mend()
            self._syncer.close()
        finally:
            self._reader.close()
            os.close(self._fd)

    def _bind(self, request: Request, entry: int, *, known_row: str | None) -> None:
        position, row = request.position, row_digest(request)
        is_there = self.index.at(position) == entry
        offset = self.index.offset(entry)
        if row != known_row:
            bind = Bind(position=position, offset=offset, row=row, id=request.id, extra=dict(request.extra))
            self.index.add(position, self._append(bind))
            self.index.replace(entry)
            return
        if not is_there:
            self._append(Bind(position=position, offset=offset))
            self.index.move(position, entry)
        self.index.take(entry)

    def _append(self, line: Bind | End | Sent | Charged | Closed, *, is_synced: bool = True) -> int:
        """Write one line; the offset where it begins."""
        offset = self._size
        self._write([seal(line)], is_synced=is_synced)
        return offset

    def _write(self, lines: Sequence[bytes], *, is_synced: bool) -> None:
        """Write whole lines: all of them, or, if that fails, as many as there is room for."""
        if self._is_closed:
            raise JournalError(f"the journal {self.path} is closed")
        self._syncer.check()
        if self._is_torn:
            self._mend()
        self._is_torn = True  # also where an interrupt hits between the two halves of a line
        try:
            _write(self._fd, b"".join(lines))
        except OSError as error:
            self._keep_whole(lines)
            raise JournalError(f"can't write to the journal {self.path}: {advice(error)}") from error
        self._size += sum(map(len, lines))
        self._is_torn = False
        if is_synced:
            self._syncer.note(len(lines))

    def _keep_whole(self, lines: Sequence[bytes]) -> None:
        """Keep those of *lines* that were written to their end."""
        there = os.fstat(self._fd).st_size
        for line in lines:
            if self._size + len(line) > there:
                break
            self._size += len(line)
        self._mend()

    def _mend(self) -> None:
        """Cut what is left of a line that was not written whole."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError as error:
            raise JournalError(f"can't mend the journal {self.path}: {advice(error)}") from error
        self._is_torn = False


def read_index(path: Path, stream: BinaryIO) -> Index:
    """The index of a journal that may be open elsewhere. Raises `JournalError` for a file that is none."""
    header = stream.readline()
    read_header(header, name=str(path))
    index = Index()
    index.load(stream, start=len(header))
    return index


def _lock(path: Path, fd: int) -> None:
    if not try_lock(fd):
        raise JournalError(f"another brim run is writing {path}; wait for it, or choose another -o")


def _restore(
    path: Path,
    fd: int,
    begin: Callable[[], None],
    *,
    settings: dict[str, Any],
    retry_failed: bool,
    hear: Callable[[Line, bytes], None],
) -> tuple[Index, int]:
    """Make the file a journal that ends with a whole line; its index, and how many bytes were cut off."""
    index, end = Index(retry_failed=retry_failed), 0
    with path.open("rb", buffering=1 << 20) as stream:
        first = stream.readline()
        is_new = is_torn_header(first)
        if not is_new:
            header = read_header(first, name=str(path))
            # Without an answer the model may be another today: then this was the use of another lane.
            is_ours = header.settings.get("model") == settings.get("model")
            end = index.load(stream, start=len(first), hear=hear if is_ours else ignore)
            # Without an answer nothing would be lost: a first try with a wrong model or parameter may be mended.
            is_new = header.settings != settings and not index.has_replies
            if header.settings != settings and not is_new:
                raise JournalError(_difference(path, header.settings, settings))
    if is_new:
        os.ftruncate(fd, 0)
        begin()
        return Index(retry_failed=retry_failed), len(first)
    torn = os.fstat(fd).st_size - end
    if torn:
        os.ftruncate(fd, end)
    return index, torn


def _begin(path: Path, fd: int, header: Header) -> None:
    _write(fd, seal(header))
    sync(fd)
    sync_directory(path.absolute().parent)


def _write(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, data[written:])


def _difference(path: Path, old: dict[str, Any], new: dict[str, Any]) -> str:
    before, now = dict(_leaves(old)), dict(_leaves(new))
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    changes = "; ".join(f"{name} was {before.get(name, 'not set')}, now {now.get(name, 'not set')}" for name in names)
    return (
        f"{path} holds results of other parameters: {changes}. "
        "Run with the same parameters to go on, choose another -o, or delete the journal"
    )


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", msgspec.json.encode(value).decode()


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """*settings* as they read back from JSON."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings))
    return plain


def _recorded(answer: Answer) -> Recorded:
    body = body_of(answer)
    return Recorded(
        kind=failure_kind(answer.outcome),
        finish_reason=body.finish_reason,
        usage=body.usage,
        cost_usd=body.cost_usd,
        attempts=body.attempts,
        throttles=answer.throttles,
        perhaps_paid=answer.perhaps_paid,
    )
