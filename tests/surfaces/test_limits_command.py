"""`brim limits`: what is chosen, and how it is shown to a person and to a program."""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stdout

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from brim.errors import ConfigError
from brim.surfaces.cli import app
from brim.surfaces.figures import Figures
from brim.surfaces.limits_command import limits, select
from brim.surfaces.limits_table import as_lines, as_table, in_full, in_words
from brim.surfaces.presets import all_presets, find_preset


def shown(what: RenderableType, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def names(text: str | None) -> list[str]:
    return [preset.name for preset in select(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anthropic-build", ["anthropic-build"]),
        ("deepseek-v4", ["deepseek"]),
        ("anthropic:claude-fable-5-2", ["anthropic-start"]),
        ("claude-opus-5", ["anthropic-start", "anthropic-build", "anthropic-scale"]),
        ("OpenAI-Tier", ["openai-tier1", "openai-tier2", "openai-tier3", "openai-tier4", "openai-tier5"]),
        ("build ", ["anthropic-build1", "anthropic-build2", "anthropic-build3"]),
    ],
)
def test_a_text_chooses(text: str, expected: list[str]) -> None:
    """
    The whole name names one; else any part of name, provider, tier or models does, or a model that a pattern fits.
    """
    assert names(text) == expected


def test_no_text_chooses_all() -> None:
    """
    In the order of the file.
    """
    assert names(None) == list(all_presets())


def test_a_text_that_nothing_has_to_do_with_is_an_error() -> None:
    """
    With near names where there are any.
    """
    with pytest.raises(ConfigError, match=r"no preset has to do with 'antropic-start'; did you mean anthropic-start"):
        select("antropic-start")


def test_the_table_has_all_and_says_from_where_and_when() -> None:
    """
    In 80 columns no line is cut: each name, each class with its figures, each source with its date.
    """
    table = shown(as_table(select(None)))

    assert "…" not in table
    for preset in all_presets().values():
        assert f"  {preset.name} " in table
        assert preset.source in " ".join(table.split())
        assert f"{preset.date})" in table
        for each in preset.classes:
            assert in_words(each) in table
            assert all(pattern in table for pattern in each.models)
    assert "not stated" in table
    assert "(retired, 2024)" in table


def test_one_preset_is_shown_whole() -> None:
    """
    Everything that is known of it, in words.
    """
    start = " ".join(shown(in_full(find_preset("anthropic-start"))).split())
    tier = " ".join(shown(in_full(find_preset("openai-tier5"))).split())
    retired = shown(in_full(find_preset("anthropic-build1")))

    assert "1,000 rpm, 500k itpm, 100k otpm: claude-fable-5*" in start
    assert "spend up to 500 USD a month" in start
    assert "date 2026-10" in start
    assert "brim run ... --limits anthropic-start" in start
    assert all(note in start for note in find_preset("anthropic-start").notes)
    assert "entry 1,000 USD paid limits OpenAI shows requests" in tier
    assert "--limits" not in tier
    assert "Build 1 (retired)" in retired
    assert "50 rpm, 50k tpm, 1M tpd: all models" in retired


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (Figures(rpm=1_000, tpm=2_500_000), "1,000 rpm, 2.5M tpm"),
        (Figures(rpm=12_345, itpm=25_000, otpm=1_234_500), "12,345 rpm, 25k itpm, 1,234,500 otpm"),
        (Figures(rpm=0.5, limit=["4/1s", "40/60s"], concurrency=2_500), "0.5 rpm, 4/1s, 40/60s, 2,500 at once"),
    ],
)
def test_figures_in_words_round_nothing_away(figures: Figures, words: str) -> None:
    """
    Thousands and millions where they are whole, all digits where they are not.
    """
    assert in_words(figures) == words


def test_lines_for_a_program() -> None:
    """
    Tab-separated, a line of names first, a line for each class, plain numbers.
    """
    rows = list(csv.DictReader(io.StringIO("".join(as_lines(select(None)))), delimiter="\t", quoting=csv.QUOTE_NONE))
    fable = next(row for row in rows if row["models"] == "claude-fable-5*")

    assert {row["name"] for row in rows} == set(all_presets())
    assert all(row["source"] and row["date"] for row in rows)
    assert (fable["name"], fable["rpm"], fable["itpm"], fable["tpm"], fable["month_cap_usd"]) == (
        "anthropic-start",
        "1000",
        "500000",
        "",
        "500",
    )
    assert [row["name"] for row in rows if row["retired"]] == [
        name for name, preset in all_presets().items() if preset.retired
    ]


def test_the_command_writes_for_a_program_where_no_terminal_is() -> None:
    """
    Lines with tabs by default, JSON objects when asked.
    """
    plain = CliRunner().invoke(app, ["limits", "deepseek"])
    objects = CliRunner().invoke(app, ["limits", "--json"])

    assert plain.exit_code == 0
    assert plain.output == "".join(as_lines(select("deepseek")))
    found = {each["name"]: each for each in map(json.loads, objects.output.splitlines())}
    assert list(found) == list(all_presets())
    assert found["anthropic-build1"]["classes"] == [{"rpm": 50, "tpm": 50_000, "tpd": 1_000_000}]


def test_the_command_shows_a_person_a_table_or_one_whole() -> None:
    """
    In a terminal, whatever the text chooses.
    """

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with redirect_stdout(Terminal()) as whole:
        limits("deepseek")
    with redirect_stdout(Terminal()) as table:
        limits("openai")

    assert "2,500 at once: deepseek-flash" in whole.getvalue()
    assert "not stated" in table.getvalue()
    assert "\t" not in whole.getvalue() + table.getvalue()
