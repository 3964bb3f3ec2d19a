"""Which limits a lane keeps: what is stated for all lanes, for this one, and by a preset, laid over each other.

A lane's limits are asked for by its name (`openai:gpt-6-luna`) when it opens, since lanes appear as rows name new
models, and a preset may have other figures for each model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Final, TypeAlias, TypeVar

import msgspec

from brim.config import Limits
from brim.errors import ConfigError
from brim.surfaces.endpoints import split_model
from brim.surfaces.figures import Figures
from brim.surfaces.presets import find_preset, preset

__all__ = ["LaneLimits", "LimitsOf", "Stated", "limits_of", "of_lane"]

T = TypeVar("T")

LimitsOf: TypeAlias = Callable[[str], Limits]
"""Gives a lane, by its name, its limits. Raises `ConfigError` where there are none to give."""


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """Limits as one place states them: a preset, and figures that differ from it.

    Raises:
        ConfigError: there is no such preset.
    """

    preset: str | None = None
    figures: Figures = Figures()

    def __post_init__(self) -> None:
        if self.preset is not None:
            find_preset(self.preset)

    def of_preset(self, model: str) -> Figures:
        """What the preset says of *model*. Raises `ConfigError` where it has no figures for it."""
        return Figures() if self.preset is None else find_preset(self.preset).figures(model)


class LaneLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a settings file and the flags state together.

    Attributes:
        general: for every lane. A lane that names a preset of its own takes nothing from this one's.
        lanes: for single lanes, by name, with or without the word before the colon.
        flags: of the command line, which beat all else.
    """

    general: Stated = Stated()
    lanes: Mapping[str, Stated] = {}
    flags: Figures = Figures()

    @property
    def simplest(self) -> Limits | LimitsOf:
        """The same limits, as one value where they are those of every lane."""
        return self.of if self.lanes or self.general.preset is not None else self.of("")

    def of(self, lane: str) -> Limits:
        """The limits of *lane*. Raises `ConfigError` where its preset has no figures for its model."""
        own = of_lane(self.lanes, lane) or Stated()
        layers = [self.flags, own.figures, own.of_preset(lane), self.general.figures]
        if own.preset is None:
            layers.append(self.general.of_preset(lane))
        return reduce(Figures.over, layers).limits()


def limits_of(stated: Limits | str | LimitsOf, lanes: Mapping[str, Limits | str]) -> LimitsOf:
    """Give each lane those of *lanes* that are its own, else *stated*; a text is the name of a preset.

    Raises:
        ConfigError: there is no preset of such a name, or what stands in *lanes* is none.
    """
    for name in (stated, *lanes.values()):
        if isinstance(name, str):
            find_preset(name)
    for name, own in lanes.items():
        if not isinstance(own, Limits | str):
            raise ConfigError(f"the limits of lane {name!r} are {own!r}; {_WANTED}")

    def of(lane: str) -> Limits:
        own = of_lane(lanes, lane)
        chosen = stated if own is None else own
        if isinstance(chosen, Limits):
            return chosen
        if isinstance(chosen, str):
            return preset(chosen, lane)
        given: object = chosen(lane)
        if not isinstance(given, Limits):
            raise ConfigError(f"the limits of lane {lane!r} are {given!r}; the function should give a brim.Limits")
        return given

    return of


_WANTED: Final = "they should be a brim.Limits, or the name of a preset"


def of_lane(lanes: Mapping[str, T], lane: str) -> T | None:
    """What *lanes* has for *lane*, under its whole name or its model's; None if nothing."""
    return lanes[lane] if lane in lanes else lanes.get(split_model(lane)[1] or "")
