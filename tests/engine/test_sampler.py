"""What binds a lane is named at every moment, whichever it is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from brim.config import Limits, Window
from brim.engine.lane import Lane, Settings
from brim.engine.limiter import Permit
from brim.engine.path import Prepared
from brim.engine.run import Run
from brim.engine.sampler import PERIOD_S, Sampler
from brim.events import Event, LaneState
from brim.simulator import Capacity, Headers, Latency, Limit, Provider, Scenario, SimTransport
from brim.simulator.clock import VirtualLoop, run_virtual
from brim.transport import Transport
from brim.transport.scripted import Scripted
from brim.values import Bound, Constraint, Failure, FailureKind
from engine.lanes import Gatekeeper, attempt, now, virtual
from engine.support import ask, open_lane, refusal, reply


class Watched:
    """A lane with a run through it, looked at four times a second."""

    def __init__(self, *, cpu: Callable[[], float] = lambda: 0.0, count: int = 5_000, every: float = 0.0) -> None:
        self.states: list[LaneState] = []
        self.events: list[Event] = []
        self._cpu = cpu
        self._count = count
        self._every = every

    def play(
        self,
        transport: Transport,
        limits: Limits | None = None,
        *,
        until: float = 60.0,
        meanwhile: Callable[[Lane], None] = lambda _: None,
    ) -> None:
        async def main() -> None:
            lane = open_lane(transport, Settings(limits=limits or Limits(), seed=1), emit=self.events.append)
            sampler = Sampler(lambda: [lane], self._add, cpu=self._cpu)

            async def source() -> AsyncIterator[tuple[Lane, Prepared]]:
                for number in range(self._count):
                    await asyncio.sleep(self._every)
                    yield lane, lane.prepare(ask(number))

            run = Run(record=lambda _: None, leave=lambda _: None, sampler=sampler)
            meanwhile(lane)
            carrying = asyncio.create_task(run.carry(source()))
            await asyncio.sleep(until)
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)

        run_virtual(main())

    def _add(self, event: Event) -> None:
        assert isinstance(event, LaneState)
        self.states.append(event)

    def most(self, since: int = 40) -> Bound:
        """What bound the lane most of the time, after the first ten seconds."""
        return Counter(state.bound for state in self.states[since:]).most_common(1)[0][0]

    def share(self, constraint: Constraint, since: int = 40) -> float:
        states = self.states[since:]
        return sum(state.bound.constraint is constraint for state in states) / len(states)


QUICK = Scripted(then=reply(after=0.5, tokens=(10, 20)))


@pytest.mark.parametrize(
    ("limits", "constraint", "name"),
    [
        (Limits(requests_per_minute=120), Constraint.REQUESTS, "requests a minute"),
        (Limits(tokens_per_minute=2_000), Constraint.TOKENS, "tokens a minute"),
        (Limits(input_tokens_per_minute=900), Constraint.INPUT_TOKENS, "input tokens a minute"),
        (Limits(output_tokens_per_minute=1_200), Constraint.OUTPUT_TOKENS, "output tokens a minute"),
        (Limits(windows=(Window(requests=40, seconds=20.0),)), Constraint.WINDOW, "requests in 20 s"),
        (Limits(concurrency=3), Constraint.CONCURRENCY, "concurrency"),
    ],
)
def test_the_stated_limit_that_binds_is_named(limits: Limits, constraint: Constraint, name: str) -> None:
    """
    With plenty to send, what was stated holds the lane up nearly all the time, and its gauge is full.
    """
    watched = Watched()
    watched.play(QUICK, limits)

    assert watched.most() == Bound(constraint, name)
    assert watched.share(constraint) > 0.9
    last = watched.states[-1]
    assert next(gauge.used for gauge in last.gauges if gauge.name == name) > 0.95
    assert last.waiting > 0


def test_of_several_limits_the_tightest_is_named() -> None:
    """
    Others are stated too and are not to blame; their gauges say how far they are from it.
    """
    watched = Watched()
    watched.play(QUICK, Limits(requests_per_minute=120, tokens_per_minute=90_000, concurrency=50))

    assert watched.most().constraint is Constraint.REQUESTS
    used = {gauge.name: gauge.used for gauge in watched.states[-1].gauges}
    assert used["requests a minute"] > 0.95
    assert used["tokens a minute"] < 0.1
    assert used["concurrency"] < 0.1


def test_a_limit_that_the_server_shows_is_named() -> None:
    """
    Headers bind by what they say is left.
    """
    scenario = Scenario(
        limits=[Limit(of="requests", amount=300.0, burst=5.0)],
        headers=Headers(spelling="openai"),
        latency=Latency(first=1.0),
    )
    watched = Watched()
    watched.play(SimTransport(Provider(scenario)))

    assert watched.most() == Bound(Constraint.REQUESTS, "requests left on the server")
    assert "headers" in {gauge.source for gauge in watched.states[-1].gauges}


def test_a_rate_that_refusals_taught_is_named() -> None:
    """
    Without headers the pace that was learnt binds, and says so. (Answers that took a second would not do: five at once
    and five a second would then be the same.)
    """
    scenario = Scenario(
        limits=[Limit(of="requests", amount=300.0, burst=5.0)],
        headers=Headers(spelling="none", waits=()),
        latency=Latency(first=0.3),
    )
    watched = Watched()
    watched.play(SimTransport(Provider(scenario)), until=180.0)

    assert watched.most(since=240) == Bound(Constraint.REQUESTS, "requests, a rate learnt from refusals")
    assert "learnt from refusals" in {gauge.source for gauge in watched.states[-1].gauges}


def test_hardware_that_is_full_binds_by_concurrency() -> None:
    """
    A window learnt from how long answers take is concurrency too, and its gauge says that it was learnt.
    """
    scenario = Scenario(capacity=Capacity(slots=16), latency=Latency(first=1.0), headers=Headers(spelling="none"))
    watched = Watched()
    watched.play(SimTransport(Provider(scenario)))

    assert watched.most().constraint is Constraint.CONCURRENCY
    assert watched.states[-1].gauges[-1].source == "learnt from answers"


def test_input_that_comes_slowly_is_named() -> None:
    """
    A row a second is all that there is to send: the source binds, with answers on the way or without.
    """
    for far_end in (QUICK, Scripted(then=reply(after=5.0))):
        watched = Watched(every=1.0)
        watched.play(far_end, Limits(requests_per_minute=600))
        assert watched.share(Constraint.SOURCE) > 0.95


def test_a_wait_that_the_server_asks_for_is_named() -> None:
    """
    From the refusal until the lane opens it is the provider that binds.
    """
    watched = Watched()
    watched.play(Scripted(*[reply(after=0.5)] * 8, refusal(429, retry_after=20.0), then=reply(after=0.5)), until=22.0)

    bound = [state.bound.constraint for state in watched.states]
    first, last = bound.index(Constraint.OUTAGE), len(bound) - bound[::-1].index(Constraint.OUTAGE)
    assert set(bound[first:last]) == {Constraint.OUTAGE}
    assert 78 <= last - first <= 90


def test_a_provider_that_fails_everything_is_named() -> None:
    """
    Where all that could be sent waits to be sent again, the provider binds, not the input.
    """
    watched = Watched(count=3)
    watched.play(Scripted(then=refusal(500)), until=5.0)

    assert watched.share(Constraint.OUTAGE, since=1) > 0.8


def test_a_pause_by_hand_is_named() -> None:
    """
    While it lasts, nothing else is to blame.
    """

    def meanwhile(lane: Lane) -> None:
        asyncio.get_running_loop().call_at(20.1, lane.limiter.hold)
        asyncio.get_running_loop().call_at(40.1, lane.limiter.resume)

    watched = Watched()
    watched.play(QUICK, Limits(requests_per_minute=120), meanwhile=meanwhile)

    held = [number for number, state in enumerate(watched.states) if state.bound.constraint is Constraint.HELD]
    assert held == list(range(80, 160))
    assert watched.states[100].bound.name == "paused by hand"


@pytest.mark.parametrize(
    ("kind", "constraint"), [(FailureKind.DAILY, Constraint.DAY), (FailureKind.QUOTA, Constraint.PARKED)]
)
def test_a_lane_that_is_closed_says_for_what(kind: FailureKind, constraint: Constraint) -> None:
    """
    A limit per day is told from all else that parks a lane.
    """

    async def test() -> None:
        lane = Gatekeeper()
        lane.limiter.park(Failure(kind=kind, message="over"))
        bound = lane.limiter.bound()
        assert bound is not None
        assert bound.constraint is constraint

    virtual(test)


def test_a_loop_that_lags_is_our_own_cpu() -> None:
    """
    A callback that holds up the loop for a second makes the look late, and is to blame before any limit.
    """

    def meanwhile(lane: Lane) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)

        def work() -> None:
            loop.elapse(1.0)
            loop.call_later(0.3, work)

        loop.call_at(10.0, work)

    watched = Watched()
    watched.play(QUICK, Limits(requests_per_minute=120), meanwhile=meanwhile)

    assert {state.bound.constraint for state in watched.states[4:39]} == {Constraint.REQUESTS}
    assert watched.share(Constraint.CPU, since=42) > 0.4


def test_a_thread_without_rest_is_our_own_cpu() -> None:
    """
    Where nothing but concurrency or the input seems to bind and the thread never rests, it is this process.
    """
    for limits, is_ours in ((Limits(concurrency=3), True), (Limits(requests_per_minute=120), False)):
        watched = Watched(cpu=lambda: asyncio.get_running_loop().time())
        watched.play(QUICK, limits)
        assert (watched.share(Constraint.CPU) > 0.9) is is_ours


def test_a_day_used_up_is_no_fault_of_our_own() -> None:
    """
    However late this process looks, a lane that may send nothing more today is held up by that; one whose last calls
    are on the wire is not, if nothing waits.
    """

    async def test() -> None:
        states: list[Event] = []
        lane = open_lane(Scripted(), Settings(limits=Limits(requests_per_day=1), seed=1))
        sampler = Sampler(lambda: [lane], states.append, cpu=asyncio.get_running_loop().time)
        permit = await lane.limiter.admit(attempt())
        assert isinstance(permit, Permit)
        with sampler.during():
            await asyncio.sleep(PERIOD_S)
            permit.release()
            await asyncio.sleep(PERIOD_S)

        bounds = [state.bound.constraint for state in states if isinstance(state, LaneState)]
        assert bounds == [Constraint.CPU, Constraint.DAY]

    virtual(test)


def test_looks_four_times_a_second_and_only_while_there_is_work() -> None:
    """
    Overlapping work is looked at once, each look tells how long since the last one, and none comes after the end.
    """
    states: list[Event] = []

    async def test() -> None:
        lane = open_lane(QUICK)
        sampler = Sampler(lambda: [lane], states.append, cpu=lambda: 0.0)
        with sampler.during():
            await asyncio.sleep(1.1)
            with sampler.during():
                await asyncio.sleep(1.1)
        await asyncio.sleep(10.0)
        assert len(states) == 8
        with sampler.during():
            await asyncio.sleep(0.6)
        assert now() == pytest.approx(12.8)

    virtual(test)
    assert [state.seconds for state in states if isinstance(state, LaneState)] == pytest.approx([PERIOD_S] * 10)
