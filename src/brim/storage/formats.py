"""The forms of the output beside JSON Lines: a table (CSV, Parquet), or what OpenAI's Batch API gives back.

A form is chosen by its name or by the ending of the output's. Each writes rows as they come and holds none back; a
table goes through them twice, since its columns have to be known first.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from brim.errors import ConfigError
from brim.storage.columnar import check_installed, write_parquet
from brim.storage.flat import Columns, Rows, as_text, flat
from brim.storage.lines import Answer
from brim.storage.results import to_json
from brim.values import Usage

__all__ = ["FORMATS", "JSONL", "Form", "form_of"]

JSONL: Final = "jsonl"
_PARQUET: Final = "parquet"
_ZIPPED: Final = ".gz"
_LEVEL: Final = 6


class Form(msgspec.Struct, frozen=True):
    """How an output is written: the name of a format, and whether it is compressed with gzip."""

    name: str = JSONL
    is_zipped: bool = False

    def write(self, rows: Rows, target: BinaryIO) -> None:
        """Write all *rows* to *target*, which stays open."""
        with self._packed(target) as stream:
            _WRITERS[self.name](rows, stream)

    @contextmanager
    def _packed(self, target: BinaryIO) -> Iterator[BinaryIO]:
        if not self.is_zipped:
            yield target
            return
        # Neither name nor time, so that the same results are the same bytes.
        with gzip.GzipFile("", "wb", _LEVEL, target, mtime=0) as packed, io.BufferedWriter(packed, 1 << 20) as stream:
            yield stream


def form_of(output: Path | None, name: str | None) -> Form:
    """The form that *name* asks for, or else the ending of *output*; None is standard output.

    Raises:
        ConfigError: there is no such format, or it can't be written here.
    """
    ending = "" if output is None else output.name.lower()
    is_zipped = ending.endswith(_ZIPPED)
    ending = ending.removesuffix(_ZIPPED).rpartition(".")[2]
    form = Form(name or (ending if ending in FORMATS else JSONL), is_zipped)
    if form.name not in FORMATS:
        raise ConfigError(f"there is no format {form.name!r}; there are {', '.join(FORMATS)}")
    if form.name == _PARQUET:
        if is_zipped:
            raise ConfigError(f"the output {output} would be compressed twice; leave {_ZIPPED} out of its name")
        check_installed()
    return form


def _write_jsonl(rows: Rows, target: BinaryIO) -> None:
    target.writelines(row.line + b"\n" for row in rows)


def _write_csv(rows: Rows, target: BinaryIO) -> None:
    columns = Columns()
    for row in rows:
        columns.look(flat(row.line))
    names = [*columns]
    text = io.TextIOWrapper(target, encoding="utf-8", newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    for row in rows:
        cells = flat(row.line)
        table.writerow([as_text(cells.get(name)) for name in names])
    text.detach()  # flushed, and *target* left open


class _Line(msgspec.Struct):
    """What a batch line needs of an output line."""

    id: str | int
    text: str | None
    finish_reason: str | None
    usage: Usage | None
    error: dict[str, Any] | None
    tool_calls: list[Any] | None = None


_line: Final = msgspec.json.Decoder(_Line)
_FIRST_ERROR: Final = 400


def _write_batch(rows: Rows, target: BinaryIO) -> None:
    for row in rows:
        line, answer = _line.decode(row.line), row.answer()
        told = {
            "id": f"batch_req_{answer.position}",
            "custom_id": str(line.id),
            **(_batch_answer(line, answer) if line.error is None else _batch_error(line.error, answer)),
        }
        target.write(to_json(told) + b"\n")


def _batch_answer(line: _Line, answer: Answer) -> Mapping[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": line.text}
    if line.tool_calls:
        message = {**message, "content": line.text or None, "tool_calls": line.tool_calls}
    body: dict[str, Any] = {
        "id": answer.request_id,
        "object": "chat.completion",
        "created": int(answer.at),
        "model": answer.model,
        "choices": [{"index": 0, "message": message, "finish_reason": line.finish_reason}],
    }
    if line.usage is not None:
        body["usage"] = {
            "prompt_tokens": line.usage.input_tokens,
            "completion_tokens": line.usage.output_tokens,
            "total_tokens": line.usage.total_tokens,
            "prompt_tokens_details": {"cached_tokens": line.usage.cache_read_tokens},
            "completion_tokens_details": {"reasoning_tokens": line.usage.reasoning_tokens},
        }
    return {"response": {"status_code": 200, "request_id": answer.request_id, "body": body}, "error": None}


def _batch_error(error: Mapping[str, Any], answer: Answer) -> Mapping[str, Any]:
    """An error of HTTP is a response there, everything else an error."""
    status, kind, message = error["status"], error["kind"], error["message"]
    if status is None or status < _FIRST_ERROR:
        return {"response": None, "error": {"code": kind, "message": message}}
    body = {"error": {"message": message, "type": kind, "param": None, "code": kind}}
    return {"response": {"status_code": status, "request_id": answer.request_id, "body": body}, "error": None}


_WRITERS: Final[Mapping[str, Callable[[Rows, BinaryIO], None]]] = {
    JSONL: _write_jsonl,
    "csv": _write_csv,
    _PARQUET: write_parquet,
    "openai-batch": _write_batch,
}

FORMATS: Final = tuple(_WRITERS)
"""The names of all formats."""
