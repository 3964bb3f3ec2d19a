"""From a decision to the delivery that carries it: the right API's bytes, in pieces with their times.

Knows which wire module speaks for which API and nothing about limits, luck or book-keeping.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Final

import msgspec

from brim.simulator.answers import Answer
from brim.simulator.asks import Api, Ask
from brim.simulator.delivery import Delivery, Ending, Framing
from brim.simulator.errors import ApiError, Facts, body_of, error_of
from brim.simulator.generation import CHARS_PER_TOKEN, Plan
from brim.simulator.headers import Pair, duration
from brim.simulator.limits import PERIOD_WORDS, Refusal
from brim.simulator.scenario import Dimension, Vendor
from brim.simulator.wire_anthropic import messages_body, messages_frames
from brim.simulator.wire_openai import Frames, chat_body, chat_frames, data, embeddings_body
from brim.simulator.wire_responses import error_event, event, responses_body, responses_frames

__all__ = [
    "BODY_ERRORS",
    "STREAM_ERRORS",
    "answered",
    "counted",
    "facts_of",
    "in_200",
    "midway",
    "refused",
    "vaguely",
    "vendor_of",
]

_OWN_MESSAGES: Final[frozenset[Vendor]] = frozenset({"llamacpp", "vllm", "ollama", "newapi", "litellm"})
_JSON: Final = ("content-type", "application/json")
_SSE: Final = ("content-type", "text/event-stream; charset=utf-8")
_PAGE: Final = ("content-type", "text/html")

BODY_ERRORS: Final = {
    "error_in_200": "server_error",
    "throttled_in_200": "throttled",
    "quota_in_200": "quota",
}
"""Faults that put an error's body behind a 200, and the error."""

STREAM_ERRORS: Final = {
    "stream_error": "an error frame in the middle of a stream, then its end",
    "stream_error_done": "an error frame in the middle, then [DONE] all the same (vLLM)",
}
"""Faults that break a stream by a frame of their own. An answer that isn't streamed becomes `error_in_200`."""


def vendor_of(vendor: Vendor, api: Api | None) -> Vendor:
    """Whose words are used for *api*: Messages is Anthropic's, unless a local server keeps its own shape there."""
    if api is not None and api.is_anthropic:
        return vendor if vendor in _OWN_MESSAGES else "anthropic"
    return "openai" if vendor == "anthropic" else vendor


def _name_headers(vendor: Vendor, name: str) -> list[Pair]:
    request_id = "req_" + name
    if vendor == "anthropic":
        return [("request-id", request_id), ("anthropic-organization-id", "org-sim")]
    if vendor == "azure":
        return [("apim-request-id", request_id), ("x-request-id", request_id)]
    if vendor == "openrouter":
        return [("x-generation-id", "gen-" + name)]
    return [("x-request-id", request_id), ("openai-version", "2020-10-01")]


def answered(ask: Ask, answer: Answer, plan: Plan, *, at: float, vendor: Vendor, piece_tokens: int) -> Delivery:
    """The delivery of a good answer to a request that came in *at*."""
    if ask.is_stream:
        return _streamed(ask, answer, plan, at=at, vendor=vendor, size=piece_tokens * CHARS_PER_TOKEN)
    return Delivery(
        at=at,
        status=200,
        headers=(_JSON, *_name_headers(vendor, answer.id)),
        head_at=plan.done,
        pieces=[(plan.done, _whole(ask, answer))],
        end_at=plan.done,
    )


def _whole(ask: Ask, answer: Answer) -> bytes:
    if ask.api is Api.CHAT:
        return chat_body(answer)
    if ask.api is Api.MESSAGES:
        return messages_body(answer)
    if ask.api is Api.RESPONSES:
        return responses_body(answer)
    return embeddings_body(answer, ask.key, ask.inputs, is_base64=ask.wants_base64)


def _streamed(ask: Ask, answer: Answer, plan: Plan, *, at: float, vendor: Vendor, size: int) -> Delivery:
    text = answer.text or ""
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    frames = _frames(ask, answer, parts)
    steps = max(1, len(frames.deltas) - 1)
    pace = (plan.done - plan.first) / steps
    # The head comes with the first token: a provider answers 200 only when it has begun.
    pieces = [(plan.first, b"".join(frames.head))]
    pieces += [(plan.first + pace * place, frame) for place, frame in enumerate(frames.deltas)]
    pieces.append((plan.done, b"".join(frames.tail)))
    return Delivery(
        at=at,
        status=200,
        headers=(_SSE, *_name_headers(vendor, answer.id)),
        head_at=plan.first,
        pieces=[(min(moment, plan.done), piece) for moment, piece in pieces],
        end_at=plan.done,
        framing=Framing.CHUNKED,
        is_event_stream=True,
    )


def _frames(ask: Ask, answer: Answer, parts: Sequence[str]) -> Frames:
    if ask.api is Api.MESSAGES:
        return messages_frames(answer, parts)
    if ask.api is Api.RESPONSES:
        return responses_frames(answer, parts)
    return chat_frames(answer, parts, wants_usage=ask.wants_usage)


def counted(ask: Ask, tokens: int, *, at: float, name: str, vendor: Vendor) -> Delivery:
    """The answer of the two paths that only count tokens."""
    body: dict[str, object] = {"input_tokens": tokens}
    if ask.api is Api.COUNT_INPUT:
        body = {"object": "response.input_tokens", **body}
    return _at(at, 200, msgspec.json.encode(body), (_JSON, *_name_headers(vendor, name)))


def _at(at: float, status: int, body: bytes, headers: tuple[Pair, ...], since: float | None = None) -> Delivery:
    return Delivery(
        at=at if since is None else since,
        status=status,
        headers=headers,
        head_at=at,
        pieces=[(at, body)] if body else [],
        end_at=at,
    )


def facts_of(vendor: Vendor, refusal: Refusal, *, model: str, name: str, says_wait: bool) -> Facts:
    """What the text of a refusal says about the limit."""
    limit = refusal.limit
    if limit is None:
        return Facts(model=model, wait=refusal.wait, limit=round(refusal.used), request_id="req_" + name)
    words, letters = _OF[limit.of]
    period = PERIOD_WORDS[limit.per]
    label = f"{words} per {limit.per}"
    if vendor != "anthropic":
        label = f"{words} per {period} ({letters}P{limit.per[0].upper()})"
    return Facts(
        model=model,
        label=label,
        of=limit.of,
        limit=round(limit.amount * refusal.factor),
        used=round(refusal.used),
        asked=round(refusal.asked),
        wait=refusal.wait,
        wait_text=wait_text(vendor, refusal.wait) if says_wait else "",
        request_id="req_" + name,
    )


def vaguely(error: ApiError, facts: Facts) -> tuple[ApiError, Facts]:
    """The same refusal, which only tells what it counts and not how much of it there may be."""
    if not (error.waits and error.message):
        return error, facts
    error = msgspec.structs.replace(error, message="Rate limit reached for {label}.{wait_text}")
    return error, msgspec.structs.replace(facts, label=_OF[facts.of][0])


_OF: Final[dict[Dimension, tuple[str, str]]] = {
    "requests": ("requests", "R"),
    "tokens": ("tokens", "T"),
    "input": ("input tokens", "IT"),
    "output": ("output tokens", "OT"),
}


def wait_text(vendor: Vendor, wait: float) -> str:
    """The wait as the message of a refusal tells it."""
    if not 0 < wait < float("inf"):
        return ""
    if vendor == "azure":
        return f" Please retry after {ceil(wait)} seconds."
    return f" Please try again in {duration(wait)}."


def refused(
    vendor: Vendor, error: ApiError, facts: Facts, *, at: float, delay: float, headers: Sequence[Pair], name: str
) -> Delivery:
    """The delivery of *error* to a request that came in *at*; *headers* are those about the wait."""
    kind = _JSON if error.page is None else _PAGE
    retry = [] if error.should_retry is None else [("x-should-retry", str(error.should_retry).lower())]
    lines = (kind, *_name_headers(vendor, name), *retry, *headers)
    return _at(at + delay, error.status, body_of(vendor, error, facts), lines, since=at)


def in_200(good: Delivery, vendor: Vendor, fault: str, facts: Facts) -> Delivery:
    """An error's body behind a 200, when the answer would have come."""
    body = body_of(vendor, error_of(vendor, BODY_ERRORS[fault]), facts)
    headers = tuple(_JSON if pair[0] == "content-type" else pair for pair in good.headers)
    return msgspec.structs.replace(
        good,
        headers=headers,
        head_at=good.end_at,
        pieces=[(good.end_at, body)],
        framing=Framing.LENGTH,
        is_event_stream=False,
    )


def midway(good: Delivery, ask: Ask, vendor: Vendor, facts: Facts, *, is_done: bool) -> Delivery:
    """A stream that breaks off with an error frame of its API after half of its pieces."""
    half = list(good.pieces[: len(good.pieces) // 2])
    at = half[-1][0] if half else good.end_at
    half.append((at, _error_frame(ask, vendor, facts, len(half) + 3)))
    if is_done and ask.api is Api.CHAT:
        half.append((at, b"data: [DONE]\n\n"))
    return msgspec.structs.replace(good, pieces=half, end=Ending.DONE, end_at=at)


def _error_frame(ask: Ask, vendor: Vendor, facts: Facts, number: int) -> bytes:
    error = error_of(vendor, "overloaded")
    body = msgspec.json.decode(body_of(vendor, error, facts))
    if ask.api is Api.MESSAGES:
        return event("error", {key: value for key, value in body.items() if key == "error"})
    if ask.api is Api.RESPONSES:
        return error_event(number, code=error.code, message=error.message)
    return data(body)
