"""Rows in: JSON Lines, plain text, CSV, Parquet or standard input, gzip or not, read as they are needed.

The rule: a bad row is a result like any other (a `Failure` that says file, line and field), and neither shifts nor
stops another. Only an input that can't be read at all is an exception. A row's position counts the rows of all inputs
from 0; blank lines are no rows.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from brim.errors import InputError
from brim.storage.columnar import count_parquet
from brim.storage.results import to_json
from brim.storage.rows import RowParser, RowShape, salvage
from brim.storage.tables import Found, csv_rows, parquet_rows
from brim.values import Failure, FailureKind, Request, Result, Sent

__all__ = ["RowShape", "Survey", "check_inputs", "read_rows", "survey_rows"]

_CHUNK: Final = 1 << 20
_BOM: Final = b"\xef\xbb\xbf"
_STDIN: Final = "-"
_MODEL: Final = b'"model"'
_CSV: Final = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_PARQUET: Final = ".parquet"
_UNREADABLE: Final = {
    ".xlsx": "Excel",
    ".zst": "Zstandard",
    ".zip": "ZIP",
}
_json: Final = msgspec.json.Decoder()


class Survey(NamedTuple):
    """What a look at the inputs tells before they are read.

    Attributes:
        rows: how many there are; None where that can't be known without using them up (stdin, pipes).
        names_models: can they be read more than once, and may rows of theirs name a model? Then they may be for several
            lanes.
    """

    rows: int | None
    names_models: bool


def read_rows(paths: Sequence[str], *, shape: RowShape, stdin: BinaryIO, start: int = 0) -> Iterator[Request | Result]:
    """The rows of all *paths*, one input after the other: a request each, or the result of one that can't be asked.

    Args:
        paths: files of JSON Lines, of one prompt a line where the name ends in `.txt`, or tables, `.csv` or `.tsv`;
            with `.gz` behind any of these if compressed; `.parquet`; `-` for *stdin*, which is JSON Lines.
        shape: how rows ask.
        stdin: where `-` reads from.
        start: the position of the first row; those before are passed over.

    Raises:
        InputError: an input is missing, unreadable or of a format brim does not read, said before anything is read;
            or it breaks off while it is read.
    """
    check_inputs(paths)
    return _rows(paths, RowParser(shape), stdin, shape.prompt_field, start)


def survey_rows(paths: Sequence[str]) -> Survey:
    """Look how many rows *paths* hold, and whether they may name models.

    Raises:
        InputError: as `read_rows`.
    """
    check_inputs(paths)
    if not all(path != _STDIN and Path(path).is_file() for path in paths):
        return Survey(None, names_models=False)
    surveys = [_survey_table(path) if _is_table(path) else _survey(path) for path in paths]
    return Survey(sum(rows for rows, _ in surveys), names_models=any(names for _, names in surveys))


def check_inputs(paths: Sequence[str]) -> None:
    """Raise `InputError` unless every input is there, may be read and is of a format brim reads."""
    for path in paths:
        _check(path)


def _check(path: str) -> None:
    file = Path(path)
    if path == _STDIN:
        return
    if not file.exists():
        raise InputError(f"input {path} does not exist; check its name")
    if file.is_dir():
        raise InputError(f"input {path} is a directory; name the files in it")
    if not os.access(file, os.R_OK):
        raise InputError(f"input {path} may not be read; check its permissions")
    if file.suffix.lower() in _UNREADABLE:
        raise InputError(
            f"input {path} is {_UNREADABLE[file.suffix.lower()]}; "
            "brim reads JSON Lines, .txt, .csv, .tsv, .gz of these, and .parquet"
        )
    if path.lower().endswith(f"{_PARQUET}.gz"):
        raise InputError(f"input {path} is compressed twice; unzip it, Parquet is compressed by itself")
    if _is_table(path) and file.is_file():
        next(_table(path, ""), None)


def _is_table(path: str) -> bool:
    return path.lower().endswith((*_CSV, _PARQUET))


def _table(path: str, prompt_field: str) -> Iterator[Found]:
    """The rows of a table as they are found."""
    if path.lower().endswith(_PARQUET):
        yield from parquet_rows(path, prompt_field=prompt_field)
        return
    rows = 0
    try:
        with _open(path, io.BytesIO()) as stream:
            for found in csv_rows(stream, path, prompt_field=prompt_field):
                yield found
                rows += 1
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"input {path} breaks off after row {rows}: {error}; mend it and run again") from error


def _rows(
    paths: Sequence[str], parser: RowParser, stdin: BinaryIO, prompt_field: str, start: int
) -> Iterator[Request | Result]:
    position = 0
    for path in paths:
        if _is_table(path):
            for found in _table(path, prompt_field):
                if position >= start:
                    yield _of_table(found, parser, position=position)
                position += 1
            continue
        is_text = path.lower().removesuffix(".gz").endswith(".txt")
        name = _name(path)
        for number, raw in _lines(path, stdin):
            if position >= start:
                yield _row(raw, (name, number), parser, position=position, is_text=is_text)
            position += 1


def _name(path: str) -> str:
    return "stdin" if path == _STDIN else path


def _lines(path: str, stdin: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line that is not blank, and its number."""
    number = 0
    try:
        with _open(path, stdin) as stream:
            for number, line in enumerate(stream, 1):
                raw = line.removeprefix(_BOM) if number == 1 else line
                if not raw.isspace() and raw:
                    yield number, raw
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"input {_name(path)} breaks off after line {number}: {error}; mend it and run again"
        ) from error


def _open(path: str, stdin: BinaryIO) -> AbstractContextManager[BinaryIO]:
    if path == _STDIN:
        return nullcontext(stdin)
    if path.lower().endswith(".gz"):
        import gzip  # noqa: PLC0415 - most inputs are not packed

        return io.BufferedReader(gzip.open(path, "rb"), _CHUNK)
    return Path(path).open("rb", buffering=_CHUNK)


def _row(raw: bytes, where: tuple[str, int], parser: RowParser, *, position: int, is_text: bool) -> Request | Result:
    if not is_text and (request := parser.read(raw, position=position)) is not None:
        return request
    row: object = None
    try:
        if is_text:
            return parser.parse_text(raw.rstrip(b"\r\n").decode(), position=position)
        row = _json.decode(raw)
        return parser.parse(row, position=position)
    except InputError as error:
        message = str(error)
    except UnicodeDecodeError as error:
        message = f"it is no UTF-8 text ({error.reason} at byte {error.start + 1} of a string); save it as UTF-8"
    except (msgspec.DecodeError, ValueError) as error:
        message = f"it is no JSON ({error}); write one JSON object on each line"
    except RecursionError:
        message = "its JSON is nested too deeply"
    name, number = where
    return _unasked(raw, row, f"{name} line {number}: {message}", position=position)


def _of_table(found: Found, parser: RowParser, *, position: int) -> Request | Result:
    message = found.fault
    if message is None:
        try:
            return parser.parse(found.fields, position=position)
        except InputError as error:
            message = str(error)
    raw = found.raw or to_json(found.fields)
    return _unasked(raw, found.fields, f"{found.where}: {message}", position=position)


def _unasked(raw: bytes, row: object, message: str, *, position: int) -> Result:
    row_id, extra = salvage(row)
    return Result(
        request=Request(position=position, messages=(), id=row_id, extra=extra),
        outcome=Failure(kind=FailureKind.INVALID, message=message, sent=Sent.NO),
        # With the message, because it names the line: a bad row that has moved is told anew, which costs nothing.
        fingerprint=blake2b(raw, key=blake2b(message.encode()).digest(), digest_size=16).digest(),
    )


def _survey(path: str) -> tuple[int, bool]:
    """How many lines are not blank, and whether the name of the field that names a model stands anywhere."""
    rows, is_filled = 0, False
    names_models, before = False, b""
    try:
        with _open(path, io.BytesIO()) as stream:
            while chunk := stream.read(_CHUNK):
                names_models = names_models or _MODEL in chunk or _MODEL in before + chunk[: len(_MODEL)]
                before = chunk[-len(_MODEL) :]
                head, *lines = chunk.split(b"\n")
                is_filled |= _is_filled(head)
                for line in lines:
                    rows += is_filled
                    is_filled = _is_filled(line)
    except (OSError, EOFError, zlib.error):
        pass  # `read_rows` will say so where it matters
    return rows + is_filled, names_models


def _is_filled(line: bytes) -> bool:
    return bool(line) and not line.isspace()


def _survey_table(path: str) -> tuple[int, bool]:
    """How many rows it has, of which any may name a model. Raises `InputError` where that can't be told."""
    rows = count_parquet(path) if path.lower().endswith(_PARQUET) else sum(1 for _ in _table(path, ""))
    return rows, True
