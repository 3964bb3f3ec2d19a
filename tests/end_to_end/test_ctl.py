"""`brim ctl` as a process beside a live run as a process, against the simulated provider over real HTTP."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from brim import testing
from brim.surfaces.control_socket import ask
from end_to_end.test_cli import KEY, Shell

ROWS = 300


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def provider() -> Iterator[testing.ServedProvider]:
    with testing.serve(testing.Scenario(latency=testing.Latency(first=0.1))) as served:
        yield served
        for _ in range(3):  # turns of its loop: what a killed run was just connecting gets connected, and can be closed
            served.stats()


@contextmanager
def live(shell: Shell, provider: testing.ServedProvider, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose first answers are there."""
    shell.write(ROWS)
    where = ("--base-url", provider.base_url, "--model", "sim-small", "--rpm", "600")
    command = ("run", "in.jsonl", "-o", "out.jsonl", *where, *arguments)
    with shell.start(*command, environ={"OPENAI_API_KEY": KEY}) as process:
        try:
            until(process, lambda: state(shell).get("answered", 0) > 0)
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[bytes], is_so: Callable[[], bool]) -> None:
    """Wait for *is_so*, for as long as *process* lives."""
    while not is_so():
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            raise AssertionError(f"it is over: {process.communicate()}")


def state(shell: Shell) -> dict[str, Any]:
    """The state as a program reads it, without the second that a process takes to start; {} if nobody listens."""
    try:
        answer: dict[str, Any] = json.loads(ask(shell.folder / "out.jsonl.ctl", b'{"order":"status"}\n'))
    except OSError:
        return {}
    return answer


def ctl(shell: Shell, *arguments: str) -> tuple[int, str, str]:
    return shell.brim("ctl", "out.jsonl", *arguments)


def test_a_live_run_is_looked_at_changed_paused_resumed_and_drained(
    shell: Shell, provider: testing.ServedProvider
) -> None:
    """
    Each order has its effect at once, the drained run ends with 3, and the same command does the rest.
    """
    with live(shell, provider, "--system", "a secret persona") as process:
        assert stat.S_IMODE((shell.folder / "out.jsonl.ctl").stat().st_mode) == 0o600

        status, shown, err = ctl(shell, "--json")
        assert (status, err) == (0, "")
        assert json.loads(shown)["total"] == ROWS
        assert json.loads(shown)["lanes"][0]["name"] == "openai:sim-small"
        assert not [secret for secret in (KEY, "question", "persona") if secret in shown]

        status, shown, _ = ctl(shell, "pause")
        assert status == 0
        assert shown.startswith("openai:sim-small: paused by hand")
        until(process, lambda: state(shell)["in_flight"] == 0)
        before = state(shell)["answered"]

        _, shown, _ = ctl(shell, "set", "--rpm", "1200", "--concurrency", "64", "--lane", "sim-small")
        assert shown == "openai:sim-small: paused by hand; --concurrency 64 --rpm 1200\n"
        assert state(shell)["answered"] == before

        ctl(shell, "resume")
        until(process, lambda: state(shell)["answered"] > before)

        status, shown, _ = shell.brim("ctl", "out.jsonl.journal", "drain")
        assert (status, shown.split(":")[0]) == (0, "draining")
        _, told = process.communicate(timeout=20)
        assert process.returncode == 3
        assert b"drained by hand" in told
        assert not (shell.folder / "out.jsonl.ctl").exists()

    status, _, err = shell.run(provider, "--rpm", "60000", "--system", "a secret persona")
    assert status == 0, err
    assert len(shell.rows) == ROWS
    assert provider.tally.paid_twice == 0


def test_a_killed_run_leaves_a_socket_that_misleads_nobody(shell: Shell, provider: testing.ServedProvider) -> None:
    """
    `brim ctl` says that it was killed; the next run takes the place over.
    """
    with live(shell, provider) as process:
        process.kill()
        process.wait()
    assert (shell.folder / "out.jsonl.ctl").is_socket()

    status, out, err = ctl(shell)
    assert (status, out) == (2, "")
    assert "was killed" in err

    with live(shell, provider):
        assert state(shell)["earlier"] > 0


@pytest.mark.parametrize("interrupts", [1, 2])
def test_an_interrupted_run_leaves_no_socket(shell: Shell, provider: testing.ServedProvider, interrupts: int) -> None:
    """
    Neither when it drains nor when it is stopped.
    """
    with live(shell, provider) as process:
        for _ in range(interrupts):
            process.terminate()
        process.communicate(timeout=20)

    assert process.returncode == 130
    assert not (shell.folder / "out.jsonl.ctl").exists()


def test_a_run_that_can_have_no_socket_goes_on_and_says_so(shell: Shell, provider: testing.ServedProvider) -> None:
    """
    Something else in its place: one line, and every row is answered.
    """
    shell.write(20)
    (shell.folder / "out.jsonl.ctl").write_text("precious")

    status, _, err = shell.run(provider)

    assert status == 0
    assert err.count("brim ctl can't reach this run: out.jsonl.ctl is in the way") == 1
    assert (shell.folder / "out.jsonl.ctl").read_text() == "precious"
