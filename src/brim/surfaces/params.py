"""Values as people type them on a command line: `temperature=0`, `response_format=@schema.json`, `@template.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from brim.config import Window
from brim.errors import ConfigError

__all__ = [
    "LIMIT_FLAGS",
    "files_among",
    "parse_params",
    "parse_settings",
    "parse_window",
    "spell_limits",
    "text_or_file",
]

_FILE: Final = "@"

LIMIT_FLAGS: Final = {
    "concurrency": "--concurrency",
    "requests_per_minute": "--rpm",
    "tokens_per_minute": "--tpm",
    "input_tokens_per_minute": "--itpm",
    "output_tokens_per_minute": "--otpm",
    "requests_per_day": "--rpd",
    "tokens_per_day": "--tpd",
    "windows": "--limit",
}
"""The field of `brim.Limits` behind each option."""


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


def files_among(values: Iterable[str | None]) -> list[Path]:
    """The files that `text_or_file` would read for *values*."""
    return [Path(value[1:]) for value in values if value is not None and value.startswith(_FILE)]


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


def parse_window(text: str, *, name: str = "--limit ") -> Window:
    """Read a sliding window as people write it: `40/60s`, `5/1s`, `1000/10m`, `500/1h`. *name* is for messages.

    Raises:
        ConfigError: it is written otherwise, or can't be kept.
    """
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"{name}{text!r} should look like 40/60s: requests, and seconds (s), minutes (m) or hours (h)"
        )
    requests, number, unit = match.groups()
    try:
        return Window(requests=int(requests), seconds=float(number or 1) * _UNITS[unit])
    except ConfigError:
        raise ConfigError(f"{name}{text!r} can't be kept; it needs 1 request or more, and a time above 0") from None


_WINDOW: Final = re.compile(r"(\d+)\s*/\s*(\d+(?:\.\d+)?)?\s*(s|m|min|h)")
_UNITS: Final = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0}


def spell_limits(limits: Mapping[str, Any]) -> str:
    """Fields of `brim.Limits` as one would type them: `--rpm 100 --limit 40/60s`."""
    return " ".join(
        f"{flag} {word}" for name, flag in LIMIT_FLAGS.items() if name in limits for word in _words(limits[name])
    )


def _words(limit: float | tuple[Window, ...] | None) -> Iterator[str]:
    if not limit:
        yield "none"
    elif isinstance(limit, tuple):
        yield from (f"{window.requests}/{window.seconds:.10g}s" for window in limit)
    else:
        yield f"{limit:.10g}"


def _value(key: str, value: str) -> object:
    text = text_or_file(value) or ""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        if value.startswith(_FILE):
            raise ConfigError(f"--param {key}: {value[1:]} holds no JSON: {error}") from None
        return value
