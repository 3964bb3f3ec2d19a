"""`brim chat`: a talk with any model in the terminal, or through a pipe.

Wires keys, screen and model into one loop. Nothing that goes wrong with one message ends the chat.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import IntEnum
from typing import Final

import msgspec
from prompt_toolkit.output import create_output

from brim.errors import BrimError, ConfigError
from brim.events import Event
from brim.local.models import MODELS
from brim.local.models import Model as EmbeddedModel
from brim.protocols.registry import DIALECT_NAMES, find_dialect
from brim.surfaces.chat_keys import Piped, Reader, Typed, history_in, state_folder
from brim.surfaces.chat_screen import ChatScreen
from brim.surfaces.chat_slash import COMMANDS, obey, parse
from brim.surfaces.chat_talk import Talk
from brim.surfaces.client import Client, Options
from brim.surfaces.conversation import DEFAULT_BOUND, Conversation
from brim.surfaces.endpoints import LOCAL, split_model

__all__ = ["DEFAULT_MODEL", "ChatExit", "ChatSettings", "chat_with", "converse"]

DEFAULT_MODEL: Final = "local:smollm2"

_ANSWER_SHARE: Final = 3
"""An embedded model's context is small: a third of it is kept free for the answer."""


class ChatExit(IntEnum):
    """Exit status of a chat."""

    ENDED = 0
    UNANSWERED = 1
    """Through a pipe: a message found no answer, or a command could not be carried out."""


class ChatSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a chat begins with.

    Attributes:
        model: see `Client`; None for the embedded one.
        options: see `Client`.
        system: the system prompt.
        history: tokens of history sent along; None chooses by the model.
    """

    model: str | None
    options: Options
    system: str | None = None
    history: int | None = None

    @property
    def first_model(self) -> str:
        """The model to begin with. Raises `ConfigError` if it does not go with the base URL."""
        base_url = self.options.get("base_url")
        if base_url is not None and (self.model is None or split_model(self.model)[0] == LOCAL):
            raise ConfigError(f"which model at {base_url}? Name it with --model (the embedded one has no base URL)")
        return self.model or DEFAULT_MODEL

    def client(self, model: str, on_event: Callable[[Event], None]) -> Client:
        """A client for *model*. The base URL and the API go with the provider they were given for."""
        options: Options = {**self.options, "on_event": on_event}
        if split_model(model)[0] != split_model(self.first_model)[0]:
            options |= {"base_url": None, "api": "chat"}
        embedded = _embedded(model)
        if embedded is not None and options.get("max_tokens") is None:
            options["max_tokens"] = embedded.context // _ANSWER_SHARE  # so small a model may talk without end
        return Client(model, **options)

    def bound(self, model: str) -> int:
        """Tokens of history that *model* is sent."""
        embedded = _embedded(model)
        if self.history is not None or embedded is None:
            return self.history or DEFAULT_BOUND
        return max(1, embedded.context - (self.options.get("max_tokens") or embedded.context // _ANSWER_SHARE))


def _embedded(model: str) -> EmbeddedModel | None:
    prefix, name = split_model(model)
    return MODELS.get(name or "") if prefix == LOCAL else None


async def chat_with(settings: ChatSettings) -> ChatExit:
    """Chat on standard input and output until the end.

    Raises:
        ConfigError: a setting is wrong, or the model can't be reached.
    """
    screen = ChatScreen(stdout=sys.stdout, stderr=sys.stderr)
    with ExitStack() as stack, _ends_at_sigterm():
        reader = _reader(screen, stack)
        talk = Talk(
            model=settings.first_model,
            connect=settings.client,
            bound=settings.bound,
            conversation=Conversation(settings.system),
            screen=screen,
            watch=reader.watch,
        )
        return await converse(talk, reader)


async def converse(talk: Talk, reader: Reader) -> ChatExit:
    """Take messages and commands until there are no more."""
    wrong = 0
    async with talk:
        if reader.is_interactive:
            talk.screen.note(f"brim chat with {talk.model}; /help lists the commands, Ctrl-D ends")
        while (message := await reader.read()) is not None:
            command = parse(message)
            try:
                if command is not None and not await obey(talk, reader, *command):
                    break
                if command is None and message.strip():
                    await talk.ask(message.strip("\n"))
            except BrimError as error:
                wrong += 1
                talk.screen.error(str(error))
    has_failed = wrong + talk.totals.unanswered > 0
    return ChatExit.UNANSWERED if has_failed and not reader.is_interactive else ChatExit.ENDED


def _reader(screen: ChatScreen, stack: ExitStack) -> Reader:
    """The terminal if there is one to type in and to see it, else whatever standard input is."""
    if not sys.stdin.isatty() or not (sys.stdout.isatty() or sys.stderr.isatty()):
        return Piped(sys.stdin.fileno())
    keys = [os.environ.get(find_dialect(name, base_url=None).key_variable, "") for name in DIALECT_NAMES]
    typed = Typed(
        commands={name: command.takes == "FILE" for name, command in COMMANDS.items()},
        history=history_in(state_folder(os.environ), secrets=keys),
        hint=lambda: screen.note("Ctrl-D or /quit ends the chat"),
        screen=create_output(always_prefer_tty=True),
    )
    return stack.enter_context(typed)


@contextmanager
def _ends_at_sigterm() -> Iterator[None]:
    """End in order, so that the terminal is given back as it was and the embedded model is stopped."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a chat is a task"
    with suppress(NotImplementedError):  # Windows
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGTERM)
