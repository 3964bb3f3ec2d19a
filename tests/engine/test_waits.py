"""The trace of admission: why an attempt waited, to the second."""

from __future__ import annotations

import asyncio

from brim.config import Limits
from brim.engine.lane import Settings
from brim.engine.permits import Permit, Waiter
from brim.engine.run import Run
from brim.engine.waits import WaitLog
from brim.events import AttemptAdmitted, Hold
from brim.policies.tokens import Cost
from brim.transport.scripted import Scripted
from brim.values import Bound, Constraint, Failure
from engine.lanes import Gatekeeper, attempt, settle, throttled, virtual
from engine.support import Played, ask, play, refusal, reply


def told(lane: Gatekeeper) -> list[tuple[int, list[tuple[str, float]]]]:
    return [
        (position, [(hold.bound.constraint.value, round(hold.seconds, 2)) for hold in holds])
        for position, holds in lane.waits
    ]


def test_a_wait_for_a_rate() -> None:
    """
    Each waits for as long as the rate says; the first does not wait and is not told.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(requests_per_minute=60))
        await asyncio.gather(*lane.send(4))
        assert told(lane) == [(1, [("requests", 1.0)]), (2, [("requests", 2.01)]), (3, [("requests", 3.01)])]

    virtual(test)


def test_a_wait_that_changes_its_reason() -> None:
    """
    First all are on the wire, then the server asks to wait, then somebody holds the lane: in this order.
    """

    async def test() -> None:
        lane = Gatekeeper(Limits(concurrency=1))
        first = await lane.permit()
        waiting = lane.send(1)
        await asyncio.sleep(3.0)
        settle(first, throttled(retry_after=10.0))
        await asyncio.sleep(5.0)
        lane.limiter.hold()
        await asyncio.sleep(60.0)
        lane.limiter.resume()
        await asyncio.gather(*waiting)

        assert told(lane) == [(0, [("concurrency", 3.0), ("outage", 5.0), ("held", 60.0)])]

    virtual(test)


def test_segments_are_as_long_as_the_wait() -> None:
    """
    Whatever held it up, the parts of a wait are the whole of it, for all who waited.
    """
    far_end = Scripted(*[reply(after=0.3)] * 40, refusal(429, retry_after=4.0), then=reply(after=0.3))
    limits = Limits(requests_per_minute=300, tokens_per_minute=20_000, concurrency=20)
    played = play(far_end, map(ask, range(150)), Settings(limits=limits, trace=True, seed=1))

    waits = [event for event in played.events if isinstance(event, AttemptAdmitted)]
    assert {hold.bound.constraint for event in waits for hold in event.holds} >= {
        Constraint.REQUESTS,
        Constraint.OUTAGE,
    }
    for event in waits:
        assert abs(sum(hold.seconds for hold in event.holds) - event.waited_s) < 1e-6
        assert all(hold.seconds > 0.0 for hold in event.holds)
        assert all(one.bound != two.bound for one, two in zip(event.holds, event.holds[1:], strict=False))
    again = [event for event in waits if event.attempt.number == 2]
    assert again, "a repeated attempt has a line of its own"


def waits(played: Played) -> list[tuple[int, list[tuple[str, float]]]]:
    return [
        (event.attempt.request.position, [(hold.bound.name, round(hold.seconds, 2)) for hold in event.holds])
        for event in played.events
        if isinstance(event, AttemptAdmitted)
    ]


def test_a_wait_for_room_on_the_wire() -> None:
    """
    Rows that are read and held until a call has come home wait for that, from when they were read.
    """
    settings = Settings(limits=Limits(concurrency=2), trace=True, seed=1)
    played = play(Scripted(then=reply(after=1.0)), map(ask, range(6)), settings)

    assert waits(played) == [(number, [("concurrency", number // 2)]) for number in range(2, 6)]


def test_a_wait_for_room_and_then_for_a_rate() -> None:
    """
    Both are told, in this order; a wait that no reason interrupts is one.
    """
    settings = Settings(limits=Limits(concurrency=1, requests_per_minute=60), trace=True, seed=1)
    played = play(Scripted(reply(after=0.4), then=reply(after=3.0)), map(ask, range(4)), settings)

    assert waits(played) == [
        (1, [("concurrency", 0.4), ("requests a minute", 0.6)]),
        (2, [("concurrency", 0.4), ("requests a minute", 0.6), ("concurrency", 3.0)]),
        (3, [("concurrency", 0.4), ("requests a minute", 0.6), ("concurrency", 6.0)]),
    ]


def test_many_rows_wait_in_bounded_memory() -> None:
    """
    However many wait for room, and whatever becomes of them, nothing of it is left in the end.
    """
    far_end = Scripted(*[refusal(400)] * 20, refusal(429, retry_after=4.0), *[reply(after=0.3)] * 80, then=refusal(500))
    limiters = []
    settings = Settings(limits=Limits(concurrency=4, tokens_per_minute=20_000), trace=True, max_attempts=1, seed=1)

    def meanwhile(run: Run, _: Played) -> None:
        run.on_lane = lambda lane: limiters.append(lane.limiter)

    rows = [ask(number, "word " * (30_000 if number % 10 == 0 else 3)) for number in range(150)]
    played = play(far_end, rows, settings, meanwhile=meanwhile)
    assert waits(played)
    [log] = [limiter.waits for limiter in limiters]
    assert log is not None
    assert log.waiting == 0


def test_an_event_has_the_cost_and_the_limit() -> None:
    """
    What the attempt is charged, and how full the limit was that held it longest.
    """
    limits = Limits(requests_per_minute=60, concurrency=20)
    played = play(Scripted(then=reply(after=0.1)), map(ask, range(5)), Settings(limits=limits, trace=True, seed=1))

    last = [event for event in played.events if isinstance(event, AttemptAdmitted)][-1]
    assert (last.lane, last.attempt.request.position, last.attempt.number) == ("openai:m", 4, 1)
    assert last.input_tokens > 5
    assert last.output_tokens > 0
    assert last.gauge is not None
    assert (last.gauge.name, last.gauge.limit) == ("requests a minute", 60.0)


def test_nobody_is_told_who_did_not_ask() -> None:
    """
    Without a trace there is no such event.
    """
    played = play(Scripted(then=reply()), map(ask, range(5)), Settings(limits=Limits(requests_per_minute=60), seed=1))

    assert not [event for event in played.events if isinstance(event, AttemptAdmitted)]


def test_a_wait_of_many_changes_is_summed_up() -> None:
    """
    A reason that comes and goes a hundred times is told once, with all of its time; the log forgets what is over.
    """
    held: list[tuple[Hold, ...]] = []
    bounds = [Bound(Constraint.REQUESTS, "requests a minute"), Bound(Constraint.TOKENS, "tokens a minute")]
    log = WaitLog(lambda _, __, holds: held.append(holds))

    async def test() -> None:
        future: asyncio.Future[Permit | Failure] = asyncio.get_running_loop().create_future()
        waiter = Waiter(Cost((1.0, 0.0, 0.0, 0.0)), None, attempt(), future, since=10.0)
        for number in range(100):
            log.looked(bounds[number % 2], 10.0 + number, since=10.0)
        log.admitted(waiter, 110.0)
        log.looked(bounds[0], 110.0, since=110.0)
        log.admitted(Waiter(waiter.cost, None, attempt(), future, since=110.0), 111.0)

    virtual(test)
    assert held == [(Hold(bounds[0], 50.0), Hold(bounds[1], 50.0)), (Hold(bounds[0], 1.0),)]
