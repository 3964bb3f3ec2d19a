"""The commands of a chat: a word after a slash at the very beginning of a message.

One table says what there is; help and completion read it. What is no command (a path, a blank before the slash) is a
message like any other.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from brim.errors import InputError
from brim.surfaces.chat_keys import Reader
from brim.surfaces.chat_talk import Talk
from brim.surfaces.conversation import Conversation
from brim.surfaces.endpoints import split_model
from brim.surfaces.params import text_or_file
from brim.surfaces.screen import money

__all__ = ["COMMANDS", "Command", "obey", "parse"]

_COMMAND: Final = re.compile(r"/([A-Za-z?]+)(?:\s+(.*))?", re.DOTALL)

_KEYS: Final = (
    ("Enter", "send"),
    ("Alt-Enter, or \\ at the end of a line", "a new line"),
    ("Up, Down, Ctrl-R", "what you typed before"),
    ("Ctrl-C", "stop the answer, or clear the line"),
    ("Ctrl-D", "end the chat"),
)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command.

    Attributes:
        act: does it; told the talk, who can be asked, and what stands behind the command. Returns whether to go on.
        about: what it does, for the help.
        takes: what may stand behind it.
    """

    act: Callable[[Talk, Reader, str], Awaitable[bool]]
    about: str
    takes: str = ""


def parse(message: str) -> tuple[str, str] | None:
    """The command and its argument; None for what is to be sent to the model."""
    match = _COMMAND.fullmatch(message.rstrip())
    return (match[1].lower(), match[2] or "") if match else None


async def obey(talk: Talk, reader: Reader, name: str, argument: str) -> bool:
    """Carry out a command. Returns whether the chat goes on.

    Raises:
        InputError: there is no such command, or what stands behind it is wrong.
        BrimError: it could not be done.
    """
    command = COMMANDS.get(f"/{name}")
    if command is None:
        raise InputError(f"there is no command /{name}; /help lists them (put a blank before the slash to send it)")
    return await command.act(talk, reader, argument.strip())


async def _model(talk: Talk, _: Reader, name: str) -> bool:
    if not name:
        talk.screen.tell(talk.model)
        return True
    await talk.switch(full_name(name, talk.model))
    talk.screen.note(f"{talk.model}; {talk.state()}")
    return True


def full_name(name: str, current: str) -> str:
    """The model *name* with its provider: the current one's unless it names its own."""
    has_prefix = split_model(name)[1] != name
    return name if has_prefix else f"{split_model(current)[0]}:{name}"


async def _system(talk: Talk, _: Reader, text: str) -> bool:
    if text:
        talk.conversation.system = None if text == "-" else text_or_file(text)
    system = talk.conversation.system
    talk.screen.tell("no system prompt" if system is None else f"system prompt: {system}")
    return True


async def _save(talk: Talk, reader: Reader, name: str) -> bool:
    path = _path(name, "/save")
    if path.exists() and not await reader.confirm(f"{path} exists. Overwrite it?"):
        raise InputError(f"{path} exists and was left as it is; name another file")
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(talk.conversation.to_json() + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise InputError(f"can't write {path}: {error.strerror}") from None
    talk.screen.note(f"saved in {path}")
    return True


async def _load(talk: Talk, _: Reader, name: str) -> bool:
    path = _path(name, "/load")
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from None
    try:
        talk.restore(Conversation.from_json(text))
    except InputError as error:
        raise InputError(f"can't load {path}: {error}") from None
    talk.screen.note(f"loaded {path}; {talk.state()}")
    return True


def _path(name: str, command: str) -> Path:
    if not name:
        raise InputError(f"{command} wants the name of a file, as in {command} talk.json")
    path = Path(name).expanduser()
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it")
    return path


async def _clear(talk: Talk, _: Reader, __: str) -> bool:
    talk.clear()
    talk.screen.note("forgotten; the system prompt stays" if talk.conversation.system is not None else "forgotten")
    return True


async def _retry(talk: Talk, _: Reader, __: str) -> bool:
    if not await talk.ask_again():
        raise InputError("there is nothing to ask again yet")
    return True


async def _usage(talk: Talk, _: Reader, __: str) -> bool:
    totals = talk.totals
    cost = f", {money(totals.cost_usd)} at list price" if totals.cost_usd is not None else ""
    answers = f"{totals.answers:,} answer{'s' * (totals.answers != 1)}"
    talk.screen.tell(f"{answers}: {totals.input_tokens:,} tokens in, {totals.output_tokens:,} out{cost}")
    talk.screen.tell(f"{talk.model}: {talk.state()}")
    return True


async def _help(talk: Talk, _: Reader, __: str) -> bool:
    talk.screen.table([(f"{name} {command.takes}", command.about) for name, command in COMMANDS.items()] + list(_KEYS))
    return True


async def _quit(_: Talk, __: Reader, ___: str) -> bool:
    return False


COMMANDS: Final = {
    "/model": Command(act=_model, takes="[NAME]", about="go on with another model, or say which it is"),
    "/system": Command(act=_system, takes="[TEXT]", about="set the system prompt (@FILE reads it, - removes it)"),
    "/save": Command(act=_save, takes="FILE", about="save the conversation"),
    "/load": Command(act=_load, takes="FILE", about="go on with a saved conversation"),
    "/retry": Command(act=_retry, about="ask the last question again"),
    "/clear": Command(act=_clear, about="forget the conversation"),
    "/usage": Command(act=_usage, about="tokens and cost so far"),
    "/help": Command(act=_help, about="this list"),
    "/quit": Command(act=_quit, about="end the chat"),
}
"""What there is, in the order of the help."""
