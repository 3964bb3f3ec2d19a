"""`brim chat` itself: its settings, and the program in a pipe and in a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from brim.errors import ConfigError
from brim.surfaces.chat import ChatSettings
from brim.testing import serve
from surfaces.chat_support import CTRL_C, CTRL_D


def test_a_base_url_wants_a_model() -> None:
    """
    The embedded model has no address of its own.
    """
    for model in (None, "local:smollm2"):
        with pytest.raises(ConfigError, match="Name it with --model"):
            _ = ChatSettings(model=model, options={"base_url": "http://127.0.0.1:1"}).first_model
    assert ChatSettings(model=None, options={}).first_model == "local:smollm2"


def test_base_url_and_api_stay_with_their_provider() -> None:
    """
    Another provider is asked at its own address; the embedded model's answers are capped.
    """
    url = "http://127.0.0.1:1"
    settings = ChatSettings(model="m", options={"base_url": url, "api": "responses"})

    def options(model: str) -> list[object]:
        options = settings.client(model, lambda event: None)._options
        return [options.get("base_url"), options.get("api"), options.get("max_tokens")]

    assert options("openai:other") == [url, "responses", None]
    assert options("anthropic:claude") == [None, "chat", None]
    assert options("local:smollm2") == [None, "chat", 682]


def test_history_fits_the_model() -> None:
    """
    The embedded model's small context keeps room for the answer; what is asked for wins.
    """
    settings = ChatSettings(model=None, options={})

    assert settings.bound("local:smollm2") == 2048 - 682
    assert settings.bound("openai:gpt") == 100_000
    assert ChatSettings(model=None, options={"max_tokens": 48}).bound("local:smollm2") == 2_000
    assert ChatSettings(model=None, options={}, history=50).bound("local:smollm2") == 50


COMMAND = [sys.executable, "-c", "import typer; from brim.surfaces.chat_command import chat; typer.run(chat)"]


def run(stdin: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], input=stdin, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_over_a_pipe() -> None:
    """
    The program itself, against a server: answers out, all else to standard error, status 0.
    """
    with serve("instant", say=lambda ask: "well **said**") as provider:
        ended = run("hi\n/usage\n", "--base-url", provider.base_url, "--model", "m", "--system", "Be brief.")

    assert ended.stdout == "well **said**\n"
    assert "1 answer: " in ended.stderr
    assert ended.returncode == 0


def test_an_interrupt_ends_a_pipe() -> None:
    """
    Ctrl-C with nobody to type anything else: status 130, at once and without a trace.
    """
    has_come = threading.Event()

    def choose(ask: object, number: int) -> str:
        has_come.set()
        return "hang"

    with serve("instant", choose=choose) as provider:
        command = [*COMMAND, "--base-url", provider.base_url, "--model", "m"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            process.stdin.write("hi\n")
            process.stdin.flush()
            assert has_come.wait(30)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert said == ""


class Screen:
    """A program in a pseudo-terminal."""

    def __init__(self, options: list[str], environ: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [*COMMAND, *options], stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True
        )
        os.close(slave)
        self._seen = ""

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, text: str) -> None:
        """Wait until *text* is shown, after what was waited for before."""
        while text not in self._seen:
            assert select.select([self._master], [], [], 30.0)[0], f"{text!r} is not among {self._seen!r}"
            self._seen += os.read(self._master, 65_536).decode(errors="replace")
        self._seen = self._seen.partition(text)[2]

    def end(self) -> int:
        try:
            return self._process.wait(30)
        finally:
            self._process.kill()
            os.close(self._master)


def test_the_command_in_a_terminal(tmp_path: Path) -> None:
    """
    A prompt, an answer drawn, another that never ends stopped by Ctrl-C, and the end by Ctrl-D.
    """
    environ = {**os.environ, "TERM": "xterm-256color", "PYTHONUTF8": "1", "XDG_STATE_HOME": str(tmp_path)}
    environ["PROMPT_TOOLKIT_NO_CPR"] = "1"  # nobody answers where the cursor is
    faults = iter([None, "hang"])

    with serve("instant", choose=lambda ask, number: next(faults, None), say=lambda ask: "well **said**") as provider:
        screen = Screen(["--base-url", provider.base_url, "--model", "m"], environ)
        screen.until("> ")
        screen.type("hi\r")
        screen.until("said")
        screen.until("all after")
        screen.type("hang\r")
        screen.until("\u280b")  # the spinner
        screen.type(CTRL_C)
        screen.until("stopped; /retry asks again")
        screen.until("> ")
        screen.type(CTRL_D)
        status = screen.end()

    assert status == 0
    assert "+hi" in (tmp_path / "brim" / "chat-history").read_text(encoding="utf-8")
