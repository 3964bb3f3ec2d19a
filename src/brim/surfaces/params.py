"""Values as people type them on a command line: `temperature=0`, `response_format=@schema.json`, `@template.txt`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from brim.errors import ConfigError

__all__ = ["parse_params", "text_or_file"]

_FILE: Final = "@"


def text_or_file(value: str | None) -> str | None:
    """The text itself, or what stands in the file that `@NAME` names, without the line break at its end.

    Raises:
        ConfigError: the file can't be read.
    """
    if value is None or not value.startswith(_FILE):
        return value
    path = Path(value[1:])
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"can't read {path}: {why}") from None


def parse_params(pairs: Iterable[str]) -> dict[str, Any]:
    """Read `key=value` pairs: a value is JSON if it can be read so, `@FILE` is a file of JSON, all else is text.

    Raises:
        ConfigError: a pair has no `=` or no key, a key comes twice, or a file holds no JSON.
    """
    params: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--param {pair!r} should look like key=value")
        if key in params:
            raise ConfigError(f"--param {key} is given twice")
        params[key] = _value(key, value)
    return params


def _value(key: str, value: str) -> object:
    text = text_or_file(value) or ""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        if value.startswith(_FILE):
            raise ConfigError(f"--param {key}: {value[1:]} holds no JSON: {error}") from None
        return value
