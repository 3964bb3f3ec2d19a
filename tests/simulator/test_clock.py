"""The virtual clock: time leaps, order stays, and what could never end is told."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from brim.simulator import Deadlock, VirtualLoop, run_virtual


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


def test_what_is_due_runs_in_the_order_of_its_time_and_then_of_its_planning() -> None:
    """
    Calls for now run first come, first served, those for later by their times; a cancelled one never.
    """

    async def main() -> list[str]:
        loop, done = asyncio.get_running_loop(), list[str]()
        loop.call_later(2.0, done.append, "late")
        loop.call_later(1.0, done.append, "one")
        loop.call_later(1.0, done.append, "two")
        loop.call_later(0.0, done.append, "now")
        loop.call_soon(done.append, "soon")
        loop.call_at(-5.0, done.append, "overdue")
        cancelled = [loop.call_later(0.5, done.append, "never"), loop.call_later(1.0, done.append, "never")]
        for timer in cancelled:
            timer.cancel()
            timer.cancel()
        assert all(timer.cancelled() for timer in cancelled)
        await asyncio.sleep(3)
        return done

    assert run_virtual(main()) == ["now", "soon", "overdue", "one", "two", "late"]


@pytest.mark.parametrize("kept", [0, 1, 500])
def test_cancelled_timers_are_cleared_away(kept: int) -> None:
    """
    However many timers are set and cancelled, no more are held than ring some day, twice over and a few; all of these
    ring, and the clock doesn't stop where a cancelled one would have.
    """

    async def main() -> tuple[int, int]:
        loop, rung = asyncio.get_running_loop(), list[float]()
        assert isinstance(loop, VirtualLoop)
        most = 0
        for number in range(3_000):
            loop.call_later(1_000 + number % 7, rung.append, -1.0).cancel()
            if number % 6 == 0 and number // 6 < kept:
                loop.call_later(2_000 + number, lambda: rung.append(loop.time()))
            most = max(most, loop.timers)
        await asyncio.sleep(6_000)
        assert rung == [2_000 + 6 * number for number in range(kept)]
        return most, loop.timers

    most, left = run_virtual(main())

    assert most <= 2 * kept + 70
    assert left <= 70


def test_a_callback_that_fails_is_told_and_the_loop_goes_on() -> None:
    """
    The handler of exceptions hears of it, as on asyncio's own loops; the rest runs.
    """

    async def main() -> list[str]:
        loop, told = asyncio.get_running_loop(), list[str]()
        loop.set_exception_handler(lambda _, context: told.append(f"{context['exception']!r} {context['handle']}"))
        loop.call_soon(int, "x")
        await asyncio.sleep(1)
        return told

    (told,) = run_virtual(main())

    assert told.startswith("ValueError(")
    assert "<class 'int'>" in told


def test_the_loop_stops_when_it_is_told() -> None:
    """
    What is ready by then still runs, what is planned for later does not, and the loop can go on.
    """
    loop, done = VirtualLoop(), list[str]()
    loop.call_later(1.0, done.append, "later")
    loop.call_soon(done.append, "soon")
    loop.stop()
    loop.run_forever()
    first = list(done)
    loop.call_later(1.0, loop.stop)
    loop.run_forever()
    loop.close()

    assert (first, done) == (["soon"], ["soon", "later"])


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
