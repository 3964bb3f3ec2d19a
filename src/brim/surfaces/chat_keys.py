"""What a person types, or a program pipes: messages one by one, and Ctrl-C while an answer comes.

In a terminal: editing over several lines, pasting, search in what was typed before. What is typed while an answer
comes waits for the next prompt. Through a pipe every line is a message. In both, a backslash at the end of a line
goes on with the next one.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final, Protocol, Self

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import Output
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

__all__ = ["Piped", "Reader", "Typed", "history_in", "state_folder"]

_MORE: Final = "\\"
_CHUNK: Final = 1 << 16
_LOOKS_SECRET: Final = re.compile(
    r"(?i)\b(sk|pk|rk|key|gsk|hf|xai|nvapi|AIza)[-_]?[A-Za-z0-9_-]{20,}|\bBearer\s+\S{16,}"
)
_STYLE: Final = Style.from_dict({"prompt": "bold ansicyan", "more": "ansibrightblack"})


class Reader(Protocol):
    """Where a chat's messages come from."""

    is_interactive: bool

    async def read(self) -> str | None:
        """The next message; None at the end."""

    async def confirm(self, question: str) -> bool:
        """Ask for a yes. Where there is nobody to ask, the answer is no."""

    def watch(self, stop: Callable[[], object]) -> AbstractContextManager[None]:
        """Call *stop* at every Ctrl-C inside a `with` block."""


class Piped:
    """Messages from a file descriptor, a line each. Ctrl-C ends the program, as everywhere."""

    is_interactive = False

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._is_over = False

    async def read(self) -> str | None:
        """The next message."""
        message: list[str] = []
        while (line := await self._line()) is not None:
            if not line.endswith(_MORE):
                return "\n".join([*message, line])
            message.append(line[: -len(_MORE)])
        return "\n".join(message) if message else None

    async def confirm(self, question: str) -> bool:  # noqa: ARG002 - there is nobody to ask
        """No."""
        return False

    def watch(self, stop: Callable[[], object]) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing to watch."""
        return nullcontext()

    async def _line(self) -> str | None:
        while "\n" not in self._text and not self._is_over:
            await _readable(self._fd)
            data = os.read(self._fd, _CHUNK)
            self._is_over = not data
            self._text += self._decoder.decode(data, final=self._is_over)
        if not self._text:
            return None
        line, _, self._text = self._text.partition("\n")
        return line.removesuffix("\r")


async def _readable(fd: int) -> None:
    """Wait until there is something to read."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(fd, ready.set)
    except (OSError, NotImplementedError):
        return  # a file on disk, which never lets anyone wait, or Windows
    try:
        await ready.wait()
    finally:
        loop.remove_reader(fd)


class Typed:
    """Messages typed in a terminal.

    Use it as a context manager, inside the event loop.

    Args:
        commands: what the Tab key completes, and whether a file name follows.
        history: what was typed before.
        hint: called at a Ctrl-C that has nothing to stop and nothing to clear.
        source: the terminal's keys; by default those of standard input.
        screen: where the prompt is shown; by default the terminal.
    """

    is_interactive = True

    def __init__(
        self,
        *,
        commands: Mapping[str, bool],
        history: History,
        hint: Callable[[], None],
        source: Input | None = None,
        screen: Output | None = None,
    ) -> None:
        self._hint = hint
        self._stop: Callable[[], object] | None = None
        self._session: PromptSession[str] = PromptSession(
            [("class:prompt", "> ")],
            multiline=True,
            prompt_continuation=[("class:more", ". ")],
            history=history,
            key_bindings=_bindings(),
            completer=_Commands(commands),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            reserve_space_for_menu=0,
            enable_open_in_editor=True,
            style=_STYLE,
            input=source,
            output=screen,
        )
        self._question: PromptSession[str] = PromptSession(
            history=InMemoryHistory(), input=self._session.input, output=self._session.output
        )

    def __enter__(self) -> Self:
        # Keys come as keys while a prompt or an answer is on; this is for `kill -INT`.
        with suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(NotImplementedError):
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    async def read(self) -> str | None:
        """The next message."""
        while True:
            try:
                text = await self._session.prompt_async(handle_sigint=False)
            except KeyboardInterrupt:
                if not self._session.default_buffer.text:
                    self._hint()
            except EOFError:
                return None
            else:
                # A terminal may send bytes that are no UTF-8; they come as halves of surrogates.
                return text.encode("utf-8", "replace").decode()

    async def confirm(self, question: str) -> bool:
        """Ask for a `y`."""
        try:
            answer = await self._question.prompt_async(f"{question} [y/N] ", handle_sigint=False)
        except (KeyboardInterrupt, EOFError):
            return False
        return answer.strip().lower() in {"y", "yes"}

    @contextmanager
    def watch(self, stop: Callable[[], object]) -> Iterator[None]:
        """Call *stop* at every Ctrl-C; other keys wait for the next prompt."""
        source = self._session.input
        self._stop = stop

        def typed() -> None:
            keys = source.read_keys()
            store_typeahead(source, [press for press in keys if press.key != Keys.ControlC])
            if any(press.key == Keys.ControlC for press in keys):
                stop()

        try:
            with source.raw_mode(), source.attach(typed):
                yield
        finally:
            self._stop = None

    def _interrupt(self) -> None:
        if self._stop is not None:
            self._stop()


def _bindings() -> KeyBindings:
    bindings = KeyBindings()
    typing = has_focus(DEFAULT_BUFFER)

    @bindings.add("enter", filter=typing)
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.text_before_cursor.endswith(_MORE):
            buffer.delete_before_cursor(len(_MORE))
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @bindings.add("escape", "enter", filter=typing)
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


class _Commands(Completer):
    """Completes commands, and the names of files behind those that take one."""

    def __init__(self, commands: Mapping[str, bool]) -> None:
        self._commands = commands
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        command, blank, argument = text.partition(" ")
        if not blank:
            names = [name for name in self._commands if text and name.startswith(text)]
            return [Completion(name, start_position=-len(text)) for name in names]
        if self._commands.get(command):
            return self._paths.get_completions(Document(argument), complete_event)
        return ()


def state_folder(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Where this platform keeps what a program remembers of its user."""
    home = Path(environ.get("HOME") or Path.home())
    if platform == "darwin":
        return home / "Library" / "Application Support" / "brim"
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "brim"
    state = environ.get("XDG_STATE_HOME", "")
    # The XDG base directory specification: a path that is not absolute is to be ignored.
    return (Path(state) if state.startswith("/") else home / ".local" / "state") / "brim"


def history_in(folder: Path, *, secrets: Iterable[str] = ()) -> History:
    """What was typed before, kept in *folder* for its owner alone; in memory if that can't be written.

    Args:
        folder: made if it is not there.
        secrets: what is never written: a message that holds one of them, or anything that looks like a key, is
            remembered until the chat ends and no longer.
    """
    path = folder / "chat-history"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return _SafeHistory(path, [secret for secret in secrets if secret])


class _SafeHistory(FileHistory):
    def __init__(self, path: Path, secrets: list[str]) -> None:
        self._secrets = secrets
        super().__init__(path)

    def store_string(self, string: str) -> None:
        if _LOOKS_SECRET.search(string) or any(secret in string for secret in self._secrets):
            return
        with suppress(OSError):  # a full disk is no reason to end a chat
            super().store_string(string)
