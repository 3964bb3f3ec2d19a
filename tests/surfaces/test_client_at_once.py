"""One client used several times at once, or again after a loop that was left early: each gets its own results."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import brim
from brim.events import AttemptAdmitted, Event
from brim.simulator.clock import run_virtual
from brim.transport.scripted import Scripted
from surfaces.test_client import echo, options

TWO = brim.Limits(concurrency=2)


def prompts(name: str) -> Iterable[str]:
    return (f"{name}{number}" for number in range(6))


async def texts(client: brim.Client, name: str) -> list[str | None]:
    found = [result async for result in client.complete_each(prompts(name))]
    return [result.text for result in sorted(found, key=lambda result: result.request.position)]


def answers(name: str) -> list[str]:
    return [f"m: {prompt}" for prompt in prompts(name)]


def test_two_runs_at_once_get_their_own_results() -> None:
    """
    Two tasks that read `complete_each` of one client each get the answers to their own prompts, all of them, and share
    what the lane lets through: neither waits until the other is done.
    """
    far_end = Scripted(then=echo)

    async def main() -> tuple[list[list[str | None]], float]:
        async with brim.Client("m", **options(far_end, limits=TWO)) as client:
            loop = asyncio.get_running_loop()
            found = await asyncio.gather(texts(client, "a"), texts(client, "b"))
            return [*found], loop.time()

    assert run_virtual(main()) == ([answers("a"), answers("b")], 6.0)
    assert sum(b'"a' in body for body in far_end.bodies[:6]) in {2, 3, 4}


def test_what_a_loop_that_was_left_early_did_not_send_is_never_sent() -> None:
    """
    What was read ahead goes with the loop: the next one gets its own results, and nobody pays for the rest.
    """
    far_end = Scripted(then=echo)

    async def main() -> list[str | None]:
        async with brim.Client("m", **options(far_end, limits=TWO)) as client:
            async for _ in client.complete_each(prompts("a")):
                break
            return await texts(client, "b")

    assert run_virtual(main()) == answers("b")
    assert sum(b'"a' in body for body in far_end.bodies) <= 4
    assert sum(b'"b' in body for body in far_end.bodies) == 6


def test_a_trace_tells_of_those_that_wait_and_of_no_others() -> None:
    """
    What was left unsent no longer counts as waiting: waits are those of the second loop alone.
    """
    far_end = Scripted(then=echo)
    events: list[Event] = []

    async def main() -> float:
        async with brim.Client("m", **options(far_end, limits=TWO, trace=True, on_event=events.append)) as client:
            async for _ in client.complete_each(prompts("a")):
                break
            await asyncio.sleep(100.0)
            events.clear()
            await texts(client, "b")
            lane = next(iter(client._lanes.values()))
            assert lane.limiter.waits is not None
            return lane.limiter.waits.waiting

    assert run_virtual(main()) == 0
    waits = [event.waited_s for event in events if isinstance(event, AttemptAdmitted)]
    assert waits == [1.0, 1.0, 2.0, 2.0]
