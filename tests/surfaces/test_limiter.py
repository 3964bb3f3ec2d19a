"""`brim.Limiter`: limits kept, in order, nothing lost, and what comes back is learnt from."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, assert_type

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import brim
from brim.simulator.clock import run_virtual
from brim.values import FailureKind


def now() -> float:
    return asyncio.get_running_loop().time()


async def at() -> float:
    return now()


class TooFast(Exception):
    """What a far end of the user's own says."""


class Response:
    """A response as HTTP clients hand it out."""

    def __init__(self, status: int = 200, **headers: str) -> None:
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Refused(Exception):
    """An exception that carries a response, as the official SDKs' do."""

    def __init__(self, status: int = 429, body: object = None, **headers: str) -> None:
        super().__init__("rate limit reached")
        self.response = Response(status, **headers)
        self.body = body


async def refuse(error: Exception) -> None:
    raise error


# Limits


def test_a_stated_rate_is_paced() -> None:
    """
    Sixty a minute go one a second, three thousandths for safety added.
    """

    async def main() -> list[float]:
        limiter = brim.Limiter(requests="60/min")
        return await asyncio.gather(*(limiter.call(at) for _ in range(30)))

    times = run_virtual(main())

    assert all(abs(time - place / 0.997) < 1e-3 for place, time in enumerate(times))


def test_a_cost_is_kept_to_and_trued_up() -> None:
    """
    A call of half a minute's tokens keeps the next one waiting, less if it turns out to have taken less.
    """

    async def main(used: float | None) -> float:
        limiter = brim.Limiter(tokens="60k/min")
        async with limiter.hold(tokens=30_000) as permit:
            if used is not None:
                permit.settle(tokens=used)
        return await limiter.call(at, cost=100)

    assert 29.0 < run_virtual(main(None)) < 31.0
    assert 9.0 < run_virtual(main(10_000)) < 11.0
    assert 44.0 < run_virtual(main(45_000)) < 46.0


def test_all_dimensions_are_taken_at_once_or_none() -> None:
    """
    A call that output tokens hold up takes no requests meanwhile: the tightest limit alone decides.
    """

    async def main() -> list[float]:
        limiter = brim.Limiter(requests="600/min", tokens="1M/min", input_tokens="1M/min", output_tokens="600/min")
        cost: brim.Spend = {"input_tokens": 10, "output_tokens": 10}
        return await asyncio.gather(*(limiter.call(at, cost=cost) for _ in range(10)))

    gaps = [second - first for first, second in pairwise(run_virtual(main()))]

    assert all(abs(gap - 1.0 / 0.997) < 1e-3 for gap in gaps)


@pytest.mark.parametrize(
    ("spend", "message"),
    [
        ({"tokens": 2_000}, "the request needs about 2,000 tokens but the limit is 1,000 tokens a minute"),
        ({"output_tokens": 300}, "about 300 output tokens but the limit is 200 output tokens a minute"),
    ],
)
def test_what_can_never_fit_is_raised_at_once_with_the_numbers(spend: brim.Spend, message: str) -> None:
    """
    It is not called, nobody waits, and the next call goes.
    """

    async def main() -> None:
        limiter = brim.Limiter(tokens="1000/min", output_tokens="200/min")
        with pytest.raises(brim.CallFailed, match=message) as raised:
            await limiter.call(at, cost=spend)
        assert raised.value.failure.kind is FailureKind.TOO_LARGE
        assert await limiter.call(at, cost={"tokens": 1, "output_tokens": 1}) == 0.0

    run_virtual(main())


def test_more_than_a_days_tokens_never_fit() -> None:
    """
    A limit a day bounds a single call too.
    """
    limiter = brim.Limiter(tokens=["1000/min", "5000/day"])

    async def main() -> None:
        with pytest.raises(brim.CallFailed, match="a minute"):
            await limiter.call(at, cost=6_000)
        day = brim.Limiter(tokens="5000/day")
        with pytest.raises(brim.CallFailed, match="about 6,000 tokens but the limit is 5,000 tokens a day"):
            await day.call(at, cost=6_000)

    run_virtual(main())


def test_a_day_that_is_used_up_is_raised_and_passes() -> None:
    """
    The third of two a day is told how long it would have to wait; after that it goes.
    """

    async def main() -> None:
        limiter = brim.Limiter(requests="2/day")
        await limiter.call(at)
        await limiter.call(at)
        with pytest.raises(brim.CallFailed, match="2 requests a day is used up") as raised:
            await limiter.call(at)
        assert raised.value.failure.kind is FailureKind.DAILY
        wait = raised.value.failure.retry_after
        assert wait is not None
        await asyncio.sleep(wait)
        assert await limiter.call(at) > 86_000.0

    run_virtual(main())


def test_what_nobody_says_is_as_usual() -> None:
    """
    Calls without a cost are reserved as much as earlier ones took.
    """

    async def main() -> float:
        limiter = brim.Limiter(tokens="6000/min")
        for _ in range(3):
            async with limiter.hold() as permit:
                permit.settle(tokens=100)
        begin = now()
        async with limiter.hold():
            pass
        return await limiter.call(at) - begin

    assert 1.9 < run_virtual(main()) < 2.1


@settings(max_examples=40, deadline=None)
@given(
    requests=st.integers(1, 60),
    seconds=st.integers(1, 90),
    plan=st.lists(
        st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 4.0), st.sampled_from(["ok", "raise", "cancel"])), max_size=80
    ),
    concurrency=st.integers(1, 12),
)
def test_no_window_is_ever_broken(
    requests: int, seconds: int, plan: list[tuple[float, float, str]], concurrency: int
) -> None:
    """
    Whatever calls do, cancelled anywhere included: every stretch holds, in order, and all slots come back.
    """

    async def main() -> None:
        limiter = brim.Limiter(limit=f"{requests}/{seconds}s", concurrency=concurrency)
        went: list[tuple[float, int]] = []
        alive = 0

        async def work(place: int, lasts: float, fate: str) -> None:
            nonlocal alive
            alive += 1
            assert alive <= concurrency
            went.append((now(), place))
            try:
                await asyncio.sleep(lasts)
                if fate == "raise":
                    raise TooFast
            finally:
                alive -= 1

        tasks = []
        for place, (gap, lasts, fate) in enumerate(plan):
            await asyncio.sleep(gap if place % 7 == 0 else 0.0)
            task = asyncio.create_task(limiter.call(work, place, lasts, fate))
            if fate == "cancel":
                asyncio.get_running_loop().call_later(lasts / 2, task.cancel)
            tasks.append(task)
        await asyncio.gather(*tasks, return_exceptions=True)

        assert [place for _, place in went] == sorted(place for _, place in went)
        for (first, _), (last, _) in zip(went, went[requests:], strict=False):
            assert last - first > seconds
        assert limiter.binding() != "concurrency"
        assert await asyncio.gather(*(limiter.call(at) for _ in range(3)))

    run_virtual(main())


@settings(max_examples=40, deadline=None)
@given(
    calls=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 900), st.floats(0.0, 20.0)), min_size=1, max_size=60),
    per_minute=st.sampled_from([600, 6_000, 60_000]),
)
def test_no_minute_of_tokens_is_broken(calls: list[tuple[int, int, float]], per_minute: int) -> None:
    """
    Reserved too much or too little: over any minute no more is taken than stated and one call's debt.
    """

    async def main() -> None:
        limiter = brim.Limiter(tokens=f"{per_minute}/min")
        went: list[tuple[float, int, int]] = []

        async def work(place: int, cost: int, used: int) -> None:
            async with limiter.hold(tokens=cost) as permit:
                went.append((now(), used, place))
                permit.settle(tokens=used)

        async with asyncio.TaskGroup() as tasks:
            for place, (cost, used, gap) in enumerate(calls):
                await asyncio.sleep(gap if place % 5 == 0 else 0.0)
                tasks.create_task(work(place, cost, used))

        assert [place for *_, place in went] == list(range(len(calls)))
        most = max(used for _, used, _ in calls)
        for begin, *_ in went:
            taken = sum(used for time, used, _ in went if begin <= time <= begin + 60.0)
            assert taken <= per_minute * 1.002 + 1 + most

    run_virtual(main())


@pytest.mark.parametrize("turns", range(12))
def test_cancelled_at_any_point_it_gives_its_slot_back(turns: int) -> None:
    """
    In the queue, as the permit is on its way, within the call, or when it is over.
    """

    async def main() -> float:
        limiter = brim.Limiter(concurrency=1)
        holding = asyncio.create_task(limiter.call(asyncio.sleep, 0))
        waiting = asyncio.create_task(limiter.call(asyncio.sleep, 0))
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(holding, waiting, return_exceptions=True)
        async with asyncio.timeout(1.0):
            return await limiter.call(at)

    assert run_virtual(main()) == 0.0


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


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"requests": "50/fortnight"}, r"requests='50/fortnight' should look like '50/min'"),
        ({"requests": 50}, "requests=50 should look like"),
        ({"tokens": "many/min"}, "tokens='many/min' should look like"),
        ({"output_tokens": "5/day"}, "kept for requests and for tokens, not for output_tokens"),
        ({"requests": ["5/min", "6/min"]}, "states two limits for the same time"),
        ({"requests": "0/min"}, "requests_per_minute is 0.0; it must be a number above 0"),
        ({"limit": "40"}, "limit='40' should look like 40/60s"),
        ({"concurrency": 0}, "concurrency is 0; it must be a number above 0"),
    ],
)
def test_bad_amounts_are_refused(settings: dict[str, Any], message: str) -> None:
    """
    The message names the amount and shows a good one.
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


@pytest.mark.parametrize("amount", [-1, float("inf"), "5", True])
def test_bad_costs_are_refused(amount: Any) -> None:
    """
    Before anything is called or waits.
    """
    with pytest.raises(ValueError, match=r"tokens is .*; it must be a number from 0 on"):
        brim.Limiter().hold(tokens=amount)
    with pytest.raises(TypeError, match="a cost has no 'token'; it has tokens, input_tokens, output_tokens"):
        brim.Limiter().hold(token=amount)  # type: ignore[call-arg] # that is the mistake


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
