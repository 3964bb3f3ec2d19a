"""Results as rows of a table: an output line with its usage and error spread over columns of their own.

A table has the same columns in every row, so it is known only when every line was looked at once: `Columns` does, and
keeps nothing but their names and what kinds of value they hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

import msgspec

from brim.storage.lines import Answer
from brim.storage.results import to_json
from brim.values import Usage

__all__ = ["Columns", "Row", "Rows", "as_text", "flat"]

_USAGE: Final = Usage.__struct_fields__
_ERROR: Final = ("error_kind", "error_message", "error_status")
_OWN: Final = {
    "id": "text",
    "text": "text",
    "finish_reason": "text",
    **dict.fromkeys(_USAGE, "whole"),
    "cost_usd": "number",
    "attempts": "whole",
    "latency_s": "number",
    "error_kind": "text",
    "error_message": "text",
    "error_status": "whole",
}
"""The columns that every table has, and what they hold."""

_KINDS: Final = {bool: "truth", int: "whole", float: "number", str: "text"}
_MOST: Final = 1 << 63
_EXACT: Final = 1 << 53
"""Further from zero a whole number may be none of those that other numbers are written as."""
_TOGETHER: Final = (
    ("truth", {"truth"}),
    ("whole", {"whole", "long"}),
    ("number", {"whole", "number"}),
)
"""What a column is said to hold if it holds no more than these; all else is text."""
_line: Final = msgspec.json.Decoder(dict[str, Any])


class Row(Protocol):
    """One result: its output line, with an id, and, if asked for, what else the journal has of it."""

    @property
    def line(self) -> bytes:
        """The output line."""

    def answer(self) -> Answer:
        """The journal's line."""


class Rows(Protocol):
    """All results in the order of the input, as often as one goes through them."""

    def __iter__(self) -> Iterator[Row]:
        """From the first."""


def flat(line: bytes) -> dict[str, Any]:
    """An output line as a row. What nests is JSON; an own field of the row that is called like a column is renamed."""
    fields = _line.decode(line)
    usage, error = fields.pop("usage") or {}, fields.pop("error") or {}
    row = {name: fields.pop(name, None) for name in ("id", "text", "finish_reason")}
    row |= {name: usage.get(name) for name in _USAGE}
    row |= {name: fields.pop(name, None) for name in ("cost_usd", "attempts", "latency_s")}
    row |= dict(zip(_ERROR, (error.get("kind"), error.get("message"), error.get("status")), strict=True))
    for name, value in fields.items():
        free = name
        while free in row or (free != name and free in fields):
            free = f"input_{free}"
        row[free] = to_json(value).decode() if isinstance(value, dict | list) else value
    return row


class Columns:
    """The columns of a table and what they hold: "whole" and other numbers, "truth", "text", or several of these."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[str]] = {name: set() for name in _OWN}

    def look(self, row: Mapping[str, Any]) -> None:
        """See which columns *row* has."""
        for name, value in row.items():
            kinds = self._kinds.get(name)
            if kinds is None:
                kinds = self._kinds[name] = set()
            if value is not None:
                kinds.add(_kind(value))

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def kind(self, name: str) -> str:
        """What the column *name* holds; text where that is of several kinds, or never anything."""
        if name in _OWN and name != "id":
            return _OWN[name]
        kinds = self._kinds[name]
        return next((kind for kind, hold in _TOGETHER if kinds and kinds <= hold), "text")


def _kind(value: object) -> str:
    if type(value) is int and not -_EXACT <= value <= _EXACT:
        return "long" if -_MOST <= value < _MOST else "text"
    return _KINDS[type(value)]


def as_text(value: object) -> str:
    """*value* of a cell as text: empty for null, JSON for what is no text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value).decode()
