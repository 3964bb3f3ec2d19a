"""A client outside of its `async with`: what is under way when it is left ends, and is not sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import brim
from brim.simulator import Latency, Scenario
from brim.simulator.clock import run_virtual
from brim.testing import serve
from brim.transport.scripted import Scripted
from surfaces.test_client import echo, options

TWO = brim.Limits(concurrency=2)


async def iterated(client: brim.Client) -> object:
    return [result async for result in client.complete_each(["x"])]


async def streamed(client: brim.Client) -> object:
    return [piece async for piece in client.stream("x")]


async def asked(client: brim.Client) -> object:
    return await client.complete("x")


@pytest.mark.parametrize("use", [asked, iterated, streamed])
def test_a_client_that_is_not_entered_or_left_says_so(use: Callable[[brim.Client], Awaitable[object]]) -> None:
    """
    And sends nothing.
    """
    far_end = Scripted(then=echo)

    async def main() -> None:
        client = brim.Client("m", **options(far_end))
        for _ in range(2):
            with pytest.raises(RuntimeError, match="the client is closed; use it within"):
                await use(client)
            async with client:
                pass

    run_virtual(main())
    assert not far_end.bodies


@pytest.mark.parametrize("use", [asked, iterated, streamed])
def test_a_client_is_used_in_the_loop_that_entered_it(use: Callable[[brim.Client], Awaitable[object]]) -> None:
    """
    Its connections live there: another loop, as in a thread, is told so and leaves nothing behind.
    """
    far_end = Scripted(then=echo)

    async def misuse(client: brim.Client) -> None:
        with pytest.raises(RuntimeError, match="the client was entered in another event loop"):
            await use(client)

    async def main() -> str:
        async with brim.Client("m", **options(far_end)) as client:
            await asyncio.to_thread(asyncio.run, misuse(client))
            return (await client.complete("x")).text

    assert asyncio.run(main()) == "m: x"
    assert len(far_end.bodies) == 1


def test_a_client_is_entered_once_at_a_time() -> None:
    """
    Leaving an inner context would close the connections of the outer one. One after the other is fine.
    """

    async def main() -> str:
        client = brim.Client("m", **options(Scripted(then=echo)))
        async with client:
            with pytest.raises(RuntimeError, match="the client is entered already"):
                await client.__aenter__()
            await client.complete("x")
        async with client:
            return (await client.complete("y")).text

    assert run_virtual(main()) == "m: y"


def test_what_waits_when_a_client_is_left_is_told() -> None:
    """
    Whoever waits for its turn, or for the next attempt, is told that the client was closed; observers are, too.
    """
    events: list[Any] = []

    async def main() -> list[Any]:
        far_end = Scripted(then=echo)
        async with brim.Client("m", **options(far_end, limits=TWO, on_event=events.append)) as client:
            calls = [asyncio.create_task(client.complete(str(number))) for number in range(3)]
            await asyncio.sleep(0.5)
        return await asyncio.gather(*calls, return_exceptions=True)

    *answered, told = run_virtual(main())
    assert [reply.text for reply in answered] == ["m: 0", "m: 1"]  # a transport of one's own may carry on
    assert isinstance(told, brim.CallFailed)
    assert str(told) == "stopped: the client was closed meanwhile"
    assert [type(event).__name__ for event in events].count("LaneParked") == 1


def test_what_breaks_when_a_client_is_left_is_not_sent_again() -> None:
    """
    Over real connections, which leaving closes: nothing goes out on new ones, and nothing is paid twice.
    """

    async def main(url: str) -> list[Any]:
        async with brim.Client("openai:m", base_url=url, limits=TWO) as client:
            calls = [asyncio.create_task(client.complete(f"call {number}")) for number in range(3)]
            rows = asyncio.create_task(all_of(client))
            await asyncio.sleep(0.3)
        return [*await asyncio.gather(*calls, return_exceptions=True), *await rows]

    async def all_of(client: brim.Client) -> list[brim.Result]:
        return [result async for result in client.complete_each(["row 1", "row 2"])]

    with serve(Scenario(latency=Latency(first=1.0))) as provider:
        ended = asyncio.run(main(provider.base_url))
        assert provider.tally.paid_twice == 0

    failures = [each.failure for each in ended]
    assert [failure and failure.message for failure in failures] == ["the client was closed meanwhile"] * 5
