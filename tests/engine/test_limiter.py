"""Admission: in order, within the limits, nothing lost when a waiter is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.config import Limits, Window
from brim.engine.learner import STALL_SECONDS
from brim.engine.limiter import Limiter, Permit
from brim.simulator.clock import run_virtual
from brim.values import (
    Answer,
    Attempt,
    Dimension,
    Failure,
    FailureKind,
    LimitLevel,
    Outcome,
    Reply,
    Request,
    Usage,
)


def attempt(position: int = 0, body: bytes = b"{}", max_tokens: int | None = None, number: int = 1) -> Attempt:
    request = Request(position=position, messages=(), max_tokens=max_tokens)
    return Attempt(request=request, number=number, body=body)


class Lane:
    """A limiter and what it told."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.pauses: list[float] = []
        self.parked: list[Failure] = []
        self.limiter = Limiter(
            limits or Limits(),
            rng=Random(1),
            on_pause=lambda seconds, _: self.pauses.append(seconds),
            on_park=self.parked.append,
        )

    async def enter(self, **fields: object) -> Permit:
        permit = await self.limiter.admit(attempt(**fields))  # type: ignore[arg-type] # fields of attempt, by name
        assert isinstance(permit, Permit)
        return permit


def settle(permit: Permit, outcome: Outcome, *, took: float = 0.0, levels: Sequence[LimitLevel] = ()) -> None:
    now = asyncio.get_running_loop().time()
    permit.settle(Answer(outcome, now - took, now, levels))
    permit.release()


def virtual(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    run_virtual(main())


def throttled(retry_after: float | None = None, *, is_reset: bool = False) -> Failure:
    return Failure(kind=FailureKind.THROTTLED, message="slow down", retry_after=retry_after, is_reset=is_reset)


def test_goes_at_once_while_there_is_room() -> None:
    """
    The first eight need not wait, the ninth waits for one to come back, or for a while without resistance; in a second
    the window has grown to twice as many.
    """

    async def test() -> None:
        lane = Lane()
        permits = [await lane.enter() for _ in range(8)]
        ninth = asyncio.create_task(lane.enter())
        await asyncio.sleep(0.2)
        assert not ninth.done()

        permits[0].release()
        settle(await ninth, Reply(text=""))
        more = [await lane.enter() for _ in range(9)]
        assert 0.2 < asyncio.get_running_loop().time() <= 1.0
        assert lane.limiter.in_flight == 7 + len(more)

    virtual(test)


def test_paces_a_stated_rate() -> None:
    """
    At 60 requests a minute the hundredth goes 99 seconds after the first, three thousandths for safety added.
    """

    async def test() -> None:
        lane = Lane(Limits(requests_per_minute=60))
        times = []
        for _ in range(100):
            with await lane.enter() as permit:
                times.append(asyncio.get_running_loop().time())
                permit.settle(Answer(Reply(text=""), times[-1], times[-1]))
        assert all(abs(time - position / 0.997) < 1e-3 for position, time in enumerate(times))

    virtual(test)


def test_first_in_first_out_whatever_the_size() -> None:
    """
    A large request is not overtaken by the small ones behind it.
    """

    async def test() -> None:
        lane = Lane(Limits(tokens_per_minute=6_000))
        order: list[int] = []

        async def go(position: int, body: bytes) -> None:
            await lane.enter(position=position, body=body, max_tokens=1)
            order.append(position)

        async with asyncio.TaskGroup() as tasks:
            for position in range(6):
                tasks.create_task(go(position, b"x" * (15_000 if position == 1 else 40)))
        assert order == list(range(6))

    virtual(test)


def test_who_was_turned_away_keeps_its_turn() -> None:
    """
    Requests that come again go before those that were never sent, in the order in which they came again; one that was
    turned away eight times waits behind the others.
    """

    async def test() -> None:
        lane = Lane(Limits(requests_per_minute=60))
        await lane.enter()
        order: list[tuple[int, int]] = []

        async def go(position: int, number: int) -> None:
            await lane.enter(position=position, number=number)
            order.append((position, number))

        async with asyncio.TaskGroup() as tasks:
            for position, number in ((3, 1), (4, 1), (2, 2), (0, 9), (1, 8)):
                tasks.create_task(go(position, number))
        assert order == [(2, 2), (1, 8), (3, 1), (4, 1), (0, 9)]

    virtual(test)


@pytest.mark.parametrize(("may_park", "least_s", "most_s"), [("yes", 1.0, 4.0), ("never", 45.0, 50.0)])
def test_a_crowd_after_a_silence(may_park: str, least_s: float, most_s: float) -> None:
    """
    Fifty at once, sixty a minute stated: the last goes within seconds in a lane of brim's own, which sees what is
    refused. Calls that others make keep to an even pace.
    """

    async def test() -> None:
        park = Lane().parked.append if may_park == "yes" else None
        limiter = Limiter(Limits(requests_per_minute=60), rng=Random(1), on_pause=lambda _s, _f: None, on_park=park)
        loop = asyncio.get_running_loop()

        async def go() -> None:
            permit = await limiter.admit(attempt())
            assert isinstance(permit, Permit)
            settle(permit, Reply(text=""))

        await go()
        await asyncio.sleep(100.0)
        began = loop.time()
        await asyncio.gather(*(go() for _ in range(50)))
        assert least_s <= loop.time() - began <= most_s

    virtual(test)


def test_who_asks_whether_the_endpoint_is_back_keeps_about_its_turn() -> None:
    """
    A row that was a probe eight times lets four others go first beside the probe, and not all that wait.
    """

    async def test() -> None:
        lane = Lane()
        for _ in range(8):
            settle(await lane.enter(), Failure(kind=FailureKind.OVERLOADED, message="down", status=529))
        order: list[int] = []

        async def go(position: int, number: int = 1) -> None:
            settle(await lane.enter(position=position, number=number), Reply(text=""))
            order.append(position)

        async with asyncio.TaskGroup() as tasks:
            for position in range(1, 40):
                tasks.create_task(go(position))
            tasks.create_task(go(0, 9))
        assert order[:6] == [39, 1, 2, 3, 4, 0]

    virtual(test)


def test_who_fails_while_nothing_gets_through_asks_others_first() -> None:
    """
    At a call a second two rows that fail would use up all of their attempts before it is known that all would: from
    the third attempt on others go first, and the eighth row that fails shows that the endpoint is down.
    """

    async def test() -> None:
        lane = Lane(Limits(requests_per_minute=60))
        settle(await lane.enter(), Reply(text=""))
        failed: list[int] = []

        async def go(position: int) -> None:
            for number in range(1, 8):
                permit = await lane.enter(position=position, number=number)
                if not lane.limiter.health.is_down:
                    failed.append(position)
                settle(permit, Failure(kind=FailureKind.SERVER, message="down"))

        tasks = [asyncio.create_task(go(position)) for position in range(20)]
        await asyncio.sleep(60.0)
        assert lane.limiter.health.is_down
        assert max(map(failed.count, failed)) <= 3
        for task in tasks:
            task.cancel()

    virtual(test)


def test_tokens_are_trued_up_by_the_answer() -> None:
    """
    What an answer did not use is available again, what it used in excess is paid back by waiting.
    """

    async def test() -> None:
        for used, wait in ((300, 0.0), (12_600, 63.0)):
            lane = Lane(Limits(tokens_per_minute=12_000))
            settle(await lane.enter(), Reply(text="", usage=Usage(input_tokens=used)))
            started = asyncio.get_running_loop().time()
            await lane.enter()
            assert abs(asyncio.get_running_loop().time() - started - wait) < 2.0

    virtual(test)


@pytest.mark.parametrize(
    ("body", "tokens", "max_tokens"),
    [
        (b"123456," * 1_000, 3_400, 50),
        (b"say 1", 2, None),
        (b"iVBORw0KGgo" * 15_000, 30_000, None),
        (b"word " * 700, 1_000, None),
    ],
)
def test_an_estimate_alone_fails_nothing(body: bytes, tokens: int, max_tokens: int | None) -> None:
    """
    Numbers, pictures and answers of unknown length may take less than they seem to: the server decides.
    """

    async def test() -> None:
        lane = Lane(Limits(tokens_per_minute=tokens))
        assert (await lane.enter(body=body, max_tokens=max_tokens)).amounts[1] > tokens * 0.7

    virtual(test)


def test_who_waits_is_charged_by_what_answers_taught_meanwhile() -> None:
    """
    A long queue that came before the first answer does not crawl by the first guess at the length of answers.
    """

    async def test() -> None:
        lane = Lane(Limits(tokens_per_minute=6_000))

        async def go() -> None:
            permit = await lane.enter(body=b"words " * 8)
            await asyncio.sleep(0.5)
            settle(permit, Reply(text="", usage=Usage(input_tokens=10, output_tokens=10)), took=0.5)

        await asyncio.gather(*(go() for _ in range(300)))
        assert 60.0 <= asyncio.get_running_loop().time() <= 66.0

    virtual(test)


def test_what_can_never_fit_fails_alone_with_the_numbers() -> None:
    """
    More words than a minute's tokens are too large at once, with the cap on the answer where that is reserved; the next
    request goes.
    """

    async def test() -> None:
        lane = Lane(Limits(tokens_per_minute=1_000))
        failure = await lane.limiter.admit(attempt(body=b"word " * 1_100))
        assert isinstance(failure, Failure)
        assert failure.kind is FailureKind.TOO_LARGE
        assert failure.message == (
            "the request needs about 1,506 tokens but the limit is 1,000 tokens a minute; "
            "raise that limit or make the request smaller"
        )
        failure = await lane.limiter.admit(attempt(body=b"word " * 600, max_tokens=401))
        assert isinstance(failure, Failure)
        assert isinstance(await lane.enter(), Permit)

    virtual(test)


def test_one_refusal_closes_the_lane_for_all() -> None:
    """
    After a 429 with a wait nobody goes until it is over, and then as a ramp.
    """

    async def test() -> None:
        lane = Lane()
        settle(await lane.enter(), throttled(retry_after=10.0))
        went: list[float] = []

        async def go() -> None:
            permit = await lane.enter()
            went.append(asyncio.get_running_loop().time())
            await asyncio.sleep(1.0)
            settle(permit, Reply(text=""), took=1.0)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(go())
        opened = min(went)
        assert 10.0 <= opened <= 11.0
        assert went.count(opened) == 1
        assert max(went) <= 40.0
        assert len(lane.pauses) == 1

    virtual(test)


def test_a_parked_lane_tells_everybody_why() -> None:
    """
    Those who wait and those who come get the reason; those on the wire come home.
    """

    async def test() -> None:
        lane = Lane(Limits(concurrency=1))
        held = await lane.enter()
        waiting = asyncio.create_task(lane.limiter.admit(attempt()))
        await asyncio.sleep(0)
        quota = Failure(kind=FailureKind.QUOTA, message="out of credit")
        settle(held, quota)

        assert await waiting is quota
        assert await lane.limiter.admit(attempt()) is quota
        assert lane.parked == [quota]
        assert lane.limiter.in_flight == 0

    virtual(test)


def test_a_lane_that_gets_nothing_through_parks() -> None:
    """
    A quarter of an hour of nothing but throttles parks the run; a single success in between starts it anew.
    """

    async def test() -> None:
        lane = Lane()
        loop = asyncio.get_running_loop()
        settle(await lane.enter(), throttled())
        await asyncio.sleep(STALL_SECONDS - 1)
        settle(await lane.enter(), Reply(text=""))
        first = loop.time()
        while not lane.parked:
            permit = await lane.limiter.admit(attempt())
            assert isinstance(permit, Permit)
            settle(permit, throttled(retry_after=50.0))
        assert STALL_SECONDS <= loop.time() - first <= STALL_SECONDS + 60
        assert lane.parked[0].kind is FailureKind.STOPPED
        assert lane.parked[0].message == "nothing got through for 15 minutes; the last failure: slow down"

    virtual(test)


def test_a_wait_that_is_longer_than_a_stall_parks_at_once() -> None:
    """
    Nobody sleeps through a day because the server says so: the lane parks and says how long it would be.
    """

    async def test() -> None:
        lane = Lane()
        settle(await lane.enter(), throttled(retry_after=86_400.0))

        assert [failure.kind for failure in lane.parked] == [FailureKind.STOPPED]
        assert lane.parked[0].message == "the server asks to wait for 24.0 hours: slow down"
        assert asyncio.get_running_loop().time() == 0.0

    virtual(test)


def test_a_far_reset_is_believed_when_nothing_got_through_for_long() -> None:
    """
    What may be written in the wrong unit is asked about again, for a minute and a half, whatever seems known of it.
    """
    shown = (LimitLevel(Dimension.REQUESTS, 1_000.0, 0.0, 43_200.0),)

    async def test() -> None:
        loop = asyncio.get_running_loop()
        lane = Lane()
        while not lane.parked:
            settle(await lane.enter(), throttled(retry_after=43_200.0, is_reset=True), levels=shown)
        assert 90.0 < loop.time() < 300.0
        assert lane.parked[0].message == "the server asks to wait for 12.0 hours: slow down"

    virtual(test)


def test_a_cancelled_waiter_leaves_no_trace() -> None:
    """
    Whoever is cancelled in the queue, or just as the permit was on its way, holds up nobody.
    """

    async def test() -> None:
        lane = Lane(Limits(concurrency=1))
        held = await lane.enter()
        first, second = (asyncio.create_task(lane.enter()) for _ in range(2))
        await asyncio.sleep(0)
        held.release()  # the permit is now on its way to the first
        first.cancel()

        assert isinstance(await second, Permit)
        assert lane.limiter.in_flight == 1

    virtual(test)


@pytest.mark.parametrize("is_answered", [True, False])
def test_what_is_given_back_is_no_longer_under_way(*, is_answered: bool) -> None:
    """
    An attempt that was cancelled keeps its charge, but its output is not to come any more, no more than that of one
    that was answered.
    """

    async def test() -> None:
        lane = Lane()
        costs = lane.limiter._admission._costs
        permit, other = await lane.enter(), await lane.enter()
        held = costs.outputs.held / 2
        assert held > 0.0
        if is_answered:
            settle(permit, Reply(text=""))
        else:
            permit.release()
        assert costs.outputs.held == held
        other.release()
        assert costs.outputs.held == 0.0

    virtual(test)


@settings(max_examples=60, deadline=None)
@given(
    plan=st.lists(
        st.tuples(st.sampled_from(["reply", "throttle", "fail", "cancel"]), st.floats(0.0, 3.0), st.floats(0.0, 5.0)),
        max_size=40,
    ),
    rpm=st.one_of(st.none(), st.floats(30.0, 3_000.0)),
    concurrency=st.integers(1, 10),
)
def test_permits_out_are_permits_back(
    plan: list[tuple[str, float, float]], rpm: float | None, concurrency: int
) -> None:
    """
    Whatever happens to attempts, cancelled anywhere included, all slots come back and no ceiling is passed.
    """

    async def test() -> None:
        lane = Lane(Limits(requests_per_minute=rpm, concurrency=concurrency))
        most = 0

        async def go(fate: str, after: float, duration: float) -> None:
            nonlocal most
            await asyncio.sleep(after)
            with await lane.enter() as permit:
                most = max(most, lane.limiter.in_flight)
                sent_at = asyncio.get_running_loop().time()
                await asyncio.sleep(duration)
                outcomes: dict[str, Outcome] = {
                    "reply": Reply(text=""),
                    "throttle": throttled(),
                    "fail": Failure(kind=FailureKind.SERVER, message="down"),
                }
                permit.settle(Answer(outcomes[fate], sent_at, asyncio.get_running_loop().time()))

        tasks = []
        for fate, after, duration in plan:
            task = asyncio.create_task(go("reply" if fate == "cancel" else fate, after, duration))
            if fate == "cancel":
                asyncio.get_running_loop().call_later(after + duration / 2, task.cancel)
            tasks.append(task)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert lane.limiter.in_flight == 0
        assert most <= concurrency
        assert isinstance(await lane.enter(), Permit)

    virtual(test)


def test_a_stated_day_parks_the_lane_when_it_is_used_up() -> None:
    """
    The third of two requests a day is told when there is room again, and the lane parks.
    """

    async def test() -> None:
        lane = Lane(Limits(requests_per_day=2))
        for _ in range(2):
            settle(await lane.enter(), Reply(text=""))
        failure = await lane.limiter.admit(attempt())
        assert isinstance(failure, Failure)
        assert failure.kind is FailureKind.DAILY
        assert failure.message == "the stated limit of 2 requests a day is used up; there is room in 24.0 hours"
        await asyncio.sleep(0)
        assert lane.parked == [failure]

    virtual(test)


def test_a_day_that_is_only_reserved_parks_nothing() -> None:
    """
    What is on the wire may take less than was reserved for it: who needs the rest waits until it is home. A lane parks
    for what was used in truth.
    """

    async def test() -> None:
        lane = Lane(Limits(tokens_per_day=600))
        used = Reply(text="", usage=Usage(input_tokens=100, output_tokens=100))
        first, second = await lane.enter(), await lane.enter()
        third = asyncio.create_task(lane.enter())
        await asyncio.sleep(1.0)
        assert not third.done()
        assert lane.limiter.binding() == "a limit per day is used up"
        settle(first, used)
        settle(second, used)
        assert not lane.parked
        settle(await third, used)
        failure = await lane.limiter.admit(attempt())
        await asyncio.sleep(0)
        assert lane.parked == [failure]

    virtual(test)


def test_a_day_of_requests_that_is_used_up_parks_though_some_are_on_the_wire() -> None:
    """
    A request counts whatever becomes of it, so there is nothing to wait for.
    """

    async def test() -> None:
        lane = Lane(Limits(requests_per_day=2, tokens_per_day=10_000))
        permits = [await lane.enter(), await lane.enter()]
        failure = await lane.limiter.admit(attempt())
        await asyncio.sleep(0)
        assert lane.parked == [failure]
        for permit in permits:
            permit.release()

    virtual(test)


def test_input_and_output_tokens_bind_on_their_own() -> None:
    """
    Whichever limit is tighter for a request holds it up, and is named.
    """

    async def test() -> None:
        for limits, name in (
            (Limits(input_tokens_per_minute=600), "input tokens a minute"),
            (Limits(output_tokens_per_minute=6_000), "output tokens a minute"),
        ):
            lane = Lane(limits)
            settle(await lane.enter(body=b"words " * 80), Reply(text=""))
            waiting = asyncio.create_task(lane.enter(body=b"words " * 80))
            await asyncio.sleep(0.1)
            assert lane.limiter.binding() == name
            settle(await waiting, Reply(text=""))
            assert asyncio.get_running_loop().time() > 2.0

    virtual(test)


def test_binding_names_what_holds_up() -> None:
    """
    A pause, concurrency, and nothing at all.
    """

    async def test() -> None:
        lane = Lane(Limits(concurrency=1))
        assert lane.limiter.binding() is None
        permit = await lane.enter()
        assert lane.limiter.binding() == "concurrency"
        settle(permit, throttled(retry_after=5.0))
        assert lane.limiter.binding() == "the server asked to wait"

    virtual(test)


@settings(max_examples=40, deadline=None)
@given(
    requests=st.integers(1, 600),
    seconds=st.floats(0.5, 100.0),
    gaps=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=60),
    crowd=st.integers(1, 40),
)
def test_a_sliding_window_holds_in_every_window(requests: int, seconds: float, gaps: list[float], crowd: int) -> None:
    """
    Never more than stated in any stretch of the stated length, wherever it begins.
    """

    async def test() -> None:
        lane = Lane(Limits(windows=(Window(requests=requests, seconds=seconds),)))
        went: list[float] = []

        async def go() -> None:
            with await lane.enter():
                went.append(asyncio.get_running_loop().time())

        async with asyncio.TaskGroup() as tasks:
            for gap in gaps:
                await asyncio.sleep(gap)
                for _ in range(crowd):
                    tasks.create_task(go())
        assert len(went) == len(gaps) * crowd
        for first, last in zip(went, went[requests:], strict=False):
            assert last - first > seconds

    virtual(test)


def test_a_lane_that_is_down_lets_one_go_at_a_time() -> None:
    """
    Eight fail, nothing gets through: a probe after one second, the next two seconds later, and after an answer all.
    """

    async def test() -> None:
        lane = Lane()
        now = asyncio.get_running_loop().time
        for _ in range(8):
            settle(await lane.enter(), Failure(kind=FailureKind.SERVER, message="down"))
        assert lane.limiter.binding() == "the endpoint seems down"
        went = []
        for _ in range(2):
            permit = await lane.enter()
            went.append(now())
            excused = permit.settle(Answer(Failure(kind=FailureKind.SERVER, message="down"), now(), now()))
            assert excused.is_excused
            permit.release()
        settle(await lane.enter(), Reply(text=""))
        [await lane.enter() for _ in range(8)]
        assert went == [1.0, 3.0]
        assert now() == 7.0
        assert lane.limiter.window.size == 8
        assert lane.pauses == [1.0, 2.0, 4.0, 0.0]

    virtual(test)


def test_an_endpoint_without_capacity_is_probed_as_one_that_is_down() -> None:
    """
    503s that name no wait: while the lane is held anyway they close it for no longer than until the next probe.
    """

    async def test() -> None:
        lane = Lane()
        for _ in range(8):
            settle(await lane.enter(), Failure(kind=FailureKind.OVERLOADED, message="down", status=503))
        assert lane.limiter.binding() == "the endpoint seems down"
        gaps = []
        for _ in range(8):
            before = asyncio.get_running_loop().time()
            permit = await lane.enter()
            gaps.append(asyncio.get_running_loop().time() - before)
            settle(permit, Failure(kind=FailureKind.OVERLOADED, message="down", status=503))
        assert max(gaps[1:]) <= 5.0

    virtual(test)


def test_an_endpoint_that_hangs_is_sent_single_calls() -> None:
    """
    Told five calls a second, and nothing comes back for ten seconds: sixty are on the wire, and not two hundred.
    """

    async def test() -> None:
        lane = Lane(Limits(requests_per_minute=300))
        for _ in range(20):
            settle(await lane.enter(), Reply(text=""), took=1.0)
        hung: list[Permit] = []

        async def go() -> None:
            while True:
                hung.append(await lane.enter())

        task = asyncio.create_task(go())
        await asyncio.sleep(40.0)
        assert lane.limiter.binding() == "the endpoint seems down"
        assert 50 < len(hung) < 70
        settle(hung[0], Reply(text=""), took=40.0)
        before = len(hung)
        await asyncio.sleep(2.0)
        assert len(hung) > before + 5
        task.cancel()

    virtual(test)


def test_errors_of_the_callers_own_are_no_silence() -> None:
    """
    Calls that end, and of which nobody says how, hold nothing up.
    """

    async def test() -> None:
        lane = Lane(Limits(requests_per_minute=300))
        for _ in range(20):
            settle(await lane.enter(), Reply(text=""), took=1.0)
        for _ in range(200):
            (await lane.enter()).release()
        assert lane.limiter.binding() != "the endpoint seems down"
        assert asyncio.get_running_loop().time() < 46.0

    virtual(test)


def test_a_denial_after_an_answer_is_confirmed_by_two() -> None:
    """
    Two go at once, the third waits a second; all are denied, and the lane parks with the denial as it came.
    """

    async def test() -> None:
        lane = Lane()
        settle(await lane.enter(), Reply(text=""))
        await asyncio.sleep(1.0)
        denied = Failure(kind=FailureKind.DENIED, message="bad key", status=401)
        permit = await lane.enter()
        now = asyncio.get_running_loop().time()
        odd = permit.settle(Answer(denied, now, now))
        permit.release()
        assert isinstance(odd.outcome, Failure)
        assert (odd.outcome.kind, odd.outcome.status) == (FailureKind.SERVER, 401)
        assert lane.limiter.binding() == "the endpoint denied a request"
        first, second = await lane.enter(), await lane.enter()
        assert asyncio.get_running_loop().time() == now
        third = asyncio.create_task(lane.limiter.admit(attempt()))
        settle(first, denied)
        assert not lane.parked
        settle(second, denied)
        assert await third is denied
        assert lane.parked == [denied]

    virtual(test)
