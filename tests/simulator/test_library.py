"""Scenarios by name and from files: each ready-made one works, and a wrong file says where and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from brim.errors import ConfigError
from brim.simulator import Limit, Provider, Scenario, load_scenario, read_scenario, scenario_names
from brim.simulator.library import scenario_text
from simulator.support import CHAT, MESSAGES, send


@pytest.mark.parametrize("name", scenario_names())
def test_each_ready_made_scenario_is_what_its_file_says(name: str) -> None:
    """
    It bears its own name, says in a line what it shows, and answers.
    """
    scenario = load_scenario(name)
    path = MESSAGES if scenario.vendor == "anthropic" else CHAT

    assert scenario.name == name
    assert 20 < len(scenario.about) < 120
    assert send(Provider(scenario), path=path).delivery.status in {200, 401, 404}


def test_the_named_ones_are_there() -> None:
    """
    The scenarios that the documentation speaks of exist.
    """
    assert {
        "plain", "flaky", "tier1", "relay", "selfhosted", "anthropic-build", "azure", "deepseek", "outage", "quota",
    } <= set(scenario_names())  # fmt: skip


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    """
    A TOML file makes a scenario, every part of it as in Python.
    """
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\n[[limits]]\nof = "requests"\namount = 50\nper = "minute"\n[latency]\nfirst = 1.5\n'
        '[[faults]]\nkind = "reset"\nchance = 0.01\nuntil = inf\n'
    )

    scenario = load_scenario(str(path))

    assert scenario.limits == [Limit(of="requests", amount=50)]
    assert (scenario.name, scenario.latency.first, scenario.faults[0].kind) == ("mine", 1.5, "reset")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "mine.toml is no TOML: "),
        ("rpm = 5", "mine.toml: Object contains unknown field `rpm`"),
        ("[latency]\nfirst = 'slow'", r"Expected `float`, got `str` - at `\$.latency.first`"),
        ("[latency]\nfirst = -1.0", "latency.first is -1.0; it must be 0 or more"),
        ("[[limits]]\nof = 'request'\namount = 5", r"Invalid enum value 'request' - at `\$.limits\[0\].of`"),
        ("[[faults]]\nkind = 'typo'", "there is no fault 'typo'; `brim sim --list-faults` shows all of them"),
        ("[[faults]]\nkind = 'reset'\nchance = 2.0", "fault 'reset' has chance 2.0; use 0 to 1"),
        ("[[rivals]]\nshare = 2.0", "a rival takes a share of 2.0"),
        ("[[rivals]]\nshare = 0.5\nstart = 9.0\nuntil = 3.0", "comes at 9 s and leaves at 3 s"),
        ("[ramp]\nfloor = 1.0", "floor must let one through"),
        ("[ramp]\nfloor = 60.0\nmemory = 0", "must remember one window"),
        ("[capacity]\nslots = 0", "0 slots"),
        ("[capacity]\nqueue = 5", "a queue needs slots"),
        ("[capacity]\nknee = 0.0", "the knee is 0.0"),
        ("[lengths]\ntokens = 0", "lengths.tokens is 0"),
        ("[lengths]\ntail = 1.0", "the mean is infinite"),
        ("[headers]\nlag = -1.0", "headers.lag is -1.0"),
        ("[[changes]]\nat = 1.0\nfactor = -1.0", "factor -1.0"),
        ("concurrency = 0", "concurrency must be 1 or more"),
        ("tokens_per_char = 0.0", "tokens_per_char"),
        ("stream_tokens = 0", "stream_tokens"),
    ],
)
def test_a_wrong_file_says_where_and_why(text: str, says: str) -> None:
    """
    The message names the file, the field and what would be right.
    """
    with pytest.raises(ConfigError, match=says):
        read_scenario(text, origin="mine.toml")


def test_a_missing_scenario_names_those_that_are_there(tmp_path: Path) -> None:
    """
    A name that is none and a file that can't be read are told apart.
    """
    with pytest.raises(ConfigError, match=r"there is no scenario 'palin'; name a .toml file or one of .*plain"):
        load_scenario("palin")
    with pytest.raises(ConfigError, match="can't read the scenario"):
        load_scenario(str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="there is no scenario 'x'"):
        scenario_text("x")


def test_the_default_scenario_is_as_plain_as_can_be() -> None:
    """
    Nothing is limited and nothing goes wrong unless it is asked for.
    """
    assert Scenario().limits == ()
    assert Scenario().faults == ()
