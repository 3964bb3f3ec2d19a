"""The chat through a pipe, and its commands: answers out, and nothing that goes wrong ends it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

import brim
from brim.events import AttemptEnded, LanePaused
from brim.protocols import Piece
from brim.surfaces.chat import ChatExit
from brim.surfaces.chat_keys import Piped
from brim.surfaces.chat_slash import COMMANDS, full_name, parse
from brim.values import Failure, FailureKind, Request
from surfaces.chat_support import CTRL_C, CTRL_D, Scripted, Shown, pipe_of, piped, typed, users


def test_answers_go_to_standard_output_and_nothing_else_does() -> None:
    """
    What a program reads are the answers, each ended by a line break.
    """
    shown = piped("ping\npong\n")

    assert shown.out == "you said ping\nyou said pong\n"
    assert "7 tokens in, 3 out; first word after 0.0 s, all after 0.0 s; $0.5000" in shown.err
    assert shown.status is ChatExit.ENDED


def test_every_question_goes_with_what_was_said_before() -> None:
    """
    A chat is a conversation.
    """
    models = Scripted()
    piped("one\ntwo\n", models)

    assert [message["content"] for message in models.asked[1]] == ["one", "you said one", "two"]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("one", ["one"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("one\\\ntwo\\\nthree\nfour\n", ["one\ntwo\nthree", "four"]),
        ("one\\", ["one"]),
        ("\n  \none\n\n", ["one"]),
        ("", []),
        (" /help\n/etc/passwd holds what?\n", [" /help", "/etc/passwd holds what?"]),
        ("naïve \xe9 你好\n", ["naïve \xe9 你好"]),
    ],
)
def test_a_line_is_a_message(text: str, messages: list[str]) -> None:
    """
    Blank ones are none, a backslash at the end goes on, and what is no command is sent.
    """
    models = Scripted()
    piped(text, models)

    assert users(models) == messages


def test_bytes_that_are_no_text_do_no_harm() -> None:
    """
    They are replaced.
    """
    models, shown = Scripted(), Shown()
    with pipe_of(b"caf\xe9\n") as reader:
        asyncio.run(shown.talk(models, reader))

    assert users(models) == ["caf\ufffd"]


def test_reads_a_file_on_disk(tmp_path: Path) -> None:
    """
    A file can't be waited for; it is read at once.
    """
    models, shown = Scripted(), Shown()
    path = tmp_path / "in"
    path.write_text("one\ntwo\n", encoding="utf-8")
    with path.open() as file:
        asyncio.run(shown.talk(models, Piped(file.fileno())))

    assert users(models) == ["one", "two"]


def test_thoughts_are_no_part_of_the_answer() -> None:
    """
    Reasoning is shown, on standard error, and not sent again.
    """
    models = Scripted([Piece("", "hm, "), Piece("", "well"), Piece("yes")])
    shown = piped("really?\nsure?\n", models)

    assert shown.out.startswith("yes\n")
    assert "hm, well\n" in shown.err
    assert models.asked[1][1] == {"role": "assistant", "content": "yes"}


def test_a_failure_is_a_line_and_the_chat_goes_on() -> None:
    """
    The question is taken back, so that the history stays one that every API takes.
    """
    failure = Failure(kind=FailureKind.INVALID, message="no\nsuch \x1b[31mthing")
    models = Scripted([Piece("half an ans"), failure])
    shown = piped("one\ntwo\n", models)

    assert "error: invalid: no such [31mthing (/retry asks again)\n" in shown.err
    assert [message["content"] for message in models.asked[1]] == ["two"]
    assert shown.out == "half an ans\nyou said two\n"
    assert shown.status is ChatExit.UNANSWERED


def test_a_stopped_lane_is_opened_anew() -> None:
    """
    Out of credit: after adding some, the same chat goes on.
    """
    models = Scripted([Failure(kind=FailureKind.QUOTA, message="no credit")])
    shown = piped("one\n/retry\n", models)

    assert models.reached == ["local:m", "local:m"]
    assert shown.out == "you said one\n"


def test_waits_and_further_tries_are_told() -> None:
    """
    Who waits wants to know what for.
    """
    models = Scripted()
    slow = Failure(kind=FailureKind.THROTTLED, message="slow down")
    broken = Failure(kind=FailureKind.SERVER, message="oops")
    attempt = brim.values.Attempt(request=Request(messages=[]), number=1, body=b"")
    models.events = [
        LanePaused("m", 12.0, slow),
        AttemptEnded("m", attempt, slow, 1.0, 12.0),
        AttemptEnded("m", attempt, broken, 1.0, 3.0),
        AttemptEnded("m", attempt, broken, 1.0, None),
    ]
    shown = piped("hi\n", models)

    assert shown.err.splitlines()[:2] == ["waits 12 s: throttled: slow down", "tries again in 3 s: server: oops"]
    assert shown.err.count("server: oops") == 1


def test_an_empty_answer_is_said_to_be_one() -> None:
    """
    It is no part of the history.
    """
    models = Scripted([Piece("")])
    shown = piped("one\ntwo\n", models)

    assert "the answer is empty; /retry asks again" in shown.err
    assert [message["content"] for message in models.asked[1]] == ["two"]


def test_a_wish_for_a_tool_is_told() -> None:
    """
    A chat runs none.
    """
    models = Scripted()
    models.tool_calls = [{"type": "function"}]

    assert "the model asks for a tool; brim chat runs none" in piped("hi\n", models).err


def test_what_no_longer_fits_is_told() -> None:
    """
    Nobody should wonder why the model forgot.
    """
    shown = piped("word " * 60 + "\n" + "word " * 60 + "\n")

    assert "(the oldest turn is no longer sent: about " in shown.err


def test_help_lists_every_command() -> None:
    """
    One table says what there is.
    """
    shown = piped("/help\n")

    assert all(f"{name} {command.takes}" in shown.err for name, command in COMMANDS.items())
    assert shown.out == ""


def test_quit_ends() -> None:
    """
    What stands behind it is not read.
    """
    models = Scripted()
    shown = piped("/quit\nhi\n", models)

    assert models.asked == []
    assert models.left == ["local:m"]
    assert shown.status is ChatExit.ENDED


def test_another_model_goes_on_with_the_same_history() -> None:
    """
    The bound becomes the new model's.
    """
    models = Scripted()
    shown = piped("one\n/model other:x\n/model anthropic:c\n/model\ntwo\n", models)

    assert models.reached == ["local:m", "local:other:x", "anthropic:c"]
    assert models.left == models.reached
    assert [message["content"] for message in models.asked[1]] == ["one", "you said one", "two"]
    assert "anthropic:c; 1 turn so far, about 25 of 1,000 tokens\nanthropic:c\n" in shown.err


def test_a_model_that_is_not_to_be_had_changes_nothing() -> None:
    """
    The old one stays.
    """
    models = Scripted()
    shown = piped("/model none\none\n", models)

    assert "error: there is no local:none" in shown.err
    assert shown.out == "you said one\n"
    assert shown.status is ChatExit.UNANSWERED


@pytest.mark.parametrize(
    ("name", "current", "full"),
    [
        ("x", "local:m", "local:x"),
        ("x", "gpt", "openai:x"),
        ("llama3.2:1b", "openai:gpt", "openai:llama3.2:1b"),
        ("claude", "anthropic:haiku", "anthropic:claude"),
        ("local:m", "anthropic:haiku", "local:m"),
    ],
)
def test_a_bare_name_is_the_current_providers(name: str, current: str, full: str) -> None:
    """
    Only a known prefix names another.
    """
    assert full_name(name, current) == full


def test_the_system_prompt_can_be_set_read_and_removed(tmp_path: Path) -> None:
    """
    `@FILE` reads it, `-` removes it.
    """
    prompt = tmp_path / "prompt"
    prompt.write_text("Rhyme.", encoding="utf-8")
    models = Scripted()
    shown = piped(f"/system Be brief.\n/system\none\n/system @{prompt}\ntwo\n/system -\nthree\n", models)

    firsts = [messages[0]["content"] for messages in models.asked]
    assert firsts == ["Be brief.", "Rhyme.", "one"]
    assert shown.err.count("system prompt: Be brief.") == 2
    assert "no system prompt" in shown.err


def test_saved_and_loaded_the_talk_goes_on(tmp_path: Path) -> None:
    """
    The file holds the messages, system prompt included.
    """
    path, models = tmp_path / "talk.json", Scripted()
    piped(f"/system Be brief.\none\n/save {path}\n/clear\n/load {path}\ntwo\n", models)

    assert [message["content"] for message in models.asked[1]] == ["Be brief.", "one", "you said one", "two"]
    assert len(msgspec.json.decode(path.read_bytes())["messages"]) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_written_over_unasked(tmp_path: Path) -> None:
    """
    Through a pipe there is nobody to ask: it is refused.
    """
    path = tmp_path / "talk.json"
    path.write_text("mine", encoding="utf-8")
    shown = piped(f"/save {path}\n")

    assert "exists and was left as it is; name another file" in shown.err
    assert path.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(("answer", "kept"), [("y", False), ("n", True), ("", True), (CTRL_C, True)])
def test_who_types_is_asked_before_writing_over(tmp_path: Path, answer: str, kept: bool) -> None:  # noqa: FBT001 - a case
    """
    Only a yes is one.
    """
    path = tmp_path / "talk.json"
    path.write_text("mine", encoding="utf-8")
    typed(f"/save {path}\r{answer}\r{CTRL_D}")

    assert (path.read_text(encoding="utf-8") == "mine") is kept


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("/nope", "there is no command /nope; /help lists them"),
        ("/save", "/save wants the name of a file"),
        ("/save {tmp}", "is a folder; name a file in it"),
        ("/save {tmp}/no/such", "can't write {tmp}/no/such: No such file or directory"),
        ("/load {tmp}/none", "can't read {tmp}/none: No such file or directory"),
        ("/load {tmp}/bad", "can't load {tmp}/bad: this is no saved conversation"),
        ("/system @{tmp}/none", "can't read {tmp}/none"),
        ("/retry", "there is nothing to ask again yet"),
    ],
)
def test_what_a_command_cannot_do_is_a_line(tmp_path: Path, command: str, why: str) -> None:
    """
    It says why, and the chat goes on.
    """
    (tmp_path / "bad").write_text("bad", encoding="utf-8")
    shown = piped(command.format(tmp=tmp_path) + "\nhi\n")

    assert f"error: {why.format(tmp=tmp_path)}" in shown.err.replace("error: " + str(tmp_path) + " ", "error: ")
    assert shown.out == "you said hi\n"


def test_retry_asks_the_last_question_again() -> None:
    """
    The old answer is forgotten.
    """
    models = Scripted([Piece("bad")], [Piece("good")])
    shown = piped("one\n/retry\ntwo\n", models)

    assert users(models) == ["one", "one", "two"]
    assert [message["content"] for message in models.asked[2]] == ["one", "good", "two"]
    assert shown.out == "bad\ngood\nyou said two\n"


def test_clear_forgets() -> None:
    """
    The next question stands alone.
    """
    models = Scripted()
    piped("one\n/clear\n/retry\ntwo\n", models)

    assert [message["content"] for message in models.asked[1]] == ["two"]


def test_usage_adds_up() -> None:
    """
    Tokens and cost of all answers, and how full the history is.
    """
    shown = piped("one\ntwo\n/usage\n")

    assert "2 answers: 14 tokens in, 6 out, $1.00 at list price\nlocal:m: 2 turns so far, about " in shown.err


def test_only_a_word_behind_a_slash_is_a_command() -> None:
    """
    Its argument may have several lines.
    """
    assert parse("/system Be\nbrief.\n") == ("system", "Be\nbrief.")
    assert parse("/Help ") == ("help", "")
    assert parse("/a/b") is None
    assert parse("x /help") is None
