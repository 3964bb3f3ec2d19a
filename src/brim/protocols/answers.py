"""From what a dialect found in a body to an outcome: the rules that hold for every provider.

An answer needs a reason why it ended, and text or a tool call. Without a reason the stream was cut or a proxy erred;
text alone proves nothing. One that was cut by its cap may be empty: reasoning can spend the whole cap, and is billed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from brim.protocols import WireResponse
from brim.protocols.classify import failure
from brim.protocols.reading import request_id, text_or_none
from brim.values import FailureKind, FinishReason, Outcome, Reply, Usage

__all__ = ["Parts", "outcome_of"]

_F = FinishReason
_K = FailureKind

_FINISH: Final[Mapping[str, FinishReason | FailureKind]] = {
    # Chat Completions and everything compatible; relays of Gemini and others leak the upstream's own words.
    "stop": _F.STOP,
    "length": _F.LENGTH,
    "tool_calls": _F.TOOL_CALLS,
    "function_call": _F.TOOL_CALLS,
    "content_filter": _K.REFUSED,
    "safety": _K.REFUSED,
    "recitation": _K.REFUSED,
    "prohibited_content": _K.REFUSED,
    "insufficient_system_resource": _K.SERVER,
    "error": _K.SERVER,
    "abort": _K.SERVER,
    # Messages.
    "end_turn": _F.STOP,
    "stop_sequence": _F.STOP,
    "max_tokens": _F.LENGTH,
    "model_context_window_exceeded": _F.LENGTH,
    "tool_use": _F.TOOL_CALLS,
    "pause_turn": _F.PAUSE,
    "refusal": _K.REFUSED,
    # Responses: its statuses, and the reasons of an incomplete one.
    "completed": _F.STOP,
    "max_output_tokens": _F.LENGTH,
    "failed": _K.SERVER,
    "cancelled": _K.SERVER,
    "incomplete": _K.MALFORMED,
    "queued": _K.MALFORMED,
    "in_progress": _K.MALFORMED,
}


class Parts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a dialect found in a success.

    Attributes:
        text: the visible text; None where the body has no place for one.
        finish: the provider's word for why it ended, as it came.
        refusal: the words with which the model declined; empty if it did not.
        usage: tokens, normalised.
        model: the model's name as it came.
        id: the answer's own name as it came, for want of a better one.
        tool_calls: in the provider's own form.
    """

    text: str | None
    finish: object
    refusal: str = ""
    usage: Usage | None = None
    model: object = None
    id: object = None
    tool_calls: Sequence[Mapping[str, Any]] = ()


def outcome_of(parts: Parts, response: WireResponse) -> Outcome:
    """Turn what was found in a success into a reply or a classified failure. Never raises."""
    finish = parts.finish
    if not isinstance(finish, str) or not finish:
        return failure(response, message="the answer has no finish reason: it was cut off", usage=parts.usage)
    meaning = _FINISH.get(finish.lower(), _F.OTHER)
    if parts.refusal:
        return _refused(parts, response, finish)
    if isinstance(meaning, FailureKind):
        message = f"the answer ended with {finish!r}"
        return failure(response, otherwise=meaning, message=message, code=finish, usage=parts.usage)
    if parts.text is None and not parts.tool_calls and meaning is not _F.LENGTH:
        return failure(response, message="the answer holds neither text nor a tool call", usage=parts.usage)
    # OpenAI says `stop` where the request named the tool to be called.
    return Reply(
        text=parts.text or "",
        finish_reason=_F.TOOL_CALLS if parts.tool_calls and meaning is _F.STOP else meaning,
        usage=parts.usage,
        model=text_or_none(parts.model),
        request_id=request_id(response, parts.id),
        tool_calls=parts.tool_calls,
    )


def _refused(parts: Parts, response: WireResponse, finish: str) -> Outcome:
    code = finish if finish in {"refusal", "content_filter"} else "refusal"
    message = f"the model refused: {parts.refusal}"
    return failure(response, otherwise=_K.REFUSED, message=message, code=code, usage=parts.usage)
