"""What the tests of the chat share: models that say what they are told, keys that are typed, a pipe."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from brim.errors import CallFailed, ConfigError
from brim.events import Event
from brim.protocols import Piece
from brim.surfaces.chat import ChatExit, converse
from brim.surfaces.chat_keys import Piped, Reader, Typed
from brim.surfaces.chat_screen import ChatScreen
from brim.surfaces.chat_slash import COMMANDS
from brim.surfaces.chat_talk import Talk
from brim.surfaces.conversation import Conversation
from brim.values import Failure, Message, Reply, Request, Result, Usage

KEY = "sk-never-shown-0123456789abcdef"
CTRL_C, CTRL_D, ALT_ENTER = "\x03", "\x04", "\x1b\r"


class Answer:
    """An answer in pieces; what it is said to *hold* on it waits there."""

    def __init__(self, script: Scripted, pieces: list[Piece | Failure | Callable[[], None]]) -> None:
        self._script = script
        self._pieces = pieces
        self._text = "".join(piece.text for piece in pieces if isinstance(piece, Piece))

    @property
    def reply(self) -> Reply:
        return Reply(text=self._text, usage=Usage(input_tokens=7, output_tokens=3), tool_calls=self._script.tool_calls)

    @property
    def result(self) -> Result:
        return Result(request=Request(messages=[]), outcome=self.reply, cost_usd=0.5)

    async def __aiter__(self) -> AsyncIterator[Piece]:
        for piece in self._pieces:
            if isinstance(piece, Failure):
                raise CallFailed.of(piece)
            if isinstance(piece, Piece):
                yield piece
            else:
                piece()
                await asyncio.Event().wait()  # it never goes on


class Scripted:
    """Models that say what they are told to; by default they repeat the question."""

    def __init__(self, *answers: list[Piece | Failure | Callable[[], None]]) -> None:
        self.answers = list(answers)
        self.asked: list[list[Message]] = []
        self.reached: list[str] = []
        self.left: list[str] = []
        self.events: list[Event] = []
        self.tool_calls: list[Mapping[str, object]] = []
        self.on_reach: Callable[[], None] | None = None

    @asynccontextmanager
    async def connect(self, model: str, on_event: Callable[[Event], None]) -> AsyncIterator[Scripted]:
        if "none" in model:
            raise ConfigError(f"there is no {model}")
        if self.on_reach is not None:
            self.on_reach()
            await asyncio.Event().wait()  # it never comes up
        self._on_event = on_event
        self.reached.append(model)
        yield self
        self.left.append(model)

    @asynccontextmanager
    async def stream(self, messages: list[Message]) -> AsyncIterator[Answer]:
        self.asked.append(messages)
        for event in self.events:
            self._on_event(event)
        yield Answer(self, self.answers.pop(0) if self.answers else [Piece(f"you said {messages[-1]['content']}")])


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


class Shown:
    """What a chat showed, and what it came to."""

    def __init__(self, stdout: io.StringIO | None = None, stderr: io.StringIO | None = None) -> None:
        self.stdout = stdout or io.StringIO()
        self.stderr = stderr or io.StringIO()
        self.status: ChatExit | None = None
        self.conversation = Conversation()

    @property
    def out(self) -> str:
        return self.stdout.getvalue()

    @property
    def err(self) -> str:
        return self.stderr.getvalue()

    async def talk(self, models: Scripted, reader: Reader, conversation: Conversation | None = None) -> None:
        talk = Talk(
            model="local:m",
            connect=models.connect,
            bound=lambda model: 100 if model == "local:m" else 1_000,
            conversation=conversation or Conversation(),
            screen=ChatScreen(stdout=self.stdout, stderr=self.stderr),
            watch=reader.watch,
        )
        self.status = await converse(talk, reader)
        self.conversation = talk.conversation


@contextmanager
def pipe_of(text: str | bytes) -> Iterator[Piped]:
    """A pipe that holds *text* and ends."""
    reading, writing = os.pipe()
    try:
        os.write(writing, text if isinstance(text, bytes) else text.encode())
        os.close(writing)
        yield Piped(reading)
    finally:
        os.close(reading)


def piped(text: str, models: Scripted | None = None, shown: Shown | None = None) -> Shown:
    """A chat through a pipe."""
    shown = shown or Shown()
    with pipe_of(text) as reader:
        asyncio.run(shown.talk(models or Scripted(), reader))
    return shown


class Keyboard(Typed):
    """Somebody who begins to type when there is a prompt."""

    first_keys: Callable[[], None] | None = None

    async def read(self) -> str | None:
        if self.first_keys is not None:
            self.first_keys()
            self.first_keys = None
        return await super().read()


def typed(keys: str | bytes, models: Scripted | None = None, then: Callable[[PipeInput], None] | None = None) -> Shown:
    """A chat with somebody who types *keys*; *then* is told where to type more."""
    shown = Shown()

    async def main() -> None:
        with create_pipe_input() as source:
            if then:
                then(source)
            hint = ChatScreen(stdout=shown.stdout, stderr=shown.stderr).note
            with Keyboard(
                commands={name: command.takes == "FILE" for name, command in COMMANDS.items()},
                history=InMemoryHistory(),
                hint=lambda: hint("(hint)"),
                source=source,
                screen=DummyOutput(),
            ) as reader:
                reader.first_keys = lambda: source.send_bytes(keys if isinstance(keys, bytes) else keys.encode())
                await shown.talk(models or Scripted(), reader)

    asyncio.run(main())
    return shown


def users(models: Scripted) -> list[str]:
    """The last message of each question."""
    return [str(messages[-1]["content"]) for messages in models.asked]
