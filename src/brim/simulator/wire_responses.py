"""OpenAI's Responses API as it goes over the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from brim.simulator.answers import Answer, Finish
from brim.simulator.wire_openai import Frames

__all__ = ["error_event", "event", "responses_body", "responses_frames"]

_encode: Final = msgspec.json.Encoder().encode
_INCOMPLETE: Final[dict[Finish | None, str]] = {
    "length": "max_output_tokens",
    "window": "max_output_tokens",
    "filter": "content_filter",
}
_FAILED: Final[frozenset[Finish]] = frozenset({"no_resource", "error"})


def event(kind: str, fields: Mapping[str, object]) -> bytes:
    """One named server-sent event whose data repeats its name as `type`."""
    return b"event: " + kind.encode() + b"\ndata: " + _encode({"type": kind, **fields}) + b"\n\n"


def error_event(number: int, *, code: str | int | None, message: str) -> bytes:
    """The bare `error` event that ends a broken stream."""
    fields = {"code": code, "message": message, "param": None, "sequence_number": number}
    return event("error", fields)


def _status(answer: Answer) -> str:
    if answer.finish in _FAILED:
        return "failed"
    return "incomplete" if answer.finish in _INCOMPLETE else "completed"


def _content(answer: Answer) -> dict[str, object]:
    if answer.refusal is not None:
        return {"type": "refusal", "refusal": answer.refusal}
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}


def _item(answer: Answer, status: str, content: list[object]) -> dict[str, object]:
    return {"id": "msg_" + answer.id, "type": "message", "status": status, "content": content, "role": "assistant"}


def _usage(answer: Answer) -> dict[str, object]:
    return {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {
            "cached_tokens": answer.cache_read,
            "cache_write_tokens": answer.cache_write,
        },
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }


def _response(answer: Answer, status: str) -> dict[str, Any]:
    """A response that has no output yet."""
    return {
        "id": "resp_" + answer.id,
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": answer.cap,
        "model": answer.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }


def _finished(answer: Answer) -> dict[str, Any]:
    status = _status(answer)
    response = _response(answer, status)
    if not answer.is_empty:
        response["output"] = [_item(answer, "completed" if status == "completed" else "incomplete", [_content(answer)])]
    if status == "incomplete":
        response["incomplete_details"] = {"reason": _INCOMPLETE[answer.finish]}
    if status == "failed":
        response["error"] = {"code": "server_error", "message": "The model failed to answer."}
    if answer.has_usage:
        response["usage"] = _usage(answer)
    if answer.finish is None:
        response["status"] = None
    return response


def responses_body(answer: Answer) -> bytes:
    """A whole `response`."""
    return _encode(_finished(answer))


def responses_frames(answer: Answer, pieces: Sequence[str]) -> Frames:
    """The named events of a stream, numbered from 0."""
    begun = _response(answer, "in_progress")
    place: dict[str, object] = {"item_id": "msg_" + answer.id, "output_index": 0, "content_index": 0}
    is_refusal = answer.refusal is not None
    part = "refusal" if is_refusal else "output_text"
    empty = {"type": part, "refusal": ""} if is_refusal else {**_content(answer), "text": ""}
    head: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
        ("response.output_item.added", {"output_index": 0, "item": _item(answer, "in_progress", [])}),
        ("response.content_part.added", {**place, "part": empty}),
    ]
    extra: dict[str, Any] = {} if is_refusal else {"logprobs": []}
    said = [answer.refusal] if is_refusal else pieces
    deltas = [(f"response.{part}.delta", {**place, "delta": piece, **extra}) for piece in said]
    tail = _tail(answer, place, part, extra)
    numbers = iter(range(len(head) + len(deltas) + len(tail)))

    def numbered(events: Sequence[tuple[str, dict[str, Any]]]) -> list[bytes]:
        return [event(kind, {"sequence_number": next(numbers), **fields}) for kind, fields in events]

    return Frames(numbered(head), numbered(deltas), numbered(tail))


def _tail(
    answer: Answer, place: dict[str, object], part: str, extra: dict[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    done = _content(answer)
    whole = done["refusal"] if part == "refusal" else done["text"]
    word = "refusal" if part == "refusal" else "text"
    response = _finished(answer)
    item = response["output"][0] if response["output"] else _item(answer, "incomplete", [])
    return [
        (f"response.{part}.done", {**place, word: whole, **extra}),
        ("response.content_part.done", {**place, "part": done}),
        ("response.output_item.done", {"output_index": 0, "item": item}),
        (f"response.{_status(answer)}", {"response": response}),
    ]
