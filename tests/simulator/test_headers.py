"""The headers about limits: every vendor's names and formats as the facts sheet has them, and every lie."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.simulator import Headers, Latency, Limit
from brim.simulator.headers import Reading, duration, limit_headers, wait_headers
from simulator.support import CHAT, MESSAGES, head, provider_of, send

WALL = 1_800_000_000.0  # 2027-01-15T08:00:00Z
READINGS = [
    Reading("requests", "minute", 500, 499.7, 0.12),
    Reading("tokens", "minute", 200_000, 199_440, 0.168),
]
DAILY = [Reading("requests", "day", 14_400, 14_370, 179.56), Reading("tokens", "minute", 18_000, 17_997, 7.66)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1s"),
        (360, "6m0s"),
        (0.02, "20ms"),
        (3_723.5, "1h2m3.5s"),
        (0, "0s"),
        (-3, "0s"),
        (59.9995, "1m0s"),
        (12.5, "12.5s"),
        (179.56, "2m59.56s"),
        (0.0001, "1ms"),
    ],
)
def test_durations_are_written_as_go_writes_them(seconds: float, text: str) -> None:
    """
    The examples of the facts sheet, and the edges.
    """
    assert duration(seconds) == text


@given(st.floats(0, 100_000))
def test_durations_never_promise_too_early(seconds: float) -> None:
    """
    Read back, a duration is what it was to the millisecond above.
    """
    found = re.fullmatch(r"(?:(\d+)ms|(?:(\d+)h)?(?:(\d+)m)?(\d+(?:\.\d+)?)s)", duration(seconds))
    assert found is not None
    milliseconds, hours, minutes, rest = (float(group or 0) for group in found.groups())
    back = milliseconds / 1_000 + hours * 3_600 + minutes * 60 + rest

    assert seconds - 1e-8 <= back <= seconds + 0.001001


def test_openai_spells_requests_and_tokens_with_go_durations() -> None:
    """
    Six lines, whole numbers, resets as durations.
    """
    assert limit_headers("openai", READINGS, wall=WALL) == [
        ("x-ratelimit-limit-requests", "500"),
        ("x-ratelimit-remaining-requests", "499"),
        ("x-ratelimit-reset-requests", "120ms"),
        ("x-ratelimit-limit-tokens", "200000"),
        ("x-ratelimit-remaining-tokens", "199440"),
        ("x-ratelimit-reset-tokens", "168ms"),
    ]


def test_azure_uses_openais_names_with_plain_seconds() -> None:
    """
    The same names, another unit.
    """
    lines = dict(limit_headers("azure", READINGS, wall=WALL))

    assert lines["x-ratelimit-reset-tokens"] == "1"
    assert lines["x-ratelimit-remaining-tokens"] == "199440"


def test_groq_means_requests_by_the_day() -> None:
    """
    OpenAI's names, but requests are per day and tokens per minute; a token limit per day is never shown.
    """
    lines = dict(limit_headers("groq", [*DAILY, Reading("tokens", "day", 500_000, 1, 9.0)], wall=WALL))

    assert lines["x-ratelimit-limit-requests"] == "14400"
    assert lines["x-ratelimit-reset-requests"] == "2m59.56s"
    assert lines["x-ratelimit-limit-tokens"] == "18000"
    assert lines["x-ratelimit-reset-tokens"] == "7.66s"


def test_litellm_tells_no_resets() -> None:
    """
    A LiteLLM proxy passes limit and remaining alone.
    """
    assert [name for name, _ in limit_headers("litellm", READINGS, wall=WALL)] == [
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
    ]


def test_openrouter_speaks_only_when_it_refuses() -> None:
    """
    Three lines on refusals alone, the reset in epoch milliseconds.
    """
    reading = Reading("requests", "minute", 20, 0, 57.25)

    assert limit_headers("openrouter", [reading], wall=WALL) == []
    assert limit_headers("openrouter", [], wall=WALL, is_refusal=True) == []
    assert limit_headers("openrouter", [reading], wall=WALL, is_refusal=True) == [
        ("X-RateLimit-Limit", "20"),
        ("X-RateLimit-Remaining", "0"),
        ("X-RateLimit-Reset", "1800000057250"),
    ]


def test_anthropic_spells_dates_and_rounds_tokens() -> None:
    """
    Resets are RFC 3339 in UTC, tokens rounded to the nearest thousand, `tokens` the sum of input and output.
    """
    readings = [
        Reading("requests", "minute", 50, 49.2, 0.96),
        Reading("input", "minute", 2_000_000, 1_999_600, 0.012),
        Reading("output", "minute", 400_000, 399_400, 0.09),
    ]

    lines = dict(limit_headers("anthropic", readings, wall=WALL))

    assert lines == {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2027-01-15T08:00:01Z",
        "anthropic-ratelimit-input-tokens-limit": "2000000",
        "anthropic-ratelimit-input-tokens-remaining": "2000000",
        "anthropic-ratelimit-input-tokens-reset": "2027-01-15T08:00:01Z",
        "anthropic-ratelimit-output-tokens-limit": "400000",
        "anthropic-ratelimit-output-tokens-remaining": "399000",
        "anthropic-ratelimit-output-tokens-reset": "2027-01-15T08:00:01Z",
        "anthropic-ratelimit-tokens-limit": "2400000",
        "anthropic-ratelimit-tokens-remaining": "2399000",
        "anthropic-ratelimit-tokens-reset": "2027-01-15T08:00:01Z",
    }


def test_anthropic_shows_a_combined_limit_as_it_is() -> None:
    """
    Where there is one limit on all tokens, `tokens` is that limit and there are no others.
    """
    lines = dict(limit_headers("anthropic", READINGS, wall=WALL))

    assert lines["anthropic-ratelimit-tokens-limit"] == "200000"
    assert lines["anthropic-ratelimit-tokens-remaining"] == "199000"
    assert not any("put-tokens" in name for name in lines)


def test_the_limit_per_minute_is_shown_before_others() -> None:
    """
    Beside a limit per day, the one per minute is the one in the headers.
    """
    lines = dict(limit_headers("openai", [DAILY[0], READINGS[0]], wall=WALL))

    assert lines["x-ratelimit-limit-requests"] == "500"


@pytest.mark.parametrize(
    ("lie", "limit", "remaining", "reset"),
    [
        ("double", "1000", "999", "120ms"),
        ("half", "250", "249", "120ms"),
        ("full", "500", "500", "0s"),
        ("unknown", "500", "-1", "0s"),
        ("past", "500", "499", "0s"),
    ],
)
def test_lies(lie: Any, limit: str, remaining: str, reset: str) -> None:
    """
    Each lie bends what its name says and nothing else.
    """
    assert [value for _, value in limit_headers("openai", READINGS[:1], wall=WALL, lie=lie)] == [
        limit,
        remaining,
        reset,
    ]


def test_a_reset_in_the_past_is_a_date_in_the_past() -> None:
    """
    At Anthropic the lie about resets is an hour ago.
    """
    lines = dict(limit_headers("anthropic", READINGS[:1], wall=WALL, lie="past"))

    assert lines["anthropic-ratelimit-requests-reset"] == "2027-01-15T07:00:00Z"


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("seconds", ("retry-after", "13")),
        ("float", ("retry-after", "12.340")),
        ("ms", ("retry-after-ms", "12340")),
        ("date", ("retry-after", "Fri, 15 Jan 2027 08:00:13 GMT")),
        ("huge", ("retry-after", "86400")),
        ("zero", ("retry-after", "0")),
        ("negative", ("retry-after", "-5")),
        ("nan", ("retry-after", "nan")),
    ],
)
def test_waits(form: Any, line: tuple[str, str]) -> None:
    """
    Every form of telling a wait, and every form of nonsense.
    """
    assert wait_headers([form], 12.34, wall=WALL) == [line]


def test_waits_can_be_mixed_and_absent() -> None:
    """
    Azure tells milliseconds and seconds; what stands in the body is no header.
    """
    assert wait_headers(["ms", "seconds", "text", "body"], 1.5, wall=WALL) == [
        ("retry-after-ms", "1500"),
        ("retry-after", "2"),
    ]
    assert wait_headers([], 1.5, wall=WALL) == []


def test_stale_headers_show_the_state_of_then() -> None:
    """
    With a lag of 5 s an answer shows what was left 5 s ago, at the newest call that is so old.
    """
    provider = provider_of(limits=[Limit(of="requests", amount=1, per="day", burst=100)], headers=Headers(lag=5.0))
    shown = []
    for second in range(8):
        exchange = send(provider, f"{second}", float(second))
        shown.append(head(provider, exchange, float(second))["x-ratelimit-remaining-requests"])

    assert shown == ["100", "100", "100", "100", "100", "99", "98", "97"]


def test_headers_are_of_the_admission_or_of_the_answer() -> None:
    """
    The state shown is the one at the call's admission, unless the scenario takes it when the answer begins.
    """
    shown = {}
    for when in ("admission", "answer"):
        provider = provider_of(
            limits=[Limit(of="requests", amount=1, per="day", burst=100)],
            headers=Headers(when=when),
            latency=Latency(first=10.0),
        )
        first = send(provider, "one")
        for call in range(5):
            send(provider, f"{call}", 5.0)
        shown[when] = head(provider, first, 10.0)["x-ratelimit-remaining-requests"]

    assert shown == {"admission": "99", "answer": "94"}


@pytest.mark.parametrize(
    ("vendor", "path", "start"),
    [
        ("openai", CHAT, "x-ratelimit-"),
        ("openai", MESSAGES, "anthropic-ratelimit-"),
        ("anthropic", MESSAGES, "anthropic-ratelimit-"),
        ("anthropic", CHAT, "x-ratelimit-"),
        ("azure", CHAT, "x-ratelimit-"),
        ("gemini", CHAT, None),
        ("deepseek", CHAT, None),
        ("vllm", CHAT, None),
    ],
)
def test_each_api_has_its_vendors_headers(vendor: str, path: str, start: str | None) -> None:
    """
    Messages speaks Anthropic's names, the others their vendor's; those that send none send none.
    """
    provider = provider_of(vendor=vendor, limits=[Limit(of="requests", amount=60)])

    lines = head(provider, send(provider, path=path))

    names = [name for name in lines if "ratelimit" in name]
    assert all(name.startswith(start) for name in names) if start else not names
    assert bool(names) == bool(start)
