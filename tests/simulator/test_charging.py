"""What a call costs: each vendor counts its own way, and the numbers are the facts sheet's."""

from __future__ import annotations

import pytest

from brim.simulator import Latency, Lengths, Limit, Provider
from simulator.support import MESSAGES, chat, message, provider_of, send

LIMITS = [
    Limit(of="requests", amount=1_000),
    Limit(of="tokens", amount=100_000),
    Limit(of="input", amount=100_000),
    Limit(of="output", amount=100_000),
]
TEXT = "x" * 400
# 400 characters are 100 tokens by anyone's estimate, and 107 with the message's overhead by the provider's own count.
ESTIMATE, COUNTED = 100, 107


def taken(provider: Provider, now: float) -> list[float]:
    """What is gone of each limit, the refill put aside."""
    provider.advance(now)
    return provider.tally.taken


@pytest.mark.parametrize(
    ("scheme", "tokens"),
    [
        ("openai", 500),
        ("openai-sum", COUNTED + 500),
        ("azure", ESTIMATE + 500),
        ("gemini", COUNTED),
    ],
)
def test_what_is_reserved_at_admission(scheme: str, tokens: int) -> None:
    """
    OpenAI takes the larger of cap and estimate (or the sum), Azure estimate and cap, Gemini input alone.
    """
    provider = provider_of(limits=LIMITS, charging=scheme)

    send(provider, TEXT, max_tokens=500)

    assert taken(provider, 0.0) == [1, tokens, COUNTED, 500]


def test_the_estimate_wins_where_it_is_larger() -> None:
    """
    OpenAI counts a long prompt by its characters when the cap is smaller.
    """
    provider = provider_of(limits=LIMITS)

    send(provider, TEXT, max_tokens=5)

    assert taken(provider, 0.0)[1] == ESTIMATE


def test_copies_multiply_the_reservation() -> None:
    """
    `n` answers reserve the cap n times.
    """
    provider = provider_of(limits=LIMITS, charging="openai-sum")

    send(provider, TEXT, max_tokens=50, n=3)

    assert taken(provider, 0.0)[1] == COUNTED + 150


def test_a_request_without_a_cap_reserves_the_assumed_output() -> None:
    """
    Where the request names no cap the provider assumes one.
    """
    provider = provider_of(limits=LIMITS, charging="openai-sum", assumed_output=15)

    send(provider, TEXT)

    assert taken(provider, 0.0)[1] == COUNTED + 15


def test_reservations_can_be_corrected() -> None:
    """
    With refunds the answer's end replaces the reservation by the true cost; without, the reservation stays.
    """
    for refunds, tokens in ((True, COUNTED + 16), (False, 500)):
        provider = provider_of(limits=LIMITS, refunds=refunds, latency=Latency(first=2.0))

        send(provider, TEXT, max_tokens=500)

        assert taken(provider, 1.9)[1] == 500
        assert taken(provider, 2.0)[1] == tokens


def test_anthropic_takes_output_as_it_is_produced() -> None:
    """
    The cap costs nothing; input is taken at the start by estimate and corrected, output while it comes.
    """
    provider = provider_of(
        limits=LIMITS, charging="anthropic", latency=Latency(first=1.0, per_token=0.1), lengths=Lengths(tokens=41)
    )

    send(provider, TEXT, path=MESSAGES, max_tokens=4_000)

    assert taken(provider, 0.0) == [1, ESTIMATE, ESTIMATE, 0]
    assert taken(provider, 1.0) == [1, COUNTED, COUNTED, 0]
    assert taken(provider, 3.0) == pytest.approx([1, COUNTED + 20.5, COUNTED, 20.5])
    assert taken(provider, 5.0) == pytest.approx([1, COUNTED + 41, COUNTED, 41])


def test_anthropic_admits_while_a_token_is_left() -> None:
    """
    Output can't be refused beforehand: a call is admitted while anything is left, and the debt delays the next.
    """
    provider = provider_of(
        limits=[Limit(of="output", amount=60, burst=10)], charging="anthropic", lengths=Lengths(tokens=40)
    )

    assert send(provider, "a", path=MESSAGES).refusal == ""
    refused = send(provider, "b", 0.5, path=MESSAGES)
    assert refused.refusal == "throttled"
    assert send(provider, "b", 30.9, path=MESSAGES).refusal == "throttled"
    assert send(provider, "b", 31.1, path=MESSAGES).refusal == ""


def test_cache_reads_are_free_at_anthropic_and_count_at_openai() -> None:
    """
    A prefix that was cached once its first answer began costs Anthropic's limits nothing, and OpenAI's all the same.
    """
    prefix = [{"type": "text", "text": "p" * 8_000, "cache_control": {"type": "ephemeral"}}]
    provider = provider_of(limits=LIMITS, charging="anthropic", latency=Latency(first=1.0))
    body = message("question", system=prefix)
    for now in (0.0, 0.5, 2.0):
        provider.receive(MESSAGES, {"anthropic-version": "2023-06-01"}, body, now)
    provider.advance(4.0)
    fresh = 2_000 + 3 + 7  # the prefix, the question with its line break, the overhead

    # The second came before the first answer had begun, so it wrote the cache again; the third read it.
    assert provider.tally.taken[2] == pytest.approx(2 * fresh + (fresh - 2_000), abs=2)

    openai = provider_of(limits=LIMITS, charging="openai-sum")
    long = chat("question", messages=[{"role": "system", "content": "p" * 8_000}, {"role": "user", "content": "q"}])
    for now in (0.0, 1.0):
        openai.receive("/v1/chat/completions", {}, long, now)
    assert openai.tally.taken[1] == 2 * (2_001 + 11 + 16)


def test_counting_tokens_costs_nothing() -> None:
    """
    The two counting paths have pools of their own.
    """
    provider = provider_of(limits=[Limit(of="requests", amount=1, per="day", window="fixed")])
    headers = {"anthropic-version": "2023-06-01"}

    for _ in range(3):
        counted = provider.receive("/v1/messages/count_tokens", headers, chat(TEXT), 0.0)
        assert counted.delivery.body == b'{"input_tokens":107}'
    assert provider.tally.taken == [0, 0, 0, 0]
