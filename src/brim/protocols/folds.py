"""What the streams of the three APIs add up to: each fold rebuilds the body of the plain answer from the events.

Events that a fold does not know are passed over: providers add some every month, and pad theirs with fields against
eavesdroppers. Counts of tokens are cumulative wherever they come more than once: the last one stands, never the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from brim.protocols import Piece
from brim.protocols.reading import joined_text, read, read_any

__all__ = ["ChatFold", "MessagesFold", "ResponsesFold"]

_encode: Final = msgspec.json.Encoder().encode
_SIGN_OF_LIFE: Final = Piece()
"""Stands for a part of the answer that is neither text nor reasoning: a tool call's arguments, a refusal."""


class _Delta(msgspec.Struct, gc=False):
    content: Any = None
    refusal: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: Any = None
    function_call: Any = None


class _Choice(msgspec.Struct, gc=False):
    index: Any = None
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: Any = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Any = None
    model: Any = None
    id: Any = None


class ChatFold:
    """Chat Completions: unnamed chunks, then `[DONE]`.

    The usage comes in a chunk without choices, or beside the last one. A server that streams in name only sends the
    whole `message` in one chunk.
    """

    decoder: Final = msgspec.json.Decoder(_Chunk)

    def __init__(self) -> None:
        self.is_complete = False
        self._index: Any = None
        self._text: list[str] = []
        self._has_text = False
        self._refusal: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._function: dict[str, Any] = {}
        self._finish: Any = None
        self._usage: Any = None
        self._model: Any = None
        self._id: Any = None

    def knows(self, event: _Chunk) -> bool:
        """A chunk has choices, if only an empty list."""
        return event.choices is not None

    def done(self) -> None:
        """`[DONE]` is how this API ends."""
        self.is_complete = True

    def add(self, name: str, event: _Chunk) -> Piece | None:  # noqa: ARG002 - chunks have no names
        """Take a chunk."""
        self._usage = event.usage or self._usage
        self._model = event.model or self._model
        self._id = event.id or self._id
        for choice in event.choices or ():
            if self._index is None:
                self._index = choice.index
            if choice.index == self._index:  # of several answers the first one is read, as of a plain body
                return self._choice(choice)
        return None

    def body(self) -> bytes:
        """A `chat.completion`."""
        message = {
            "content": "".join(self._text) if self._has_text else None,
            "refusal": "".join(self._refusal) or None,
            "tool_calls": [self._calls[at] for at in sorted(self._calls)] or None,
            "function_call": self._function or None,
        }
        choices = [{"message": message, "finish_reason": self._finish}]
        return _encode({"choices": choices, "usage": self._usage, "model": self._model, "id": self._id})

    def _choice(self, choice: _Choice) -> Piece | None:
        self._finish = choice.finish_reason or self._finish
        delta = choice.delta or choice.message
        if delta is None:
            return None
        if (text := joined_text(delta.content)) is not None:
            self._has_text = True
            self._text.append(text)
        reasoning = joined_text(delta.reasoning_content) or joined_text(delta.reasoning)
        if text or reasoning:
            self._side(delta)
            return Piece(text or "", reasoning or "")
        return _SIGN_OF_LIFE if self._side(delta) else None

    def _side(self, delta: _Delta) -> bool:
        """Take what is no text. Returns whether there was any."""
        if isinstance(delta.refusal, str):
            self._refusal.append(delta.refusal)
        if isinstance(delta.function_call, dict):
            _append_function(self._function, delta.function_call)
        calls = delta.tool_calls if isinstance(delta.tool_calls, list) else ()
        for call in calls:
            if isinstance(call, dict):
                self._call(call)
        return bool(delta.refusal or delta.function_call or calls)

    def _call(self, call: dict[str, Any]) -> None:
        """Add a piece of a tool call: its arguments grow, everything else is said once."""
        at = call.pop("index", None)
        if not isinstance(at, int):  # some servers number nothing and send each call whole
            last = max(self._calls, default=-1)
            at = last + 1 if call.get("id") or not self._calls else last
        known = self._calls.setdefault(at, {})
        function = call.pop("function", None)
        known.update({name: value for name, value in call.items() if value is not None})
        if isinstance(function, dict):
            _append_function(known.setdefault("function", {}), function)


def _append_function(known: dict[str, Any], piece: Mapping[str, Any]) -> None:
    for name, value in piece.items():
        before = known.get(name)
        if name == "arguments" and isinstance(value, str) and isinstance(before, str):
            known[name] = before + value
        elif value or before is None:
            known[name] = value


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    index: Any = None
    message: Any = None
    content_block: Any = None
    delta: Any = None
    usage: Any = None


# What a delta adds to its block: from its type to its field, which is the block's too but for arguments.
_BLOCK_DELTAS: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
_NEW_BLOCKS: Final = {"text": "text", "thinking": "thinking", "signature": "thinking", "partial_json": "tool_use"}


class MessagesFold:
    """Anthropic's Messages: `message_start`, blocks and their deltas, `message_delta`, `message_stop`."""

    decoder: Final = msgspec.json.Decoder(_Event)

    def __init__(self) -> None:
        self.is_complete = False
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._grown: dict[tuple[int, str], list[str]] = {}

    def knows(self, event: _Event) -> bool:
        """Every event repeats its name."""
        return event.type is not None

    def done(self) -> None:
        """Nothing: this API ends with `message_stop`; some relays add OpenAI's mark."""

    def add(self, name: str, event: _Event) -> Piece | None:
        """Take an event."""
        kind = event.type if isinstance(event.type, str) else name
        if kind == "content_block_delta":
            return self._delta(event)
        if kind == "message_start" and isinstance(event.message, dict):
            self._start(event.message)
        elif kind == "content_block_start" and isinstance(event.content_block, dict):
            return self._block(event)
        elif kind == "message_delta":
            self._end(event)
        elif kind == "message_stop":
            self.is_complete = True
        return None

    def body(self) -> bytes:
        """A `message`."""
        for (at, field), texts in self._grown.items():
            block, text = self._blocks[at], "".join(texts)
            if field == "partial_json":
                _set_input(block, text)
            else:
                block[field] = f"{_string(block.get(field))}{text}"
        self._grown.clear()
        content = [self._blocks[at] for at in sorted(self._blocks)]
        return _encode({**self._message, "content": content, "usage": self._usage or None})

    def _start(self, message: dict[str, Any]) -> None:
        self._message.update(message)
        self._count(message.get("usage"))

    def _end(self, event: _Event) -> None:
        if isinstance(event.delta, dict):
            self._message.update({name: value for name, value in event.delta.items() if value is not None})
        self._count(event.usage)

    def _count(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._usage.update({name: value for name, value in usage.items() if value is not None})

    def _block(self, event: _Event) -> Piece | None:
        """A block begins; a few servers put its whole text there."""
        block = event.content_block
        self._blocks[self._place(event.index, is_new=True)] = block
        is_text = block.get("type") == "text"
        text = _string(block.get("text" if is_text else "thinking"))
        return Piece(text if is_text else "", "" if is_text else text)

    def _delta(self, event: _Event) -> Piece | None:
        delta = event.delta if isinstance(event.delta, dict) else {}
        kind = delta.get("type")
        field = _BLOCK_DELTAS.get(kind) if isinstance(kind, str) else None
        text = delta.get(field) if field else None
        if field is None or not isinstance(text, str):
            return None
        at = self._place(event.index, is_new=False)
        self._blocks.setdefault(at, {"type": _NEW_BLOCKS[field]})
        self._grown.setdefault((at, field), []).append(text)
        return Piece(text if field == "text" else "", text if field == "thinking" else "")

    def _place(self, index: object, *, is_new: bool) -> int:
        if isinstance(index, int):
            return index
        last = max(self._blocks, default=-1)
        return last + 1 if is_new or last < 0 else last


def _set_input(block: dict[str, Any], text: str) -> None:
    """Put a tool's arguments into its block; what was cut stays as the text it is."""
    if text:
        parsed = read_any(text.encode())
        block["input"] = text if parsed is None else parsed


class _ResponseEvent(msgspec.Struct, gc=False):
    type: Any = None
    delta: Any = None
    item: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()


_TEXT: Final = "response.output_text.delta"
_REASONING: Final = frozenset({"response.reasoning_text.delta", "response.reasoning_summary_text.delta"})
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_ITEM: Final = "response.output_item.done"
_NOTHING: Final = frozenset({b"", b"null", b"[]"})
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ResponsesFold:
    """OpenAI's Responses: named events; the last one holds the whole answer.

    A few servers leave the output out of it: then the items that were reported on the way stand in.
    """

    decoder: Final = msgspec.json.Decoder(_ResponseEvent)

    def __init__(self) -> None:
        self._response: msgspec.Raw | None = None
        self._items: list[msgspec.Raw] = []

    @property
    def is_complete(self) -> bool:
        """Has one of the events come that hold the whole answer?"""
        return self._response is not None

    def knows(self, event: _ResponseEvent) -> bool:
        """Every event repeats its name."""
        return event.type is not None

    def done(self) -> None:
        """Nothing: this API ends with an event; some relays add the other API's mark."""

    def add(self, name: str, event: _ResponseEvent) -> Piece | None:
        """Take an event."""
        kind = event.type if isinstance(event.type, str) else name
        delta = event.delta if isinstance(event.delta, str) else ""
        if kind == _TEXT:
            return Piece(delta)
        if kind in _REASONING:
            return Piece("", delta)
        if kind == _ITEM:
            self._items.append(event.item)
        elif kind in _ENDS:
            self._response = event.response
        return _SIGN_OF_LIFE if delta else None

    def body(self) -> bytes:
        """A `response`."""
        body = bytes(self._response or b"")
        items = [item for item in self._items if bytes(item)]
        fields = read(_FIELDS, body) if items else None
        if fields is None or bytes(fields.get("output", b"")).strip() not in _NOTHING:
            return body
        return _encode({**fields, "output": items})


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
