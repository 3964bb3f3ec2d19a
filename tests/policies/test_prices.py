"""Prices agree with the list they are compiled from, for every usage."""

from __future__ import annotations

import subprocess
import sys

import pytest
from genai_prices import Usage as Counted
from genai_prices import calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.policies.prices import price_of
from brim.values import Usage

MODELS = [
    ("gpt-6-luna", "openai"),
    ("gpt-5.6-terra", "openai"),
    ("gpt-5.4-mini", "openai"),
    ("claude-haiku-5-5", "anthropic"),
    ("claude-opus-5-5", "anthropic"),
    ("claude-haiku-4-5", "anthropic"),
    ("text-embedding-3-small", "openai"),
    ("gemini-2.5-pro", "google"),
]

EDGES = [0, 1, 99_999, 100_000, 100_001, 200_000, 200_001, 271_999, 272_000, 272_001, 1_000_000]


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    total = draw(st.sampled_from(EDGES) | st.integers(0, 2_000_000))
    read = draw(st.integers(0, total))
    return Usage(
        input_tokens=total,
        cache_read_tokens=read,
        cache_write_tokens=draw(st.integers(0, total - read)),
        output_tokens=draw(st.integers(0, 200_000)),
    )


def listed(usage: Usage, model: str, provider: str) -> float:
    counted = Counted(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    return float(calc_price(counted, model, provider_id=provider).total_price)


@pytest.mark.parametrize(("model", "provider"), MODELS)
@settings(deadline=None)  # the first price loads the list
@given(usage=usages())
def test_costs_what_the_list_says(model: str, provider: str, usage: Usage) -> None:
    """
    For every usage, on every side of every tier, our cost is the list's.
    """
    price = price_of(model, provider)

    assert price is not None
    assert price.cost(usage) == pytest.approx(listed(usage, model, provider), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("tokens", EDGES)
@pytest.mark.parametrize(("model", "provider"), MODELS)
def test_tiers_change_where_the_list_says(model: str, provider: str, tokens: int) -> None:
    """
    At the edges of the tiers themselves the whole call changes its price.
    """
    price = price_of(model, provider)
    usage = Usage(input_tokens=tokens, output_tokens=1000)

    assert price is not None
    assert price.cost(usage) == pytest.approx(listed(usage, model, provider), rel=1e-9)


def test_a_long_input_makes_the_whole_call_dearer() -> None:
    """
    Known numbers: claude-haiku-5-5 costs $0.10 a million up to 100,000 input tokens, $0.50 beyond.
    """
    price = price_of("claude-haiku-5-5", "anthropic")

    assert price is not None
    assert price.cost(Usage(input_tokens=100_000)) == pytest.approx(0.01)
    assert price.cost(Usage(input_tokens=100_001)) == pytest.approx(0.0500005)


def test_reasoning_is_output() -> None:
    """
    Reasoning tokens are inside the output tokens, and not paid twice.
    """
    price = price_of("gpt-6-luna", "openai")

    assert price is not None
    assert price.cost(Usage(output_tokens=10, reasoning_tokens=10)) == price.cost(Usage(output_tokens=10))


def test_cached_tokens_outside_the_input_cost_no_less_than_nothing() -> None:
    """
    A relay that counts cached input apart never earns a negative price.
    """
    price = price_of("claude-haiku-5-5", "anthropic")

    assert price is not None
    assert price.cost(Usage(input_tokens=0, cache_read_tokens=1000)) == pytest.approx(1e-5)


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("no-such-model", "openai"),
        ("gpt-6-luna", "no-such-provider"),
        ("gpt-6-luna", "https://relay.example/v1"),
        ("smollm2-135m", "http://127.0.0.1:8080/v1"),
        ("sonar", "perplexity"),
    ],
)
def test_what_is_not_listed_has_no_price(model: str, provider: str) -> None:
    """
    An unknown model, a relay, and a model billed by more than tokens are None, not a guess.
    """
    assert price_of(model, provider) is None


def test_a_base_url_names_its_provider() -> None:
    """
    The provider's own address is as good as its name.
    """
    assert price_of("gpt-6-luna", "https://api.openai.com/v1") == price_of("gpt-6-luna", "openai")


def test_importing_loads_no_price_list() -> None:
    """
    The list is loaded by the first price, not by the import: `brim --help` stays quick.
    """
    script = "import sys, brim.policies.prices; print('genai_prices' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert run.stdout == "False\n"
