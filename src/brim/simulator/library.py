"""Scenarios by name and from files.

The ready-made ones are TOML files beside this module, so that each is also an example of how to write one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from brim.errors import ConfigError
from brim.simulator.luck import Luck
from brim.simulator.scenario import Scenario

__all__ = ["load_scenario", "read_scenario", "scenario_names", "scenario_text"]


@cache
def scenario_names() -> tuple[str, ...]:
    """The names of the ready-made scenarios, in alphabetical order."""
    folder = files("brim.simulator").joinpath("scenarios")
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def scenario_text(name: str) -> str:
    """The file of a ready-made scenario. Raises `ConfigError` if there is none of this name."""
    if name not in scenario_names():
        raise ConfigError(f"there is no scenario {name!r}; there are {', '.join(scenario_names())}")
    return files("brim.simulator").joinpath("scenarios", f"{name}.toml").read_text(encoding="utf-8")


def read_scenario(text: str, *, origin: str) -> Scenario:
    """The scenario that a TOML text describes; *origin* names it in messages. Raises `ConfigError`."""
    try:
        return _scenario(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin} is no TOML: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from None


def _scenario(fields: Mapping[str, Any]) -> Scenario:
    try:
        scenario = msgspec.convert(fields, Scenario)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from None
    Luck(scenario, None)  # names of faults are checked here and not in the middle of a run
    return scenario


def load_scenario(name_or_path: str) -> Scenario:
    """A ready-made scenario by its name, or one from a TOML file by its path. Raises `ConfigError`."""
    if name_or_path in scenario_names():
        return read_scenario(scenario_text(name_or_path), origin=f"scenario {name_or_path!r}")
    path = Path(name_or_path)
    if path.suffix != ".toml":
        raise ConfigError(
            f"there is no scenario {name_or_path!r}; name a .toml file or one of {', '.join(scenario_names())}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can't read the scenario {path}: {error}") from None
    return read_scenario(text, origin=str(path))
