"""Token estimates: near the truth for what people send, and learnt from what comes back."""

from __future__ import annotations

import pytest

from brim.policies.tokens import TokenCosts, estimate_tokens
from brim.values import Usage

# Token counts of the o200k encoding.
SAMPLES = [
    ("The quick brown fox jumps over the lazy dog near the river bank.", 14, 0.75, 1.5),
    ("你好，世界。今天天气很好，我们去公园散步吧。", 16, 0.75, 1.6),
    ('{"a":[1,2,3],"b":{"c":null,"d":"x"},"e":12345}', 25, 0.6, 1.5),
    ("def add(a: int, b: int) -> int:\n    return a + b\n", 19, 0.7, 1.6),
]


@pytest.mark.parametrize(("text", "tokens", "low", "high"), SAMPLES)
def test_estimates_within_a_factor(text: str, tokens: int, low: float, high: float) -> None:
    """
    English, Chinese, JSON and code are all estimated within their bounds.
    """
    assert low <= estimate_tokens(text.encode()) / tokens <= high


def test_nothing_costs_nothing() -> None:
    """
    An empty text has no tokens.
    """
    assert estimate_tokens(b"") == 0.0


def test_reserves_the_output_it_has_seen() -> None:
    """
    The output reserve follows the answers, and the cap bounds it.
    """
    costs = TokenCosts()
    first = costs.reserve(b"", None)
    costs.learn(Usage(output_tokens=40))

    assert first == 256.0
    assert costs.reserve(b"", None) == 40.0
    assert costs.reserve(b"", 10) == 10.0


def test_follows_answers_that_grow() -> None:
    """
    After a hundred longer answers the reserve is theirs.
    """
    costs = TokenCosts()
    for tokens in [10] + [100] * 100:
        costs.learn(Usage(output_tokens=tokens))

    assert 95.0 < costs.reserve(b"", None) <= 100.0
