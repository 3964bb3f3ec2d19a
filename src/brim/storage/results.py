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

from brim.values import Failure, FailureKind, FinishReason, Request, Result, Usage

__all__ = ["RowId", "own_fields", "result_line", "row_digest", "to_json", "to_millis", "with_position", "with_row"]

RowId: TypeAlias = str | int | None
"""A row's own name for itself."""

_NO_ID: Final = b'{"id":null,'
_encoder: Final = msgspec.json.Encoder(enc_hook=str)
_fields_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Error(msgspec.Struct):
    kind: FailureKind
    message: str
    status: int | None


class _Line(msgspec.Struct):
    id: RowId
    text: str | None
    finish_reason: FinishReason | None
    usage: Usage | None
    cost_usd: float | None
    attempts: int
    latency_s: float
    error: _Error | None


own_fields: Final = (*_Line.__struct_fields__, "tool_calls")
"""The names of our fields in an output line, in their order."""
_own: Final = frozenset(own_fields)


def result_line(result: Result) -> bytes:
    """The output line of *result*, without a line break. Its id is null where the row has none: see `with_position`."""
    line = to_json(_line(result))
    reply = result.reply
    if reply is not None and reply.tool_calls:
        line = _joined(line, {"tool_calls": reply.tool_calls})
    extra = result.request.extra
    return _joined(line, _renamed(extra)) if extra else line


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
    if request.id is None and not request.extra:
        return _NOTHING
    return _digest(request.id, request.extra)


def _digest(row_id: RowId, extra: Mapping[str, Any]) -> str:
    return f"{crc32(to_json((row_id, extra))):08x}"


def to_json(value: object) -> bytes:
    """*value* as JSON. Text that is no Unicode (lone surrogates) loses those characters: a paid answer is kept."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(value, enc_hook=str, str_keys=True)
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def to_millis(seconds: float) -> float:
    """*seconds*, from 0 on, to the millisecond. `round` takes eight times as long."""
    return int(seconds * 1_000 + 0.5) / 1_000


def _line(result: Result) -> _Line:
    outcome = result.outcome
    if isinstance(outcome, Failure):
        text, finish_reason, error = None, None, _Error(outcome.kind, outcome.message, outcome.status)
    else:
        text, finish_reason, error = outcome.text, outcome.finish_reason, None
    latency = to_millis(result.latency_s)
    row_id = result.request.id
    return _Line(row_id, text, finish_reason, outcome.usage, result.cost_usd, result.attempts, latency, error)


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


_NOTHING: Final = _digest(None, {})
