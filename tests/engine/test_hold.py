"""A pause by hand: nothing goes out, nothing is lost, and it ends when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from brim.config import Limits
from brim.engine.lane import Lane
from brim.engine.learner import STALL_SECONDS
from brim.engine.path import Prepared
from brim.engine.run import Run
from brim.transport.scripted import Scripted
from brim.values import Result
from engine.lanes import Gatekeeper, now, settle, throttled, virtual
from engine.support import ask, open_lane, reply


def test_nothing_goes_while_a_lane_is_held() -> None:
    """
    Neither those in the queue nor those who come; what is on the wire comes home, and afterwards all go in order.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(requests_per_minute=60))
        tasks = lane.send(3, takes=2.0)
        await asyncio.sleep(0.5)
        for _ in range(2):
            lane.limiter.hold()
        tasks += lane.send(3)
        await asyncio.sleep(3_600.0)
        assert (len(lane.went), lane.limiter.in_flight, lane.limiter.waiting) == (1, 0, 5)
        assert lane.limiter.binding() == "paused by hand"

        for _ in range(2):
            lane.limiter.resume()
        await asyncio.gather(*tasks)
        assert [position for position, _ in lane.went] == list(range(6))
        assert lane.times[1] == 3_600.5
        assert not lane.failed
        assert not lane.parked

    virtual(test)


def test_a_held_lane_does_not_stall() -> None:
    """
    Time in hand is no time in which nothing got through, not for attempts that fail meanwhile either.
    """

    async def test() -> None:
        lane = Gatekeeper()
        permits = [await lane.permit() for _ in range(4)]
        settle(permits[0], throttled())
        lane.limiter.hold()
        for permit in permits[1:]:
            await asyncio.sleep(STALL_SECONDS)
            settle(permit, throttled())
        await asyncio.sleep(STALL_SECONDS)
        lane.limiter.resume()
        settle(await lane.permit(), throttled())

        assert not lane.parked

    virtual(test)


def test_a_waiter_cancelled_while_held_is_forgotten() -> None:
    """
    It leaves no trace, and those behind it go when the lane does.
    """

    async def test() -> None:
        lane = Gatekeeper()
        lane.limiter.hold()
        first, second = lane.send(2)
        await asyncio.sleep(1.0)
        first.cancel()
        await asyncio.sleep(1.0)
        lane.limiter.resume()
        await second

        assert lane.went == [(1, 2.0)]

    virtual(test)


def test_a_held_run_waits_and_goes_on() -> None:
    """
    A run that is paused for an hour ends an hour later, every request answered.
    """
    results: list[Result] = []

    async def test() -> None:
        lane = open_lane(Scripted(then=reply(after=1.0)))

        async def source() -> AsyncIterator[tuple[Lane, Prepared]]:
            for number in range(400):
                yield lane, lane.prepare(ask(number))

        loop = asyncio.get_running_loop()
        loop.call_at(2.5, lane.limiter.hold)
        loop.call_at(3_602.5, lane.limiter.resume)
        await Run(record=results.extend, leave=results.append).carry(source())
        assert 3_602.5 < now() < 3_650.0

    virtual(test)
    assert sorted(result.request.position for result in results) == list(range(400))
    assert all(result.reply is not None and result.attempts == 1 for result in results)
