"""Anthropic's Messages API as it goes over the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from brim.simulator.answers import Answer, Finish
from brim.simulator.wire_openai import Frames
from brim.simulator.wire_responses import event

__all__ = ["PING", "messages_body", "messages_frames"]

_encode: Final = msgspec.json.Encoder().encode
_STOP: Final[dict[Finish | None, str | None]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "window": "model_context_window_exceeded",
    "filter": "refusal",
    "refusal": "refusal",
    "no_resource": None,
    "error": None,
}
PING: Final = event("ping", {})


def _usage(answer: Answer, output_tokens: int) -> dict[str, object]:
    """Input, cache writes and cache reads stand side by side here, none inside another."""
    return {
        "input_tokens": answer.input_tokens - answer.cache_read - answer.cache_write,
        "cache_creation_input_tokens": answer.cache_write,
        "cache_read_input_tokens": answer.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": answer.cache_write,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _message(answer: Answer, content: list[object]) -> dict[str, object]:
    return {
        "id": "msg_" + answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
    }


def _ending(answer: Answer) -> dict[str, object]:
    ending: dict[str, object] = {"stop_reason": _STOP.get(answer.finish), "stop_sequence": None}
    if answer.finish in {"filter", "refusal"}:
        ending["stop_details"] = {"type": "refusal", "category": "general_harms", "explanation": answer.refusal}
    return ending


def messages_body(answer: Answer) -> bytes:
    """A whole `message`."""
    content: list[object] = [] if answer.is_empty or answer.refusal else [{"type": "text", "text": answer.text}]
    message = {**_message(answer, content), **_ending(answer)}
    if answer.has_usage:
        message["usage"] = _usage(answer, answer.output_tokens)
    return _encode(message)


def messages_frames(answer: Answer, pieces: Sequence[str]) -> Frames:
    """The named events of a stream, with a ping after the start as Anthropic sends it."""
    start = _message(answer, [])
    if answer.has_usage:
        start["usage"] = _usage(answer, 1)
    head = [event("message_start", {"message": start})]
    tail = []
    if answer.is_empty or answer.refusal:
        head.append(PING)
    else:
        head += [event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}), PING]
        tail.append(event("content_block_stop", {"index": 0}))
    deltas = [
        event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}})
        for piece in pieces
        if not answer.is_empty
    ]
    ending: dict[str, object] = {"delta": _ending(answer)}
    if answer.has_usage:
        ending["usage"] = {"output_tokens": answer.output_tokens}
    tail += [event("message_delta", ending), event("message_stop", {})]
    return Frames(head, deltas, tail)
