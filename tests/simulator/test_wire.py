"""Answers as they go over the wire: the keys, types and order of the vendors' own examples."""

from __future__ import annotations

from typing import Any

import pytest

from brim.simulator import Latency, Lengths, answer_to
from brim.simulator.delivery import Framing
from simulator.support import CHAT, HEADERS, MESSAGES, RESPONSES, events, provider_of, read, send

TEXT = answer_to("ping", 16)

# One literal example each, as the vendors show it; {id}, {text} and numbers are what differs.
CHAT_ANSWER: Any = {
    "id": "chatcmpl-000000000000000000000001",
    "object": "chat.completion",
    "created": 1_800_000_000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 8,
        "completion_tokens": 16,
        "total_tokens": 24,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, "cache_write_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    },
    "service_tier": "default",
    "system_fingerprint": "fp_brimsim",
}
MESSAGE_ANSWER: Any = {
    "id": "msg_000000000000000000000001",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": TEXT}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 8,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 16,
        "service_tier": "standard",
    },
}
RESPONSE_OUTPUT: Any = [
    {
        "id": "msg_000000000000000000000001",
        "type": "message",
        "status": "completed",
        "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": TEXT}],
        "role": "assistant",
    }
]
RESPONSE_USAGE: Any = {
    "input_tokens": 8,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 16,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 24,
}
RESPONSE_KEYS = {
    "id", "object", "created_at", "status", "background", "error", "incomplete_details", "instructions",
    "max_output_tokens", "model", "output", "parallel_tool_calls", "previous_response_id", "reasoning", "service_tier",
    "store", "temperature", "text", "tool_choice", "tools", "top_p", "truncation", "usage", "user", "metadata",
}  # fmt: skip


def test_a_chat_completion_byte_for_byte_in_shape() -> None:
    """
    Keys, their order and their types are those of the example.
    """
    body = read(send(provider_of(), "ping"))

    assert body == CHAT_ANSWER
    assert list(body) == list(CHAT_ANSWER)


def test_a_message_byte_for_byte_in_shape() -> None:
    """
    The same for Anthropic's message.
    """
    body = read(send(provider_of(), "ping", path=MESSAGES))

    assert body == MESSAGE_ANSWER
    assert list(body) == list(MESSAGE_ANSWER)


def test_a_response_byte_for_byte_in_shape() -> None:
    """
    The same for a response: every key that the API always sends, its output and its usage.
    """
    body = read(send(provider_of(), "ping", path=RESPONSES))

    assert set(body) == RESPONSE_KEYS
    assert body["output"] == RESPONSE_OUTPUT
    assert body["usage"] == RESPONSE_USAGE
    assert (body["object"], body["status"]) == ("response", "completed")


def test_a_chat_stream_in_order() -> None:
    """
    Role first, pieces, the finish reason, the usage in a chunk without choices, then [DONE]; no event has a name.
    """
    found = events(send(provider_of(), "ping", stream=True, stream_options={"include_usage": True}))
    chunks = [data for _, data in found[:-1]]

    assert {name for name, _ in found} == {""}
    assert found[-1][1] == "[DONE]"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks[1:-2]) == TEXT
    assert chunks[-2]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == CHAT_ANSWER["usage"]
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


def test_a_chat_stream_tells_usage_only_when_asked() -> None:
    """
    Without `include_usage` no chunk has a usage.
    """
    chunks = [data for _, data in events(send(provider_of(), "ping", stream=True))[:-1]]

    assert all("usage" not in chunk for chunk in chunks)
    assert all(chunk["choices"] for chunk in chunks)


def test_a_message_stream_in_order() -> None:
    """
    The events of the facts sheet in their order, a ping among them, and usage that is cumulative.
    """
    found = events(send(provider_of(), "ping", path=MESSAGES, stream=True))
    names = [name for name, _ in found]

    assert names == [
        "message_start", "content_block_start", "ping", *["content_block_delta"] * 4, "content_block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    assert all(data["type"] == name for name, data in found)
    assert "".join(data["delta"]["text"] for name, data in found if name == "content_block_delta") == TEXT
    assert found[0][1]["message"]["usage"]["output_tokens"] == 1
    assert found[0][1]["message"]["content"] == []
    assert found[-2][1]["delta"]["stop_reason"] == "end_turn"
    assert found[-2][1]["usage"] == {"output_tokens": 16}


def test_a_response_stream_in_order() -> None:
    """
    Named events numbered from 0 without a gap, ending with the whole response.
    """
    found = events(send(provider_of(), "ping", path=RESPONSES, stream=True))
    names = [name for name, _ in found]

    assert names == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        *["response.output_text.delta"] * 4, "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed",
    ]  # fmt: skip
    assert [data["sequence_number"] for _, data in found] == list(range(len(found)))
    assert all(data["type"] == name for name, data in found)
    assert found[-1][1]["response"]["output"] == RESPONSE_OUTPUT
    assert found[-1][1]["response"]["usage"] == RESPONSE_USAGE
    assert found[0][1]["response"]["status"] == "in_progress"


def test_pieces_come_at_the_pace_of_the_tokens() -> None:
    """
    The first piece is there after the first token's time, the last at the end, the others evenly between.
    """
    provider = provider_of(latency=Latency(first=1.0, per_token=0.2), lengths=Lengths(tokens=16))

    delivery = send(provider, "ping", now=10.0, stream=True).delivery

    assert delivery.framing is Framing.CHUNKED
    assert delivery.head_at == 11.0
    assert [round(at, 6) for at, _ in delivery.pieces] == [11.0, 11.0, 12.0, 13.0, 14.0, 14.0]
    assert delivery.end_at == 14.0


@pytest.mark.parametrize(
    ("oddity", "chat_sees", "message_sees"),
    [
        ("empty_choices", lambda body: body["choices"] == [], lambda body: body["content"] == []),
        (
            "null_content",
            lambda body: body["choices"][0]["message"]["content"] is None,
            lambda body: body["content"][0]["text"] is None,
        ),
        (
            "null_finish",
            lambda body: body["choices"][0]["finish_reason"] is None,
            lambda body: body["stop_reason"] is None,
        ),
        ("no_usage", lambda body: "usage" not in body, lambda body: "usage" not in body),
        (
            "refusal",
            lambda body: body["choices"][0]["message"]["refusal"] and body["choices"][0]["finish_reason"] == "stop",
            lambda body: body["stop_reason"] == "refusal" and body["stop_details"]["category"] == "general_harms",
        ),
        (
            "filtered",
            lambda body: body["choices"][0]["finish_reason"] == "content_filter",
            lambda body: body["stop_reason"] == "refusal",
        ),
        (
            "no_resource",
            lambda body: body["choices"][0]["finish_reason"] == "insufficient_system_resource",
            lambda body: body["stop_reason"] is None,
        ),
        (
            "failed_answer",
            lambda body: body["choices"][0]["finish_reason"] == "error" and body["error"]["code"] == 502,
            lambda body: body["stop_reason"] is None,
        ),
    ],
)
def test_odd_answers(oddity: str, chat_sees: Any, message_sees: Any) -> None:
    """
    What is odd about an answer is spelled as each API would spell it, behind a 200.
    """
    text = f"[[sim:fault={oddity}]]"
    chat, message = (send(provider_of(), text, path=path) for path in (CHAT, MESSAGES))

    assert chat.delivery.status == message.delivery.status == 200
    assert chat_sees(read(chat))
    assert message_sees(read(message))


@pytest.mark.parametrize(
    ("oddity", "status", "reason"),
    [
        ("refusal", "completed", None),
        ("filtered", "incomplete", {"reason": "content_filter"}),
        ("failed_answer", "failed", None),
        ("no_resource", "failed", None),
        ("null_finish", None, None),
    ],
)
def test_odd_responses(oddity: str, status: str | None, reason: Any) -> None:
    """
    The Responses API has no finish reason: the status and its details say it, streamed or not.
    """
    body = read(send(provider_of(), f"[[sim:fault={oddity}]]", path=RESPONSES))
    last = events(send(provider_of(), f"[[sim:fault={oddity}]]", path=RESPONSES, stream=True))[-1]

    assert (body["status"], body["incomplete_details"]) == (status, reason)
    assert (body["error"] is not None) == (status == "failed")
    assert last[0] == f"response.{status or 'completed'}"
    assert last[1]["response"]["status"] == status


def test_odd_streams() -> None:
    """
    A refusal streams as such in all three protocols, and without usage or choices the rest still stands.
    """
    refusal = "[[sim:fault=refusal]]"
    chat = events(send(provider_of(), refusal, stream=True))
    message = events(send(provider_of(), refusal, path=MESSAGES, stream=True))
    response = events(send(provider_of(), refusal, path=RESPONSES, stream=True))
    failed = events(send(provider_of(), "[[sim:fault=failed_answer]]", stream=True))

    assert any(data["choices"][0]["delta"].get("refusal") for _, data in chat[:-1])
    assert [name for name, _ in message] == ["message_start", "ping", "message_delta", "message_stop"]
    assert "response.refusal.delta" in [name for name, _ in response]
    assert failed[-2][1]["error"]["code"] == 502
    assert failed[-2][1]["choices"][0]["finish_reason"] == "error"


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_unusual_streams_still_end(path: str) -> None:
    """
    An empty answer and one without usage are streams with a start and an end.
    """
    for oddity in ("empty_choices", "no_usage"):
        found = events(send(provider_of(), f"[[sim:fault={oddity}]]", path=path, stream=True))
        assert len(found) >= 3


def test_copies() -> None:
    """
    `n` gives as many choices, and bills them all.
    """
    body = read(send(provider_of(), "ping", n=3))

    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert body["usage"]["completion_tokens"] == 48


@pytest.mark.parametrize(
    "path",
    [
        "/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
        "/api/v1/chat/completions",
        "/v1beta/openai/chat/completions",
        "/chat/completions",
        "/v1/chat/completions/",
    ],
)
def test_any_prefix_will_do(path: str) -> None:
    """
    Azure, OpenRouter, Gemini and DeepSeek put the same API under other prefixes.
    """
    exchange = provider_of().receive(
        path, HEADERS, b'{"model": "m", "messages": [{"role": "user", "content": "a"}]}', 0
    )

    assert exchange.delivery.status == 200


def test_contents_may_come_in_parts() -> None:
    """
    Text parts are joined, other parts are passed over, in every API.
    """
    parts = [{"type": "text", "text": "pi"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "ng"}]
    chat = send(provider_of(), "", messages=[{"role": "user", "content": parts}])
    message = send(provider_of(), "", path=MESSAGES, messages=[{"role": "user", "content": parts}])
    response = send(provider_of(), "", path=RESPONSES, input=[{"role": "user", "content": parts}])

    assert read(chat)["choices"][0]["message"]["content"] == TEXT
    assert read(message)["content"][0]["text"] == TEXT
    assert read(response)["output"][0]["content"][0]["text"] == TEXT
