"""One result as one line of output: the JSON that users read.

The line has eight fields of ours, and `tool_calls` where the model asked for any. The row's own other fields follow, at
top level; one whose name is a field of ours comes back as `input_<name>`. A row without an id has `"id":null` in the
journal and its position in the output, so that the journal's lines stay true when rows move.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias
from zlib import crc32

import msgspec

from brim.values import Failure, FailureKind, FinishReason, Reply, Request, Result, Usage

__all__ = [
    "OutputLine",
    "RowId",
    "output_of",
    "own_fields",
    "result_line",
    "row_digest",
    "to_json",
    "to_millis",
    "with_position",
    "with_row",
]

RowId: TypeAlias = str | int | None
"""A row's own name for itself."""

_NO_ID: Final = b'{"id":null,'
_encoder: Final = msgspec.json.Encoder(enc_hook=str)
_fields_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Error(msgspec.Struct):
    kind: FailureKind
    message: str
    status: int | None


class OutputLine(msgspec.Struct, gc=False):
    """Our fields of an output line."""

    id: RowId
    text: str | None
    finish_reason: FinishReason | None
    usage: Usage | None
    cost_usd: float | None
    attempts: int
    latency_s: float
    error: _Error | None


own_fields: Final = (*OutputLine.__struct_fields__, "tool_calls")
"""The names of our fields in an output line, in their order."""
_own: Final = frozenset(own_fields)
_NOTHING: Final = f"{crc32(_encoder.encode((None, {}))):08x}"
"""The digest of a row that brings nothing along."""


def result_line(result: Result) -> bytes:
    """The output line of *result*, without a line break. Its id is null where the row has none: see `with_position`."""
    line = output_of(result)
    return bytes(line) if isinstance(line, msgspec.Raw) else to_json(line)


def output_of(result: Result) -> OutputLine | msgspec.Raw:
    """The same for `to_json`, which spares the plain ones a step: what has further fields is JSON already."""
    outcome, extra = result.outcome, result.request.extra
    if isinstance(outcome, Reply):
        line, calls = _answered(result, outcome), outcome.tool_calls
    else:
        line, calls = _failed(result, outcome), ()
    if not calls and not extra:
        return line
    joined = to_json(line)
    if calls:
        joined = _joined(joined, {"tool_calls": calls})
    return msgspec.Raw(_joined(joined, _renamed(extra)) if extra else joined)


def with_position(line: bytes, position: int) -> bytes:
    """*line* with *position*, from 0, as the id of a row that has none."""
    return b'{"id":%d,%b' % (position, line[len(_NO_ID) :]) if line.startswith(_NO_ID) else line


def with_row(line: bytes, row_id: RowId, extra: Mapping[str, Any]) -> bytes:
    """The answer of *line* as the answer to another row that asks the same: with that row's id and own fields."""
    recorded = _fields_of.decode(line)
    answer: dict[str, Any] = {name: recorded[name] for name in own_fields if name in recorded}
    return to_json({**answer, "id": row_id, **_renamed(extra)})


def row_digest(request: Request) -> str:
    """Names what a row brings along beside its question (id, own fields), in 8 hexadecimal digits."""
    row_id, extra = request.id, request.extra
    return _NOTHING if row_id is None and not extra else crc32(to_json((row_id, extra))).to_bytes(4).hex()


def to_json(value: object) -> bytes:
    """*value* as JSON. Text that is no Unicode (lone surrogates) loses those characters: a paid answer is kept."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(value, enc_hook=_plain, str_keys=True)
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _plain(value: object) -> object:
    return json.loads(bytes(value)) if isinstance(value, msgspec.Raw) else str(value)


def to_millis(seconds: float) -> float:
    """*seconds*, from 0 on, to the millisecond. `round` takes eight times as long."""
    return (seconds * 1_000 + 0.5) // 1 / 1_000


def _answered(result: Result, reply: Reply) -> OutputLine:
    return OutputLine(
        result.request.id,
        reply.text,
        reply.finish_reason,
        reply.usage,
        result.cost_usd,
        result.attempts,
        to_millis(result.latency_s),
        None,
    )


def _failed(result: Result, failure: Failure) -> OutputLine:
    error = _Error(failure.kind, failure.message, failure.status)
    latency = to_millis(result.latency_s)
    return OutputLine(result.request.id, None, None, failure.usage, result.cost_usd, result.attempts, latency, error)


def _joined(line: bytes, fields: Mapping[str, Any]) -> bytes:
    return line[:-1] + b"," + to_json(fields)[1:]


def _renamed(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    """*extra* under names that are none of ours, and none of its other names."""
    if _own.isdisjoint(extra):
        return extra
    taken = {*own_fields, *extra}
    renamed = {}
    for name, value in extra.items():
        free = name
        if name in _own:
            while free in taken:
                free = f"input_{free}"
            taken.add(free)
        renamed[free] = value
    return renamed
