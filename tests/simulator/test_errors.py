"""Every vendor's way of saying no, in the shapes of the facts sheet."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from brim.simulator import ERRORS, Headers, Limit
from brim.simulator.errors import VENDOR_ERRORS, Facts, body_of, error_of
from simulator.support import CHAT, HEADERS, MESSAGES, chat, head, message, provider_of, read, send

FACTS = Facts(model="m", text="bad", wait=58.0, tokens=9_000, context=8_192, request_id="req_1")

# Literal examples: the key sets and the types are the vendors' own.
EXAMPLES: list[tuple[Any, str, int, Any]] = [
    (
        "openai", "quota", 429,
        {"error": {"message": "", "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}},
    ),
    (
        "openai", "bad_key", 401,
        {"error": {"message": "", "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}},
    ),
    (
        "anthropic", "overloaded", 529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"},
    ),
    (
        "anthropic", "quota", 429,
        {
            "type": "error",
            "error": {
                "type": "rate_limit_error",
                "message": "",
                "details": {"error_code": "enforced_spend_limit_reached"},
            },
            "request_id": "req_1",
        },
    ),
    ("azure", "throttled", 429, {"error": {"code": "429", "message": ""}}),
    (
        "azure", "content_filter", 400,
        {
            "error": {
                "code": "content_filter",
                "message": "",
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
                "status": 400,
                "param": "prompt",
            }
        },
    ),
    (
        "gemini", "throttled", 429,
        [
            {
                "error": {
                    "code": 429,
                    "message": "",
                    "status": "RESOURCE_EXHAUSTED",
                    "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "58s"}],
                }
            }
        ],
    ),
    (
        "openrouter", "in_flight_budget", 402,
        {
            "error": {
                "code": 402,
                "message": "",
                "metadata": {"error_type": "payment_required", "limit_source": "openrouter_in_flight_budget"},
            }
        },
    ),
    ("vllm", "invalid", 400, {"error": {"message": "bad", "type": "BadRequestError", "param": None, "code": 400}}),
    (
        "llamacpp", "context_too_long", 400,
        {
            "error": {
                "code": 400,
                "message": "",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 9_000,
                "n_ctx": 8_192,
            }
        },
    ),
    (
        "ollama", "unknown_model", 404,
        {"error": {"message": "", "type": "not_found_error", "param": None, "code": None}},
    ),
    ("newapi", "throttled", 500, {"error": {"message": "", "type": "new_api_error", "param": None, "code": 429}}),
]  # fmt: skip


def blank(value: Any) -> Any:
    """The same with every message but the shortest emptied: texts are not stable, shapes are."""
    if isinstance(value, dict):
        return {key: "" if key == "message" and len(item) > 10 else blank(item) for key, item in value.items()}
    return [blank(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("vendor", "name", "status", "body"), EXAMPLES)
def test_bodies_have_their_vendors_shape(vendor: Any, name: str, status: int, body: Any) -> None:
    """
    Status, keys, types and codes are those of the example.
    """
    error = error_of(vendor, name)
    made = msgspec.json.decode(body_of(vendor, error, FACTS))

    assert error.status == status
    assert blank(made) == blank(body)


@pytest.mark.parametrize("vendor", VENDOR_ERRORS)
def test_every_error_can_be_said_by_every_vendor(vendor: Any) -> None:
    """
    No vendor lacks a body for any error, and no brace is left unfilled.
    """
    for name in ERRORS:
        error = error_of(vendor, name)
        body = body_of(vendor, error, FACTS)

        assert 400 <= error.status < 600
        if error.page is None:
            assert b"{of}" not in body
            assert b"{limit}" not in body
            assert msgspec.json.decode(body)
        else:
            assert body == error.page.encode()


def test_vendors_rename_only_errors_that_exist() -> None:
    """
    A vendor's table holds no name that the common table lacks, so that none is unreachable.
    """
    assert all(set(table) <= set(ERRORS) for table in VENDOR_ERRORS.values())


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "param"),
    [
        (CHAT, HEADERS, b"{", 400, None),
        (CHAT, HEADERS, b'{"model": "m"}', 400, "messages"),
        (CHAT, HEADERS, b'{"model": "m", "messages": []}', 400, "messages"),
        (CHAT, HEADERS, chat("a", max_tokens=0), 400, "max_tokens"),
        (CHAT, HEADERS, chat("a", max_tokens="many"), 400, "max_tokens"),
        (CHAT, HEADERS, chat("a", n=129), 400, "n"),
        (CHAT, HEADERS, chat("[[sim:fault=nonsense]]"), 400, None),
        (CHAT, HEADERS, chat("[[sim:times=often]]"), 400, None),
        (CHAT, HEADERS, chat("[[sim:typo=1]]"), 400, None),
        (MESSAGES, {}, message("a"), 400, None),
        (MESSAGES, HEADERS, chat("a"), 400, None),
        (MESSAGES, {"anthropic-version": "2026-10-21"}, message("a", temperature=1.0), 400, None),
        ("/v1/embeddings", HEADERS, b'{"model": "m", "input": ""}', 400, "input"),
        ("/v1/nowhere", HEADERS, chat("a"), 404, None),
    ],
)
def test_what_is_no_request_is_refused_with_the_field(
    path: str, headers: dict[str, str], body: bytes, status: int, param: str | None
) -> None:
    """
    Bad JSON, missing and wrong fields, unknown paths and unreadable marks are the client's fault, and named.
    """
    provider = provider_of()
    exchange = provider.receive(path, headers, body, 0.0)
    error = read(exchange)["error"]

    assert exchange.delivery.status == status
    assert error.get("param") == param
    assert error["type"] in {"invalid_request_error", "not_found_error"}
    assert provider.tally.accepted == 0


def test_the_old_version_still_takes_sampling_parameters() -> None:
    """
    Only the newest Messages version refuses `temperature`, with Anthropic's words.
    """
    provider = provider_of()
    body = message("a", temperature=1.0)

    old = provider.receive(MESSAGES, HEADERS, body, 0.0)
    new = provider.receive(MESSAGES, {"anthropic-version": "2026-10-21"}, body, 0.0)

    assert old.delivery.status == 200
    assert "Extra inputs are not permitted" in read(new)["error"]["message"]


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
def test_keys_are_checked_where_the_scenario_names_some(header: str) -> None:
    """
    A good key passes in any of the three headers; a bad one is 401 in the vendor's words.
    """
    provider = provider_of(keys=["good"])
    prefix = "Bearer " if header == "authorization" else ""

    assert provider.receive(CHAT, {header: prefix + "good"}, chat("a"), 0.0).delivery.status == 200
    refused = provider.receive(CHAT, {header: prefix + "bad"}, chat("a"), 0.0)
    assert refused.refusal == "bad_key"
    assert read(refused)["error"]["code"] == "invalid_api_key"


def test_unknown_models_and_long_prompts() -> None:
    """
    A model that isn't served is 404; what exceeds the window is 400 at OpenAI, cut at its end at Anthropic.
    """
    provider = provider_of(models=["m"], context=60)

    other = provider.receive(CHAT, HEADERS, b'{"model": "gpt-x", "messages": [{"role": "user", "content": "a"}]}', 0.0)
    long = send(provider, "x" * 100, max_tokens=50)
    cut = send(provider, "x" * 180, path=MESSAGES, max_tokens=50)
    over = send(provider, "x" * 1_000, path=MESSAGES)

    assert read(other)["error"]["code"] == "model_not_found"
    assert "`gpt-x`" in read(other)["error"]["message"]
    assert read(long)["error"]["code"] == "context_length_exceeded"
    assert "maximum context length is 60 tokens" in read(long)["error"]["message"]
    assert read(cut)["stop_reason"] == "model_context_window_exceeded"
    assert read(cut)["usage"]["output_tokens"] == 8
    assert read(over)["error"]["message"] == "prompt is too long: 357 tokens > 60 maximum"


def test_a_body_may_be_too_large() -> None:
    """
    More bytes than the provider takes is 413.
    """
    provider = provider_of(max_body=1_000)

    assert send(provider, "x" * 1_000).delivery.status == 413


def test_an_empty_account_stays_empty() -> None:
    """
    When the credit is used up every call is `insufficient_quota`, and no wait is told.
    """
    provider = provider_of(credit_tokens=50)
    for step in range(3):
        assert send(provider, f"{step}", float(step)).refusal == ""

    refused = send(provider, "late", 1_000.0)

    assert read(refused)["error"]["code"] == "insufficient_quota"
    assert "retry-after" not in head(provider, refused)


def test_azure_and_gemini_tell_the_wait_their_own_way() -> None:
    """
    Azure says it in whole seconds in the text, Gemini in the details of its array.
    """
    limits = [Limit(of="requests", amount=60, burst=1)]
    azure = provider_of(vendor="azure", limits=limits, headers=Headers(waits=["ms", "text"]))
    gemini = provider_of(vendor="gemini", limits=limits, headers=Headers(waits=["body"]))
    for provider in (azure, gemini):
        send(provider, "one")

    slow = send(azure, "two", 0.25)
    exhausted = send(gemini, "two", 0.25)

    assert read(slow)["error"]["message"].endswith("Please retry after 1 seconds.")
    assert head(azure, slow)["retry-after-ms"] == "750"
    assert read(exhausted)[0]["error"]["details"][0]["retryDelay"] == "0.75s"
    assert "retry-after" not in head(gemini, exhausted)
