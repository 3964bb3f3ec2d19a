"""Streams of named events: Anthropic's Messages and OpenAI's Responses."""

from __future__ import annotations

from typing import Any

from brim.values import FailureKind, Usage
from protocols.stream_cases import CUT, DONE, OVERLOADED, USAGE, Stream, data, event


def text_block(index: int, *texts: str) -> bytes:
    return (
        event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        + b"".join(
            event("content_block_delta", index=index, delta={"type": "text_delta", "text": text}) for text in texts
        )
        + event("content_block_stop", index=index)
    )


def stopped(reason: str | None, *, tokens: int = 4, **details: object) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None, **details}
    return event("message_delta", delta=delta, usage={"output_tokens": tokens}) + event("message_stop")


START = event(
    "message_start",
    message={
        "id": "msg1", "type": "message", "role": "assistant", "model": "c1", "content": [], "stop_reason": None,
        "usage": {
            "input_tokens": 5, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 1, "output_tokens": 1,
        },
    },
)  # fmt: skip
PING = event("ping")
ANTHROPIC = [
    Stream(
        name="anthropic: pings, unknown events, cumulative usage",
        dialect="anthropic",
        body=START
        + PING
        + text_block(0, "Grüße", "")
        + event("weather_report", sky="blue")
        + text_block(1, ", 🌍!")
        + event("message_delta", delta={}, usage={"output_tokens": 2})
        + PING
        + stopped("end_turn"),
        text="Grüße, 🌍!",
        expect={
            "text": "Grüße, 🌍!",
            "finish_reason": "stop",
            "model": "c1",
            "request_id": "msg1",
            "usage": Usage(input_tokens=9, output_tokens=4, cache_read_tokens=3, cache_write_tokens=1),
        },
    ),
    Stream(
        name="anthropic: thinking, then a tool",
        dialect="anthropic",
        body=START
        + event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})
        + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm"})
        + event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "x"})
        + event("content_block_start", index=1, content_block={"type": "tool_use", "id": "t", "name": "f", "input": {}})
        + event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": ""})
        + event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a": '})
        + event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": "1}"})
        + event("content_block_delta", index=1, delta={"type": "citations_delta", "citation": {}})
        + stopped("tool_use"),
        reasoning="Hm",
        expect={
            "text": "",
            "finish_reason": "tool_calls",
            "tool_calls": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}],
        },
    ),
    Stream(
        name="anthropic: a tool's arguments cut by the cap",
        dialect="anthropic",
        body=START
        + event("content_block_start", index=0, content_block={"type": "tool_use", "id": "t", "name": "f", "input": {}})
        + event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": '{"a'})
        + stopped("max_tokens"),
        expect={
            "finish_reason": "length",
            "tool_calls": [{"type": "tool_use", "id": "t", "name": "f", "input": '{"a'}],
        },
    ),
    Stream(
        name="anthropic: overloaded midway",
        dialect="anthropic",
        body=START + text_block(0, "ha") + b"event: error\n" + data(OVERLOADED),
        text="ha",
        expect={"kind": FailureKind.OVERLOADED, "code": "overloaded_error"},
    ),
    Stream(
        name="llama.cpp: an error of OpenAI's shape",
        dialect="anthropic",
        body=START + b"event: error\n" + data({"error": {"code": 500, "message": "no", "type": "server_error"}}),
        expect={"kind": FailureKind.SERVER, "message": "no"},
    ),
    Stream(
        name="anthropic: refused",
        dialect="anthropic",
        body=START + stopped("refusal", stop_details={"type": "refusal", "category": "cyber"}),
        expect={"kind": FailureKind.REFUSED, "message": "the model refused: cyber"},
    ),
    Stream(
        name="anthropic: cut before the last event",
        dialect="anthropic",
        body=START + text_block(0, "ha") + event("message_delta", delta={"stop_reason": "end_turn"}, usage={}),
        text="ha",
        expect={"kind": FailureKind.MALFORMED, "message": CUT},
    ),
    Stream(
        name="a relay of messages: names in the event line only, no block starts, OpenAI's end on top",
        dialect="anthropic",
        body=b'event: content_block_delta\ndata: {"delta": {"type": "text_delta", "text": "a"}}\n\n'
        b'event: content_block_delta\ndata: {"delta": {"type": "text_delta", "text": "b"}}\n\n'
        + event("message_delta", delta={"stop_reason": "end_turn"})
        + event("message_stop")
        + DONE,
        text="ab",
        expect={"text": "ab", "usage": None},
    ),
    Stream(
        name="a relay of messages: text in the block's start",
        dialect="anthropic",
        body=START
        + event("content_block_start", content_block={"type": "text", "text": "a"})
        + event("content_block_delta", delta={"type": "text_delta", "text": "b"})
        + stopped("end_turn"),
        text="ab",
        expect={"text": "ab"},
    ),
]


def response(status: str, *output: object, **fields: object) -> dict[str, Any]:
    return {"id": "resp1", "object": "response", "model": "o1", "status": status, "output": list(output), **fields}


def said(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


NUMBERS = {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 3}}
NUMBERS["output_tokens_details"] = {"reasoning_tokens": 1}
CREATED = event("response.created", response=response("in_progress", error=None), sequence_number=0)
RESPONSES = [
    Stream(
        name="responses",
        dialect="responses",
        body=CREATED
        + event("response.output_item.added", output_index=0, item={"type": "reasoning"})
        + event("response.reasoning_summary_text.delta", delta="Hm")
        + event("response.reasoning_text.delta", delta=".")
        + event("response.output_text.delta", delta="Grüße", obfuscation="Zx9")
        + event("response.output_text.delta", delta=", 🌍!")
        + event("response.output_text.done", text="Grüße, 🌍!")
        + event("response.completed", response=response("completed", said("Grüße, 🌍!"), usage=NUMBERS)),
        text="Grüße, 🌍!",
        reasoning="Hm.",
        expect={"text": "Grüße, 🌍!", "usage": USAGE, "model": "o1", "request_id": "resp1", "finish_reason": "stop"},
    ),
    Stream(
        name="responses: cut by the cap",
        dialect="responses",
        body=CREATED
        + event("response.output_text.delta", delta="a")
        + event(
            "response.incomplete",
            response=response("incomplete", said("a"), incomplete_details={"reason": "max_output_tokens"}),
        ),
        text="a",
        expect={"text": "a", "finish_reason": "length"},
    ),
    Stream(
        name="responses: failed",
        dialect="responses",
        body=CREATED
        + event(
            "response.failed", response=response("failed", error={"code": "rate_limit_exceeded", "message": "slow"})
        ),
        expect={"kind": FailureKind.THROTTLED, "code": "rate_limit_exceeded"},
    ),
    Stream(
        name="responses: a bare error without words",
        dialect="responses",
        body=CREATED + event("error", code="server_error", message="", param=None, sequence_number=3),
        expect={"kind": FailureKind.SERVER, "code": "server_error"},
    ),
    Stream(
        name="responses: refused",
        dialect="responses",
        body=CREATED
        + event("response.refusal.delta", delta="No.")
        + event(
            "response.completed",
            response=response("completed", {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}),
        ),
        expect={"kind": FailureKind.REFUSED, "message": "the model refused: No."},
    ),
    Stream(
        name="responses: a tool call",
        dialect="responses",
        body=CREATED
        + event("response.function_call_arguments.delta", delta='{"a":')
        + event("response.function_call_arguments.delta", delta="1}")
        + event(
            "response.completed",
            response=response("completed", {"type": "function_call", "name": "f", "arguments": '{"a":1}'}),
        ),
        expect={"tool_calls": [{"type": "function_call", "name": "f", "arguments": '{"a":1}'}]},
    ),
    Stream(
        name="responses: the output only on the way",
        dialect="responses",
        body=CREATED
        + event("response.output_text.delta", delta="a")
        + event("response.output_item.done", item=said("a"))
        + event("response.output_item.done")
        + event("response.completed", response=response("completed")),
        text="a",
        expect={"text": "a", "finish_reason": "stop"},
    ),
    Stream(
        name="responses: the last event without its response",
        dialect="responses",
        body=CREATED + event("response.output_item.done", item=said("a")) + event("response.completed"),
        expect={"kind": FailureKind.MALFORMED},
    ),
    Stream(
        name="responses: cut, though OpenAI's other end is there",
        dialect="responses",
        body=CREATED + event("response.output_text.delta", delta="a") + DONE,
        text="a",
        expect={"kind": FailureKind.MALFORMED, "message": CUT},
    ),
]
