"""Requests as the provider reads them: a path and a body in, an `Ask` or a complaint out.

Reads the four APIs' bodies for what matters to a provider that only pretends to think: the model, the words, the caps,
whether to stream. Everything else is accepted and ignored, as real servers accept what they add every month.
Prompts can carry marks that steer the simulator: `[[sim:fault=reset]]`, `[[sim:say=yes]]`, `[[sim:tokens=300]]`,
`[[sim:seconds=5]]`, `[[sim:times=2]]`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Final, TypeAlias

import msgspec

__all__ = ["Api", "Ask", "BadAsk", "key_of", "read", "route"]


class Api(StrEnum):
    """What a path asks for. The value is the path's end.

    Attributes:
        is_anthropic: does it belong to Anthropic's Messages API?
        is_count: does it only count tokens? Then it costs nothing and generates nothing.
    """

    CHAT = "/chat/completions"
    RESPONSES = "/responses"
    MESSAGES = "/messages"
    EMBEDDINGS = "/embeddings"
    COUNT_INPUT = "/responses/input_tokens"
    COUNT_MESSAGES = "/messages/count_tokens"

    def __init__(self, path: str) -> None:
        self.is_anthropic = path.startswith("/messages")
        self.is_count = path.endswith("tokens")

    __hash__ = str.__hash__  # an enum's own is a function in Python


class BadAsk(Exception):
    """The request is none. *kind* is a name in `ERRORS`; the text says what is wrong."""

    def __init__(self, text: str, *, kind: str = "invalid", param: str | None = None, model: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.model = model
        self.param = param


class Ask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A request as the provider understands it.

    Attributes:
        api: which API.
        model: the model's name as the client gave it.
        text: all words of the conversation, system prompt first, joined by line breaks.
        prefix: the part of *text* that the client marked for the cache, or the system prompt; may be empty.
        key: names model and text, in 16 bytes.
        messages: how many messages.
        cap: the cap on output tokens; None for none.
        count: answers asked for (`n`).
        is_stream: whether pieces are wanted.
        wants_usage: whether the stream ends with the usage.
        inputs: texts to embed; 0 where there is something to answer.
        wants_base64: whether embeddings are to be packed.
        marks: what the prompt tells the simulator.
    """

    api: Api
    model: str
    text: str
    prefix: str = ""
    key: bytes
    messages: int = 1
    cap: int | None = None
    count: int = 1
    is_stream: bool = False
    wants_usage: bool = False
    inputs: int = 0
    wants_base64: bool = False
    marks: dict[str, str] = {}


class _Part(msgspec.Struct):
    text: str = ""
    cache_control: object = None


Content: TypeAlias = str | list[_Part] | None


class _Message(msgspec.Struct):
    role: str
    content: Content = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Chat(msgspec.Struct):
    model: str
    messages: list[_Message]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


class _Item(msgspec.Struct):
    role: str = ""
    content: Content = None


class _Responses(msgspec.Struct):
    model: str
    input: str | list[_Item]
    instructions: str | None = None
    max_output_tokens: int | None = None
    stream: bool | None = None


class _Messages(msgspec.Struct):
    model: str
    messages: list[_Message]
    max_tokens: int | None = None
    system: Content = None
    stream: bool | None = None
    temperature: object = msgspec.UNSET
    top_p: object = msgspec.UNSET
    top_k: object = msgspec.UNSET


class _Embeddings(msgspec.Struct):
    model: str
    input: str | list[str | int | list[int]]
    encoding_format: str | None = None


_MARK: Final = re.compile(r"\[\[sim:(\w+)=(.*?)\]\]", re.DOTALL)
_MOST_COPIES: Final = 128
_NO_SAMPLING_SINCE: Final = "2026-10-21"
_chat: Final = msgspec.json.Decoder(_Chat)
_responses: Final = msgspec.json.Decoder(_Responses)
_messages: Final = msgspec.json.Decoder(_Messages)
_embeddings: Final = msgspec.json.Decoder(_Embeddings)


@lru_cache(maxsize=256)
def route(path: str) -> Api | None:
    """What *path* asks for, whatever stands before (`/v1`, `/openai/deployments/x`) or after a `?`; None if nothing."""
    bare = path.partition("?")[0].rstrip("/")
    hits = [api for api in Api if bare.endswith(api.value)]
    return max(hits, key=lambda api: len(api.value), default=None)


def key_of(text: str, model: str) -> bytes:
    """The name of a request: 16 bytes for its words and its model."""
    return blake2b(f"{model}\0{text}".encode("utf-8", "replace"), digest_size=16).digest()


def read(api: Api, body: bytes, *, version: str | None = None) -> Ask:
    """Read *body* as *api* does. *version* is the `anthropic-version` header. Raises `BadAsk`."""
    try:
        return _READERS[api](api, body, version)
    except msgspec.ValidationError as error:
        raise BadAsk(f"Invalid request: {error}", param=_field(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadAsk("We could not parse the JSON body of your request.") from None


def _field(message: str) -> str | None:
    found = re.search(r"at `\$\.([\w.\[\]]+)`|field `(\w+)`", message)
    return next((group for group in found.groups() if group), None) if found else None


def _words(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.text for part in content) if content else ""


def _marks(text: str) -> dict[str, str]:
    if "[[sim:" not in text:
        return {}
    marks = dict(_MARK.findall(text))
    for name, value in marks.items():
        form = _MARKS.get(name)
        if form is None or not form.fullmatch(value):
            raise BadAsk(f"The simulator can't follow the mark [[sim:{name}={value}]].")
    return marks


_MARKS: Final = {
    "fault": re.compile(r"\w+"),
    "say": re.compile(r".*", re.DOTALL),
    "tokens": re.compile(r"[0-9]{1,6}"),
    "seconds": re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?"),
    "times": re.compile(r"[0-9]{1,6}"),
}
"""Every mark there is, and what may stand behind it."""


def _join(system: str, texts: list[str]) -> str:
    return "\n".join([system, *texts]) if system else "\n".join(texts)


def _read_chat(api: Api, body: bytes, _version: str | None) -> Ask:
    raw = _chat.decode(body)
    messages = raw.messages
    _some_messages(messages)
    cap = raw.max_completion_tokens
    if cap is not None:
        _positive(cap, "max_completion_tokens")
    if raw.max_tokens is not None:
        _positive(raw.max_tokens, "max_tokens")
        cap = cap or raw.max_tokens
    if raw.n is not None:
        _positive(raw.n, "n")
        if raw.n > _MOST_COPIES:
            raise BadAsk(f"Invalid 'n': at most {_MOST_COPIES} answers can be asked for.", param="n")
    first = messages[0]
    text = _words(first.content) if len(messages) == 1 else "\n".join([_words(each.content) for each in messages])
    return Ask(
        api=api,
        model=raw.model,
        text=text,
        prefix=_words(first.content) if first.role in {"system", "developer"} else "",
        key=key_of(text, raw.model),
        messages=len(messages),
        cap=cap,
        count=raw.n or 1,
        is_stream=bool(raw.stream),
        wants_usage=bool(raw.stream_options and raw.stream_options.include_usage),
        marks=_marks(text),
    )


def _read_responses(api: Api, body: bytes, _version: str | None) -> Ask:
    raw = _responses.decode(body)
    if raw.max_output_tokens is not None:
        _positive(raw.max_output_tokens, "max_output_tokens")
    items = [raw.input] if isinstance(raw.input, str) else [_words(item.content) for item in raw.input]
    text = _join(raw.instructions or "", items)
    return Ask(
        api=api,
        model=raw.model,
        text=text,
        prefix=raw.instructions or "",
        key=key_of(text, raw.model),
        messages=len(items),
        cap=raw.max_output_tokens,
        is_stream=bool(raw.stream),
        wants_usage=True,
        marks=_marks(text),
    )


def _read_messages(api: Api, body: bytes, version: str | None) -> Ask:
    raw = _messages.decode(body)
    if version is None:
        raise BadAsk("anthropic-version: header is required")
    _some_messages(raw.messages)
    if raw.max_tokens is None and not api.is_count:
        raise BadAsk("max_tokens: Field required", param="max_tokens")
    for name in ("temperature", "top_p", "top_k"):
        if version >= _NO_SAMPLING_SINCE and getattr(raw, name) is not msgspec.UNSET:
            raise BadAsk(f"{name}: Extra inputs are not permitted", param=name)
    text = _join(_words(raw.system), [_words(message.content) for message in raw.messages])
    return Ask(
        api=api,
        model=raw.model,
        text=text,
        prefix=text[: _marked_for_cache(raw)],
        key=key_of(text, raw.model),
        messages=len(raw.messages),
        cap=raw.max_tokens,
        is_stream=bool(raw.stream),
        wants_usage=True,
        marks=_marks(text),
    )


def _marked_for_cache(raw: _Messages) -> int:
    """Length of the text up to the last part that carries `cache_control`."""
    position = marked = 0
    for content in (raw.system, *(message.content for message in raw.messages)):
        for part in content if isinstance(content, list) else ():
            position += len(part.text)
            marked = position if part.cache_control is not None else marked
        position += len(content) if isinstance(content, str) else 0
        position += 1 if content else 0  # the line break that joins the texts
    return marked


def _read_embeddings(api: Api, body: bytes, _version: str | None) -> Ask:
    raw = _embeddings.decode(body)
    inputs = [raw.input] if isinstance(raw.input, str) else raw.input
    if not inputs or "" in inputs:
        raise BadAsk("'input' must not be empty", param="input")
    one = isinstance(raw.input, str) or isinstance(inputs[0], int)
    text = "\n".join(item if isinstance(item, str) else str(item) for item in inputs)
    return Ask(
        api=api,
        model=raw.model,
        text=text,
        key=key_of(text, raw.model),
        inputs=1 if one else len(inputs),
        wants_base64=raw.encoding_format == "base64",
        marks=_marks(text),
    )


def _some_messages(messages: list[_Message]) -> None:
    if not messages:
        raise BadAsk("messages: at least one message is required", param="messages")


def _positive(cap: int, name: str) -> None:
    if cap < 1:
        raise BadAsk(f"Invalid '{name}': integer below minimum value. Expected a value >= 1.", param=name)


_READERS: Final = {
    Api.CHAT: _read_chat,
    Api.RESPONSES: _read_responses,
    Api.COUNT_INPUT: _read_responses,
    Api.MESSAGES: _read_messages,
    Api.COUNT_MESSAGES: _read_messages,
    Api.EMBEDDINGS: _read_embeddings,
}
