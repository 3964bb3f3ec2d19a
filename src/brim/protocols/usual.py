"""The answer that nearly every call gets, read in one step.

A good Chat Completions answer with one text, a plain end and the usual counts is decoded straight into its numbers;
what is anything else in any field is None here, and left to `read_closely` in `brim.protocols.openai`. The rule:
both read a body that this one takes in the same way (tests/protocols/test_usual.py holds them against each other).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from brim.protocols import WireResponse
from brim.protocols.reading import TOO_MANY, request_id
from brim.values import FinishReason, Reply, Usage

__all__ = ["usual_reply"]

_Count = Annotated[int, msgspec.Meta(ge=0, lt=TOO_MANY)]
_Some = Annotated[int, msgspec.Meta(ge=1, lt=TOO_MANY)]
_NoText = Annotated[str, msgspec.Meta(max_length=0)]
_NoCalls = Annotated[list[Any], msgspec.Meta(max_length=0)]


class _Given(msgspec.Struct, gc=False):
    cached_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None


class _Made(msgspec.Struct, gc=False):
    reasoning_tokens: _Count | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: _Some
    completion_tokens: _Some
    prompt_tokens_details: _Given | None = None
    completion_tokens_details: _Made | None = None
    input_tokens_details: None = None
    output_tokens_details: None = None
    prompt_cache_hit_tokens: _Count | None = None


class _Message(msgspec.Struct, gc=False):
    content: str
    refusal: _NoText | None = None
    tool_calls: _NoCalls | None = None
    function_call: None = None


class _Choice(msgspec.Struct, gc=False):
    message: _Message
    finish_reason: Literal["stop", "length"]


class _Chat(msgspec.Struct, gc=False):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    usage: _Usage
    model: str | None = None
    id: str | None = None


_DECODE: Final = msgspec.json.Decoder(_Chat).decode
_ENDS: Final = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}


def usual_reply(response: WireResponse) -> Reply | None:
    """The reply in a success, if it is as usual; None if it has to be read closely. Never raises."""
    try:
        chat = _DECODE(response.body)
    except (ValueError, RecursionError):
        return None
    choice = chat.choices[0]
    return Reply(
        text=choice.message.content,
        finish_reason=_ENDS[choice.finish_reason],
        usage=_read(chat.usage),
        model=chat.model or None,
        request_id=request_id(response, chat.id),
    )


def _read(usage: _Usage) -> Usage:
    given, made, hit = usage.prompt_tokens_details, usage.completion_tokens_details, usage.prompt_cache_hit_tokens
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_tokens=(given.cached_tokens if given else 0) or hit or 0,
        cache_write_tokens=(given.cache_write_tokens if given else 0) or 0,
        reasoning_tokens=(made.reasoning_tokens if made else 0) or 0,
    )
