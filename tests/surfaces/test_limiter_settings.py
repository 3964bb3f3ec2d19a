"""Settings of `brim.Limiter` and of what it decorates: read as people write them, or refused with what to write."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import msgspec
import pytest

import brim
from brim.simulator.clock import run_virtual


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"requests": "50/fortnight"}, r"requests='50/fortnight' should look like '50/min'"),
        ({"requests": 50}, "requests=50 should look like"),
        ({"tokens": "many/min"}, "tokens='many/min' should look like"),
        ({"output_tokens": "5/day"}, "kept for requests and for tokens, not for output_tokens"),
        ({"requests": ["5/min", "6/min"]}, "states two limits for the same time"),
        ({"requests": "0/min"}, "requests_per_minute is 0.0; it must be a number above 0"),
        ({"tokens": "9" * 30 + "/min"}, "tokens_per_minute is 1e.30; it must be a number from 1e-09 to"),
        ({"limit": "40"}, "limit='40' should look like 40/60s"),
        ({"requests": ["5/s", "6/second"]}, "states two limits for the same time"),
        ({"concurrency": 0}, "concurrency is 0; it must be a whole number above 0"),
        ({"concurrency": "5"}, "concurrency is '5'; it must be a whole number above 0"),
        ({"concurrency": 1.5}, "concurrency is 1.5; it must be a whole number above 0"),
        ({"concurrency": True}, "concurrency is True; it must be a whole number above 0"),
        ({"limits": 5}, "limits=5 should be a brim.Limits, or the name of a preset"),
        ({"limits": "anthropic-biuld1"}, "there is no preset 'anthropic-biuld1'; did you mean anthropic-build1"),
        ({"limits": "deepseek"}, r"say for which: limits=brim.preset\('deepseek', MODEL\)"),
        ({"limits": "gemini"}, "preset 'gemini' has no figures to keep"),
        ({"throttled": 5}, "throttled=5 should be a class of exceptions, a tuple of these, or a function"),
        ({"throttled": (KeyError, 5)}, "throttled=.* should be a class of exceptions"),
        ({"throttled": int}, "throttled=.* should be a class of exceptions"),
        ({"used": 5}, "used=5 should be a function"),
        ({"on_pause": 5}, "on_pause=5 should be a function"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    """
    The message names the setting and shows a good one.
    """
    with pytest.raises(brim.ConfigError, match=message):
        brim.Limiter(**settings)


def test_amounts_are_read_as_people_write_them() -> None:
    """
    Seconds, minutes and days, thousands and millions, lists, and windows; a `Limits` below them.
    """
    limiter = brim.Limiter(
        requests=["5/s", "1_000/day"],
        tokens=("50k/min", "2M / day"),
        limit=["40/60s", "5/1s"],
        limits=brim.Limits(output_tokens_per_minute=8_000, tokens_per_minute=1),
    )

    assert limiter.limits == brim.Limits(
        requests_per_minute=300,
        requests_per_day=1_000,
        tokens_per_minute=50_000,
        tokens_per_day=2_000_000,
        output_tokens_per_minute=8_000,
        windows=(brim.Window(requests=40, seconds=60), brim.Window(requests=5, seconds=1)),
    )


def test_of_two_rates_the_slower_one_keeps_both() -> None:
    """
    Both are spread evenly, and a day is a matter of its own.
    """
    limiter = brim.Limiter(requests=["5/s", "100/min", "1000/day"], tokens=["90K/min", "1k/s"])

    assert limiter.limits == brim.Limits(requests_per_minute=100, requests_per_day=1_000, tokens_per_minute=60_000)


def test_a_preset_is_named_as_a_client_names_it() -> None:
    """
    One with the same figures for all models; what is stated besides wins.
    """
    limiter = brim.Limiter(limits="anthropic-build1", requests="10/min")

    stated = brim.preset("anthropic-build1", "claude-haiku-5-5")
    assert stated.tokens_per_minute is not None
    assert limiter.limits == msgspec.structs.replace(stated, requests_per_minute=10)


@pytest.mark.parametrize("cost", [-1, "5", {"token": 5}])
def test_a_bad_cost_is_refused_where_a_function_is_decorated(cost: Any) -> None:
    """
    Not first when it is called.
    """
    with pytest.raises(brim.ConfigError, match="cost="):
        brim.Limiter().limit(cost=cost)


@pytest.mark.parametrize("amount", [-1, float("inf"), "5", True])
def test_bad_costs_are_refused(amount: Any) -> None:
    """
    Before anything is called or waits.
    """
    with pytest.raises(ValueError, match=r"tokens is .*; it must be a number from 0 on"):
        brim.Limiter().hold(tokens=amount)
    with pytest.raises(TypeError, match="a cost has no 'token'; it has tokens, input_tokens, output_tokens"):
        brim.Limiter().hold(token=amount)  # type: ignore[call-arg] # that is the mistake


class Worker:
    """An object that is called like a coroutine function."""

    async def __call__(self, number: int) -> int:
        return 2 * number


class Pieces:
    """One that is called like a generator."""

    def __call__(self) -> Any:
        yield 1


def test_an_object_is_decorated_by_what_its_call_is() -> None:
    """
    As a function of that kind, in a `partial` too; a class stays one whose calls make objects.
    """
    limiter = brim.Limiter()
    bare: Any = limiter.limit(Worker())
    bound: Any = limiter.limit(partial(Worker(), 4))

    async def main() -> list[int]:
        return [await bare(2), await bound()]

    assert run_virtual(main()) == [4, 8]
    assert not inspect.iscoroutinefunction(limiter.limit(Worker))
    with pytest.raises(TypeError, match="is a generator"):
        limiter.limit(Pieces())
