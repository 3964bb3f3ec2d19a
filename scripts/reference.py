"""Writes docs/reference/cli.md from the command line and presets.md from the presets, so that they say nothing else.

    python scripts/reference.py            write the pages
    python scripts/reference.py --print    show them instead

`tests/test_docs.py` fails when a page is stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import typer

from brim.surfaces.cli import app
from brim.surfaces.limits_table import in_words
from brim.surfaces.presets import Preset, all_presets

__all__ = ["PAGE", "PAGES", "commands", "render", "render_presets"]

FOLDER: Final = Path(__file__).resolve().parents[1] / "docs" / "reference"
PAGE: Final = FOLDER / "cli.md"

_INTRO: Final = """\
# The command line

This page is made by `scripts/reference.py` from the command line itself: run it after a change, don't edit the page.
Progress and messages go to standard error; standard output is data.
The how-to pages show the options at work: see the [index](../index.md).
"""

_KINDS: Final = {str: "text", int: "whole number", float: "number", bool: "", Path: "file"}
_ESCAPES: Final = re.compile(r"\\([\[\]])")  # rich's markup in a help text


def commands() -> dict[str, Any]:
    """Every command by its name as one types it, the program itself first."""
    program: Any = typer.main.get_command(app)
    context = typer.Context(program)
    below = {name: program.get_command(context, name) for name in program.list_commands(context)}
    return {"brim": program, **{f"brim {name}": command for name, command in below.items() if not command.hidden}}


def render() -> str:
    """The whole page."""
    return "\n".join([_INTRO, *(_section(name, command) for name, command in commands().items())])


def _section(name: str, command: Any) -> str:
    lines = [f"## {name}", "", _plain(command.help), ""]
    rows = [_row(param) for param in command.params if not getattr(param, "hidden", False)]
    lines += ["| name | value | default | meaning |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(param: Any) -> str:
    default = "required" if param.required else _default(param.default)
    cells = (_names(param), ", ".join(_value(param)), default, param.help or "")
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _names(param: Any) -> str:
    if param.param_type_name == "argument":
        more = "" if param.nargs == 1 else "..."
        return f"`{param.metavar or param.name.upper()}{more}`"
    return ", ".join(f"`{option}`" for option in sorted(param.opts, key=len))


def _value(param: Any) -> Iterator[str]:
    kind = param.type_descriptor.annotation
    if param.param_type_name != "argument":
        named = param.metavar or next((word for known, word in _KINDS.items() if known is kind), "text")
        if named:
            yield named
    if param.min is not None or param.max is not None:
        yield _range(param.min, param.max)
    if param.multiple:
        yield "may be repeated"


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f"from {low:g}"
    return f"up to {high:g}" if low is None else f"{low:g} to {high:g}"


def _default(value: object) -> str:
    return "" if value is None or value is False else f"`{value}`"


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|").replace("<", "&lt;")


def _plain(text: str) -> str:
    return _ESCAPES.sub(r"\1", text).strip()


_PRESETS_INTRO: Final = """\
# Presets

This page is made by `scripts/reference.py` from `src/brim/surfaces/presets.toml`: change that file and run the script.
`brim limits` shows the same.

Rates are requests (`rpm`), tokens (`tpm`), input tokens (`itpm`) and output tokens (`otpm`) a minute, and requests
(`rpd`) and tokens (`tpd`) a day; "at once" are calls in flight. They hold for each model by itself.
A preset is as old as its date: see [why that matters](../explanation/limits.md#presets) and
[how to use them](../how-to/respect-limits.md#by-the-name-of-your-tier).
"""


def render_presets() -> str:
    """The whole page of presets: a section for each source."""
    sections = [_PRESETS_INTRO]
    for (source, date), group in groupby(all_presets().values(), lambda each: (each.source, each.date)):
        presets = list(group)
        rows = [row for preset in presets for row in _preset_rows(preset)]
        about = [f"Source: {source}, {date}.", ""] + ["Retired.", ""] * presets[0].retired
        table = ["| preset | tier | models | limits |", "|---|---|---|---|", *rows, ""]
        title = f"{presets[0].provider}, {date}"
        sections.append("\n".join([f"## {title}", "", *about, *table, *_notes(presets), ""]))
    return "\n".join(sections)


def _preset_rows(preset: Preset) -> Iterator[str]:
    known = [
        item for item in (preset.entry, preset.month_cap_usd and f"{preset.month_cap_usd:,.0f} USD a month") if item
    ]
    tier = f"{preset.tier} ({', '.join(known)})" if known else preset.tier
    for each in preset.classes:
        models = ", ".join(f"`{pattern}`" for pattern in each.models) or "all"
        yield f"| `{preset.name}` | {tier} | {models} | {in_words(each)} |"
    if not preset.classes:
        yield f"| `{preset.name}` | {tier} | | not stated: {preset.unstated} |"


def _notes(presets: Sequence[Preset]) -> Iterator[str]:
    """Each note once, behind the presets that have it where others have not."""
    for note in dict.fromkeys(note for preset in presets for note in preset.notes):
        names = [f"`{preset.name}`" for preset in presets if note in preset.notes]
        yield f"- {note}" if len(names) == len(presets) else f"- {', '.join(names)}: {note}"


PAGES: Final[dict[Path, Callable[[], str]]] = {PAGE: render, FOLDER / "presets.md": render_presets}


if __name__ == "__main__":
    for page, text in PAGES.items():
        if "--print" in sys.argv[1:]:
            print(text())
        else:
            page.write_text(text(), encoding="utf-8")
            print(f"wrote {page.name}")
