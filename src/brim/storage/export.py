"""From the journal to the output: results in the order of the input, for JSON Lines their bytes copied.

The rule: a reader never sees half a file. The output is written under another name beside its own, synced and renamed.
Rows that have no result are absent; nothing is made up for them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from brim.errors import JournalError
from brim.storage.disk import advice, sync_directory
from brim.storage.formats import Form
from brim.storage.index import Index
from brim.storage.journal import Journal, read_index
from brim.storage.lines import REPLY, Answer, read_answer, read_output
from brim.storage.results import with_position, with_row

__all__ = ["ExportSummary", "export"]

_PLAIN: Final = Form()
_READ_AHEAD = 1 << 14
_WRITE_BEHIND = 1 << 20


class ExportSummary(msgspec.Struct, frozen=True, gc=False):
    """What an output holds: *rows* lines, of which *replies* are answers and *failures* are not."""

    rows: int
    replies: int
    failures: int


class _Row(NamedTuple):
    """One result, and where the journal has it."""

    line: bytes
    is_reply: bool
    stream: BinaryIO
    offset: int

    def answer(self) -> Answer:
        return read_answer(self.stream, self.offset)[0]


class _Rows:
    """The results of *index* in the order of the input, read from *stream*; counts those it came past last."""

    def __init__(self, index: Index, stream: BinaryIO) -> None:
        self._index = index
        self._stream = stream
        self.summary = ExportSummary(0, 0, 0)

    def __iter__(self) -> Iterator[_Row]:
        rows = replies = 0
        for position, offset in self._index.answered():
            line, is_reply = read_output(self._stream, offset) or _bound(self._stream, offset)
            yield _Row(with_position(line, position), is_reply, self._stream, offset)
            rows += 1
            replies += is_reply
        self.summary = ExportSummary(rows=rows, replies=replies, failures=rows - replies)


def export(source: Journal | Path, output: Path | BinaryIO, form: Form = _PLAIN) -> ExportSummary:
    """Write the results in the order of the input.

    Args:
        source: a journal, or the path of one, which may be written meanwhile.
        output: a path, replaced at once when all is written, or a stream, written as it comes.
        form: how they are written.

    Raises:
        JournalError: the journal can't be read, or the output not be written. The results stay in the journal.
    """
    path = source.path if isinstance(source, Journal) else source
    if not path.exists():
        raise JournalError(f"there is no journal {path}; it lies beside the output of its run, as OUTPUT.journal")
    try:
        with path.open("rb", buffering=_READ_AHEAD) as stream:
            index = source.index if isinstance(source, Journal) else read_index(path, stream)
            if not isinstance(output, Path):
                return _write(index, stream, output, form)
            with _replacing(output) as target:
                return _write(index, stream, target, form)
    except BrokenPipeError:
        raise  # whoever reads our output has had enough: that is no fault of ours to explain
    except OSError as error:
        raise JournalError(f"can't export {path}: {error.filename or output}: {advice(error)}") from error


def _write(index: Index, stream: BinaryIO, target: BinaryIO, form: Form) -> ExportSummary:
    if form == _PLAIN:
        return _copy(index, stream, target)
    rows = _Rows(index, stream)
    form.write(rows, target)
    target.flush()
    return rows.summary


def _copy(index: Index, stream: BinaryIO, target: BinaryIO) -> ExportSummary:
    rows = replies = 0
    for position, offset in index.answered():
        line, is_reply = read_output(stream, offset) or _bound(stream, offset)
        target.write(with_position(line, position) + b"\n")
        rows += 1
        replies += is_reply
    target.flush()
    return ExportSummary(rows=rows, replies=replies, failures=rows - replies)


def _bound(stream: BinaryIO, offset: int) -> tuple[bytes, bool]:
    """The output line that a bind at *offset* stands for, and whether it is a reply."""
    answer, bind = read_answer(stream, offset)
    assert bind is not None, "a line that answers a row is a result or a bind"
    return with_row(bytes(answer.result), bind.id, bind.extra or {}), answer.outcome == REPLY


@contextmanager
def _replacing(output: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of *output* once it is whole. Devices and pipes are written to directly."""
    if output.exists() and not output.is_file():
        with output.open("wb") as device:
            yield device
        return
    final = output.resolve()  # a link stays a link
    unfinished = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb", buffering=_WRITE_BEHIND) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(final)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_directory(final.parent)
