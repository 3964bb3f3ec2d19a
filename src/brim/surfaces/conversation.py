"""A conversation: what was said so far, and as much of it as may be sent within a bound of tokens.

It is a list of *turns*. A turn is a message of the user's and everything that belongs to it, up to the user's next
one: the answer, or tool calls, their results and the answer after them. The rules:

- The system prompt is always sent, first.
- Turns are sent or left out as a whole, the newest ones are sent. So what is sent begins with the user, and no tool's
  result is ever parted from the call it belongs to.
- The newest turn is always sent, even if it alone exceeds the bound: what a model can't take, its API says.
- Once the bound is exceeded, the oldest turns are left out until three quarters of it are filled, no fewer. So the
  beginning of what is sent stays the same for many turns, which is what providers' prompt caches need.
- Nothing is forgotten: what is left out is still saved, and sent again under a wider bound.

Tokens are estimated (`brim.policies.tokens`), so the bound should leave some room for error and for the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from brim.errors import InputError
from brim.policies.tokens import estimate_tokens
from brim.values import Message, Reply

__all__ = ["DEFAULT_BOUND", "Conversation"]

DEFAULT_BOUND: Final = 100_000
"""Fits all current hosted models (128,000 tokens and more) with room for an answer and for errors of estimate."""

_REFILL: Final = 0.75

_SYSTEM_ROLES: Final = frozenset({"system", "developer"})

_MEDIA: Final = frozenset({"image", "image_url", "input_image", "document", "file", "input_file", "input_audio"})
_MEDIA_TOKENS: Final = 1_500.0
"""Taken for each picture or file: APIs count them by their size in pixels or pages, not by their bytes."""


class _Saved(msgspec.Struct):
    messages: list[dict[str, Any]]


class Conversation:
    """Messages to and fro, within a bound of tokens.

        conversation = brim.Conversation(system="Be brief.")
        conversation.add_user("What is a lane?")
        conversation.add_reply(await client.complete(conversation.messages))

    Args:
        system: the system prompt; None for none.
        max_tokens: the bound on what is sent, in estimated tokens, the system prompt included; at least 1.

    Raises:
        InputError: *max_tokens* is below 1.
    """

    def __init__(self, system: str | None = None, *, max_tokens: int = DEFAULT_BOUND) -> None:
        self._turns: list[list[Message]] = []
        self._costs: list[float] = []
        self._first = 0
        self._system = system
        self.max_tokens = max_tokens

    @property
    def system(self) -> str | None:
        """The system prompt; may be set at any time."""
        return self._system

    @system.setter
    def system(self, text: str | None) -> None:
        self._system = text
        self._fit_anew()

    @property
    def max_tokens(self) -> int:
        """The bound; may be set at any time."""
        return self._max_tokens

    @max_tokens.setter
    def max_tokens(self, bound: int) -> None:
        if bound < 1:
            raise InputError(f"a conversation can't be kept within {bound} tokens; give max_tokens of 1 or more")
        self._max_tokens = bound
        self._fit_anew()

    @property
    def messages(self) -> list[Message]:
        """What to send: the system prompt and the newest turns that fit. The list is a new one each time."""
        return [*self._system_message, *(message for turn in self._turns[self._first :] for message in turn)]

    @property
    def history(self) -> list[Message]:
        """Everything, also what is no longer sent: the system prompt and all turns."""
        return [*self._system_message, *(message for turn in self._turns for message in turn)]

    @property
    def turns(self) -> int:
        """How many turns there are."""
        return len(self._turns)

    @property
    def dropped(self) -> int:
        """How many of the oldest turns are not sent."""
        return self._first

    @property
    def tokens(self) -> int:
        """Estimated tokens of what is sent."""
        return round(self._sent_cost)

    def add_user(self, content: str | Sequence[Mapping[str, Any]]) -> None:
        """Begin a turn with what the user says: a text, or parts in the API's own form (texts, images)."""
        self.add({"role": "user", "content": content if isinstance(content, str) else list(content)})

    def add_reply(self, reply: Reply) -> None:
        """Add the model's answer, its tool calls included, in the form in which its provider takes them back.

        Raises:
            InputError: there is no turn to be answered.
        """
        for message in _messages_of(reply):
            self.add(message)

    def add(self, message: Message) -> None:
        """Add any message in the API's own form, such as a tool's result. One of the user's begins a turn.

        Raises:
            InputError: it is a system message (set `system` instead), or the first and not the user's.
        """
        if message.get("role") in _SYSTEM_ROLES:
            raise InputError("a conversation has one system prompt, its first message: set `system` instead")
        if _begins_turn(message):
            self._turns.append([message])
            self._costs.append(_cost(message))
        elif not self._turns:
            raise InputError(f"a conversation begins with the user, not with {_whose(message)}; add the user's first")
        else:
            self._turns[-1].append(message)
            self._costs[-1] += _cost(message)
        self._fit()

    def take_back(self) -> list[Message]:
        """Remove the newest turn and return its messages, the user's first; an empty list if there is none."""
        if not self._turns:
            return []
        self._costs.pop()
        turn = self._turns.pop()
        self._fit_anew()
        return turn

    def clear(self) -> None:
        """Forget all turns. The system prompt stays."""
        self._turns.clear()
        self._costs.clear()
        self._fit_anew()

    def to_json(self) -> str:
        """All of it as JSON: `{"messages": [...]}`, a row that `brim run` takes too."""
        return msgspec.json.encode(_Saved([dict(message) for message in self.history])).decode()

    @classmethod
    def from_json(cls, text: str | bytes, *, max_tokens: int = DEFAULT_BOUND) -> Conversation:
        """Read what `to_json` wrote, or any object with `messages` in the APIs' form; other fields are passed over.

        Raises:
            InputError: it is no such JSON, or its messages are no conversation.
        """
        try:
            messages = msgspec.json.decode(text, type=_Saved).messages
        except (msgspec.DecodeError, UnicodeError) as error:
            raise InputError(f'this is no saved conversation, {{"messages": [...]}}: {error}') from None
        conversation = cls(max_tokens=max_tokens)
        if messages and messages[0].get("role") in _SYSTEM_ROLES:
            conversation.system = _system_text(messages.pop(0))
        for message in messages:
            conversation.add(message)
        return conversation

    def __repr__(self) -> str:
        return f"Conversation(turns={self.turns}, dropped={self.dropped}, tokens={self.tokens}/{self.max_tokens})"

    @property
    def _system_message(self) -> list[Message]:
        return [] if self._system is None else [{"role": "system", "content": self._system}]

    @property
    def _sent_cost(self) -> float:
        return sum(map(_cost, self._system_message)) + sum(self._costs[self._first :])

    def _fit(self) -> None:
        """Leave out the oldest turns if the bound is exceeded."""
        cost = self._sent_cost
        if cost <= self._max_tokens:
            return
        while cost > self._max_tokens * _REFILL and self._first < len(self._turns) - 1:
            cost -= self._costs[self._first]
            self._first += 1

    def _fit_anew(self) -> None:
        self._first = 0
        self._fit()


def _begins_turn(message: Message) -> bool:
    """Is it something the user says? Anthropic's tool results come in the user's name."""
    if message.get("role") != "user":
        return False
    content = message.get("content")
    return not any(part.get("type") == "tool_result" for part in _parts(content))


def _parts(content: object) -> list[Mapping[str, Any]]:
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, (list, tuple)) else []


def _whose(message: Message) -> str:
    return str(message.get("role") or message.get("type") or "a message without a role")


def _cost(message: Message) -> float:
    """Estimated tokens of *message*, its role and punctuation included."""
    media = 0

    def plain(value: object) -> object:
        nonlocal media
        if isinstance(value, Mapping):
            if value.get("type") in _MEDIA:
                media += 1
                return ""
            return {name: plain(inner) for name, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value

    return estimate_tokens(msgspec.json.encode(plain(message))) + media * _MEDIA_TOKENS


def _messages_of(reply: Reply) -> list[Message]:
    """The answer as messages. Tool calls tell by their type whose form they have."""
    if not reply.tool_calls:
        return [{"role": "assistant", "content": reply.text}]
    kind = reply.tool_calls[0].get("type")
    if kind == "tool_use":  # Anthropic: blocks of the content
        said: list[Message] = [{"type": "text", "text": reply.text}] if reply.text else []
        return [{"role": "assistant", "content": [*said, *reply.tool_calls]}]
    if kind in {"function_call", "custom_tool_call"}:  # OpenAI Responses: items of their own
        said = [{"role": "assistant", "content": reply.text}] if reply.text else []
        return [*said, *reply.tool_calls]
    return [{"role": "assistant", "content": reply.text or None, "tool_calls": list(reply.tool_calls)}]


def _system_text(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in _parts(content))
