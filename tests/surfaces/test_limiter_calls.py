"""`brim.Limiter` around calls: what comes back is learnt from, decorators, loops and threads."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, assert_type

import pytest

import brim
from brim.simulator.clock import run_virtual
from surfaces.limiter_support import Refused, Response, TooFast, at, now, refuse

# What comes back


def test_results_and_exceptions_pass_through() -> None:
    """
    The very object comes back, the very exception is raised, and the slot is free again.
    """

    async def main() -> None:
        limiter = brim.Limiter(concurrency=1)
        thing, error = object(), TooFast()
        assert await limiter.call(lambda: thing) is thing
        with pytest.raises(TooFast) as raised:
            await limiter.call(refuse, error)
        assert raised.value is error
        assert await limiter.call(at) == 0.0

    run_virtual(main())


REFUSALS: list[tuple[Callable[[], Exception], dict[str, Any]]] = [
    (lambda: Refused(retry_after="20"), {}),
    (lambda: Refused(529, retry_after="20"), {}),
    (lambda: Refused(retry_after_ms="20000"), {}),
    (lambda: Refused(body={"message": "Please try again in 20s.", "code": "rate_limit_exceeded"}), {}),
    (TooFast, {"throttled": lambda error: 20.0 if isinstance(error, TooFast) else None}),
]


@pytest.mark.parametrize(("error", "told"), REFUSALS)
def test_one_refusal_pauses_everybody(error: Callable[[], Exception], told: dict[str, Any]) -> None:
    """
    However the server's wait is said, nobody goes before it is over.
    """

    async def main() -> float:
        limiter = brim.Limiter(seed=1, **told)
        with pytest.raises((Refused, TooFast)):
            await limiter.call(refuse, error())
        assert limiter.binding() == "the server asked to wait"
        return min(await asyncio.gather(*(limiter.call(at) for _ in range(5))))

    assert 20.0 <= run_virtual(main()) <= 22.0


def test_a_refusal_behind_another_exception_is_found() -> None:
    """
    A wrapper of the user's own, raised from the SDK's exception, still pauses.
    """

    async def wrapped() -> None:
        try:
            await refuse(Refused(retry_after="20"))
        except Refused as error:
            raise TooFast from error

    async def main() -> float:
        limiter = brim.Limiter()
        with pytest.raises(TooFast):
            await limiter.call(wrapped)
        return await limiter.call(at)

    assert run_virtual(main()) >= 20.0


@pytest.mark.parametrize(
    "error",
    [
        Refused(500),
        Refused(400, retry_after="20"),
        Refused(429, body={"message": "no credit", "code": "insufficient_quota"}, retry_after="20"),
        ValueError("429"),
    ],
)
def test_what_is_no_refusal_pauses_nobody(error: Exception) -> None:
    """
    A server's fault, a bad request, an empty account: for the caller to see to.
    """

    async def main() -> float:
        limiter = brim.Limiter()
        with pytest.raises(type(error)):
            await limiter.call(refuse, error)
        return await limiter.call(at)

    assert run_virtual(main()) == 0.0


def test_the_users_word_on_an_exception_wins() -> None:
    """
    A class, several classes, and a function that says no.
    """

    async def main(throttled: Any, error: Exception) -> bool:
        limiter = brim.Limiter(throttled=throttled)
        for _ in range(8):
            with pytest.raises(type(error)):
                await limiter.call(refuse, error)
        return now() > 0.0

    assert run_virtual(main(TooFast, TooFast()))
    assert run_virtual(main((KeyError, TooFast), TooFast()))
    assert not run_virtual(main((KeyError, TooFast), ValueError()))
    assert not run_virtual(main(lambda _: False, Refused(retry_after="20")))


def test_a_response_with_a_bad_status_is_a_refusal_too() -> None:
    """
    Clients that don't raise hand out the 429: as a result, or shown to a permit.
    """

    async def main() -> list[float]:
        limiter = brim.Limiter()
        assert (await limiter.call(lambda: Response(429, retry_after="20"))).status == 429
        first = await limiter.call(at)
        async with limiter.hold() as permit:
            permit.saw(Response(503, retry_after="20"))
        second = await limiter.call(at)
        async with limiter.hold() as permit:
            permit.refused(retry_after=20)
        return [first, second, await limiter.call(at)]

    times = run_virtual(main())

    assert all(later - earlier >= 20.0 for earlier, later in pairwise([0.0, *times]))


def test_levels_are_learnt_from_headers() -> None:
    """
    Shown sixty a minute, it uses the burst and then goes on at one a second, never refused.
    """

    async def main() -> float:
        limiter = brim.Limiter()
        taken = 0

        async def ask() -> Response:
            nonlocal taken
            taken += 1
            left = 60 - taken + now()
            assert left >= 0
            return Response(
                x_ratelimit_limit_requests="60",
                x_ratelimit_remaining_requests=f"{left:.0f}",
                x_ratelimit_reset_requests=f"{60 - left:.0f}s",
            )

        await limiter.call(ask)
        await asyncio.gather(*(limiter.call(ask) for _ in range(180)))
        return now()

    assert 120.0 < run_virtual(main()) < 126.0


class Answer:
    """An answer as the official SDKs hand it out: usage as attributes."""

    def __init__(self, given: int, made: int) -> None:
        self.usage = {"prompt_tokens": given, "completion_tokens": made}


def test_usage_in_a_result_settles_the_call() -> None:
    """
    What the answer says it used is charged; a hook of the user's own says otherwise.
    """

    async def main(**settings: Any) -> float:
        limiter = brim.Limiter(tokens="6000/min", **settings)
        await limiter.call(lambda: Answer(400, 100), cost=3_000)
        return await limiter.call(at, cost=10)

    assert 4.5 < run_virtual(main()) < 6.0
    assert 29.0 < run_virtual(main(used=lambda _: None)) < 31.0
    assert 9.5 < run_virtual(main(used=lambda each: 1_000 if isinstance(each, Answer) else None)) < 11.0


def test_a_permit_is_settled_once() -> None:
    """
    A second word on the same call is a mistake of the program's.
    """

    async def main() -> None:
        async with brim.Limiter().hold() as permit:
            permit.settle(tokens=5)
            with pytest.raises(RuntimeError, match="settled already"):
                permit.settle(tokens=5)

    run_virtual(main())


# Decorators


def test_a_decorated_coroutine_function_waits_for_its_turn() -> None:
    """
    Its arguments reach it, the cost may follow from them, and it keeps its name.
    """
    limiter = brim.Limiter(tokens="6000/min")

    @limiter.limit(cost=lambda size, **_: float(size))
    async def ask(size: int, *, cost: str = "") -> tuple[str, float]:
        """Ask."""
        return cost, now()

    @limiter.limit
    async def plain() -> float:
        return now()

    async def main() -> tuple[tuple[str, float], float]:
        first = await ask(3_000, cost="mine")
        return first, (await ask(10))[1]

    assert ask.__name__ == "ask"
    assert ask.__doc__ == "Ask."
    first, second = run_virtual(main())
    assert first[0] == "mine"
    assert 29.0 < second < 31.0
    assert_type(plain(), Coroutine[Any, Any, float]).close()


def test_generators_are_refused_where_they_are_decorated() -> None:
    """
    Their work begins after the call, so a turn around the call would hold nothing.
    """

    async def pieces() -> Any:
        yield 1

    with pytest.raises(TypeError, match="pieces is a generator"):
        brim.Limiter().limit(pieces)


# Loops and threads


def test_goes_on_in_the_next_loop_with_what_it_knows() -> None:
    """
    A limiter of a module outlives `asyncio.run`: its window holds over the seam.
    """
    limiter = brim.Limiter(limit="3/1h")

    async def fill() -> None:
        for _ in range(3):
            await limiter.call(at)

    async def again() -> str | None:
        waiting = asyncio.create_task(limiter.call(at))
        await asyncio.sleep(0)
        binding = limiter.binding()
        waiting.cancel()
        return binding

    asyncio.run(fill())
    assert asyncio.run(again()) == "requests in 3600 s"


def test_two_loops_at_once_are_refused() -> None:
    """
    The message says what to do.
    """
    limiter = brim.Limiter()

    async def main() -> None:
        await limiter.call(at)
        with ThreadPoolExecutor(1) as thread:
            other = thread.submit(asyncio.run, limiter.call(at))
            with pytest.raises(RuntimeError, match="make one for each loop"):
                await asyncio.wrap_future(other)

    asyncio.run(main())


def test_threads_share_a_limiter() -> None:
    """
    Without a loop anywhere: no more at once than stated, results and exceptions pass through.
    """
    limiter = brim.Limiter(concurrency=3)
    lock, most, alive = threading.Lock(), 0, 0
    gate = threading.Barrier(3)

    @limiter.limit
    def work(number: int) -> int:
        nonlocal most, alive
        with lock:
            alive += 1
            most = max(most, alive)
        gate.wait(timeout=5.0)
        with lock:
            alive -= 1
        if number == 7:
            raise TooFast
        return number

    with ThreadPoolExecutor(12) as pool:
        futures = [pool.submit(work, number) for number in range(12)]
    assert [future.result() for future in futures if future.exception() is None] == [*range(7), *range(8, 12)]
    assert isinstance(futures[7].exception(), TooFast)
    assert most == 3

    with limiter.hold(tokens=5) as permit:
        permit.settle(tokens=7)


def test_threads_hand_over_to_a_running_loop() -> None:
    """
    Coroutines and the threads beside them wait in one queue.
    """
    limiter = brim.Limiter(limit="4/1h")

    async def main() -> list[int]:
        first = await limiter.call(lambda: 0)
        threads = [asyncio.to_thread(limiter.call_sync, lambda n=n: n) for n in range(1, 4)]
        rest = await asyncio.gather(*threads)
        late = asyncio.create_task(limiter.call(at))
        await asyncio.sleep(0)
        assert limiter.binding() == "requests in 3600 s"
        late.cancel()
        return [first, *rest]

    assert asyncio.run(main()) == [0, 1, 2, 3]


def test_a_thread_with_a_loop_is_not_blocked() -> None:
    """
    A plain `with` in a coroutine would stop the loop that it waits for.
    """

    async def main() -> None:
        with pytest.raises(RuntimeError, match="an event loop runs in this thread"):
            brim.Limiter().call_sync(lambda: 1)

    asyncio.run(main())


def test_an_interrupted_thread_leaves_the_queue() -> None:
    """
    Ctrl-C while it waits for its turn: nobody holds a slot for it.
    """
    limiter = brim.Limiter(concurrency=1)
    me = threading.main_thread().ident
    assert me is not None
    timer = threading.Timer(0.1, signal.pthread_kill, (me, signal.SIGINT))

    with limiter.hold():
        timer.start()
        with pytest.raises(KeyboardInterrupt), limiter.hold():
            pass
    timer.join()
    assert limiter.call_sync(lambda: 5) == 5


def test_a_thread_is_told_what_can_never_fit() -> None:
    """
    As a coroutine is.
    """
    with pytest.raises(brim.CallFailed, match="a minute"):
        brim.Limiter(tokens="10/min").call_sync(lambda: 1, cost=20)


def test_calls_keep_their_types() -> None:
    """
    What comes back has the function's type; its arguments are checked where no cost is given.
    """
    limiter = brim.Limiter()

    async def fetch(url: str) -> bytes:
        return url.encode()

    async def main() -> None:
        assert assert_type(await limiter.call(fetch, "a"), bytes) == b"a"
        assert assert_type(await limiter.call(fetch, "a", cost=5), bytes) == b"a"
        assert assert_type(await limiter.call(str, 5), str) == "5"
        with pytest.raises(AttributeError):
            await limiter.call(fetch, 5)  # type: ignore[call-overload] # that is what is checked

    run_virtual(main())
