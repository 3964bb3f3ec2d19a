"""Rows of a table, CSV or Parquet: the columns are the fields of each row.

The rule: a row that does not fit its header is a bad row among good ones, but where nobody can tell any more where
rows end the whole file is refused.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from brim.errors import InputError
from brim.storage.columnar import read_parquet

__all__ = ["Found", "csv_rows", "parquet_rows"]

_DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
_LONGEST: Final = 1 << 25
"""Characters of one cell: more than any API takes in a request, and less than a file behind a forgotten quote."""
_NESTED: Final = {"messages": list, "params": dict, "max_tokens": int, "body": dict}
"""Fields of ours that are no text: a cell holds them as JSON."""
_OURS: Final = frozenset({"id", "custom_id", "model", "system", *_NESTED})
_json: Final = msgspec.json.Decoder()


class Found(NamedTuple):
    """A row as it was found: where, and its fields, or its bytes and what is wrong with them."""

    where: str
    fields: dict[str, Any]
    raw: bytes = b""
    fault: str | None = None


def csv_rows(stream: BinaryIO, path: str, *, prompt_field: str) -> Iterator[Found]:
    """The rows of the CSV file *path*, or one with tabs if it is called `.tsv`, behind the line that names its columns.

    Raises:
        InputError: the first line names no columns, or a quote is out of place, so that nobody knows where rows end.
    """
    csv.field_size_limit(max(_LONGEST, csv.field_size_limit()))
    delimiter = _DELIMITERS[".tsv" if path.lower().removesuffix(".gz").endswith(".tsv") else ".csv"]
    names: list[str] | None = None
    before = 0
    # What is no UTF-8 comes through in disguise, so that it spoils its own row alone.
    with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        table = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            for cells in table:
                where, before = f"{path} line {before + 1}", table.line_num
                if not cells:
                    continue
                if names is None:
                    names = _header(cells, where)
                else:
                    yield _found(names, cells, where, prompt_field)
        except csv.Error as error:
            raise InputError(f"input {path} line {before + 1}: {error}; mend it and run again") from None


def parquet_rows(path: str, *, prompt_field: str) -> Iterator[Found]:
    """The rows of the Parquet file *path*, counted from 1. Raises `InputError` for a file that is none."""
    for number, fields in enumerate(read_parquet(path), 1):
        yield Found(f"{path} row {number}", _shaped(fields, prompt_field))


def _header(names: list[str], where: str) -> list[str]:
    for name in names:
        if not name.strip():
            raise InputError(f"input {where}: a column has no name; the first line names the columns")
        if names.count(name) > 1:
            raise InputError(f"input {where}: two columns are called {name!r}; the first line names the columns")
    return names


def _found(names: list[str], cells: list[str], where: str, prompt_field: str) -> Found:
    raw = "\0".join(cells).encode(errors="surrogateescape")
    try:
        raw.decode()
    except UnicodeDecodeError:
        return Found(where, {}, raw, "it is no UTF-8 text; save the file as UTF-8")
    fields = dict(zip(names, cells, strict=False))
    if len(cells) != len(names):
        return Found(where, fields, raw, f"it has {len(cells)} cells, and the first line names {len(names)} columns")
    return Found(where, _shaped(fields, prompt_field), raw)


def _shaped(fields: dict[str, Any], prompt_field: str) -> dict[str, Any]:
    """*fields* with what is no text read from its JSON, and without those of ours that are empty."""
    for name in _OURS.intersection(fields) - {prompt_field}:
        value = fields[name]
        if value == "":
            del fields[name]
        elif isinstance(value, str) and name in _NESTED:
            fields[name] = _nested(value, _NESTED[name])
    return fields


def _nested(text: str, kind: type) -> object:
    """What *text* is as JSON if that is of *kind*; else *text*, about which the row's parser has its word."""
    try:
        value = _json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    return value if isinstance(value, kind) else text
