"""What a program gives a client by mistake: said in words, and a prompt that is none costs no other one its answer."""

from __future__ import annotations

from typing import Any

import pytest

import brim
from brim.errors import BrimError, ConfigError, InputError
from brim.protocols import WireRequest
from brim.simulator import Provider, Scenario, SimTransport
from brim.simulator.clock import run_virtual
from brim.transport.scripted import Answers, Scripted
from engine.support import reply
from surfaces.test_client import URL, options

GOOD = [{"role": "user", "content": "x"}]
STRANGE: list[Any] = [5, None, "text", b"x", [], {}, [5], object(), 1.5, True, 10**400, [[]], [{"role": ["user"]}]]


def yes(_: WireRequest) -> Answers:
    return reply("yes", after=1.0)


def request(field: str, value: Any) -> brim.Request:
    return brim.Request(**{"messages": GOOD, "id": "mine", field: value})


@pytest.mark.parametrize("spec", ["openai:m", "anthropic:m"])
@pytest.mark.parametrize("settings", [{}, {"system": "s", "max_tokens": 7, "params": {"temperature": 0}}])
@pytest.mark.parametrize("field", ["messages", "params", "max_tokens", "model"])
def test_a_request_with_a_strange_field_fails_alone(spec: str, settings: dict[str, Any], field: str) -> None:
    """
    However strange one request is, the others are answered, and its result is still known by its id.
    """
    prompts: list[brim.Prompt] = ["one", *(request(field, value) for value in STRANGE), "two"]

    async def main() -> list[brim.Result]:
        far_end = SimTransport(Provider(Scenario()))
        async with brim.Client(spec, transport=far_end, environ={}, base_url=URL, **settings) as client:
            results = [result async for result in client.complete_each(prompts)]
        return sorted(results, key=lambda result: result.request.position)

    results = run_virtual(main())

    assert [result.request.position for result in results] == list(range(len(STRANGE) + 2))
    assert results[0].reply
    assert results[-1].reply
    assert {result.request.id for result in results[1:-1]} == {"mine"}


def test_what_is_wrong_with_a_request_is_said() -> None:
    """
    Which prompt, which field, what is there and what should be.
    """
    bad: list[brim.Prompt] = [request("max_tokens", "100"), request("params", 5), [{"role": 5, "content": "x"}]]

    results = brim.complete_many(bad, model="m", **options(Scripted(then=yes)))

    assert [result.failure and result.failure.message for result in results] == [
        "prompt 0: its field max_tokens is '100'; it must be a whole number",
        "prompt 1: its field params is 5; it must be a dict of fields of the body",
        "prompt 2: messages[0] has the role 5; it must be a string",
    ]


@pytest.mark.parametrize("prompts", ["one text", b"x", {"a": 1}, brim.Request(messages=GOOD), 5, None])
def test_a_single_prompt_is_not_taken_for_many(prompts: Any) -> None:
    """
    A text is an iterable of its letters: nobody wants to pay for an answer to each.
    """
    far_end = Scripted(then=yes)

    with pytest.raises(InputError, match=f"of type {type(prompts).__name__}; they must be a list"):
        brim.complete_many(prompts, model="m", **options(far_end))
    assert not far_end.bodies


@pytest.mark.parametrize(
    "wrong",
    [
        {"limits": 5},
        {"limits": {"rpm": 5}},
        {"limits": lambda _: None},
        {"lanes": 5},
        {"lanes": {"m": 5}},
        {"timeouts": 5},
        {"max_attempts": "3"},
        {"max_tokens": "100"},
        {"max_tokens": True},
        {"system": 5},
        {"params": 5},
        {"base_url": 5},
        {"api": None},
        {"on_event": 5},
        {"trace": 5},
        {"stream": "yes"},
        {"wait": 5},
        {"budget_usd": "5"},
        {"price": 5},
        {"prices": 5},
        {"environ": 5},
        {"ca": 5},
    ],
)
def test_a_setting_of_another_kind_is_said_on_entering(wrong: dict[str, Any]) -> None:
    """
    By its name, before anything is sent.
    """
    far_end = Scripted(then=yes)

    with pytest.raises(ConfigError, match=f"{next(iter(wrong))}|lane") as raised:
        brim.complete("x", model="m", **options(far_end, **wrong))
    assert "should" in str(raised.value)
    assert not far_end.bodies


def test_a_key_of_another_kind_is_not_shown() -> None:
    """
    Whatever it is, it may hold the key.
    """
    with pytest.raises(ConfigError, match="the option api_key is of type bytes") as raised:
        brim.complete("x", model="m", **options(Scripted(), api_key=b"sk-secret"))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: brim.Limits(windows=5),  # type: ignore[arg-type]
        lambda: brim.Limits(windows=((40, 60),)),  # type: ignore[arg-type]
        lambda: brim.Window(requests=1.5, seconds=1),  # type: ignore[arg-type]
        lambda: brim.Window(requests="40", seconds=60),  # type: ignore[arg-type]
        lambda: brim.Timeouts(total="60"),  # type: ignore[arg-type]
    ],
)
def test_figures_that_are_none_are_said(make: Any) -> None:
    """
    Where they are stated, not where something stumbles over them.
    """
    with pytest.raises(BrimError, match=r"must be|needs"):
        make()


def test_limits_that_a_function_gives_for_a_row_are_looked_into() -> None:
    """
    What it gives for one model is wrong with the rows of that model alone.
    """

    def limits(lane: str) -> Any:
        return brim.Limits() if lane.endswith(":m") else 5

    async def main() -> list[brim.Result]:
        prompts: list[brim.Prompt] = ["x", request("model", "other")]
        async with brim.Client("m", **options(Scripted(then=yes), limits=limits)) as client:
            return [result async for result in client.complete_each(prompts)]

    good, bad = sorted(run_virtual(main()), key=lambda result: result.request.position)
    assert good.reply
    assert bad.failure
    assert bad.failure.message == "the limits of lane 'openai:other' are 5; the function should give a brim.Limits"
