"""OpenAI's Chat Completions and Embeddings as they go over the wire."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from struct import pack
from typing import Any, Final

import msgspec

from brim.simulator.answers import Answer, Finish
from brim.simulator.dice import Dice

__all__ = ["Frames", "chat_body", "chat_frames", "data", "embeddings_body", "models_body"]

_encode: Final = msgspec.json.Encoder().encode
_DONE: Final = b"data: [DONE]\n\n"
_FINISH: Final[dict[Finish | None, str | None]] = {
    "window": "length",
    "filter": "content_filter",
    "refusal": "stop",
    "no_resource": "insufficient_system_resource",
}
_FINGERPRINT: Final = "fp_brimsim"
_EMPTY: Final = msgspec.Raw(b"[]")
_NO_DETAILS: Final = msgspec.Raw(
    b'{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}'
)
_DIMENSIONS: Final = 8


class Frames(msgspec.Struct, frozen=True, gc=False):
    """A stream in three parts: what comes before the first token, a frame for each piece, and the end."""

    head: Sequence[bytes]
    deltas: Sequence[bytes]
    tail: Sequence[bytes]


def data(value: object) -> bytes:
    """One unnamed server-sent event."""
    return b"data: " + _encode(value) + b"\n\n"


class _Read(msgspec.Struct, gc=False):
    cached_tokens: int
    audio_tokens: int
    cache_write_tokens: int


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _Read
    completion_tokens_details: msgspec.Raw


def _usage(answer: Answer) -> _Usage:
    read, made = answer.input_tokens, answer.output_tokens
    return _Usage(read, made, read + made, _Read(answer.cache_read, 0, answer.cache_write), _NO_DETAILS)


def _head(answer: Answer, kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-" + answer.id, "object": kind, "created": answer.created, "model": answer.model}


class _Message(msgspec.Struct, kw_only=True, gc=False):
    role: str = "assistant"
    content: str | None
    refusal: str | None
    annotations: msgspec.Raw = _EMPTY


class _Choice(msgspec.Struct, kw_only=True, gc=False):
    index: int
    message: _Message
    logprobs: None = None
    finish_reason: str | None


class _Completion(msgspec.Struct, kw_only=True, gc=False):
    """A whole `chat.completion`; msgspec writes a struct in half the time of a dictionary."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[_Choice]
    error: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    usage: _Usage | msgspec.UnsetType = msgspec.UNSET
    service_tier: str = "default"
    system_fingerprint: str = _FINGERPRINT


def chat_body(answer: Answer) -> bytes:
    """A whole `chat.completion`."""
    message = _Message(content=answer.text, refusal=answer.refusal)
    finish = _FINISH.get(answer.finish, answer.finish)
    copies = range(0 if answer.is_empty else answer.copies)
    return _encode(
        _Completion(
            id="chatcmpl-" + answer.id,
            created=answer.created,
            model=answer.model,
            choices=[_Choice(index=index, message=message, finish_reason=finish) for index in copies],
            error=_MIDWAY if answer.finish == "error" else msgspec.UNSET,
            usage=_usage(answer) if answer.has_usage else msgspec.UNSET,
        )
    )


_MIDWAY: Final[dict[str, object]] = {
    "code": 502,
    "message": "The upstream failed in the middle of the answer.",
    "metadata": {"error_type": "provider_unavailable"},
}


def chat_frames(answer: Answer, pieces: Sequence[str], *, wants_usage: bool) -> Frames:
    """A `chat.completion.chunk` stream, up to and with `[DONE]`."""
    common = _head(answer, "chat.completion.chunk")
    common["service_tier"] = "default"
    common["system_fingerprint"] = _FINGERPRINT
    nothing = {"usage": None} if wants_usage else {}

    def chunk(delta: object, finish: str | None = None) -> bytes:
        choices = [
            {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            for index in range(0 if answer.is_empty else answer.copies)
        ]
        return data({**common, "choices": choices, **nothing})

    deltas = [chunk({"content": piece}) for piece in pieces]
    if answer.refusal is not None:
        deltas.append(chunk({"refusal": answer.refusal}))
    tail = [chunk({}, _FINISH.get(answer.finish, answer.finish))]
    if answer.finish == "error":
        tail = [data({**common, "error": _MIDWAY, "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]})]
    if wants_usage and answer.has_usage:
        tail.append(data({**common, "choices": [], "usage": _usage(answer)}))
    return Frames([chunk({"role": "assistant", "content": "", "refusal": None})], deltas, [*tail, _DONE])


def embeddings_body(answer: Answer, key: bytes, count: int, *, is_base64: bool) -> bytes:
    """A list of embeddings: short vectors that follow from the text alone."""
    rows = []
    for index in range(count):
        dice = Dice(0, key, index)
        vector = [dice.roll() * 2 - 1 for _ in range(_DIMENSIONS)]
        value = b64encode(pack(f"<{_DIMENSIONS}f", *vector)).decode() if is_base64 else vector
        rows.append({"object": "embedding", "index": index, "embedding": value})
    usage = {"prompt_tokens": answer.input_tokens, "total_tokens": answer.input_tokens}
    return _encode({"object": "list", "data": rows, "model": answer.model, "usage": usage})


def models_body(names: Sequence[str], created: int) -> bytes:
    """The list of models, in a form that both SDKs read."""
    rows = [
        {
            "id": name,
            "object": "model",
            "created": created,
            "owned_by": "brim",
            "type": "model",
            "display_name": name,
            "created_at": "2026-01-01T00:00:00Z",
        }
        for name in names
    ]
    ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
    return _encode({"object": "list", "data": rows, "has_more": False, **ends})
