"""Limits in headers: every spelling of the facts sheet, by the shape of the value, nonsense included."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.protocols.levels import LevelReader, read_levels
from brim.values import Dimension, LimitLevel

NOW = 1_800_000_000.0
REQUESTS, TOKENS, PROJECT, INPUT, OUTPUT = (
    Dimension.REQUESTS,
    Dimension.TOKENS,
    Dimension.PROJECT_TOKENS,
    Dimension.INPUT_TOKENS,
    Dimension.OUTPUT_TOKENS,
)


def openai(requests: tuple[str, str, str], tokens: tuple[str, str, str]) -> dict[str, str]:
    parts = ("limit", "remaining", "reset")
    headers = {f"x-ratelimit-{part}-requests": value for part, value in zip(parts, requests, strict=True)}
    return headers | {f"x-ratelimit-{part}-tokens": value for part, value in zip(parts, tokens, strict=True)}


CASES: list[tuple[str, Mapping[str, str], list[LimitLevel]]] = [
    (
        "OpenAI: Go durations",
        openai(("500", "499", "120ms"), ("30000", "29000", "1m2.5s")),
        [LimitLevel(REQUESTS, 500.0, 499.0, 0.12), LimitLevel(TOKENS, 30_000.0, 29_000.0, 62.5)],
    ),
    (
        "OpenAI: a project's tokens",
        {"x-ratelimit-limit-project-tokens": "100", "x-ratelimit-remaining-project-tokens": "7"},
        [LimitLevel(PROJECT, 100.0, 7.0, None)],
    ),
    (
        "Azure: plain seconds, and -1 for unknown",
        openai(("60", "-1", "3"), ("-1", "0", "59")),
        [LimitLevel(REQUESTS, 60.0, None, 3.0), LimitLevel(TOKENS, None, 0.0, 59.0)],
    ),
    (
        "Cerebras: the unit behind what is counted",
        {
            "x-ratelimit-limit-requests-day": "14400",
            "x-ratelimit-remaining-requests-day": "14370",
            "x-ratelimit-reset-requests-day": "33011.382867",
            "x-ratelimit-limit-tokens-minute": "60000",
            "x-ratelimit-remaining-tokens-minute": "50",
            "x-ratelimit-reset-tokens-minute": "26.5",
        },
        [
            LimitLevel(REQUESTS, 14_400.0, 14_370.0, 33_011.382867, 86_400.0),
            LimitLevel(TOKENS, 60_000.0, 50.0, 26.5, 60.0),
        ],
    ),
    (
        "Mistral and DigitalOcean: other words for the same",
        {
            "x-ratelimit-limit-req-minute": "60",
            "x-ratelimit-remaining-req-minute": "59",
            "x-ratelimit-limit-tokens-per-minute": "500000",
            "x-ratelimit-remaining-tokens-per-minute": "499000",
            "x-ratelimit-reset-tokens-per-minute": "1800000010",
        },
        [LimitLevel(REQUESTS, 60.0, 59.0, None, 60.0), LimitLevel(TOKENS, 500_000.0, 499_000.0, 10.0, 60.0)],
    ),
    (
        "Input and output apart, under names like OpenAI's",
        {
            "x-ratelimit-limit-requests": "50",
            "x-ratelimit-remaining-requests": "49",
            "x-ratelimit-limit-input-tokens": "50000",
            "x-ratelimit-remaining-input-tokens": "49000",
            "x-ratelimit-limit-output-tokens": "8000",
            "x-ratelimit-remaining-output-tokens": "7000",
            "x-ratelimit-reset-output-tokens": "7s",
        },
        [
            LimitLevel(REQUESTS, 50.0, 49.0, None),
            LimitLevel(INPUT, 50_000.0, 49_000.0, None),
            LimitLevel(OUTPUT, 8_000.0, 7_000.0, 7.0),
        ],
    ),
    (
        "LiteLLM: no resets",
        {"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "9"},
        [LimitLevel(REQUESTS, 10.0, 9.0, None)],
    ),
    (
        "Anthropic: RFC 3339, in the past too; its `tokens` is none of its own",
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2027-01-15T08:00:02Z",
            "anthropic-ratelimit-input-tokens-limit": "50000",
            "anthropic-ratelimit-input-tokens-remaining": "49000",
            "anthropic-ratelimit-input-tokens-reset": "2027-01-15T07:00:00Z",
            "anthropic-ratelimit-output-tokens-limit": "10000",
            "anthropic-ratelimit-output-tokens-remaining": "10000",
            "anthropic-ratelimit-tokens-limit": "60000",
            "anthropic-ratelimit-tokens-remaining": "59000",
        },
        [
            LimitLevel(REQUESTS, 50.0, 49.0, 2.0),
            LimitLevel(INPUT, 50_000.0, 49_000.0, 0.0),
            LimitLevel(OUTPUT, 10_000.0, 10_000.0, None),
        ],
    ),
    (
        "the largest number there is: no limit; a time decades ahead: none",
        {
            "x-ratelimit-limit-requests": "9223372036854775807",
            "x-ratelimit-remaining-requests": "9223372036854775807",
            "x-ratelimit-limit-tokens": "1e308",
            "x-ratelimit-remaining-tokens": "50",
            "x-ratelimit-reset-tokens": "2099-01-01T00:00:00Z",
        },
        [LimitLevel(TOKENS, None, 50.0, None)],
    ),
    (
        "Anthropic: one limit for all tokens",
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-tokens-limit": "50000",
            "anthropic-ratelimit-tokens-remaining": "49000",
            "anthropic-ratelimit-tokens-reset": "2027-01-15T08:00:02Z",
        },
        [LimitLevel(REQUESTS, 50.0, 49.0, None), LimitLevel(TOKENS, 50_000.0, 49_000.0, 2.0)],
    ),
    (
        "Anthropic: nothing but the tokens",
        {"anthropic-ratelimit-tokens-limit": "50000", "anthropic-ratelimit-tokens-remaining": "49000"},
        [LimitLevel(TOKENS, 50_000.0, 49_000.0, None)],
    ),
    (
        "draft 06, with the window",
        {
            "ratelimit-limit": "600",
            "ratelimit-remaining": "599",
            "ratelimit-reset": "30",
            "ratelimit-policy": "10;w=1, 600;w=60",
        },
        [LimitLevel(REQUESTS, 600.0, 599.0, 30.0, 60.0)],
    ),
    (
        "draft 03: the window after the limit",
        {"ratelimit-limit": "100, 100;w=10", "ratelimit-remaining": "50", "ratelimit-reset": "5"},
        [LimitLevel(REQUESTS, 100.0, 50.0, 5.0, 10.0)],
    ),
    (
        "draft 07: one field",
        {"ratelimit": "limit=100, remaining=50, reset=30", "ratelimit-policy": "100;w=60"},
        [LimitLevel(REQUESTS, 100.0, 50.0, 30.0, 60.0)],
    ),
    (
        "draft 08: names; what counts no requests is left out",
        {
            "ratelimit": '"burst";r=9;t=1, "size";r=10;t=7, "default";r=50;t=30',
            "ratelimit-policy": '"burst";q=10;w=1,"default";q=100;w=60, "size";q=99;qu="content-bytes";w=10',
        },
        [LimitLevel(REQUESTS, 10.0, 9.0, 1.0, 1.0), LimitLevel(REQUESTS, 100.0, 50.0, 30.0, 60.0)],
    ),
    (
        "Kong: a header for each unit, and the tightest without",
        {
            "x-ratelimit-limit-minute": "60",
            "x-ratelimit-remaining-minute": "59",
            "x-ratelimit-limit-hour": "1000",
            "x-ratelimit-remaining-hour": "900",
            "ratelimit-limit": "60",
            "ratelimit-remaining": "59",
            "ratelimit-reset": "12",
        },
        [LimitLevel(REQUESTS, 60.0, 59.0, None, 60.0), LimitLevel(REQUESTS, 1_000.0, 900.0, None, 3_600.0)],
    ),
    (
        "OpenRouter: epoch milliseconds, no window",
        {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{(NOW + 12) * 1000:.0f}"},
        [LimitLevel(REQUESTS, 20.0, 0.0, 12.0, None)],
    ),
    (
        "a gateway in front of OpenAI",
        openai(("500", "499", "120ms"), ("", "", "")) | {"ratelimit-limit": "9", "ratelimit-policy": "9;w=1"},
        [LimitLevel(REQUESTS, 500.0, 499.0, 0.12), LimitLevel(REQUESTS, 9.0, None, None, 1.0)],
    ),
    ("none of it", {"content-type": "application/json", "retry-after": "7"}, []),
    ("nonsense", openai(("many", "nan", "soon"), ("inf", "", "-3")), []),
]


@pytest.mark.parametrize(("headers", "levels"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_reads_every_spelling(headers: Mapping[str, str], levels: list[LimitLevel]) -> None:
    """
    Names say which limit, the shape of the value says how it is read.
    """
    assert list(read_levels(headers, NOW)) == levels


_NAMES = [name for _, headers, _ in CASES for name in headers]


@given(st.dictionaries(st.sampled_from(_NAMES), st.text(max_size=12), max_size=9))
def test_never_raises_and_never_shows_less_than_nothing(headers: dict[str, str]) -> None:
    """
    Whatever stands in a header, amounts and resets are at least 0 or unknown.
    """
    for level in read_levels(headers, NOW):
        for value in (level.limit, level.remaining, level.reset_in):
            assert value is None or value >= 0.0
        assert level.period_s is None or level.period_s > 0.0


def test_reads_good_answers_at_most_fifty_a_second() -> None:
    """
    Answers that crowd tell nothing new, refusals always do.
    """
    reader = LevelReader()
    headers = CASES[0][1]

    assert reader.read(200, headers, NOW)
    assert not reader.read(200, headers, NOW + 0.01)
    assert reader.read(429, headers, NOW + 0.015)
    assert reader.read(200, headers, NOW + 0.04)


HOUR = 3_600.0


@pytest.mark.parametrize("skew", [HOUR, -HOUR])
def test_a_reset_is_read_by_the_clock_of_who_wrote_it(skew: float) -> None:
    """
    A time in a header is one of the server's clock, which its `Date` shows, and not of ours.
    """
    server = NOW + skew
    headers = {
        "date": formatdate(server, usegmt=True),
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "40",
        "anthropic-ratelimit-requests-reset": datetime.fromtimestamp(server + 12, UTC).isoformat(),
    }

    assert list(LevelReader().read(200, headers, NOW)) == [LimitLevel(REQUESTS, 50.0, 40.0, 12.0)]


def test_an_answer_that_was_long_under_way_shows_no_slow_clock() -> None:
    """
    Where the head of one answer is half a minute old, another has shown that the clocks agree.
    """
    reader = LevelReader()
    until = {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "9", "x-ratelimit-reset": f"{NOW + 72:.0f}"}

    reader.read(200, {"date": formatdate(NOW, usegmt=True)} | until, NOW + 0.4)

    assert [level.reset_in for level in reader.read(200, {"date": formatdate(NOW, usegmt=True)} | until, NOW + 30)] == [
        42.0
    ]
