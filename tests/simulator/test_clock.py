"""The virtual clock: time leaps, order stays, and what could never end is told."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from brim.simulator import Deadlock, run_virtual


def test_time_leaps_to_the_next_timer() -> None:
    """
    A day passes in the time that its code takes, and the clock shows it exactly.
    """

    async def main() -> float:
        for _ in range(24):
            await asyncio.sleep(3_600)
        return asyncio.get_running_loop().time()

    begun = monotonic()

    assert run_virtual(main()) == 86_400
    assert monotonic() - begun < 5


def test_timers_ring_in_order() -> None:
    """
    Sleepers wake by their times, and those of one time in the order in which they lay down.
    """

    async def main() -> list[str]:
        woken: list[str] = []

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken.append(name)

        await asyncio.gather(sleeper("c", 2.0), sleeper("a", 1.0), sleeper("b", 1.0), sleeper("d", 2.0))
        return woken

    assert run_virtual(main()) == ["a", "b", "c", "d"]


def test_timeouts_see_virtual_time() -> None:
    """
    What the standard library does with the loop's clock it does here.
    """

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 30


def test_a_deadlock_names_who_waits_where() -> None:
    """
    Every task that waits is listed with its place.
    """

    async def stuck() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stuck(), name="one")
            tasks.create_task(stuck(), name="two")

    with pytest.raises(Deadlock, match=r"at 0\.000 s of virtual time:\n(.|\n)*one: .*stuck, line \d+ > .*\n  two: "):
        run_virtual(main())


def test_each_run_has_a_clock_of_its_own() -> None:
    """
    A new run starts at second 0.
    """

    async def main() -> float:
        await asyncio.sleep(5)
        return asyncio.get_running_loop().time()

    assert [run_virtual(main()) for _ in range(2)] == [5, 5]


def test_errors_come_through() -> None:
    """
    What the program raises is raised, and nothing is left behind.
    """

    async def main() -> None:
        await asyncio.sleep(1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run_virtual(main())


def test_what_would_run_in_a_thread_runs_at_once() -> None:
    """
    Work for a thread is done on the spot, its result and its error handed to who awaits it.
    """

    async def main() -> tuple[int, float]:
        result = await asyncio.to_thread(lambda: 42)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return result, asyncio.get_running_loop().time()

    assert run_virtual(main()) == (42, 0.0)
