"""OpenAI's Responses API.

It has no finish reason: a status, and for an incomplete answer the reason, say why it ended. Its output is a list of
items of which messages hold the text. Requests come in the form of chat messages; this API takes them as its input,
where only the parts of a multi-part content go by other names. Sections 1.1 to 1.3 of the facts on protocols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec

from brim.protocols import StreamReader, WireResponse
from brim.protocols.answers import Parts, outcome_of
from brim.protocols.classify import failure
from brim.protocols.folds import ResponsesFold
from brim.protocols.openai import OPENAI_URL, openai_headers, openai_usage, params_to_send
from brim.protocols.reading import encode_body, is_success, joined_text, read
from brim.protocols.streams import EventReader, ask_for_stream
from brim.protocols.urls import join_url
from brim.values import Message, Outcome, Request

__all__ = ["OpenAIResponses"]

_CAP: Final = "max_output_tokens"
# The caps of Chat Completions, the current name first. They mean the very same.
_CHAT_CAPS: Final = ("max_completion_tokens", "max_tokens")
_CALLS: Final = ("function_call", "custom_tool_call")


class _Response(msgspec.Struct, gc=False):
    status: Any = None
    incomplete_details: Any = None
    output: Any = None
    usage: Any = None
    model: Any = None
    id: Any = None


_READ: Final = msgspec.json.Decoder(_Response)


@dataclass(frozen=True, kw_only=True)
class OpenAIResponses:
    """The Responses dialect.

    Attributes:
        base_url: where requests will go; None for OpenAI itself.
    """

    base_url: str | None = None

    name: ClassVar[str] = "openai"
    default_base_url: ClassVar[str] = OPENAI_URL
    key_variable: ClassVar[str] = "OPENAI_API_KEY"
    base_url_variable: ClassVar[str] = "OPENAI_BASE_URL"

    def url(self, base_url: str) -> str:
        """The address to post to; *base_url* in any of its usual spellings, see `join_url`."""
        return join_url(base_url, "/responses", anywhere=True)

    def headers(self, key: str | None) -> dict[str, str]:
        """The headers of every request; *key* is None where the server wants none."""
        return openai_headers(key, self.base_url)

    def encode(self, request: Request, *, model: str) -> bytes:
        """The body that asks *model* to answer *request*.

        A cap under its chat name is renamed, and so are text and image parts of a message; everything else passes
        through untouched. An `input` among the parameters stands in for missing messages.

        Raises:
            InputError: JSON can't carry a value.
        """
        params = _renamed(params_to_send(request))
        own: dict[str, Any] = {"model": model}
        if request.messages:
            own["input"] = [_input_item(message) for message in request.messages]
        if request.max_tokens is not None and _CAP not in params:
            own[_CAP] = request.max_tokens
        return encode_body({**own, **params, **own})

    def decode(self, response: WireResponse) -> Outcome:
        """Read an answer. Never raises: what is no answer is a classified `Failure`."""
        body = read(_READ, response.body) if is_success(response.status) else None
        if body is None or body.output is None:
            return failure(response, message="the answer holds no output" if body else "")
        items = _dicts(body.output)
        contents = [item.get("content") for item in items if item.get("type") == "message"]
        parts = Parts(
            text="".join(joined_text(content) or "" for content in contents) if contents else None,
            finish=_finish(body),
            refusal="".join(_refusals(contents)),
            usage=openai_usage(body.usage),
            model=body.model,
            id=body.id,
            tool_calls=tuple([item for item in items if item.get("type") in _CALLS]),
        )
        return outcome_of(parts, response)

    def streamed(self, body: bytes) -> bytes:
        """Turn an encoded request into one for a stream."""
        return ask_for_stream(body)

    def reader(self, *, status: int, headers: Mapping[str, str]) -> StreamReader:
        """A reader for an answer that begins with *status* and *headers*."""
        return EventReader(ResponsesFold(), decode=self.decode, status=status, headers=headers)


def _finish(body: _Response) -> object:
    """Why the answer ended: its status, or the reason of an incomplete one."""
    details = body.incomplete_details
    reason = details.get("reason") if isinstance(details, dict) else None
    return reason if body.status == "incomplete" and reason else body.status


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _refusals(contents: Sequence[object]) -> list[str]:
    said = [part.get("refusal") for content in contents for part in _dicts(content)]
    return [text for text in said if isinstance(text, str)]


def _renamed(params: Mapping[str, Any]) -> Mapping[str, Any]:
    if not any(name in params for name in _CHAT_CAPS):
        return params
    caps = [params[name] for name in _CHAT_CAPS if params.get(name) is not None]
    renamed = {name: value for name, value in params.items() if name not in _CHAT_CAPS}
    return {_CAP: caps[0], **renamed} if caps else renamed


def _input_item(message: Message) -> Message:
    content = message.get("content")
    if not isinstance(content, (list, tuple)):
        return message
    text_type = "output_text" if message.get("role") == "assistant" else "input_text"
    return {**message, "content": [_input_part(part, text_type) for part in content]}


def _input_part(part: object, text_type: str) -> object:
    if not isinstance(part, Mapping):
        return part
    if part.get("type") == "text":
        return {**part, "type": text_type}
    image = part.get("image_url")
    if part.get("type") == "image_url" and isinstance(image, Mapping):
        # {"url", "detail"} move up into the part itself.
        rest = {name: value for name, value in image.items() if name != "url"}
        return {"type": "input_image", "image_url": image.get("url"), **rest}
    return part
