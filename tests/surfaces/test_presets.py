"""The presets: each is whole and traceable, is found by its name, and gives a model the figures of its class."""

from __future__ import annotations

import re

import msgspec
import pytest

import brim
from brim.config import Limits
from brim.errors import ConfigError
from brim.surfaces.figures import FIGURES
from brim.surfaces.presets import Preset, all_presets, find_preset, preset

# What the sources say, once more: requests, tokens, input and output tokens a minute, requests and tokens a day, calls
# at once. A figure that is changed without its source is seen here.
FACTS: dict[tuple[str, str], dict[str, float]] = {
    ("anthropic-start", "claude-sonnet-5-5"): {"rpm": 1_000, "itpm": 2_000_000, "otpm": 400_000},
    ("anthropic-start", "claude-haiku-4-5"): {"rpm": 1_000, "itpm": 2_000_000, "otpm": 400_000},
    ("anthropic-start", "claude-fable-5-2"): {"rpm": 1_000, "itpm": 500_000, "otpm": 100_000},
    ("anthropic-build", "claude-opus-4-8"): {"rpm": 5_000, "itpm": 5_000_000, "otpm": 1_000_000},
    ("anthropic-scale", "claude-opus-5-5"): {"rpm": 10_000, "itpm": 10_000_000, "otpm": 2_000_000},
    ("anthropic-free", "any"): {"rpm": 5, "tpm": 25_000, "tpd": 300_000},
    ("anthropic-build1", "any"): {"rpm": 50, "tpm": 50_000, "tpd": 1_000_000},
    ("anthropic-build2", "any"): {"rpm": 1_000, "tpm": 100_000, "tpd": 2_500_000},
    ("anthropic-build3", "any"): {"rpm": 2_000, "tpm": 200_000, "tpd": 5_000_000},
    ("deepseek", "deepseek-flash"): {"concurrency": 2_500},
    ("deepseek", "deepseek-v4-pro"): {"concurrency": 500},
    ("openrouter-free", "some/model:free"): {"rpm": 20, "rpd": 50},
    ("openrouter-free-1000", "some/model:free"): {"rpm": 20, "rpd": 1_000},
    ("ollama", "llama3.2:1b"): {"concurrency": 512},
}

ALL = list(all_presets().values())


def name_of(each: Preset) -> str:
    return each.name


@pytest.mark.parametrize("each", ALL, ids=name_of)
def test_every_preset_is_traceable(each: Preset) -> None:
    """
    It says where its figures stand and when they held, not later than today's knowledge, and whose they are.
    """
    assert len(each.source) > 10
    assert re.fullmatch(r"20\d\d(-(0[1-9]|1[0-2])(-[0-3]\d)?)?", each.date)
    assert each.date <= "2026-11-21"
    assert each.provider
    assert each.tier


@pytest.mark.parametrize("each", ALL, ids=name_of)
def test_every_preset_can_be_kept_or_says_where_the_figures_are(each: Preset) -> None:
    """
    Each class of models has figures, and limits can be made of them; a preset has classes or the word `unstated`.
    """
    assert bool(each.classes) != bool(each.unstated)
    for models in each.classes:
        assert models.given
        assert models.limits() != Limits()
        assert models.fits((models.models or ("any",))[0].replace("*", "x"))


def test_no_figure_is_there_without_its_fact() -> None:
    """
    Every class of every preset stands in the table of facts, figure by figure, and nothing else does.
    """
    found = {(name, model): find_preset(name).figures(model).given for name, model in FACTS}

    assert found == FACTS
    classes = {(each.name, tuple(models.given.items())) for each in ALL for models in each.classes}
    assert {(name, tuple(found[name, model].items())) for name, model in FACTS} == classes


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "anthropic:claude-haiku-4-5"])
def test_a_preset_becomes_limits(model: str) -> None:
    """
    With the word before the colon or without.
    """
    assert preset("anthropic-start", model) == Limits(
        requests_per_minute=1_000, input_tokens_per_minute=2_000_000, output_tokens_per_minute=400_000
    )


def test_a_program_may_change_what_a_preset_says() -> None:
    """
    `brim.preset` gives limits like any others.
    """
    limits = msgspec.structs.replace(brim.preset("deepseek", "deepseek-flash"), concurrency=10)

    assert limits == Limits(concurrency=10)


@pytest.mark.parametrize(
    ("name", "model", "said"),
    [
        (
            "anthropic-tier2",
            "m",
            r"there is no preset 'anthropic-tier2'; did you mean .*anthropic-build2.*`brim limits`",
        ),
        ("zzz", "m", r"there is no preset 'zzz'; `brim limits` lists them all"),
        (
            "openai-tier1",
            "gpt-6-luna",
            r"'openai-tier1' has no figures to keep: OpenAI shows .* or state those you know",
        ),
        (
            "anthropic-build",
            "anthropic:claude-haiku-5-5",
            r"'anthropic-build' has no figures for the model 'claude-haiku-5-5', only for claude-opus-\*, ",
        ),
        ("deepseek", "", r"'deepseek' has no figures for the model ''"),
    ],
)
def test_says_what_is_wrong(name: str, model: str, said: str) -> None:
    """
    An unknown name with near ones, a tier without figures, a model of no known class.
    """
    with pytest.raises(ConfigError, match=said):
        preset(name, model)


def test_figures_bear_the_names_of_the_flags() -> None:
    """
    Whatever can be typed as a limit can be written down in a preset and a file.
    """
    assert FIGURES == ("rpm", "tpm", "itpm", "otpm", "rpd", "tpd", "limit", "concurrency")
