"""`brim.Limiter`: what is an outage and holds calls back, and what is the caller's own affair."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

import brim
from brim.simulator.clock import run_virtual
from brim.surfaces.permit import Throttled
from surfaces.limiter_support import Refused, Response, at, now, refuse


async def fail(limiter: brim.Limiter, error: Exception, times: int = 12) -> float:
    """How long *times* calls that fail, one a second, hold up the next one, and each other."""
    begin = now()
    for _ in range(times):
        await asyncio.sleep(1.0)
        with pytest.raises(type(error)):
            await limiter.call(refuse, error)
    return await limiter.call(at) - begin - times


@pytest.mark.parametrize(
    "error",
    [
        KeyError("mine"),
        ValueError("no such label"),
        AssertionError(),
        FileNotFoundError(2, "no such file"),
        Refused(400),
        Refused(404),
        Refused(401),
        Refused(429, body={"message": "no credit", "code": "insufficient_quota"}),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("throttled", [None, lambda _: False])
def test_however_many_mistakes_hold_nobody_up(error: Exception, throttled: Throttled | None) -> None:
    """
    One's own exceptions, bad requests, a wrong key and an empty account: after a call that went well too.
    """

    async def main() -> None:
        paused: list[brim.Failure] = []
        limiter = brim.Limiter(concurrency=1, throttled=throttled, on_pause=lambda _, failure: paused.append(failure))
        assert await fail(limiter, error) == 0.0
        assert await fail(limiter, error) == 0.0
        assert not paused

    run_virtual(main())


@pytest.mark.parametrize("error", [ConnectionRefusedError("gone"), TimeoutError(), Refused(500)])
def test_an_endpoint_that_is_down_is_asked_by_one_call_at_a_time(error: Exception) -> None:
    """
    After as many failures as may be under way, twice; the first call that gets through ends it.
    """

    async def main() -> None:
        paused: list[brim.Failure] = []
        limiter = brim.Limiter(concurrency=1, on_pause=lambda _, failure: paused.append(failure))
        assert await fail(limiter, error, times=2) == 1.0
        assert paused[0].message.startswith("the endpoint seems down: ")
        begin = now()
        assert await limiter.call(at) == begin

    run_virtual(main())


def test_an_answer_that_was_seen_counts_whatever_becomes_of_it() -> None:
    """
    Its limits are kept to although the caller's own work with it failed.
    """

    async def main() -> float:
        limiter = brim.Limiter()

        async def work() -> None:
            async with limiter.hold() as permit:
                permit.saw(Response(x_ratelimit_limit_requests="60", x_ratelimit_remaining_requests="0"))
                raise KeyError

        for _ in range(12):
            with pytest.raises(KeyError):
                await work()
        return now()

    assert 10.0 < run_virtual(main()) < 12.0


def test_usage_that_no_call_can_have_holds_nobody_up() -> None:
    """
    A relay that counts wrongly closes nothing: what was reserved for its call stays.
    """

    async def main() -> float:
        limiter = brim.Limiter(tokens="60k/min")
        for given, made in ((2**32 - 1, 5), (10, 2**32 - 1)):
            await limiter.call(lambda: {"usage": {"prompt_tokens": given, "completion_tokens": made}})  # noqa: B023
        return await limiter.call(at)

    assert run_virtual(main()) < 5.0


@pytest.mark.parametrize("seed", range(4))
def test_a_wait_is_kept_where_chance_refuses(seed: int) -> None:
    """
    Refusals that no limit explains hold everybody back as well: one who comes again at once is told from no other.
    """

    async def main() -> None:
        chance, limiter = Random(seed), brim.Limiter(seed=seed)
        went: list[float] = []
        waits: list[float] = []

        async def send() -> None:
            went.append(now())
            await asyncio.sleep(0.3)
            if chance.random() < 0.3:
                waits.append(now())
                raise Refused(retry_after="100")

        async def insist() -> None:
            while True:
                try:
                    return await limiter.call(send)
                except Refused:
                    continue

        await asyncio.gather(*(insist() for _ in range(100)))
        assert len(waits) > 20
        assert not [each for wait in waits for each in went if wait < each < wait + 100.0]

    run_virtual(main())
