"""From one row of the input to a request.

A row asks in one of three ways: a prompt (a text in one field, or made from several by a template), a conversation
(`messages`), or a line of an OpenAI batch file (`custom_id`, `method`, `url`, `body`). Of the other fields these are
ours and shape the request:

- `id`, or else `custom_id`: comes back as `id`;
- `model`: instead of the run's;
- `system`: what is said before the conversation;
- `max_tokens`: the cap on generated tokens;
- `params`: an object of further fields of the API's body (`temperature`, `tools`, ...).

Everything else comes back with the result. So do the fields that a template uses, but not the prompt itself.
In a batch line the body alone shapes the request. The rule: `RowParser.parse` answers or raises `InputError` with the
field that is wrong, whatever the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from brim.errors import ConfigError, InputError
from brim.storage.results import RowId
from brim.storage.template import Template
from brim.values import Message, Request

__all__ = ["RowParser", "RowShape", "salvage"]

_OURS: Final = {"model": str, "system": str, "max_tokens": int, "params": dict}
_SHAPING: Final = frozenset(_OURS)
_ID: Final = (str, int, type(None))
_NAMES: Final = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
_ENDPOINTS: Final = ("/chat/completions", "/responses", "/messages")
_LEADING: Final = frozenset({"system", "developer"})
_TEXT_PARTS: Final = frozenset({"input_text", "output_text", "text"})


class RowShape(msgspec.Struct, frozen=True, kw_only=True):
    """How rows ask.

    Attributes:
        prompt_field: the field that holds the prompt.
        template: makes the prompt from several fields, see `brim.storage.template`; then *prompt_field* and `messages`
            are fields like any other.

    Raises:
        ConfigError: the template is none.
    """

    prompt_field: str = "prompt"
    template: str | None = None

    def __post_init__(self) -> None:
        if self.template is not None:
            Template(self.template)
        if not self.prompt_field:
            raise ConfigError("the prompt field has no name; leave --prompt-field out, or name the field")


class _Ask(msgspec.Struct):
    """What a row asks. A *body* speaks for the whole request, and no other field of the row does."""

    messages: Sequence[Message]
    is_body: bool = False
    model: str | None = None
    max_tokens: int | None = None
    params: Mapping[str, Any] = {}


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A row as most are: a prompt, and perhaps its own name."""

    prompt: Annotated[str, msgspec.Meta(min_length=1)]
    id: RowId = None


_plain: Final = msgspec.json.Decoder(_Plain)


class RowParser:
    """Makes requests of rows of one shape."""

    def __init__(self, shape: RowShape) -> None:
        self._shape = shape
        self._template = None if shape.template is None else Template(shape.template)
        self._may_be_plain = shape == RowShape()

    def read(self, raw: bytes, *, position: int) -> Request | None:
        """The request of a row that is as most are, read in one step; None if it is to be read closely.

        It is what `parse` would make of it. Rows of one input are alike, so after one that is not, none is tried.
        """
        if not self._may_be_plain:
            return None
        try:
            row = _plain.decode(raw)
        except (ValueError, RecursionError):
            self._may_be_plain = False
            return None
        return Request(position=position, messages=[_said("user", row.prompt)], id=row.id)

    def parse(self, row: object, *, position: int) -> Request:
        """The request of *row*. Raises `InputError` that says which field is wrong, and how."""
        if not isinstance(row, dict):
            raise InputError(f'the row is {_name(row)}; it must be an object, as in {{"prompt": "..."}}')
        rest = dict(row)
        ask = self._ask(rest)
        row_id = _take_id(rest)
        if not ask.is_body and not _SHAPING.isdisjoint(rest):
            ask.model, ask.max_tokens = _take(rest, "model"), _take(rest, "max_tokens")
            ask.params = _take(rest, "params") or {}
            ask.messages = _led(ask.messages, _take(rest, "system"))
        if ask.max_tokens is not None and ask.max_tokens < 1:
            raise InputError(f"field 'max_tokens' is {ask.max_tokens}; it must be at least 1")
        if ask.params.get("stream"):
            raise InputError("'stream' asks for an answer in pieces, and a row has one answer; leave it out")
        return Request(
            position=position,
            messages=ask.messages,
            params=ask.params,
            max_tokens=ask.max_tokens,
            model=ask.model,
            id=row_id,
            extra=rest,
        )

    def parse_text(self, text: str, *, position: int) -> Request:
        """The request of a line of plain text."""
        return self.parse({self._shape.prompt_field: text}, position=position)

    def _ask(self, rest: dict[str, Any]) -> _Ask:
        """Take what *rest* asks out of it."""
        field = self._shape.prompt_field
        if self._template is not None:
            return _Ask([_said("user", self._template.render(rest))])
        if field in rest:
            if field == "prompt" and "messages" in rest:
                raise InputError("fields 'prompt' and 'messages' both ask; keep one, or choose with --prompt-field")
            return _Ask([_said("user", _prompt(field, rest.pop(field)))])
        if "messages" in rest:
            return _Ask(_conversation("messages", rest.pop("messages")))
        if isinstance(rest.get("body"), dict):
            return _batch_line(rest)
        raise InputError(
            f"field {field!r} is missing; give it, or say with --prompt-field which field holds the prompt"
        )


def salvage(row: object) -> tuple[RowId, dict[str, Any]]:
    """The id, if it is one, and the other fields of a row that can't be asked: they come back with its failure."""
    if not isinstance(row, dict):
        return None, {}
    rest = {name: value for name, value in row.items() if name not in {*_OURS, "prompt", "messages", "body"}}
    try:
        return _take_id(rest), rest
    except InputError:
        return None, rest


def _batch_line(rest: dict[str, Any]) -> _Ask:
    """Take an OpenAI batch line apart. A body for the Responses API (`input`) is asked as a conversation."""
    url, body = rest.pop("url", None), dict(rest.pop("body"))
    rest.pop("method", None)
    if url is not None and not (isinstance(url, str) and url.split("?")[0].rstrip("/").endswith(_ENDPOINTS)):
        raise InputError(f"field 'url' is {url!r}; brim can ask only {', '.join(_ENDPOINTS[:-1])} and {_ENDPOINTS[-1]}")
    model = _checked("body.model", body.pop("model", None), str)
    max_tokens = _checked("body.max_output_tokens", body.pop("max_output_tokens", None), int)
    if "messages" in body:
        messages = _conversation("body.messages", body.pop("messages"))
    elif "input" in body:
        messages = _responses_input(body.pop("input"))
    else:
        raise InputError("field 'body' has neither 'messages' nor 'input'; give one")
    for name in ("instructions", "system"):
        said = _checked(f"body.{name}", body.pop(name, None), str)
        if said is not None:
            messages = [_said("system", said), *messages]
    return _Ask(messages, is_body=True, model=model, max_tokens=max_tokens, params=body)


def _responses_input(value: object) -> Sequence[Message]:
    if isinstance(value, str):
        return [_said("user", _prompt("body.input", value))]
    items = _conversation("body.input", value)
    return [
        _said(item["role"], _plain_content(f"body.input[{at}]", item.get("content"))) for at, item in enumerate(items)
    ]


def _plain_content(field: str, content: object) -> object:
    """The content of a Responses item as Chat Completions write it: text only, other parts differ too much."""
    if not isinstance(content, list):
        return content
    for part in content:
        if not isinstance(part, dict) or part.get("type") not in _TEXT_PARTS or not isinstance(part.get("text"), str):
            raise InputError(f"field '{field}.content' holds a part that is no text; write it as 'messages' instead")
    return [{"type": "text", "text": part["text"]} for part in content]


def _conversation(field: str, value: object) -> Sequence[Message]:
    if not isinstance(value, list) or not value:
        raise InputError(f"field {field!r} is {_name(value) if value else 'empty'}; it must be an array of messages")
    for at, message in enumerate(value):
        if not isinstance(message, dict):
            raise InputError(
                f"field '{field}[{at}]' is {_name(message)}; it must be an object with 'role' and 'content'"
            )
        if not isinstance(message.get("role"), str):
            raise InputError(f"field '{field}[{at}].role' is {_name(message.get('role'))}; it must be a string")
    return value


def _prompt(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"field {field!r} is {_name(value)}; it must be a string")
    if not value:
        raise InputError(f"field {field!r} is empty; there is nothing to ask")
    return value


def _take_id(rest: dict[str, Any]) -> RowId:
    name, value = "id", rest.pop("id", None)
    if value is None:
        name, value = "custom_id", rest.pop("custom_id", None)
    if isinstance(value, bool) or not isinstance(value, _ID):
        raise InputError(f"field {name!r} is {_name(value)}; it must be a string or a whole number")
    return value


def _take(rest: dict[str, Any], name: str) -> Any:
    return _checked(name, rest.pop(name, None), _OURS[name])


def _checked(field: str, value: Any, kind: type) -> Any:
    """*value* if it is null or of its kind. JSON's true is no number."""
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise InputError(f"field {field!r} is {_name(value)}; it must be {_NAMES[kind]}")
    return value


def _led(messages: Sequence[Message], system: str | None) -> Sequence[Message]:
    """*messages* behind the row's own *system* message, if it has one."""
    if system is None:
        return messages
    if any(message["role"] in _LEADING for message in messages):
        raise InputError("field 'system' and a system message in 'messages' contradict each other; keep one")
    return [_said("system", system), *messages]


def _said(role: str, content: object) -> Message:
    return {"role": role, "content": content}


def _name(value: object) -> str:
    return _NAMES.get(type(value), "something else")
