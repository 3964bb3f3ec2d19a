"""Token estimates: near the truth for what people send, and learnt from what comes back."""

from __future__ import annotations

import pytest

from brim.policies.tokens import Charging, Cost, TokenCosts, estimate_tokens
from brim.values import Usage

# Token counts of the o200k encoding.
SAMPLES = [
    ("The quick brown fox jumps over the lazy dog near the river bank.", 14, 0.75, 1.5),
    ("你好，世界。今天天气很好，我们去公园散步吧。", 16, 0.75, 1.6),  # noqa: RUF001 - Chinese has commas of its own
    ('{"a":[1,2,3],"b":{"c":null,"d":"x"},"e":12345}', 25, 0.6, 1.5),
    ("def add(a: int, b: int) -> int:\n    return a + b\n", 19, 0.7, 1.6),
]


def output(costs: TokenCosts, max_tokens: int | None = None) -> float:
    return costs.reserve(b"", max_tokens).amounts[3]


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


def test_a_request_is_one_request() -> None:
    """
    Requests come first among the amounts, then tokens as the sum of input and output.
    """
    requests, tokens, given, made = TokenCosts().reserve(b"some words to count", 10).amounts

    assert requests == 1.0
    assert tokens == given + made
    assert made == 10.0


def test_openai_keeps_the_whole_cap() -> None:
    """
    What a cap reserves stays charged although the answer is shorter.
    """
    costs = TokenCosts(Charging.RESERVES_CAP)
    held = costs.reserve(b"", 500)

    assert held.amounts[3] == 500.0
    assert costs.true_up(held, 500, Usage(input_tokens=7, output_tokens=40)) == (1.0, 507.0, 7.0, 500.0)


def test_anthropic_counts_what_is_generated_and_no_cached_input() -> None:
    """
    The cap bounds the reserve and nothing else; what was read from the cache is free.
    """
    costs = TokenCosts(Charging.COUNTS_OUTPUT)
    held = costs.reserve(b"", 10)
    usage = Usage(input_tokens=1_000, output_tokens=40, cache_read_tokens=900)

    assert held.amounts[3] == 10.0
    assert costs.true_up(held, 10, usage) == (1.0, 140.0, 100.0, 40.0)


def test_what_a_cache_will_hold_is_not_reserved() -> None:
    """
    Once answers say that a prefix is read from the cache, only what is new is reserved: more for a row that is longer.
    When the cache has run out, all of it is soon reserved again.
    """
    costs = TokenCosts(Charging.COUNTS_OUTPUT)
    bodies = [b"prefix " * 5_000 + b"word " * count for count in (20, 100, 300)]

    def answer(body: bytes, cached: int) -> None:
        said = round(estimate_tokens(body))
        costs.true_up(costs.reserve(body, 10), 10, Usage(input_tokens=said, output_tokens=1, cache_read_tokens=cached))

    prefix = round(estimate_tokens(bodies[0][:35_000]))
    for _ in range(40):
        for body in bodies:
            answer(body, prefix)
    reserved = [costs.reserve(body, 10).amounts[2] for body in bodies]
    new = [estimate_tokens(body) - prefix for body in bodies]
    assert all(0.5 * least < held < 2.0 * least for held, least in zip(reserved, new, strict=True))

    for _ in range(15):
        answer(bodies[0], 0)
    assert costs.reserve(bodies[0], 10).amounts[2] > 0.9 * estimate_tokens(bodies[0])


def test_where_a_cache_counts_all_of_an_input_is_reserved() -> None:
    """
    OpenAI counts what it reads from its cache.
    """
    costs, body = TokenCosts(), b"prefix " * 1_000
    said = round(estimate_tokens(body))
    for _ in range(50):
        costs.true_up(costs.reserve(body, 1), 1, Usage(input_tokens=said, output_tokens=1, cache_read_tokens=said))

    assert costs.reserve(body, 1).amounts[2] == pytest.approx(said, rel=0.01)


@pytest.mark.parametrize(
    ("charging", "max_tokens", "least"),
    [
        (Charging.RESERVES_CAP, None, (1.0, 4.0, 4.0, 0.0)),
        (Charging.RESERVES_CAP, 100, (1.0, 104.0, 4.0, 100.0)),
        (Charging.LARGER, 100, (1.0, 100.0, 4.0, 100.0)),
        (Charging.COUNTS_OUTPUT, 100, (1.0, 4.0, 4.0, 0.0)),
    ],
)
def test_the_least_is_the_words_and_the_cap_where_it_counts(
    charging: Charging, max_tokens: int | None, least: tuple[float, ...]
) -> None:
    """
    No word is less than a token; what a cost says that was told, and not estimated, is taken at its word.
    """
    costs, body = TokenCosts(charging), b"some words  to count"
    assert costs.least(costs.reserve(body, max_tokens), body, max_tokens) == least
    told = (1.0, 9.0, 5.0, 4.0)
    assert costs.least(Cost(told), b"", max_tokens) == told
    assert costs.least(Cost(told, least=(1.0, 5.0, 5.0, 0.0)), b"", max_tokens) == (1.0, 5.0, 5.0, 0.0)


def test_what_may_be_cached_may_be_free() -> None:
    """
    Where cached input does not count, a body that names a part of it may take nothing.
    """
    costs, body = TokenCosts(Charging.COUNTS_OUTPUT), b'{"cache_control": {"type": "ephemeral"}}' + b" word" * 50
    assert costs.least(costs.reserve(body, None), body, None) == (1.0, 0.0, 0.0, 0.0)


def test_reserves_the_output_it_has_seen() -> None:
    """
    Where no cap is set the output reserve follows the answers.
    """
    costs = TokenCosts()
    first = output(costs)
    costs.true_up(costs.reserve(b"", None), None, Usage(output_tokens=40))

    assert first == 256.0
    assert output(costs) == 40.0


def test_follows_answers_that_grow() -> None:
    """
    After a hundred longer answers the reserve is theirs.
    """
    costs = TokenCosts()
    for tokens in [10] + [100] * 100:
        costs.true_up(costs.reserve(b"", None), None, Usage(output_tokens=tokens))

    assert 95.0 < output(costs) <= 100.0


def test_calibrates_the_input_by_what_comes_back() -> None:
    """
    A provider that counts three times as many tokens is believed from its first answer on.
    """
    costs = TokenCosts()
    body = b"a few words that make up the body of a request " * 20
    before = costs.reserve(body, None)
    for _ in range(5):
        costs.true_up(costs.reserve(body, None), None, Usage(input_tokens=round(3 * before.guessed)))

    assert costs.reserve(body, None).amounts[2] == pytest.approx(3 * before.guessed, rel=0.01)


def test_a_cost_is_renewed_by_what_answers_taught() -> None:
    """
    The same body costs what it would cost if it came now; a cost that was never guessed stays.
    """
    costs = TokenCosts()
    body = b"words " * 40
    first = costs.reserve(body, None)
    costs.true_up(first, None, Usage(input_tokens=200, output_tokens=7))

    assert costs.renew(first, None) == costs.reserve(body, None) != first
    stated = Cost((1.0, 50.0, 50.0, 0.0))
    assert costs.renew(stated, None) is stated


def test_tells_the_wrapping_of_a_request_from_its_words() -> None:
    """
    A provider counts 1.2 tokens for each that is guessed, less 20 for the wrapping: after some prompts of other lengths
    a long one is foretold exactly.
    """
    costs = TokenCosts()
    for words in range(10, 400, 13):
        cost = costs.reserve(b"words " * words, None)
        costs.true_up(cost, None, Usage(input_tokens=round(1.2 * cost.guessed + 20)))
    long = costs.reserve(b"words " * 800, None)

    assert long.amounts[2] == pytest.approx(1.2 * long.guessed + 20, rel=0.03)


def test_prompts_of_one_length_tell_only_a_ratio() -> None:
    """
    Where all were alike, another length is taken to be off in the same proportion.
    """
    costs = TokenCosts()
    for _ in range(30):
        cost = costs.reserve(b"words " * 100, None)
        costs.true_up(cost, None, Usage(input_tokens=round(1.5 * cost.guessed)))
    long = costs.reserve(b"words " * 300, None)

    assert long.amounts[2] == pytest.approx(1.5 * long.guessed, rel=0.02)
