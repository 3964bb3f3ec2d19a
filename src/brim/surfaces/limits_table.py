"""The presets as they are shown: a table for a person, tab-separated lines for a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from brim.surfaces.figures import FIGURES, Figures
from brim.surfaces.presets import Preset, PresetClass

__all__ = ["as_lines", "as_table", "in_full", "in_words"]


def as_table(presets: Iterable[Preset]) -> RenderableType:
    """A table for a person: a part for each source, with a row for each class of models."""
    parts: list[RenderableType] = []
    for (source, date, retired), members in groupby(presets, lambda each: (each.source, each.date, each.retired)):
        heading = f"{source} ({'retired, ' if retired else ''}{date})"
        parts += [Text(heading, style="bold"), _part(members, style="dim" if retired else ""), Text()]
    return Group(*parts, Text("brim limits NAME shows one whole: its notes, and where to find what is not stated"))


def _part(presets: Iterable[Preset], *, style: str) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=_NAME, style="cyan")
    table.add_column(width=_MODELS)
    table.add_column()
    for preset in presets:
        for number, each in enumerate(preset.classes):
            table.add_row(
                "" if number else f"  {preset.name}", "\n".join(each.models) or _ALL, in_words(each), style=style
            )
        if not preset.classes:
            table.add_row(f"  {preset.name}", preset.entry or "", Text("not stated", style="dim"))
    return table


_NAME: Final = 22
_MODELS: Final = 18
_ALL: Final = "all models"


def in_full(preset: Preset) -> RenderableType:
    """All that is known of one preset, for a person."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    last = ""
    for label, value in _facts(preset):
        grid.add_row("" if label == last else label, Text(value))
        last = label
    return grid


def _facts(preset: Preset) -> Iterator[tuple[str, str]]:
    yield "preset", preset.name
    yield "provider", preset.provider
    yield "tier", f"{preset.tier}{' (retired)' if preset.retired else ''}"
    if preset.entry:
        yield "entry", preset.entry
    for each in preset.classes:
        yield "limits", f"{in_words(each)}: {', '.join(each.models) or _ALL}"
    if preset.unstated:
        yield "limits", preset.unstated
    if preset.month_cap_usd:
        yield "spend", f"up to {preset.month_cap_usd:,.0f} USD a month"
    yield "source", preset.source
    yield "date", preset.date
    for note in preset.notes:
        yield "notes", note
    if preset.classes:
        yield "use", f"brim run ... --limits {preset.name}"


def in_words(figures: Figures) -> str:
    """The figures in words: `50 rpm, 50k tpm`."""
    return ", ".join(
        ", ".join(value) if isinstance(value, list) else f"{_short(value)} {_WORDS.get(name, name)}"
        for name, value in figures.given.items()
    )


_WORDS: Final = {"concurrency": "at once"}


def _short(number: float) -> str:
    """`1,000`, `25k`, `2.5M`: whole thousands as people say them, nothing rounded away."""
    for size, unit in ((1e6, "M"), (1e4, "k")):
        if number >= size and number % 1e3 == 0:
            return f"{number / (1e6 if unit == 'M' else 1e3):,.10g}{unit}"
    return f"{number:,.10g}"


_FIELDS: Final = ("name", "provider", "tier", "models", *FIGURES, "source", "date")
_MORE: Final = ("retired", "entry", "month_cap_usd", "unstated", "notes")


def as_lines(presets: Iterable[Preset]) -> Iterator[str]:
    """Tab-separated lines for a program: the names of the fields, then a line for each class of models."""
    yield _line((*_FIELDS, *_MORE))
    for preset in presets:
        for each in preset.classes or [PresetClass()]:
            fields = {**msgspec.structs.asdict(preset), **msgspec.structs.asdict(each)}
            yield _line(_cell(fields[name]) for name in (*_FIELDS, *_MORE))


def _line(cells: Iterable[str]) -> str:
    return "\t".join(cells) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(value)
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else f"{value:.0f}" if isinstance(value, float) else str(value)
