"""The command itself, as a process, against the simulated provider over real HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brim import testing

KEY = "sk-e2e-0123456789abcdefghij"


class Shell:
    """A folder in which the command is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "out.jsonl"

    def write(self, count: int, *, name: str = "in.jsonl") -> None:
        lines = (json.dumps({"id": n, "prompt": f"question {n}"}) for n in range(count))
        (self.folder / name).write_text("".join(f"{line}\n" for line in lines))

    def start(self, *arguments: str, **settings: Any) -> subprocess.Popen[bytes]:
        environ = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))}
        return subprocess.Popen(
            [sys.executable, "-m", "brim", *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environ, **settings.pop("environ", {})},
            **settings,
        )

    def brim(self, *arguments: str, stdin: bytes | None = None, **settings: Any) -> tuple[int, str, str]:
        pipe = {} if stdin is None else {"stdin": subprocess.PIPE}
        with self.start(*arguments, **pipe, **settings) as process:
            out, err = process.communicate(stdin, timeout=60)
        return process.returncode, out.decode(), err.decode()

    def run(self, provider: testing.ServedProvider, *arguments: str, **settings: Any) -> tuple[int, str, str]:
        where = ("--base-url", provider.base_url, "--model", "sim-small")
        return self.brim("run", "in.jsonl", "-o", "out.jsonl", *where, *arguments, **settings)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text().splitlines()]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def provider() -> Iterator[testing.ServedProvider]:
    with testing.serve(testing.Scenario(latency=testing.Latency(first=0.02))) as served:
        yield served


def test_answers_every_row_in_order(shell: Shell, provider: testing.ServedProvider) -> None:
    """
    Exit 0, one line a row in the order of the input, a summary on stderr, nothing on stdout.
    """
    shell.write(100)

    status, out, err = shell.run(provider)

    assert status == 0, err
    assert out == ""
    assert [row["id"] for row in shell.rows] == list(range(100))
    assert all(f"question {row['id']}" in row["text"] or row["text"] for row in shell.rows)
    assert "100 answered (100 %), 0 failed" in err
    assert provider.tally.paid_twice == 0


@pytest.mark.parametrize("prefix", ["", "anthropic:"])
@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_takes_a_base_url_with_and_without_its_version(
    shell: Shell, provider: testing.ServedProvider, prefix: str, suffix: str
) -> None:
    """
    With `/v1` or without, for either dialect.
    """
    shell.write(3)
    where = ("--base-url", provider.base_url + suffix, "--model", f"{prefix}sim-small")

    status, _, err = shell.brim("run", "in.jsonl", "-o", "out.jsonl", *where)

    assert status == 0, err
    assert all(row["text"] for row in shell.rows)


def test_goes_on_after_a_kill(shell: Shell, provider: testing.ServedProvider) -> None:
    """
    Killed in the middle without warning: what was recorded is not sent again, and every row is answered.
    """
    shell.write(400)
    where = ("--base-url", provider.base_url, "--model", "sim-small", "--concurrency", "8")
    with shell.start("run", "in.jsonl", "-o", "out.jsonl", *where) as first:
        while provider.tally.completed < 100:
            assert first.poll() is None
        first.kill()
    recorded = (shell.folder / "out.jsonl.journal").read_bytes().count(b'"line":"result"')
    assert recorded >= 90

    status, _, err = shell.run(provider)

    assert status == 0, err
    assert f"{recorded} of them from an earlier run" in err
    assert [row["id"] for row in shell.rows] == list(range(400))
    assert provider.tally.completed <= 400 + 8 + 8


def test_an_interrupt_drains_and_a_second_one_stops(shell: Shell) -> None:
    """
    First Ctrl-C: what is on the wire comes home, exit 130. Second: the process ends at once, exit 130.
    """
    for interrupts, seconds in ((1, 0.5), (2, 30.0)):
        shell.write(50)
        for leftover in shell.folder.glob("out.jsonl*"):
            leftover.unlink()
        with testing.serve(testing.Scenario(latency=testing.Latency(first=seconds))) as provider:
            where = ("--base-url", provider.base_url, "--model", "sim-small")
            with shell.start("run", "in.jsonl", "-o", "out.jsonl", *where) as process:
                while provider.tally.accepted < 8:
                    assert process.poll() is None
                process.send_signal(signal.SIGINT)
                if interrupts == 2:
                    wait_for_drain(process)
                    process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=20)
            assert process.returncode == 130, err
            if interrupts == 1:
                assert len(shell.rows) == 8
                assert b"42 untouched" in err


def wait_for_drain(process: subprocess.Popen[bytes]) -> None:
    """Give the first interrupt its turn of the event loop, so that the second is not merged with it by the kernel."""
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.3)


def test_out_of_credit_costs_a_handful_of_calls(shell: Shell) -> None:
    """
    200 rows answered `insufficient_quota`: at most 25 calls, exit 3, rows untouched, the reason on screen.
    """
    shell.write(200)
    with testing.serve(testing.Scenario(credit_tokens=0)) as provider:
        status, _, err = shell.run(provider)
        calls = provider.tally.arrived

    assert status == 3, err
    assert calls <= 25
    assert "200 untouched" in err
    assert "quota" in err
    assert "add credit" in err


def test_reads_a_pipe_and_keeps_stdout_for_data(shell: Shell, provider: testing.ServedProvider) -> None:
    """
    Rows from stdin; `brim export` gives the journal's results on stdout.
    """
    where = ("--base-url", provider.base_url, "--model", "sim-small")
    status, _, err = shell.brim("run", "-", "-o", "out.jsonl", *where, stdin=b'{"prompt": "a"}\n{"prompt": "b"}\n')
    assert status == 0, err

    status, out, _ = shell.brim("export", "out.jsonl.journal")
    assert status == 0
    assert out == shell.output.read_text()


def test_a_settings_file_stands_in_for_flags(shell: Shell, provider: testing.ServedProvider) -> None:
    """
    Model, output and limits out of a file; a flag wins; the file's limit is kept: 2 rows a second.
    """
    shell.write(6)
    (shell.folder / "brim.toml").write_text(
        'model = "sim-small"\nbase-url = "http://127.0.0.1:9"\noutput = "out.jsonl"\nlanes.sim-small.limits.rpm = 120'
    )

    status, _, err = shell.brim("run", "in.jsonl", "--config", "brim.toml", "--base-url", provider.base_url)

    assert status == 0, err
    assert len(shell.rows) == 6
    assert provider.tally.accepted == 6
    took = re.search(r"in (\d+) s", err)
    assert took is not None, err
    assert int(took[1]) >= 2


def test_the_key_shows_nowhere(shell: Shell) -> None:
    """
    Neither on screen nor in any file, not even when the provider refuses it.
    """
    shell.write(5)
    with testing.serve("locked") as provider:
        status, out, err = shell.run(provider, environ={"OPENAI_API_KEY": KEY})

    assert status == 3, err
    for text in (out, err, *(file.read_text() for file in shell.folder.iterdir())):
        assert KEY not in text
        assert KEY[10:] not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "missing.jsonl", "-o", "o", "--model", "m", "--base-url", "http://127.0.0.1:9"), "does not exist"),
        (("run", "in.jsonl", "-o", "o", "--model", "openai:gpt-6-luna"), "set OPENAI_API_KEY"),
        (("run", "in.jsonl", "-o", "o", "--model", "claude-haiku-5-5"), "anthropic:claude-haiku-5-5"),
        (("run", "in.jsonl", "-o", "o", "--model", "local:gpt"), "there is no embedded model 'gpt'"),
        (("run", "in.jsonl", "-o", "o", "--base-url", "nonsense"), "is no http or https URL"),
        (("run", "in.jsonl", "-o", "o", "--param", "temperature"), "should look like key=value"),
        (("run", "in.jsonl", "-o", "o", "--template", "{open"), "template"),
        (("run", "in.jsonl", "-o", "in.jsonl"), "is an input too"),
        (("run", "in.jsonl"), "Missing option"),
        (("export", "none.journal"), "none.journal"),
        (("limits", "nonsense"), "no preset has to do with 'nonsense'"),
        (("run", "in.jsonl", "-o", "o", "--config", "none.toml"), "can't read the settings file none.toml"),
        (("run", "in.jsonl", "-o", "o", "--limits", "anthropic-tier2", "--model", "m"), "did you mean anthropic-"),
        (
            ("run", "in.jsonl", "-o", "o", "--limits", "deepseek", "--model", "m", "--base-url", "http://127.0.0.1:9"),
            "preset 'deepseek' has no figures for the model 'm'",
        ),
    ],
)
def test_a_wrong_command_says_what_to_do(shell: Shell, arguments: tuple[str, ...], said: str) -> None:
    """
    Exit 2, one clear message, no traceback, nothing made.
    """
    shell.write(1)

    status, _, err = shell.brim(*arguments)

    assert status == 2, err
    assert said in err
    assert "Traceback" not in err
    assert [file.name for file in shell.folder.iterdir()] == ["in.jsonl"]
