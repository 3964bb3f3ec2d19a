"""Parquet, in and out, by groups of rows: the one file that knows pyarrow, which is an extra of its own.

Nothing here holds more than a group: a million rows take no more memory than a thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final

from brim.errors import ConfigError, InputError
from brim.storage.flat import Columns, Rows, as_text, flat

__all__ = ["check_installed", "count_parquet", "read_parquet", "write_parquet"]

_GROUP: Final = 8_192
"""Rows written at a time, or fewer once they hold so many bytes:"""
_GROUP_BYTES: Final = 32 << 20
_READ: Final = 1_024
_UNREADABLE: Final = (OSError, ValueError, NotImplementedError)
"""pyarrow's own errors are among these."""


def check_installed() -> None:
    """Raise `ConfigError` where pyarrow is missing."""
    if find_spec("pyarrow") is None:
        raise ConfigError("Parquet needs pyarrow, which is not installed: pip install pyarrow")


def write_parquet(rows: Rows, target: BinaryIO) -> None:
    """Write *rows* as a Parquet file, columns typed by what they hold."""
    import pyarrow as pa  # noqa: PLC0415 - a sixth of a second that other formats can do without
    import pyarrow.parquet as pq  # noqa: PLC0415

    columns = Columns()
    for row in rows:
        columns.look(flat(row.line))
    types = {"whole": pa.int64(), "number": pa.float64(), "truth": pa.bool_(), "text": pa.string()}
    schema = pa.schema([(name, types[columns.kind(name)]) for name in columns])
    texts = [name for name in columns if columns.kind(name) == "text"]
    with pq.ParquetWriter(target, schema) as writer:
        for group in _groups(rows):
            for cells in group:
                cells.update({name: as_text(cells[name]) for name in texts if cells.get(name) is not None})
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def _groups(rows: Rows) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(flat(row.line))
        size += len(row.line)
        if len(group) == _GROUP or size > _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def read_parquet(path: str) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, without the fields that are null. Raises `InputError` for a file that is none."""
    with _opened(path) as file:
        try:
            for batch in file.iter_batches(batch_size=_READ):
                for row in batch.to_pylist():
                    yield _filled(row)
        except _UNREADABLE as error:
            raise InputError(f"input {path} can't be read to its end: {error}; mend it and run again") from error


def count_parquet(path: str) -> int:
    """How many rows it says it has. Raises `InputError` as `read_parquet`."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def _opened(path: str) -> Any:
    check_installed()
    import pyarrow.parquet as pq  # noqa: PLC0415 - a sixth of a second that other formats can do without

    try:
        return pq.ParquetFile(Path(path))
    except _UNREADABLE as error:
        raise InputError(
            f"input {path} is no Parquet file: {error}; name another, or give it the ending of what it is"
        ) from error


def _filled(value: Any) -> Any:
    """*value* without fields that are null: the rows of a column share their fields, whether they have them or not."""
    if isinstance(value, dict):
        return {name: _filled(each) for name, each in value.items() if each is not None}
    return [_filled(each) for each in value] if isinstance(value, list) else value
