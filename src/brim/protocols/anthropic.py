"""Anthropic's Messages API, and the relays and servers that speak it.

Facts that shape this file, from the facts on protocols: the version header is required, and the version `2026-10-21`
refuses `temperature`, `top_p` and `top_k` even at their defaults, so the older one is sent unless told otherwise; the
API demands a cap on tokens; the parts of the input (plain, read from cache, written to it) are disjoint and add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, get_args

import msgspec

from brim.errors import ConfigError, InputError
from brim.protocols import StreamReader, WireResponse
from brim.protocols.answers import Parts, outcome_of
from brim.protocols.classify import failure
from brim.protocols.folds import MessagesFold
from brim.protocols.openai import params_to_send
from brim.protocols.reading import count, encode_body, is_success, joined_text, read
from brim.protocols.streams import EventReader, ask_for_stream
from brim.protocols.urls import join_url
from brim.values import Message, Outcome, Request, Usage

__all__ = ["AnthropicMessages"]

Auth = Literal["both", "x-api-key", "bearer"]

_DEFAULT_CAP: Final = 1024
_SYSTEM_ROLES: Final = frozenset({"system", "developer"})
# OpenAI's names of parameters that exist here under another name, with the very same meaning.
_RENAMED: Final = ("max_completion_tokens", "stop")


class _Body(msgspec.Struct, gc=False):
    content: Any = None
    stop_reason: Any = None
    stop_details: Any = None
    usage: Any = None
    model: Any = None
    id: Any = None


_READ: Final = msgspec.json.Decoder(_Body)


@dataclass(frozen=True, kw_only=True)
class AnthropicMessages:
    """The Messages dialect.

    Attributes:
        base_url: where requests will go; every Messages server is asked alike.
        version: the `anthropic-version` header.
        auth: which header carries the key. The API takes either and prefers `x-api-key` where both are present;
            Anthropic's own SDK sends the bearer token, while some relays read only `x-api-key`: so both are sent,
            unless a server objects.

    Raises:
        ConfigError: *auth* is none of the three.
    """

    base_url: str | None = None
    version: str = "2023-06-01"
    auth: Auth = "both"

    name: ClassVar[str] = "anthropic"
    default_base_url: ClassVar[str] = "https://api.anthropic.com"
    key_variable: ClassVar[str] = "ANTHROPIC_API_KEY"
    base_url_variable: ClassVar[str] = "ANTHROPIC_BASE_URL"

    def __post_init__(self) -> None:
        if self.auth not in get_args(Auth):
            raise ConfigError(f"auth is {self.auth!r}; it must be one of {', '.join(get_args(Auth))}")

    def url(self, base_url: str) -> str:
        """The address to post to; *base_url* with or without its trailing `/v1`."""
        return join_url(base_url, "/messages", anywhere=False)

    def headers(self, key: str | None) -> dict[str, str]:
        """The headers of every request; *key* is None where the server wants none."""
        headers = {
            "content-type": "application/json",
            "accept": "application/json",
            "anthropic-version": self.version,
        }
        if key is not None and self.auth != "bearer":
            headers["x-api-key"] = key
        if key is not None and self.auth != "x-api-key":
            headers["authorization"] = f"Bearer {key}"
        return headers

    def encode(self, request: Request, *, model: str) -> bytes:
        """The body that asks *model* to answer *request*.

        System and developer messages move to the top-level `system`, where this API wants them. A cap or a stop
        sequence under OpenAI's name is renamed; everything else passes through untouched.

        Raises:
            InputError: nothing is left to be answered, or JSON can't carry a value.
        """
        talk = [message for message in request.messages if message.get("role") not in _SYSTEM_ROLES]
        if not talk:
            raise InputError("the conversation holds no message but the system's; add one by the user")
        params = _renamed(params_to_send(request))
        own: dict[str, Any] = {"model": model, "messages": talk}
        if params.get("max_tokens") is None:
            own["max_tokens"] = _DEFAULT_CAP if request.max_tokens is None else request.max_tokens
        if system := _system(params.get("system"), request.messages):
            own["system"] = system
        return encode_body({**own, **params, **own})

    def decode(self, response: WireResponse) -> Outcome:
        """Read an answer. Never raises: what is no answer is a classified `Failure`."""
        body = read(_READ, response.body) if is_success(response.status) else None
        if body is None:
            return failure(response)
        usage = _usage(body.usage)
        if body.content is None and body.stop_reason is None:
            return failure(response, message="the answer holds no content", usage=usage)
        parts = Parts(
            text=joined_text(body.content),
            finish=body.stop_reason,
            refusal=_refusal(body),
            usage=usage,
            model=body.model,
            id=body.id,
            tool_calls=_tool_calls(body.content),
        )
        return outcome_of(parts, response)

    def streamed(self, body: bytes) -> bytes:
        """Turn an encoded request into one for a stream."""
        return ask_for_stream(body)

    def reader(self, *, status: int, headers: Mapping[str, str]) -> StreamReader:
        """A reader for an answer that begins with *status* and *headers*."""
        return EventReader(MessagesFold(), decode=self.decode, status=status, headers=headers)


def _renamed(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Spell parameters written for OpenAI as this API does. One already spelled so is left as it is."""
    if not any(name in params for name in _RENAMED):
        return params
    renamed = dict(params)
    cap = renamed.pop("max_completion_tokens", None)
    if cap is not None and renamed.get("max_tokens") is None:
        renamed["max_tokens"] = cap
    if "stop_sequences" not in renamed:
        stop = renamed.pop("stop", None)
        if stop is not None:
            renamed["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    return renamed


def _system(given: object, messages: Sequence[Message]) -> object:
    """The top-level system prompt: the one given as a parameter first, then the system messages in their order.

    A single one stays as it is, text or blocks; several become one list of blocks.
    """
    said = [message.get("content") for message in messages if message.get("role") in _SYSTEM_ROLES]
    contents = [content for content in (given, *said) if content]
    if len(contents) == 1:
        return contents[0]
    return [block for content in contents for block in _blocks(content)]


def _blocks(content: object) -> Iterable[object]:
    if isinstance(content, (list, tuple)):
        return content
    return ({"type": "text", "text": content},)


def _usage(usage: object) -> Usage | None:
    if not isinstance(usage, dict) or not usage:
        return None
    get = usage.get
    read_tokens = count(get("cache_read_input_tokens"))
    write_tokens = count(get("cache_creation_input_tokens"))
    made = get("output_tokens_details")
    return Usage(
        input_tokens=count(get("input_tokens")) + read_tokens + write_tokens,
        output_tokens=count(get("output_tokens")),
        cache_read_tokens=read_tokens,
        cache_write_tokens=write_tokens,
        reasoning_tokens=count(made.get("thinking_tokens")) if isinstance(made, dict) else 0,
    )


def _refusal(body: _Body) -> str:
    if body.stop_reason != "refusal":
        return ""
    details = body.stop_details
    category = details.get("category") if isinstance(details, dict) else None
    return str(category) if isinstance(category, str) else "no category given"


def _tool_calls(content: object) -> Sequence[Mapping[str, Any]]:
    blocks = content if isinstance(content, list) else ()
    return tuple(block for block in blocks if isinstance(block, dict) and block.get("type") == "tool_use")
