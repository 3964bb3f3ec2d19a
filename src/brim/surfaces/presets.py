"""The limits of the providers' tiers, by name. They stand in `presets.toml` beside this module, which says its rules.

A preset is only ever what somebody wrote down on some day: each has its source and date, and is listed with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Final

import msgspec

from brim.config import Limits
from brim.errors import ConfigError
from brim.surfaces.endpoints import split_model
from brim.surfaces.figures import Figures

__all__ = ["Preset", "PresetClass", "all_presets", "did_you_mean", "find_preset", "preset"]


class PresetClass(Figures, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Models with limits of the same size, each with its own. *models* are patterns; () stands for every model."""

    models: tuple[str, ...] = ()

    def fits(self, model: str) -> bool:
        """Is *model* one of them?"""
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)


class Preset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of one tier.

    Attributes:
        name: by which it is asked for.
        provider: whose it is.
        tier: what the provider calls it.
        source: where the figures stand.
        date: when they are known to have held: `2026`, `2026-10` or `2026-10-21`.
        classes: the models and their figures.
        unstated: where the figures are to be found, if not here.
        entry: what brings an account into the tier.
        month_cap_usd: what it may spend in a month.
        retired: no account has it any more.
        notes: what else is to be known.
    """

    name: str
    provider: str
    tier: str
    source: str
    date: str
    classes: tuple[PresetClass, ...] = ()
    unstated: str | None = None
    entry: str | None = None
    month_cap_usd: float | None = None
    retired: bool = False
    notes: tuple[str, ...] = ()

    def figures(self, model: str) -> Figures:
        """The figures for *model*, named with or without the word before the colon.

        Raises:
            ConfigError: none are known for it. The message says for which models they are.
        """
        name = split_model(model)[1] or ""
        for each in self.classes:
            if each.fits(name):
                return Figures(**each.given)
        if not self.classes:
            raise ConfigError(f"preset {self.name!r} has no figures to keep: {self.unstated}; {_WITHOUT}")
        known = ", ".join(pattern for each in self.classes for pattern in each.models)
        raise ConfigError(f"preset {self.name!r} has no figures for the model {name!r}, only for {known}; {_WITHOUT}")

    def concerns(self, text: str) -> bool:
        """Is *text* a part of its name, provider, tier or models, or a model that it has figures for by name?"""
        wanted = text.casefold()
        patterns = [pattern for each in self.classes for pattern in each.models]
        if any(wanted in part.casefold() for part in (self.name, self.provider, self.tier, *patterns)):
            return True
        return any(fnmatchcase(split_model(wanted)[1] or "", pattern) for pattern in patterns)


_WITHOUT: Final = "name no preset, and brim finds the limits out, or state those you know (--rpm, --tpm, ...)"


@cache
def all_presets() -> Mapping[str, Preset]:
    """Every preset by its name, in the order of the file."""
    import tomllib  # noqa: PLC0415 - with these three the module would take longer to load than all others of ours
    from importlib.resources import files  # noqa: PLC0415

    sheets = tomllib.loads(files("brim.surfaces").joinpath("presets.toml").read_text(encoding="utf-8"))
    presets = {}
    for sheet in sheets.values():
        for name, tier in sheet.pop("tiers").items():
            notes = [*sheet.get("notes", ()), *tier.get("notes", ())]
            presets[name] = msgspec.convert({**sheet, **tier, "name": name, "notes": notes}, Preset)
    return presets


def find_preset(name: str) -> Preset:
    """The preset of this name. Raises `ConfigError` if there is none."""
    presets = all_presets()
    if name not in presets:
        raise ConfigError(f"there is no preset {name!r}; {did_you_mean(name, presets)}`brim limits` lists them all")
    return presets[name]


def preset(name: str, model: str) -> Limits:
    """The limits that the preset *name* states for *model*, to be changed with `msgspec.structs.replace`.

    Raises:
        ConfigError: there is no such preset, or it has no figures for the model.
    """
    return find_preset(name).figures(model).limits()


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that names the nearest of *known*, with a mark behind it, or nothing where none is near."""
    from difflib import get_close_matches  # noqa: PLC0415

    near = get_close_matches(name, list(known), n=3)
    return f"did you mean {' or '.join(near)}? " if near else ""
