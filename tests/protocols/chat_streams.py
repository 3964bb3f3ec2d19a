"""Streams of Chat Completions and everything compatible, and streams that are broken or none at all."""

from __future__ import annotations

from typing import Any

import msgspec

from brim.values import FailureKind, FinishReason
from protocols.stream_cases import CUT, DONE, OVERLOADED, USAGE, Stream, chunk, data

CHAT_USAGE = {
    "prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 1},
}  # fmt: skip
ROLE = chunk({"role": "assistant", "content": "", "refusal": None})
END = chunk({}, "stop")
COUNTED = chunk(usage=CHAT_USAGE)


def call(index: int, arguments: str, **fields: object) -> dict[str, Any]:
    name = {"name": fields.pop("name")} if "name" in fields else {}
    return {"tool_calls": [{"index": index, **fields, "function": {**name, "arguments": arguments}}]}


CALLED = [
    {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}},
    {"id": "t2", "type": "function", "function": {"name": "wait", "arguments": ""}},
]

CHAT = [
    Stream(
        name="openai",
        dialect="openai",
        body=ROLE
        + chunk({"content": "Grüße"}, obfuscation="x8Kq")
        + chunk({"content": ", 🌍!"})
        + END
        + COUNTED
        + DONE,
        text="Grüße, 🌍!",
        expect={"text": "Grüße, 🌍!", "finish_reason": "stop", "usage": USAGE, "model": "m1", "request_id": "c1"},
    ),
    Stream(
        name="usage beside the last choice, and every line ends with both",
        dialect="openai",
        body=(ROLE + chunk({"content": "a"}) + chunk({}, "length", usage=CHAT_USAGE) + DONE).replace(b"\n", b"\r\n"),
        text="a",
        expect={"text": "a", "finish_reason": "length", "usage": USAGE},
    ),
    Stream(
        name="lines end with a carriage return, no blank after the colon",
        dialect="openai",
        body=(ROLE + chunk({"content": "a b"}) + END + DONE).replace(b"\n", b"\r").replace(b"data: ", b"data:"),
        text="a b",
        expect={"text": "a b", "finish_reason": "stop", "usage": None},
    ),
    Stream(
        name="azure: filter results first",
        dialect="openai",
        body=chunk(prompt_filter_results=[]) + ROLE + chunk({"content": "ok"}) + END + DONE,
        text="ok",
        expect={"text": "ok"},
    ),
    Stream(
        name="deepseek: blank lines, keep-alives, reasoning",
        dialect="openai",
        body=b"\n\n: keep-alive\n\n"
        + ROLE
        + chunk({"content": None, "reasoning_content": "Hm"})
        + b": keep-alive\n\n"
        + chunk({"content": None, "reasoning_content": "."})
        + chunk({"content": "42", "reasoning_content": None})
        + END
        + DONE,
        text="42",
        reasoning="Hm.",
        expect={"text": "42"},
    ),
    Stream(
        name="openrouter: comments, reasoning under the other name",
        dialect="openai",
        body=b": OPENROUTER PROCESSING\n\n" + chunk({"reasoning": "So"}) + chunk({"content": "x"}) + END + DONE,
        text="x",
        reasoning="So",
        expect={"text": "x"},
    ),
    Stream(
        name="openrouter: failed midway",
        dialect="openai",
        body=ROLE
        + chunk({"content": "ha"})
        + chunk({"content": ""}, "error", error={"code": 502, "message": "Provider disconnected"})
        + DONE,
        text="ha",
        expect={"kind": FailureKind.SERVER, "message": "Provider disconnected"},
    ),
    Stream(
        name="vllm: an error, then the end all the same",
        dialect="openai",
        body=ROLE + chunk({"content": "ha"}) + data({"error": {"message": "EngineCore died", "code": 500}}) + DONE,
        text="ha",
        expect={"kind": FailureKind.SERVER, "message": "EngineCore died"},
    ),
    Stream(
        name="throttled midway, with its wait",
        dialect="openai",
        body=ROLE + data({"error": {"message": "slow", "code": "rate_limit_exceeded"}}) + DONE,
        headers={"retry-after": "7"},
        expect={"kind": FailureKind.THROTTLED, "retry_after": 7.0},
    ),
    Stream(
        name="gemini: an error in an array",
        dialect="openai",
        body=data([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "spent"}}]),
        expect={"kind": FailureKind.THROTTLED},
    ),
    Stream(
        name="a relay's error without the word",
        dialect="openai",
        body=data({"code": 429, "message": "too many"}),
        expect={"kind": FailureKind.THROTTLED},
    ),
    Stream(
        name="out of credit midway",
        dialect="openai",
        body=ROLE + data({"error": {"code": "insufficient_quota", "message": "pay"}}),
        expect={"kind": FailureKind.QUOTA},
    ),
    Stream(
        name="tool calls",
        dialect="openai",
        body=ROLE
        + chunk(call(0, "", id="t1", type="function", name="look"))
        + chunk(call(0, '{"at": '))
        + chunk(call(0, '"sky"}'))
        + chunk(call(1, "", id="t2", type="function", name="wait"))
        + chunk({}, "tool_calls")
        + DONE,
        expect={"text": "", "finish_reason": FinishReason.TOOL_CALLS, "tool_calls": CALLED},
    ),
    Stream(
        name="tool calls without numbers, each whole",
        dialect="openai",
        body=ROLE + chunk({"tool_calls": [CALLED[0]]}) + chunk({"tool_calls": [CALLED[1]]}) + END + DONE,
        expect={"finish_reason": FinishReason.TOOL_CALLS, "tool_calls": CALLED},
    ),
    Stream(
        name="the old kind of function call",
        dialect="openai",
        body=ROLE
        + chunk({"function_call": {"name": "look", "arguments": ""}})
        + chunk({"function_call": {"arguments": "{}"}})
        + chunk({}, "function_call")
        + DONE,
        expect={"tool_calls": [{"name": "look", "arguments": "{}"}]},
    ),
    Stream(
        name="refused",
        dialect="openai",
        body=ROLE + chunk({"refusal": "I can't "}) + chunk({"refusal": "do that."}) + END + DONE,
        expect={"kind": FailureKind.REFUSED, "message": "the model refused: I can't do that."},
    ),
    Stream(
        name="filtered",
        dialect="openai",
        body=ROLE + chunk({"content": "a"}) + chunk({}, "content_filter") + DONE,
        text="a",
        expect={"kind": FailureKind.REFUSED},
    ),
    Stream(
        name="several answers: the first is read",
        dialect="openai",
        body=data({"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]})
        + data({"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": "length"}]})
        + END
        + DONE,
        text="a",
        expect={"text": "a", "finish_reason": "stop"},
    ),
    Stream(
        name="a stream in name only: the whole message in one event",
        dialect="openai",
        body=data({"choices": [{"message": {"content": "all"}, "finish_reason": "stop"}], "usage": CHAT_USAGE}) + DONE,
        text="all",
        expect={"text": "all", "usage": USAGE},
    ),
    Stream(
        name="the end without its blank line",
        dialect="openai",
        body=ROLE + chunk({"content": "a"}) + END + b"data: [DONE]",
        text="a",
        expect={"text": "a"},
    ),
    Stream(
        name="words in place of an event",
        dialect="openai",
        body=ROLE + b"event: ping\ndata: still here\nid: 7\nretry: 100\nodd\n\ndata:\n\n" + END + DONE,
        expect={"text": ""},
    ),
    Stream(
        name="one event over two lines",
        dialect="openai",
        body=b'data: {"choices": [{"index": 0,\ndata:  "delta": {"content": "a"}}]}\n\n' + END + DONE,
        text="a",
        expect={"text": "a"},
    ),
]

BROKEN = [
    Stream(
        name="cut after the finish reason",
        dialect="openai",
        body=ROLE + chunk({"content": "all of it"}) + END,
        text="all of it",
        expect={"kind": FailureKind.MALFORMED, "message": CUT},
    ),
    Stream(
        name="cut within an event",
        dialect="openai",
        body=ROLE + chunk({"content": "a"}) + b'data: {"choices": [{"ind',
        text="a",
        expect={"kind": FailureKind.MALFORMED, "message": CUT},
    ),
    Stream(
        name="ended without a finish reason",
        dialect="openai",
        body=ROLE + chunk({"content": "a"}) + DONE,
        text="a",
        expect={"kind": FailureKind.MALFORMED, "message": "the answer has no finish reason: it was cut off"},
    ),
    Stream(
        name="an event that can't be read",
        dialect="openai",
        body=ROLE + b'data: {"choices": [}\n\n' + chunk({"content": "b"}) + END + DONE,
        expect={"kind": FailureKind.MALFORMED, "message": "the stream holds an event that can't be read"},
    ),
    Stream(name="nothing at all", dialect="openai", body=b"", expect={"message": "HTTP 200 OK with an empty body"}),
    Stream(name="only blank lines", dialect="anthropic", body=b"\r\n\n", expect={"kind": FailureKind.MALFORMED}),
    Stream(
        name="only keep-alives",
        dialect="responses",
        body=b": hello\n\n",
        expect={"kind": FailureKind.MALFORMED, "message": CUT},
    ),
    Stream(
        name="a plain answer, mislabelled or not",
        dialect="openai",
        body=b"\n\n" + msgspec.json.encode({"choices": [{"message": {"content": "plain"}, "finish_reason": "stop"}]}),
        expect={"text": "plain", "finish_reason": "stop"},
    ),
    Stream(
        name="an error instead of a stream",
        dialect="anthropic",
        body=msgspec.json.encode(OVERLOADED),
        status=529,
        expect={"kind": FailureKind.OVERLOADED, "status": 529},
    ),
    Stream(
        name="a page instead of a stream",
        dialect="openai",
        body=b"<html><title>Bad Gateway</title>",
        status=502,
        expect={"kind": FailureKind.SERVER, "message": "Bad Gateway"},
    ),
]
