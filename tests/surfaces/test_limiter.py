"""`brim.Limiter`: what is stated is kept, in order, and nothing is lost."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import brim
from brim.simulator.clock import VirtualLoop, run_virtual
from brim.values import FailureKind
from surfaces.limiter_support import TooFast, at, now

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


def test_what_nobody_told_is_no_reason_to_refuse_a_call() -> None:
    """
    A call of unknown cost is called, whatever such calls are taken to need; so is one of which only a part is told.
    """

    async def main() -> None:
        limiter = brim.Limiter(tokens="400/min")
        assert await limiter.call(at) == 0.0
        assert await limiter.call(at, cost={"input_tokens": 300}) > 0.0
        with pytest.raises(brim.CallFailed):
            await limiter.call(at, cost={"input_tokens": 401})

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


@pytest.mark.parametrize(
    ("costs", "usual"),
    [
        ([20, 20, 20], 20),
        ([0, 0, 0], 0),
        ([100, 300], 200),
        ([{"input_tokens": 80, "output_tokens": 20}], 100),
        ([{"input_tokens": 80}], 80 + 256),
        ([], 512),
    ],
)
def test_stated_costs_tell_what_is_usual(costs: list[brim.Spend | float], usual: float) -> None:
    """
    As much as settled ones do: their mean, and a guess where there is none.
    """

    async def main() -> float:
        limiter = brim.Limiter(tokens="6000/min")
        for cost in costs:
            await limiter.call(at, cost=cost)
        await asyncio.sleep(60.0)
        await limiter.call(at)
        begin = now()
        return await limiter.call(at, cost=100) - begin

    # A second's worth may go at once.
    assert run_virtual(main()) == pytest.approx(max(0.0, usual / 99.7), abs=0.02)


def test_what_an_answer_took_tells_more_than_its_stated_cost() -> None:
    """
    A call of which nothing came back is taken at its word; a refused one, which took nothing, tells nothing.
    """

    async def main() -> float:
        limiter = brim.Limiter(tokens="6000/min")
        async with limiter.hold(tokens=3_000) as permit:
            permit.settle(tokens=100)
        async with limiter.hold(tokens=3_000) as permit:
            permit.refused(retry_after=1.0)
        await limiter.call(at, cost=300)
        await asyncio.sleep(60.0)
        await limiter.call(at)
        begin = now()
        return await limiter.call(at, cost=100) - begin

    assert 1.9 < run_virtual(main()) < 2.1


@pytest.mark.parametrize(
    "limits",
    [
        {"tokens": "300/min"},
        {"tokens": "300/day"},
        {"input_tokens": "100/min"},
        {"output_tokens": "100/min", "tokens": "10/min"},
    ],
)
def test_a_guess_makes_no_call_impossible(limits: dict[str, Any]) -> None:
    """
    Before anything is known, beside a part that is, and after a call that took more than a limit ever gives.
    """

    async def main() -> None:
        spends: list[brim.Spend] = [{}, {"input_tokens": 5}, {"output_tokens": 5}]
        for spend in spends:
            assert await brim.Limiter(**limits).call(at, cost=spend) == now()
        limiter = brim.Limiter(**limits)
        async with limiter.hold() as permit:
            permit.settle(input_tokens=150, output_tokens=150)
        await asyncio.sleep(100_000.0)
        await limiter.call(at)

    run_virtual(main())


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


def test_a_window_holds_where_calls_begin_late() -> None:
    """
    In a loop that is held up by other work, calls begin after they were let go: a window counts when they begin.
    """
    limiter = brim.Limiter(limit="3/2s")
    starts: list[float] = []

    async def fetch(held_up_s: float) -> None:
        starts.append(now())
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.elapse(held_up_s)

    async def main() -> None:
        await asyncio.gather(*(limiter.call(fetch, 0.3 if 3 <= number < 6 else 0.0) for number in range(12)))

    run_virtual(main())
    assert min(late - early for early, late in zip(starts, starts[3:], strict=False)) >= 2.0
