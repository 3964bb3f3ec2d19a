"""`brim limits`: the presets, with source and date of what they say.

A person gets a table, a program tab-separated lines with all fields, or JSON Lines where it asks for them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

from brim.errors import ConfigError
from brim.surfaces.presets import Preset, all_presets, did_you_mean

__all__ = ["limits", "select"]


def limits(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[TEXT]", help="A preset, shown whole; or a part of a provider, tier or model."),
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with all that is known.")] = False,
) -> None:
    """List the limits of providers' tiers that --limits takes, with their sources and dates.

    In a terminal it is a table; elsewhere tab-separated, a line for each class of models, with a line of names.
    """
    from brim.surfaces.limits_table import as_lines, as_table, in_full  # noqa: PLC0415 - `brim --help` shows none
    from brim.surfaces.screen import Screen  # noqa: PLC0415

    presets = select(name)
    if json:
        sys.stdout.writelines(f"{msgspec.json.encode(each).decode()}\n" for each in presets)
    elif not sys.stdout.isatty():
        sys.stdout.writelines(as_lines(presets))
    else:
        console = Screen(sys.stdout).console()
        console.print(in_full(presets[0]) if len(presets) == 1 else as_table(presets))


def select(text: str | None) -> Sequence[Preset]:
    """The presets that *text* asks for: the one of that name, or else all that have to do with it.

    Raises:
        ConfigError: there are none.
    """
    presets = all_presets()
    if text is None:
        return list(presets.values())
    if text in presets:
        return [presets[text]]
    found = [preset for preset in presets.values() if preset.concerns(text)]
    if not found:
        raise ConfigError(
            f"no preset has to do with {text!r}; {did_you_mean(text, presets)}`brim limits` lists them all"
        )
    return found
