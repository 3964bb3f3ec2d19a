"""What the text of a refusal says of its limit, as vendors and gateways write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.protocols.words import Named, named
from brim.values import Dimension

CASES = [
    (
        "Rate limit reached for gpt-6-luna in org-1 on requests per min (RPM): Limit 3, Used 3, Requested 1.",
        Named(Dimension.REQUESTS, 3.0, 60.0),
    ),
    (
        "Rate limit reached for m on tokens per min (TPM): Limit 30000, Used 29999, Requested 4. Try again in 6ms.",
        Named(Dimension.TOKENS, 30_000.0, 60.0),
    ),
    (
        "Rate limit reached for m on requests per min. Limit: 60.000000 / min. Current: 70.0 / min.",
        Named(Dimension.REQUESTS, 60.0, 60.0),
    ),
    (
        "This request would exceed your organization's rate limit of 50,000 input tokens per minute.",
        Named(Dimension.INPUT_TOKENS, 50_000.0, 60.0),
    ),
    ("exceeds your limit of 8,000 output tokens per minute", Named(Dimension.OUTPUT_TOKENS, 8_000.0, 60.0)),
    ("Number of request tokens has exceeded your per-minute rate limit", Named(Dimension.TOKENS, None, 60.0)),
    ("have exceeded token rate limit of your current OpenAI S0 pricing tier.", Named(Dimension.TOKENS)),
    ("Limit: 100 RPM", Named(Dimension.REQUESTS, 100.0, 60.0)),
    ("on ITPM, limit is 2_000", Named(Dimension.INPUT_TOKENS, 2_000.0, 60.0)),
    ("5 calls per second allowed", Named(Dimension.REQUESTS, 5.0, 1.0)),
    ("max 10 requests/second", Named(Dimension.REQUESTS, 10.0, 1.0)),
    ("Rate limit of 10 per 60s exceeded for UserByModelByMinute. Please wait 46 seconds.", Named(None, 10.0, 60.0)),
    (
        "Rate limit of 300000 per 60s exceeded for UserByModelByMinuteUncachedInputTokens. Please wait 23 seconds.",
        Named(Dimension.INPUT_TOKENS, 300_000.0, 60.0),
    ),
    ("Rate limit of 9 per 60s exceeded for UserByModelByMinuteTokens.", Named(Dimension.TOKENS, 9.0, 60.0)),
    ("Rate limit of 50 per 86400s exceeded for UserByModelByDay. Please wait 4 s.", Named(None, None, 86_400.0)),
    ("Rate limit exceeded: 5 per 1 minute", Named(None, 5.0, 60.0)),
    ("20 requests every 10 seconds", Named(Dimension.REQUESTS, 20.0, 10.0)),
    ("You sent 20 requests in 10 seconds", Named(None)),
    ("20 requests per 0 seconds", Named(Dimension.REQUESTS)),
    ("rate limit 600/h", Named(None, 600.0, 3_600.0)),
    ("Rate limit exceeded: free-models-per-min. ", Named(None, None, 60.0)),
    ("Number of concurrent connections has exceeded your rate limit.", Named(is_crowd=True)),
    ("Too many requests at once: 12 are running.", Named(is_crowd=True)),
    ("Max parallel request limit reached.", Named(is_crowd=True)),
    ("Too many requests", Named()),
    ("Limit 0 requests per minute", Named(Dimension.REQUESTS, None, 60.0)),
    ("Limit " + "9" * 400 + " requests per minute", Named(Dimension.REQUESTS, None, 60.0)),
    ("see https://example.com/m/limits and try again in 5s", Named()),
    ("", Named()),
]


@pytest.mark.parametrize(("message", "expected"), CASES)
def test_a_refusal_names_its_limit(message: str, expected: Named) -> None:
    """
    Unit, size and period are read where they are said, and nothing is made up where they are not.
    """
    assert named(message) == expected


def test_a_rate_needs_a_size_and_a_period() -> None:
    """
    Units a second; None where either is missing.
    """
    assert Named(Dimension.REQUESTS, 90.0, 60.0).rate == 1.5
    assert Named(Dimension.REQUESTS, 90.0).rate is None
    assert Named(Dimension.REQUESTS, None, 60.0).rate is None


@given(st.text() | st.from_regex(r"(limit|RPM|per|min|\d|,|_|\.|/|requests|\s){0,20}", fullmatch=True))
def test_any_text_is_read(message: str) -> None:
    """
    Whatever a server writes gives a size above zero, or none.
    """
    said = named(message)

    assert said.limit is None or said.limit > 0.0
    assert said.rate is None or 0.0 < said.rate < float("inf")
