"""Prompts made from a row's fields: `{field}` and `{field.inner}` in a text, `{{` and `}}` for braces.

The rule: a template only looks fields up. There are no attributes, no formats and no code in it, so a template or a row
from a stranger can do no harm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from brim.errors import ConfigError, InputError
from brim.storage.results import to_json

__all__ = ["Template"]

_TOKEN: Final = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<field>[^{}]*)\}|(?P<stray>[{}])|[^{}]+")
_FIELD: Final = re.compile(r"[^\s!:\[\].]([^!:\[\].]*[^\s!:\[\].])?(\.[^\s!:\[\].]([^!:\[\].]*[^\s!:\[\].])?)*")


class Template:
    """A text with fields. Raises `ConfigError` for a text that is none."""

    def __init__(self, text: str) -> None:
        self._parts = [_part(found) for found in _TOKEN.finditer(text)]
        if not any(is_field for is_field, _ in self._parts):
            raise ConfigError("the template names no field, so every row would get the same prompt; write {field}")

    def render(self, row: Mapping[str, Any]) -> str:
        """The prompt for *row*; what is no text goes in as JSON. Raises `InputError` for a field it does not have."""
        return "".join(_text(_look_up(row, part)) if is_field else part for is_field, part in self._parts)


def _part(found: re.Match[str]) -> tuple[bool, str]:
    if found["stray"]:
        raise ConfigError(
            f"the template has a lone {found[0]!r} at character {found.start() + 1}; "
            "write {field} for a field, {{ or }} for a brace"
        )
    if found["field"] is None:
        return False, found[0][0] if found["brace"] else found[0]
    if not _FIELD.fullmatch(found["field"]):
        raise ConfigError(
            f"the template's {found[0]!r} at character {found.start() + 1} is no field; "
            "write a plain name, as in {review} or {product.name}, and {{ or }} for a brace"
        )
    return True, found["field"]


def _look_up(row: Mapping[str, Any], path: str) -> Any:
    if path in row:
        return row[path]
    value: Any = row
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise InputError(f"field {path!r}, which the template names, is missing")
        value = value[name]
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()
