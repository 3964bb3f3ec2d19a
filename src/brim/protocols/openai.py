"""OpenAI's Chat Completions, and the many servers that speak it: Azure, Gemini's, DeepSeek, OpenRouter, vLLM, relays.

Nothing is added to a request that the user did not ask for: no sampling parameter, no stream. Servers differ in where
they put tokens and errors, so every field of an answer is optional and loosely typed. Field names and containment:
sections 1.1 to 1.3 of the facts on protocols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import msgspec

from brim.protocols import StreamReader, WireResponse
from brim.protocols.answers import Parts, outcome_of
from brim.protocols.classify import failure
from brim.protocols.folds import ChatFold
from brim.protocols.reading import count, encode_body, is_success, joined_text, read
from brim.protocols.streams import EventReader, ask_for_stream
from brim.protocols.urls import host_of, join_url
from brim.protocols.usual import usual_reply
from brim.values import Outcome, Request, Usage

__all__ = ["OPENAI_URL", "OpenAIChat", "openai_headers", "openai_usage", "params_to_send", "read_closely"]

OPENAI_URL: Final = "https://api.openai.com/v1"
_CAPS: Final = frozenset({"max_tokens", "max_completion_tokens"})
# How an answer travels is brim's own business, and no part of what is asked.
_TRAVEL: Final = frozenset({"stream", "stream_options"})
_STREAM: Final = b'"stream":true,"stream_options":{"include_usage":true}'


class _Message(msgspec.Struct, gc=False):
    content: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None


class _Choice(msgspec.Struct, gc=False):
    message: _Message | None = None
    finish_reason: Any = None


class _Chat(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Any = None
    model: Any = None
    id: Any = None


_READ: Final = msgspec.json.Decoder(_Chat)
_NO_MESSAGE: Final = _Message()


@dataclass(frozen=True, kw_only=True)
class OpenAIChat:
    """The Chat Completions dialect.

    Attributes:
        base_url: where requests will go, which decides the spelling of the token cap: OpenAI's own host wants
            `max_completion_tokens` (its reasoning models refuse the old name), every other server knows
            `max_tokens`. None for OpenAI itself.
    """

    base_url: str | None = None

    name: ClassVar[str] = "openai"
    default_base_url: ClassVar[str] = OPENAI_URL
    key_variable: ClassVar[str] = "OPENAI_API_KEY"
    base_url_variable: ClassVar[str] = "OPENAI_BASE_URL"

    _cap: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        is_own = self.base_url is None or host_of(self.base_url) == host_of(OPENAI_URL)
        object.__setattr__(self, "_cap", "max_completion_tokens" if is_own else "max_tokens")

    def url(self, base_url: str) -> str:
        """The address to post to; *base_url* in any of its usual spellings, see `join_url`."""
        return join_url(base_url, "/chat/completions", anywhere=True)

    def headers(self, key: str | None) -> dict[str, str]:
        """The headers of every request; *key* is None where the server wants none."""
        return openai_headers(key, self.base_url)

    def encode(self, request: Request, *, model: str) -> bytes:
        """The body that asks *model* to answer *request*. Raises `InputError` for what JSON can't carry."""
        own: dict[str, Any] = {"model": model, "messages": request.messages}
        if request.max_tokens is not None and _CAPS.isdisjoint(request.params):
            own[self._cap] = request.max_tokens
        return encode_body({**own, **params_to_send(request), **own} if request.params else own)

    def decode(self, response: WireResponse) -> Outcome:
        """Read an answer. Never raises: what is no answer is a classified `Failure`."""
        if not is_success(response.status):
            return failure(response)
        return usual_reply(response) or read_closely(response)

    def streamed(self, body: bytes) -> bytes:
        """Turn an encoded request into one for a stream, its usage included."""
        return ask_for_stream(body, _STREAM)

    def reader(self, *, status: int, headers: Mapping[str, str]) -> StreamReader:
        """A reader for an answer that begins with *status* and *headers*."""
        return EventReader(ChatFold(), decode=self.decode, status=status, headers=headers)


def read_closely(response: WireResponse) -> Outcome:
    """Read a success in which any field may be anything. Never raises."""
    body = read(_READ, response.body)
    if body is None:
        return failure(response)
    usage = openai_usage(body.usage)
    if not body.choices:
        return failure(response, message="the answer holds no choices", usage=usage)
    choice = body.choices[0]
    message = choice.message or _NO_MESSAGE
    parts = Parts(
        text=joined_text(message.content),
        finish=choice.finish_reason,
        refusal=_refusal(message),
        usage=usage,
        model=body.model,
        id=body.id,
        tool_calls=_tool_calls(message),
    )
    return outcome_of(parts, response)


def openai_headers(key: str | None, base_url: str | None) -> dict[str, str]:
    """The headers that OpenAI's APIs and those after its pattern take.

    Azure's classic surface (`/deployments/` in the base URL) reads a key from `api-key` only; its v1 surface is asked
    like OpenAI itself.
    """
    headers = {"content-type": "application/json", "accept": "application/json"}
    if key is None:
        return headers
    if base_url is not None and "/deployments/" in base_url:
        return headers | {"api-key": key}
    return headers | {"authorization": f"Bearer {key}"}


def params_to_send(request: Request) -> Mapping[str, Any]:
    """The request's own parameters, untouched but for those that say how the answer travels."""
    params = request.params
    if _TRAVEL.isdisjoint(params):
        return params
    return {name: value for name, value in params.items() if name not in _TRAVEL}


def openai_usage(usage: object) -> Usage | None:
    """Read the usage of Chat Completions or Responses: cached tokens are inside the input, reasoning inside the output.

    DeepSeek tells its cache apart by `prompt_cache_hit_tokens` and `prompt_cache_miss_tokens`, which add up to the
    prompt; other servers send no details, or null.
    """
    if not isinstance(usage, dict) or not usage:
        return None
    get = usage.get
    given = get("prompt_tokens_details") or get("input_tokens_details")
    made = get("completion_tokens_details") or get("output_tokens_details")
    hit = count(get("prompt_cache_hit_tokens"))
    prompt = count(get("prompt_tokens")) or count(get("input_tokens"))
    output = count(get("completion_tokens")) or count(get("output_tokens"))
    if not given and not made and not hit and prompt:  # as most servers answer
        return Usage(input_tokens=prompt, output_tokens=output)
    given = given if isinstance(given, dict) else {}
    made = made if isinstance(made, dict) else {}
    return Usage(
        input_tokens=prompt or hit + count(get("prompt_cache_miss_tokens")),
        output_tokens=output,
        cache_read_tokens=count(given.get("cached_tokens")) or hit,
        cache_write_tokens=count(given.get("cache_write_tokens")),
        reasoning_tokens=count(made.get("reasoning_tokens")),
    )


def _refusal(message: _Message) -> str:
    if isinstance(message.refusal, str):
        return message.refusal
    if not isinstance(message.content, list):
        return ""
    said = (part.get("refusal") for part in message.content if isinstance(part, dict))
    return "".join(text for text in said if isinstance(text, str))


def _tool_calls(message: _Message) -> Sequence[Mapping[str, Any]]:
    calls = message.tool_calls
    if isinstance(calls, list):
        return tuple(call for call in calls if isinstance(call, dict))
    return (message.function_call,) if isinstance(message.function_call, dict) else ()
