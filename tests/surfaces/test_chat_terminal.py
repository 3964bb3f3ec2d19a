"""The chat as a person meets it: keys in, what is remembered of them, and answers drawn as they come."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import PipeInput

from brim.events import LanePaused
from brim.protocols import Piece
from brim.surfaces.chat import ChatExit
from brim.surfaces.chat_keys import history_in, state_folder
from brim.surfaces.chat_markdown import Blocks, clean
from brim.values import Failure, FailureKind
from surfaces.chat_support import ALT_ENTER, CTRL_C, CTRL_D, KEY, Scripted, Shown, Terminal, piped, typed, users


def test_typed_messages_and_the_end() -> None:
    """
    Enter sends, Ctrl-D ends.
    """
    models = Scripted()
    shown = typed(f"one\rtwo\r{CTRL_D}", models)

    assert users(models) == ["one", "two"]
    assert shown.err.startswith("brim chat with local:m; /help lists the commands, Ctrl-D ends\n")
    assert shown.status is ChatExit.ENDED


@pytest.mark.parametrize(
    "keys",
    [f"one{ALT_ENTER}two\r", "one\\\rtwo\r", "\x1b[200~one\ntwo\x1b[201~\r", "\x1b[200~one\r\ntwo\x1b[201~\r"],
)
def test_several_lines_are_one_message(keys: str) -> None:
    """
    By Alt-Enter, by a backslash, or pasted.
    """
    models = Scripted()
    typed(keys + CTRL_D, models)

    assert users(models) == ["one\ntwo"]


def test_ctrl_c_clears_the_line_and_ends_nothing() -> None:
    """
    With nothing to clear, it says how to end.
    """
    models = Scripted()
    shown = typed(f"abc{CTRL_C}{CTRL_C}one\r{CTRL_D}", models)

    assert users(models) == ["one"]
    assert shown.err.count("(hint)") == 1


def test_ctrl_c_stops_the_answer_and_not_the_chat() -> None:
    """
    What came of it counts; what was typed meanwhile waits for the prompt.
    """
    models = Scripted()

    def then(source: PipeInput) -> None:
        models.answers.append([Piece("half"), lambda: source.send_text(f"tw{CTRL_C}o\r{CTRL_D}")])

    shown = typed("one\r", models, then)

    assert shown.out == "half\nyou said two\n"
    assert "stopped; /retry asks again" in shown.err
    assert [message["content"] for message in models.asked[1]] == ["one", "half", "two"]
    assert shown.status is ChatExit.ENDED


def test_a_stopped_question_can_be_asked_again() -> None:
    """
    Although the history does not hold it.
    """
    models = Scripted()

    def then(source: PipeInput) -> None:
        models.answers.append([lambda: source.send_text(CTRL_C)])
        models.answers.append([Piece("ok")])

    shown = typed("one\r/retry\rtwo\r" + CTRL_D, models, then)

    assert users(models) == ["one", "one", "two"]
    assert shown.out == "ok\nyou said two\n"


def test_a_question_stopped_before_any_answer_is_taken_back() -> None:
    """
    The history holds no question without an answer.
    """
    models = Scripted()

    def then(source: PipeInput) -> None:
        models.answers.append([lambda: source.send_text(f"{CTRL_C}two\r{CTRL_D}")])

    typed("one\r", models, then)

    assert [message["content"] for message in models.asked[1]] == ["two"]


def test_an_interrupt_from_elsewhere_is_like_ctrl_c() -> None:
    """
    `kill -INT` stops the answer too.
    """
    models = Scripted([lambda: os.kill(os.getpid(), signal.SIGINT)])
    shown = typed(f"one\rtwo\r{CTRL_D}", models)

    assert shown.out == "you said two\n"


def test_tab_completes_commands_and_names_of_files(tmp_path: Path) -> None:
    """
    A message has nothing to complete.
    """
    models = Scripted()
    (tmp_path / "talk.json").write_text('{"messages": []}', encoding="utf-8")
    shown = typed(f"/lo\t {tmp_path}/ta\t\rx /qu\t\r/qu\t\r{CTRL_D}", models)

    assert f"loaded {tmp_path}/talk.json; 0 turns so far" in shown.err
    assert users(models) == ["x /qu"]


def test_bytes_typed_that_are_no_text_do_no_harm() -> None:
    """
    They come as halves of surrogates, which nothing can carry.
    """
    models = Scripted()
    typed(b"caf\xe9\r\x04", models)

    assert users(models) == ["caf?"]


def test_ctrl_c_stops_a_model_that_is_not_reached() -> None:
    """
    Before there is anything to chat with, it ends the program.
    """

    def then(source: PipeInput) -> None:
        models.on_reach = lambda: source.send_text(CTRL_C)

    models = Scripted()
    with pytest.raises(KeyboardInterrupt):
        typed("", models, then)


def test_what_was_typed_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    """
    Readable by nobody else, even if it was before.
    """
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "chat-history").touch(mode=0o644)
    history_in(folder).append_string("hello")

    assert (folder / "chat-history").stat().st_mode & 0o777 == 0o600
    assert list(history_in(folder).load_history_strings()) == ["hello"]


@pytest.mark.parametrize(
    "text", [f"my key is {KEY}", "own-secret", "Authorization: Bearer abcdefghijklmnop0", "gsk_" + "a1" * 20]
)
def test_keys_are_never_written(tmp_path: Path, text: str) -> None:
    """
    Neither those in the environment nor what looks like one; this chat still remembers the line.
    """
    history = history_in(tmp_path, secrets=["", "own-secret"])
    history.append_string(text)
    history.append_string("a task-list of risk-free things")

    assert list(history.load_history_strings()) == ["a task-list of risk-free things"]
    assert text in history.get_strings()


def test_where_nothing_can_be_written_the_chat_works_all_the_same(tmp_path: Path) -> None:
    """
    It remembers until it ends.
    """
    (tmp_path / "file").touch()

    assert isinstance(history_in(tmp_path / "file" / "folder"), InMemoryHistory)


@pytest.mark.parametrize(
    ("environ", "platform", "folder"),
    [
        ({"HOME": "/h"}, "linux", "/h/.local/state/brim"),
        ({"HOME": "/h", "XDG_STATE_HOME": "/s"}, "linux", "/s/brim"),
        ({"HOME": "/h", "XDG_STATE_HOME": "s"}, "linux", "/h/.local/state/brim"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Application Support/brim"),
        ({"HOME": "/h", "LOCALAPPDATA": "/l"}, "win32", "/l/brim"),
    ],
)
def test_each_platform_has_its_place(environ: dict[str, str], platform: str, folder: str) -> None:
    """
    The state folder, as its users expect it.
    """
    assert state_folder(environ, platform) == Path(folder)


def screen_text(drawn: str) -> list[str]:
    """The lines that stay, without colours and without what was erased."""
    lines = [""]
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\n)", drawn):
        if part == "\n":
            lines.append("")
        elif part.endswith("A") and part.startswith("\x1b["):
            lines.pop()
        elif part == "\x1b[2K":
            lines[-1] = ""
        elif not part.startswith("\x1b["):
            lines[-1] += part.replace("\r", "")
    return [line.rstrip() for line in lines]


def test_markdown_is_drawn_and_stays_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    In a terminal nothing of the drawing is left but the answer, however it came.
    """
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    title, prose = "# Title\n\n", "Some **bold** text\nin <b>lines</b>.\n\n"
    answer = f"{title}{prose}1. one\n\n   more\n2. two\n\n```\na\n\nb\n```\nend \x1b]0;x\x07"
    models = Scripted([Piece("", "thinking"), *(Piece(char) for char in answer)])
    shown = piped("hi\n", models, Shown(stdout=Terminal()))

    lines = "\n".join(screen_text(shown.out)).strip("\n").split("\n")
    assert lines == [
        "thinking",
        "",
        "Title",
        "",
        "Some bold text",
        "in <b>lines</b>.",
        "",
        " 1 one",
        "   more",
        " 2 two",
        "",
        " a",
        "",
        " b",
        "",
        "end ]0;x",
    ]
    assert "\x1b]0" not in shown.out


def test_what_is_said_during_a_drawn_answer_stands_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The console that knows where the cursor is says it.
    """
    monkeypatch.setenv("TERM", "xterm-256color")
    models = Scripted()
    models.events = [LanePaused("m", 2.0, Failure(kind=FailureKind.THROTTLED, message="slow"))]
    shown = piped("hi\n", models, Shown(Terminal(), Terminal()))

    assert "waits 2 s: throttled: slow" in screen_text(shown.out)
    assert "waits" not in shown.err


def blocks(pieces: list[str]) -> list[str]:
    splitter = Blocks()
    done = [block for piece in pieces for block in splitter.feed(piece)]
    return [block for block in [*done, splitter.close()] if block]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo\n\nthree", ["one\ntwo", "three"]),
        ("```\na\n\nb\n```\n\nc", ["```\na\n\nb\n```", "c"]),
        ("~~~~\n~~~\n\nx\n~~~~\n\nc", ["~~~~\n~~~\n\nx\n~~~~", "c"]),
        ("- a\n\n  b\n\nc", ["- a\n\n  b", "c"]),
        ("so:\n```\na\n```\nend\nof it", ["so:", "```\na\n```", "end\nof it"]),
        ("- a\n\n  ```\n  x\n\n  ```\n  b\n\nc", ["- a\n\n  ```\n  x\n\n  ```\n  b", "c"]),
        ("```inline``` code\nmore\n\nc", ["```inline``` code\nmore", "c"]),
        ("\n\none\n\n\n\ntwo\n\n", ["one", "two"]),
        ("```\nnever closed\n\n", ["```\nnever closed"]),
    ],
)
def test_blocks_end_at_blank_lines_that_end_one(text: str, expected: list[str]) -> None:
    """
    However the text comes: at once, or letter by letter.
    """
    assert blocks([text]) == expected
    assert blocks(list(text)) == expected


def test_a_long_block_shows_its_end() -> None:
    """
    Cut code is still code.
    """
    splitter = Blocks()
    splitter.feed("```python\n" + "".join(f"{number}\n" for number in range(100)))

    assert splitter.tail(3) == "```python\n98\n99\n"
    assert splitter.tail(200).startswith("```python\n0\n")


def test_nothing_steers_the_terminal() -> None:
    """
    Control characters go, text and line breaks stay.
    """
    assert clean("a\x1b[2J\tb\x07\x9b\r\n\u4f60") == "a[2J\tb\n\u4f60"
