"""The settings file of `brim run --config`: the options of the command line, written down as TOML.

It holds what the flags hold, under the same names, and limits for single lanes. It is checked whole before anything is
done: what is unknown, of another type or looks like a key is refused with the file and the place. It is read only
where it is named.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_type_hints

import msgspec
import typer

from brim.errors import ConfigError
from brim.policies.prices import parse_price
from brim.surfaces.figures import FIGURES, Figures
from brim.surfaces.lane_limits import Stated
from brim.surfaces.params import parse_params, parse_settings
from brim.surfaces.presets import did_you_mean

__all__ = ["SettingsFile", "read_settings"]

_LANES: Final = "lanes"
_PRICE: Final = "price"

_TABLES: Final[Mapping[str, tuple[Callable[[list[str]], Mapping[str, Any]], type]]] = {
    "param": (parse_params, dict[str, Any]),
    "api_setting": (parse_settings, dict[str, str]),
}
"""Options that are pairs of key and value: how the flag's form is read, and what the table of a file has to be."""


class SettingsFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a settings file says.

    Attributes:
        values: single options by their field.
        tables: those that are pairs of key and value, by their field.
        lanes: limits of single lanes, by the lane's name.
        prices: of single lanes, likewise.
    """

    values: Mapping[str, Any] = {}
    tables: Mapping[str, Mapping[str, Any]] = {}
    lanes: Mapping[str, Stated] = {}
    prices: Mapping[str, str] = {}

    @property
    def figures(self) -> Figures:
        """The limits that it states for every lane."""
        return Figures(**{name: self.values[name] for name in FIGURES if name in self.values})


def read_settings(path: Path, form: type) -> SettingsFile:
    """Read the settings file *path*.

    Args:
        path: of the file.
        form: the command's options: a class whose fields are annotated with `typer.Option`.

    Raises:
        ConfigError: it can't be read, or something in it is wrong. No message holds what looks like a key.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"can't read the settings file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"can't read the settings file {path}: it is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no TOML: {error}") from None
    try:
        return _checked(found, form)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _checked(found: Mapping[str, Any], form: type) -> SettingsFile:
    for place in _secrets(found, ""):
        raise ConfigError(
            f"{place} looks like a key, and a key never stands in a file: "
            "set OPENAI_API_KEY or ANTHROPIC_API_KEY in the environment"
        )
    options = dict(_options(form))
    values: dict[str, Any] = {}
    tables: dict[str, Mapping[str, Any]] = {}
    lanes: dict[str, Stated] = {}
    prices: dict[str, str] = {}
    for key, value in found.items():
        name = key.replace("-", "_")
        if name != key and name in found:
            raise ConfigError(f"{key} is given twice, as {name} too; keep one of them")
        if name == _LANES:
            lanes, prices = _lanes(value, options), _prices(value, options)
        elif name in _TABLES:
            tables[name] = _table(key, value)
        elif name in options:
            values[name] = options[name].value(key, value)
        else:
            hint = did_you_mean(name, [*options, *_TABLES, _LANES])
            raise ConfigError(f"there is no option {key!r}; {hint}`brim run --help` lists them all")
    file = SettingsFile(values=values, tables=tables, lanes=lanes, prices=prices)
    _check_limits(file)
    return file


def _check_limits(file: SettingsFile) -> None:
    """Have what can't be kept (figures, presets, prices that are none) said here, where the file is known."""
    Stated(preset=file.values.get("limits"), figures=file.figures).figures.limits()
    for name in _ABOVE_0:
        if name in file.values and not 0 < file.values[name] < float("inf"):
            raise ConfigError(f"{name} is {file.values[name]:g}; it must be above 0")
    if "price" in file.values:
        parse_price(file.values["price"])
    for lane, price in file.prices.items():
        with _at(f'{_LANES}."{lane}"'):
            parse_price(price)


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Say with whatever is wrong in which table it stands."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


_ABOVE_0: Final = ("timeout", "first_timeout", "budget")


class _Option(msgspec.Struct, frozen=True):
    """One option of the command line: *kind* is the type it takes, *low* the least value."""

    kind: Any
    low: float | None

    def value(self, key: str, value: object) -> Any:
        """*value*, if the option takes it."""
        try:
            taken: Any = msgspec.convert(value, self.kind)
        except msgspec.ValidationError:
            raise ConfigError(f"{key} should be {_WORDS[self.kind]}, not {_word(value)}") from None
        if self.low is not None and taken < self.low:
            raise ConfigError(f"{key} is {taken:g}; it must be {self.low:g} or more")
        return taken


_WORDS: Final[Mapping[Any, str]] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list[str]: "a list of texts",
}

_KINDS: Final = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}
"""What a value of TOML is called; all others are dates and times."""


def _word(value: object) -> str:
    return _KINDS.get(type(value), "a date or time")


def _options(form: type) -> Iterator[tuple[str, _Option]]:
    """The options of *form* that a file may hold: all but the arguments, the pairs and the file itself."""
    for name, hint in get_type_hints(form, include_extras=True).items():
        kind, info = get_args(hint)
        if isinstance(info, typer.models.OptionInfo) and name not in {*_TABLES, "config"}:
            kind = get_args(kind)[0] if isinstance(kind, UnionType) else kind
            yield name, _Option(str if kind is Path else kind, info.min)


def _table(key: str, value: object) -> Mapping[str, Any]:
    parse, kind = _TABLES[key.replace("-", "_")]
    try:
        return parse(msgspec.convert(value, list[str])) if isinstance(value, list) else msgspec.convert(value, kind)
    except msgspec.ValidationError:
        texts = "" if kind == dict[str, Any] else " of texts"
        raise ConfigError(f"{key} should be a table{texts}, or a list of texts as key=value") from None


def _as_table(place: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{place} should be a table, not {_word(value)}")
    return value


def _lanes(value: object, options: Mapping[str, _Option]) -> dict[str, Stated]:
    return {
        name: _lane(f'{_LANES}."{name}"', _as_table(f'{_LANES}."{name}"', lane), options)
        for name, lane in _as_table(_LANES, value).items()
    }


def _prices(value: Mapping[str, Any], options: Mapping[str, _Option]) -> dict[str, str]:
    """The prices in a table of lanes that `_lanes` has found sound."""
    return {
        name: options[_PRICE].value(f'{_LANES}."{name}".{_PRICE}', lane[_PRICE])
        for name, lane in value.items()
        if _PRICE in lane
    }


def _lane(place: str, lane: Mapping[str, Any], options: Mapping[str, _Option]) -> Stated:
    known = {**{name: options[name] for name in FIGURES}, "preset": options["limits"]}
    for key in lane:
        if key not in {"limits", _PRICE}:
            raise ConfigError(f"{place} holds limits and no {key!r}; write [{place}.limits]")
    values: dict[str, Any] = {}
    for key, value in _as_table(f"{place}.limits", lane.get("limits", {})).items():
        name = key.replace("-", "_")
        if name not in known:
            raise ConfigError(f"{place}.limits has no {key!r}; {did_you_mean(name, known)}it has {', '.join(known)}")
        values[name] = known[name].value(f"{place}.limits.{key}", value)
    with _at(f"{place}.limits"):
        stated = Stated(preset=values.pop("preset", None), figures=Figures(**values))
        stated.figures.limits()
    return stated


_SECRET_NAME: Final = re.compile(
    r"(?:^|[_-])(?:api[_-]?key|secret|password|authorization|credentials?|(?:access|auth|bearer)[_-]?token)$|^(?:key|token)$",
    re.IGNORECASE,
)
_SECRET_TEXT: Final = re.compile(r"\bsk-(?=[\w-]*\d)[\w-]{16,}")


def _secrets(value: object, place: str) -> Iterator[str]:
    """The places of what looks like a key. What a body's fields are called, and those of a schema, says nothing."""
    if isinstance(value, str) and _SECRET_TEXT.search(value):
        yield place
    elif isinstance(value, list):
        for each in value:
            yield from _secrets(each, place)
    elif isinstance(value, dict):
        for key, each in value.items():
            here = f"{place}.{key}" if place else key
            if _SECRET_TEXT.search(key):
                yield "a name in it"
            elif _SECRET_NAME.search(key) and not place.startswith("param"):
                yield here
            else:
                yield from _secrets(each, here)
