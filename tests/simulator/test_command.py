"""`brim sim` as a program: it says where it listens, serves, counts, and stops when it is told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing
from urllib.request import Request, urlopen

import pytest
import typer
from typer.testing import CliRunner, Result

from brim.errors import ConfigError
from brim.simulator import all_faults, read_scenario, scenario_names
from brim.surfaces.sim_command import sim
from simulator.support import CHAT, HEADERS, chat

APP = typer.Typer()
APP.command()(sim)
# The command as `brim sim` runs it, without depending on where the program's other commands stand.
PROGRAM = "import typer; from brim.surfaces.sim_command import sim; typer.run(sim)"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APP, list(arguments))


def start(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def post(url: str, body: bytes) -> bytes:
    with closing(urlopen(Request(url + CHAT, data=body, headers=HEADERS))) as answer:  # noqa: S310 - our own loopback URL
        return bytes(answer.read())


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(stop: signal.Signals) -> None:
    """
    One JSON line with the URL, answers, and on Ctrl-C the statistics and exit status 0.
    """
    process, ready = start("--scenario", "instant", "--rpm", "600", "--seed", "5")
    with process:
        answer = json.loads(post(ready["url"], chat("ping")))
        process.send_signal(stop)
        _, said = process.communicate()

    assert ready["scenario"] == "instant"
    assert answer["object"] == "chat.completion"
    assert process.returncode == 0
    assert json.loads(said)["accepted"] == 1


def test_the_list_has_every_scenario_with_its_line() -> None:
    """
    `--list` shows each ready-made scenario and what it is about.
    """
    lines = run("--list").stdout.splitlines()

    assert [line.split()[0] for line in lines] == list(scenario_names())
    assert all(len(line.split()) > 4 for line in lines)


def test_every_fault_is_listed() -> None:
    """
    `--list-faults` shows every name that a rule or a mark may use, and what happens.
    """
    lines = run("--list-faults").stdout.splitlines()

    assert [line.split()[0] for line in lines] == all_faults()
    assert all(len(line.split()) > 1 for line in lines)


def test_a_scenario_can_be_shown_and_read_again() -> None:
    """
    `--show` prints the file, to be changed and given back.
    """
    shown = run("--show", "tier1").stdout

    assert read_scenario(shown, origin="shown").name == "tier1"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scenario", "none"], "there is no scenario 'none'"),
        (["--fault", "reset=often"], "has no number behind '='"),
        (["--fault", "typo=0.1"], "names no fault"),
        (["--headers", "esperanto"], "is none of auto, openai"),
        (["--host", "192.0.2.1"], "stays on this machine"),
        (["--rpm", "0"], "must be above 0"),
        (["--tokens", "99999999"], "lengths.tokens"),
        (["--show", "none"], "there is no scenario 'none'"),
    ],
)
def test_a_wrong_option_is_told(arguments: list[str], says: str) -> None:
    """
    What is wrong with the command is a `ConfigError`, which the program says and exits with status 2.
    """
    raised = run(*arguments).exception

    assert isinstance(raised, ConfigError)
    assert says in str(raised)


def test_options_override_the_scenario() -> None:
    """
    Limits, latency, lengths, headers and faults given as options take the place of the scenario's.
    """
    process, ready = start(
        "--scenario", "tier1", "--rpm", "60", "--tpm", "5000", "--itpm", "6000", "--otpm", "7000", "--rpd", "80",
        "--latency", "0", "--per-token", "0", "--tokens", "9", "--headers", "azure", "--fault", "no_usage",
        "--concurrency", "7", "--port", "0",
    )  # fmt: skip
    with process:
        answer = json.loads(post(ready["url"], chat("ping")))
        with closing(urlopen(ready["url"] + "/stats")) as page:  # noqa: S310 - our own loopback URL
            stats = json.loads(page.read())
        process.terminate()
        process.communicate()

    assert "usage" not in answer
    assert stats["faults"] == {"no_usage": 1}
    assert {(limit["of"], limit["per"]): limit["limit"] for limit in stats["limits"]} == {
        ("requests", "minute"): 60,
        ("tokens", "minute"): 5_000,
        ("input", "minute"): 6_000,
        ("output", "minute"): 7_000,
        ("requests", "day"): 80,
    }
