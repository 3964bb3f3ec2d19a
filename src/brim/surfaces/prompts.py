"""What a program asks: prompts become requests, and what can't be one is said before anything goes.

A prompt is the program's own, so it may be anything. The rule: what is wrong with one is wrong with that one alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, Final, TypeAlias, TypeGuard

import msgspec

from brim.errors import InputError
from brim.protocols import fingerprint
from brim.protocols.reading import TOO_MANY
from brim.surfaces.reading import in_turns
from brim.values import Failure, FailureKind, Message, Request, Result, Sent

__all__ = ["Prompt", "as_request", "check_prompts", "names_models", "turns_of", "unsendable"]

Prompt: TypeAlias = str | Sequence[Message] | Request
"""What may be asked: a text, a conversation, or a whole request."""

_KINDS: Final[Mapping[str, tuple[type | tuple[type, ...], str]]] = {
    "params": (Mapping, "a dict of fields of the body"),
    "max_tokens": ((Integral, type(None)), "a whole number"),
    "model": ((str, type(None)), "a string"),
}
"""The fields of a request that are looked into before it goes, beside its messages."""
_SHOWN: Final = 60
"""A value that takes more characters is named by its type."""


def check_prompts(prompts: object) -> None:
    """Raise `InputError` unless *prompts* are several: of a text each letter would be sent as one."""
    is_one = isinstance(prompts, str | bytes | Mapping | Request)
    if is_one or not isinstance(prompts, Iterable | AsyncIterable):
        raise InputError(
            f"the prompts are of type {type(prompts).__name__}; they must be a list or another iterable of prompts, "
            "as [prompt] is for a single one"
        )


def names_models(prompts: object) -> bool:
    """Can *prompts* be read more than once, and does one of them name a model? Then they may be for several lanes."""
    if not isinstance(prompts, list | tuple):
        return False
    return any(isinstance(prompt, Request) and prompt.model is not None for prompt in prompts)


async def turns_of(
    prompts: Iterable[Prompt] | AsyncIterable[Prompt], start: int
) -> AsyncIterator[Iterable[Request | Result]]:
    """The requests that *prompts* are from *start* on, turn by turn; what is none is a failed result.

    Only a list can be read from another place than its first: of another sequence each look may cost who knows what.
    """
    position = start
    if isinstance(prompts, list | tuple):
        asked = (_row(prompts[place], place) for place in range(start, len(prompts)))
        async for turn in in_turns(asked):
            yield turn
    elif isinstance(prompts, AsyncIterable):
        async for prompt in prompts:
            yield (_row(prompt, position),)
            position += 1
    else:
        for prompt in prompts:
            yield (_row(prompt, position),)
            position += 1


def _row(prompt: Prompt, position: int) -> Request | Result:
    try:
        return as_request(prompt, position)
    except InputError as error:
        return unsendable(prompt, position, error)


def as_request(prompt: Prompt, position: int) -> Request:
    """The request that *prompt* is. Raises `InputError` if it is none."""
    if isinstance(prompt, str):
        return Request(position=position, messages=[{"role": "user", "content": prompt}])
    if isinstance(prompt, Request):
        _check(prompt, position)
        return msgspec.structs.replace(prompt, position=position)
    if not prompt or not _are_messages(prompt):
        kind = type(prompt).__name__
        raise InputError(f"prompt {position} is of type {kind}; it must be a str, a list of messages or a brim.Request")
    _check_roles(prompt, position)
    return Request(position=position, messages=prompt)


def unsendable(prompt: Prompt, position: int, error: InputError) -> Result:
    """The result of a prompt that can't be sent, because of *error*."""
    if isinstance(prompt, Request):
        request = msgspec.structs.replace(prompt, position=position)
    else:
        request = Request(position=position, messages=())
    return Result(
        request=request,
        outcome=Failure(kind=FailureKind.INVALID, message=str(error), sent=Sent.NO),
        # What JSON can't carry is just what stands here.
        fingerprint=fingerprint("unsendable", repr((request.messages, request.params)).encode(errors="replace")),
    )


def _check(request: Request, position: int) -> None:
    if not _are_messages(request.messages):
        raise InputError(f"prompt {position}: its field messages must be a list of messages")
    _check_roles(request.messages, position)
    for name, (kinds, words) in _KINDS.items():
        value: Any = getattr(request, name)
        is_kind = isinstance(value, kinds) and not isinstance(value, bool)
        if not is_kind or (isinstance(value, Integral) and abs(int(value)) >= TOO_MANY):
            raise InputError(f"prompt {position}: its field {name} is {_shown(value)}; it must be {words}")


def _are_messages(value: object) -> TypeGuard[Sequence[Message]]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return False
    return all(isinstance(message, Mapping) for message in value)


def _check_roles(messages: Sequence[Message], position: int) -> None:
    for number, message in enumerate(messages):
        role = message.get("role")
        if role is not None and not isinstance(role, str):
            raise InputError(f"prompt {position}: messages[{number}] has the role {_shown(role)}; it must be a string")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"of type {type(value).__name__}"
