"""`brim.Limiter` where things end: a turn, a loop with threads beside it, the process that it was made in."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from itertools import pairwise
from typing import Any

import pytest

import brim
import brim.surfaces.limiter as limiter_module
from brim.simulator.clock import run_virtual
from brim.surfaces import threads
from brim.surfaces.permit import Permit
from surfaces.limiter_support import Response, at, refuse


@pytest.mark.parametrize(
    "tell",
    [
        lambda permit: permit.settle(tokens=5),
        lambda permit: permit.saw(Response()),
        lambda permit: permit.refused(1.0),
        lambda permit: permit.take(Response()),
        lambda permit: permit.take({"usage": {"input_tokens": 5, "output_tokens": 5}}),
    ],
)
def test_what_is_told_after_the_turn_is_not_lost_without_a_sound(tell: Callable[[Permit], None]) -> None:
    """
    What was reserved is counted when the turn ends, so whoever comes later with the usage is told so.
    """

    async def main() -> None:
        async with brim.Limiter(tokens="1000/min").hold(tokens=900) as permit:
            pass
        with pytest.raises(RuntimeError, match="the turn is over"):
            tell(permit)

    run_virtual(main())


def test_a_thread_does_not_wait_for_a_loop_that_was_closed() -> None:
    """
    A loop may be closed without a word to those who wait for it: a thread is told instead of waiting for ever.
    """
    limiter = brim.Limiter(limit="1/1h")
    loop = asyncio.new_event_loop()
    told: list[str] = []

    def wait() -> None:
        try:
            limiter.call_sync(lambda: None)
        except RuntimeError as error:
            told.append(str(error))

    async def main() -> threading.Thread:
        await limiter.call(at)
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        await asyncio.sleep(0.1)
        return thread

    thread = loop.run_until_complete(main())
    loop.set_exception_handler(lambda *_: None)  # it would tell of the task that it left behind
    loop.close()
    thread.join(10.0)

    assert not thread.is_alive()
    assert told == ["the event loop of this limiter stands still, so no thread can wait for its turn there"]


def test_a_turn_of_a_thread_ends_with_the_loop_or_after_it() -> None:
    """
    Whenever a loop ends, the threads that hold a turn get out, and nothing stays held.
    """
    limiter = brim.Limiter(concurrency=2)
    entered, ended = threading.Event(), threading.Event()

    def hold() -> None:
        with limiter.hold():
            entered.set()
            ended.wait()

    async def main() -> threading.Thread:
        await limiter.call(at)
        thread = threading.Thread(target=hold)
        thread.start()
        await asyncio.to_thread(entered.wait)
        return thread

    thread = asyncio.run(main())
    ended.set()
    thread.join(10.0)

    assert not thread.is_alive()
    assert limiter._engine is not None
    assert limiter._engine.in_flight == 0


def test_turns_of_a_closed_loop_are_over() -> None:
    """
    What a loop still held when it was closed is free for the next one, once, and keeps its charge.
    """
    limiter = brim.Limiter(concurrency=2, limit="3/1h")

    async def hold() -> None:
        async with limiter.hold():
            await asyncio.sleep(1_000.0)

    first = asyncio.new_event_loop()
    left = [first.create_task(hold()) for _ in range(3)]
    first.run_until_complete(asyncio.sleep(0.01))
    first.set_exception_handler(lambda *_: None)  # it would tell of the tasks that it left behind
    first.close()

    async def go_on() -> tuple[int, str | None]:
        assert await asyncio.wait_for(limiter.call(at), 5.0)
        left.clear()
        gc.collect()  # the coroutines of the first loop end, and what they held with them
        assert limiter._engine is not None
        return limiter._engine.in_flight, limiter.binding()

    assert asyncio.run(go_on()) == (0, "requests in 3600 s")


@pytest.mark.parametrize("wait", [-1.0, float("nan"), float("inf"), "5", True])
def test_a_wait_that_is_none_is_named(wait: Any) -> None:
    """
    What can't be a time is refused where it is said, and closes the limiter for nobody.
    """

    async def main() -> None:
        limiter = brim.Limiter(concurrency=1, throttled=lambda _: wait)
        async with limiter.hold() as permit:
            with pytest.raises(ValueError, match=r"retry_after is .*; it must be a number of seconds from 0 on"):
                permit.refused(wait)
        if wait is not True:
            with pytest.raises(ValueError, match=f"throttled gave {wait!r}; it should give True, False, None"):
                await limiter.call(refuse, KeyError("mine"))
        assert limiter.binding() is None
        assert await limiter.call(at) == 0.0

    run_virtual(main())


def test_one_turn_is_held_by_one_at_a_time() -> None:
    """
    A second one who enters it, before or after the first has its permit, is told so; the permit comes back, and the
    turn may be taken again.
    """

    async def main() -> None:
        limiter = brim.Limiter(concurrency=5)
        turn = limiter.hold()

        async def use() -> None:
            async with turn:
                await asyncio.sleep(1.0)

        said = await asyncio.gather(use(), use(), return_exceptions=True)
        assert [type(each) for each in said] == [type(None), RuntimeError]
        async with turn:
            with pytest.raises(RuntimeError, match="call limiter"):
                await use()
        assert limiter._engine is not None
        assert limiter._engine.in_flight == 0

    run_virtual(main())


def test_a_turn_that_never_came_may_be_asked_for_again() -> None:
    """
    Given up, or turned off, it is free at once; in a thread too.
    """

    async def main() -> None:
        limiter = brim.Limiter(requests="1/min")
        await limiter.call(at)
        turn = limiter.hold()
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0), turn:
                    pass

    run_virtual(main())
    turn = brim.Limiter(tokens="10/min").hold(tokens=50)
    for _ in range(3):
        with pytest.raises(brim.CallFailed, match="50 tokens"), turn:
            pass


def test_a_window_holds_where_a_thread_is_woken_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A window counts calls when their threads begin them, not when they were let go.
    """
    wait_for = threads.wait_for
    late = [0.3, 0.0, 0.0]

    def wait_late(told: Future[Any], loop: asyncio.AbstractEventLoop) -> None:
        wait_for(told, loop)
        if told.done() and told.result() is not None:
            time.sleep(late.pop(0))

    monkeypatch.setattr(limiter_module, "wait_for", wait_late)
    limiter = brim.Limiter(limit="1/0.5s")
    starts = [limiter.call_sync(time.monotonic) for _ in range(3)]

    assert min(later - early for early, later in pairwise(starts)) >= 0.5


FORKED = """
import asyncio, os, brim

used, fresh = brim.Limiter(concurrency=1), brim.Limiter()
used.call_sync(lambda: None)
with used.hold():
    if not (child := os.fork()):
        assert used.call_sync(lambda: 1) == 1
        assert fresh.call_sync(lambda: 2) == 2
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
if not (child := os.fork()):
    assert asyncio.run(used.call(lambda: 3)) == 3
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert used.call_sync(lambda: 4) == 4
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_process_that_is_forked_off_begins_anew() -> None:
    """
    A child has its parent's objects and none of its threads: no call in it waits for a thread that is not there, or for
    a turn that the parent holds.
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], check=True, timeout=30.0)


async def coroutine_function(_: object = None) -> object:
    return None


def test_a_coroutine_function_is_no_plain_one() -> None:
    """
    Its call does nothing yet, so a turn around it would limit nothing.
    """
    with pytest.raises(TypeError, match="coroutine_function gives a coroutine, whose work begins later"):
        _ = brim.Limiter().call_sync(coroutine_function)


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (staticmethod(coroutine_function), "coroutine_function: write @limiter.limit below @staticmethod"),
        (classmethod(coroutine_function), "coroutine_function: write @limiter.limit below @classmethod"),
        (5, "limiter.limit decorates functions; 5 is none"),
    ],
)
def test_what_is_no_function_is_refused_where_it_is_decorated(thing: object, message: str) -> None:
    """
    Said at once, and not at the first call.
    """
    with pytest.raises(TypeError, match=message):
        brim.Limiter().limit(thing)  # type: ignore[call-overload]
