"""Limits that change while a lane is at work: at once, in order, and nothing that was spent is forgotten."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.config import Limits, Window
from brim.values import Answer, Dimension, FailureKind, GaugeSource, LimitLevel
from engine.lanes import OK, Gatekeeper, now, settle, throttled, virtual


def test_lowering_a_rate_takes_effect_at_once() -> None:
    """
    From the moment of the change the next one waits as long as the new rate says, and the limits read so.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(requests_per_minute=600))
        tasks = lane.send(40)
        await asyncio.sleep(2.05)
        lane.limiter.retune(Limits(requests_per_minute=60))
        before = len(lane.went)
        await asyncio.sleep(10.0)

        assert lane.limiter.limits == Limits(requests_per_minute=60)
        assert len(lane.went) - before == 10
        for task in tasks:
            task.cancel()

    virtual(test)


def test_raising_a_rate_lets_the_queue_go_on_in_order() -> None:
    """
    Who waits for a slow limit need not wait for its timer, and nobody is overtaken.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(requests_per_minute=1))
        tasks = lane.send(50)
        await asyncio.sleep(5.0)
        assert len(lane.went) == 1
        lane.limiter.retune(Limits(requests_per_minute=600))
        await asyncio.gather(*tasks)

        assert [position for position, _ in lane.went] == list(range(50))
        assert lane.times[1] < 6.0
        assert lane.times[-1] < 11.0

    virtual(test)


@settings(max_examples=60, deadline=None)
@given(
    changes=st.lists(
        st.tuples(
            st.floats(0.0, 20.0),
            st.lists(st.tuples(st.integers(1, 300), st.sampled_from([1.0, 5.0, 30.0, 47.5])), max_size=2),
        ),
        max_size=6,
    ),
    gaps=st.lists(st.floats(0.0, 2.0), min_size=1, max_size=30),
    crowd=st.integers(1, 30),
)
def test_no_window_is_broken_over_a_retune(
    changes: list[tuple[float, list[tuple[int, float]]]], gaps: list[float], crowd: int
) -> None:
    """
    At every moment the windows that are stated then hold, counting all that was sent before they were stated.
    """

    async def test() -> None:
        lane = Gatekeeper()
        stated: list[tuple[float, Limits]] = [(0.0, Limits())]

        async def retune() -> None:
            for after, pairs in changes:
                await asyncio.sleep(after)
                windows = tuple(Window(requests=requests, seconds=seconds) for requests, seconds in pairs)
                stated.append((now(), Limits(windows=windows)))
                lane.limiter.retune(stated[-1][1])
            stated.append((now(), Limits()))  # so that the rest need not take for ever
            lane.limiter.retune(Limits())

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(retune())
            for gap in gaps:
                await asyncio.sleep(gap)
                for _ in range(crowd):
                    tasks.create_task(lane.go())
        times = lane.times
        assert len(times) == len(gaps) * crowd
        for (since, limits), (until, _) in zip(stated, [*stated[1:], (float("inf"), None)], strict=True):
            for each in limits.windows:
                for place, time in enumerate(times):
                    # What goes at the very moment of a change may have gone before it.
                    if since < time < until:
                        assert sum(time - each.seconds <= other for other in times[: place + 1]) <= each.requests

    virtual(test)


@pytest.mark.parametrize("other", [Limits(), Limits(requests_per_minute=600), Limits(requests_per_minute=120)])
def test_restating_a_rate_gives_no_fresh_burst(other: Limits) -> None:
    """
    However often it is changed and changed back, no more goes than the limits allow together.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(requests_per_minute=60))
        tasks = lane.send(500)
        await asyncio.sleep(0.05)
        for _ in range(200):
            lane.limiter.retune(other if other.requests_per_minute else Limits(requests_per_minute=61))
            lane.limiter.retune(Limits(requests_per_minute=60))
            await asyncio.sleep(0.05)

        assert len(lane.went) <= 11
        for task in tasks:
            task.cancel()

    virtual(test)


def test_a_rate_stated_in_a_lane_at_work_has_no_burst_left() -> None:
    """
    What was sent just before counts: the first under the new limit waits.
    """

    async def test() -> None:
        lane = Gatekeeper()
        await asyncio.gather(*lane.send(5))
        lane.limiter.retune(Limits(requests_per_minute=60))
        await lane.go()

        assert 0.9 < now() < 1.1

    virtual(test)


def test_a_day_stays_spent() -> None:
    """
    Three a day after two were sent leaves one; lowering below what was sent parks the lane, and says so.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(requests_per_day=100))
        await asyncio.gather(*lane.send(2))
        lane.limiter.retune(Limits(requests_per_day=3))
        await lane.go()
        lane.limiter.retune(Limits(requests_per_day=2))
        await lane.go()

        assert len(lane.went) == 3
        assert [failure.kind for _, failure in lane.failed] == [FailureKind.DAILY]
        await asyncio.sleep(0)
        assert lane.parked
        lane.limiter.retune(Limits())
        await lane.go()
        assert len(lane.went) == 3, "what is parked stays so"

    virtual(test)


def test_a_day_that_is_over_is_not_waited_for() -> None:
    """
    Where another limit holds back whoever is next, a day that is used up parks the lane now and not at that turn;
    one that has room again by that turn does not.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(requests_per_minute=1))
        tasks = lane.send(3, takes=1.0)
        await asyncio.sleep(0.5)
        lane.limiter.retune(Limits(requests_per_minute=1, requests_per_day=1))
        assert not lane.parked, "one is still on the wire"
        await asyncio.gather(*tasks)
        assert now() == 1.0
        assert [failure.kind for failure in lane.parked] == [FailureKind.DAILY]

        window = Window(requests=1, seconds=100_000.0)
        lane = Gatekeeper(Limits(windows=(window,), requests_per_day=1))
        await asyncio.gather(*lane.send(2))
        assert not lane.parked

    virtual(test)


def test_a_day_stated_later_counts_from_the_beginning() -> None:
    """
    A limit a day that is stated after an hour knows what the hour has sent.
    """

    async def test() -> None:
        lane = Gatekeeper()
        for _ in range(60):
            await lane.go()
            await asyncio.sleep(60.0)
        lane.limiter.retune(Limits(requests_per_day=61))
        await lane.go()
        await lane.go()

        assert len(lane.went) == 61
        assert lane.failed[0][1].message.endswith("there is room in 23.0 hours")

    virtual(test)


def test_fewer_at_once_lets_those_on_the_wire_come_home() -> None:
    """
    Nobody new goes until as many are back as the new ceiling wants.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(requests_per_minute=60_000, concurrency=10))
        tasks = lane.send(20, takes=5.0)
        await asyncio.sleep(1.0)
        assert lane.limiter.in_flight == 10
        lane.limiter.retune(Limits(requests_per_minute=60_000, concurrency=3))
        assert lane.limiter.window.size == 3
        await asyncio.sleep(4.5)
        assert lane.limiter.in_flight == 3
        await asyncio.gather(*tasks)

        assert not lane.failed
        assert [position for position, _ in lane.went] == list(range(20))

    virtual(test)


def test_more_at_once_starts_more() -> None:
    """
    Raising the ceiling lets those in the queue go, and asks for more.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(requests_per_minute=60_000, concurrency=2))
        asked: list[int] = []
        lane.limiter.on_room = lambda: asked.append(lane.limiter.in_flight)
        tasks = lane.send(5, takes=5.0)
        await asyncio.sleep(1.0)
        lane.limiter.retune(Limits(requests_per_minute=60_000, concurrency=50))
        await asyncio.sleep(0.1)

        assert lane.limiter.in_flight == 5
        assert len(asked) == 1
        await asyncio.gather(*tasks)

    virtual(test)


def test_a_ramp_goes_on_below_a_higher_ceiling() -> None:
    """
    Where no rate holds back, a higher ceiling is no licence for a stampede: the window grows into it.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(concurrency=4))
        tasks = lane.send(300, takes=3.0)
        await asyncio.sleep(1.5)
        lane.limiter.retune(Limits(concurrency=500))
        sizes = []
        for _ in range(8):
            sizes.append(lane.limiter.window.size)
            await asyncio.sleep(3.0)

        assert sizes[0] <= 8
        assert sizes == sorted(sizes)
        assert sizes[-1] > 50
        await asyncio.gather(*tasks)

    virtual(test)


def test_taking_a_rate_back_closes_the_window_to_a_ramp() -> None:
    """
    Without a rate to hold it back, the lane begins again with what has shown to get through.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(requests_per_minute=600))
        assert lane.limiter.window.size == 1_000
        tasks = lane.send(100, takes=2.0)
        await asyncio.sleep(3.0)
        lane.limiter.retune(Limits())

        assert lane.limiter.window.size == lane.limiter.in_flight == 20
        await asyncio.gather(*tasks)

    virtual(test)


def test_who_can_never_go_any_more_is_told_so() -> None:
    """
    A request in the queue that needs more than the new limit fails alone; those around it go.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(tokens_per_minute=100_000, concurrency=1))
        tasks = [
            asyncio.create_task(lane.go(number, takes=5.0, body=b"word " * (8_000 * (number == 1) + 1)))
            for number in range(3)
        ]
        await asyncio.sleep(1.0)
        lane.limiter.retune(Limits(tokens_per_minute=5_000, concurrency=1))
        await asyncio.gather(*tasks)

        assert [position for position, _ in lane.went] == [0, 2]
        assert [(position, failure.kind) for position, failure in lane.failed] == [(1, FailureKind.TOO_LARGE)]

    virtual(test)


def test_what_refusals_taught_is_kept_where_it_fits() -> None:
    """
    A learnt rate far below the stated one outlives a change of that; one that only followed it does not.
    """

    async def learn(stated: float, true: float) -> Gatekeeper:
        lane = Gatekeeper(Limits(requests_per_minute=stated))
        level, last = 1.0, 0.0
        for _ in range(2_000):
            permit = await lane.permit()
            level, last = min(5.0, level + (now() - last) * true / 60.0), now()
            is_over = level < 1.0
            level -= 0.0 if is_over else 1.0
            settle(permit, throttled(retry_after=1.0) if is_over else OK)
        return lane

    async def test() -> None:
        for true, is_kept in ((300.0, True), (594.0, False)):
            lane = await learn(600.0, true)
            lane.limiter.retune(Limits(requests_per_minute=6_000))
            learnt = [gauge for gauge in lane.limiter.gauges() if gauge.source is GaugeSource.REFUSALS]
            assert bool(learnt) is is_kept
            lane.limiter.retune(Limits(requests_per_minute=30))
            assert all(gauge.limit <= 30 for gauge in lane.limiter.gauges() if gauge.unit == "requests")

    virtual(test)


def test_what_the_server_shows_is_kept() -> None:
    """
    Headers are the server's word, whatever the user states.
    """

    async def test() -> None:
        lane = Gatekeeper()
        permit = await lane.permit()
        permit.settle(Answer(OK, now(), now(), [LimitLevel(Dimension.REQUESTS, 500.0, 400.0)]))
        lane.limiter.retune(Limits(requests_per_minute=100))

        shown = {gauge.source: (gauge.limit, round(gauge.used, 2)) for gauge in lane.limiter.gauges()[:2]}
        assert shown == {GaugeSource.STATED: (100.0, 0.6), GaugeSource.HEADERS: (500.0, 0.2)}

    virtual(test)


def test_two_windows_of_one_length_keep_an_account_each() -> None:
    """
    Stated twice, the tighter one holds, before a change and after it.
    """

    async def test() -> None:
        twice = Limits(windows=(Window(requests=5, seconds=10.0), Window(requests=3, seconds=10.0)))
        lane = Gatekeeper(twice)
        lane.send(20)
        await asyncio.sleep(5.0)
        lane.limiter.retune(Limits(windows=twice.windows[::-1]))
        await asyncio.sleep(4.0)
        assert len(lane.went) == 3
        await asyncio.sleep(2.0)

        assert len(lane.went) == 6

    virtual(test)
