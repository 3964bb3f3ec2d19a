"""Values as people type them on a command line: `temperature=0`, `response_format=@schema.json`, `@template.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from brim.config import Window
from brim.errors import ConfigError

__all__ = ["parse_params", "parse_settings", "parse_window", "text_or_file"]

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


def parse_settings(pairs: Iterable[str]) -> dict[str, str]:
    """Read `key=value` pairs whose values are plain text.

    Raises:
        ConfigError: a pair has no `=` or no key.
    """
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--api-setting {pair!r} should look like key=value")
        settings[key] = value
    return settings


def parse_window(text: str) -> Window:
    """Read a sliding window as people write it: `40/60s`, `5/1s`, `1000/10m`, `500/1h`.

    Raises:
        ConfigError: it is written otherwise, or can't be kept.
    """
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"limit {text!r} should look like 40/60s: requests, and seconds (s), minutes (m) or hours (h)"
        )
    requests, number, unit = match.groups()
    return Window(requests=int(requests), seconds=float(number or 1) * _UNITS[unit])


_WINDOW: Final = re.compile(r"(\d+)\s*/\s*(\d+(?:\.\d+)?)?\s*(s|m|min|h)")
_UNITS: Final = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0}


def _value(key: str, value: str) -> object:
    text = text_or_file(value) or ""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        if value.startswith(_FILE):
            raise ConfigError(f"--param {key}: {value[1:]} holds no JSON: {error}") from None
        return value
