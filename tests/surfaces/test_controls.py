"""Orders to a live run, on virtual time: what they do to what is sent, and what is said about it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.config import Limits, Window
from brim.engine.lane import Settings
from brim.engine.run import Run
from brim.events import Event, LaneRetuned
from brim.surfaces.controls import Controls
from brim.surfaces.orders import (
    Drain,
    Order,
    Pause,
    Refused,
    Resume,
    Retune,
    Show,
    State,
    Status,
    read_answer,
    read_order,
    write,
)
from brim.surfaces.tally import Tally
from brim.transport import Transport
from brim.transport.scripted import Hangs, Scripted
from brim.values import Constraint, FailureKind, Request
from engine.support import Played, ask, play, refusal, reply

TEN_A_SECOND = Settings(seed=1, limits=Limits(requests_per_minute=600))
FEW_AT_ONCE = Settings(seed=1, limits=Limits(requests_per_minute=600, concurrency=10))


class Counted(list[Event]):
    """Events that are counted as they come."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self.tally = tally

    def append(self, event: Event) -> None:
        super().append(event)
        self.tally.on_event(event)


class Hand:
    """Gives orders to a run, each at its second, and keeps the answers."""

    def __init__(self, *orders: tuple[float, Order]) -> None:
        self.orders = orders
        self.answers: list[Status | Refused] = []

    def play(self, far: Transport, requests: Iterable[Request], settings: Settings = TEN_A_SECOND) -> Played:
        return play(far, requests, settings, meanwhile=self.begin)

    def begin(self, run: Run, played: Played) -> None:
        loop = asyncio.get_running_loop()
        tally = Tally(clock=loop.time)
        played.events = Counted(tally)
        controls = Controls(run, tally)
        for second, order in self.orders:
            loop.call_at(second, self.give, controls, order)

    def give(self, controls: Controls, order: Order) -> None:
        self.answers.append(read_answer(controls.answer(write(order))))

    @property
    def states(self) -> list[Status]:
        return [answer for answer in self.answers if isinstance(answer, Status)]


def some(count: int, model: str | None = None) -> list[Request]:
    return [ask(position, model=model) for position in range(count)]


def sent_between(far: Scripted, begin: float, end: float) -> int:
    return sum(begin <= at < end for at in far.sent_at)


def test_a_rate_changes_at_once_and_no_row_is_lost() -> None:
    """
    Lowered to a tenth, then raised: from that second on the new rate is kept, and filled.
    """
    far = Scripted(then=reply(after=0.5))
    hand = Hand((30.0, Retune(requests_per_minute=60)), (90.0, Retune(requests_per_minute=1_200)))

    played = hand.play(far, some(600))

    assert sent_between(far, 0, 30) == pytest.approx(300, abs=3)
    assert sent_between(far, 30, 90) == pytest.approx(60, abs=2)
    assert sent_between(far, 91, 100) == pytest.approx(180, abs=3)
    assert played.positions == list(range(600))


def test_a_limit_that_is_taken_back_binds_no_more() -> None:
    """
    `none`: the rate is found out again; what was not named stays.
    """
    far = Scripted(then=reply(after=0.5))
    hand = Hand((10.0, Retune(requests_per_minute=None)))

    hand.play(far, some(600), Settings(seed=1, limits=Limits(requests_per_minute=60, concurrency=50)))

    assert sent_between(far, 0, 10) == pytest.approx(10, abs=1)
    assert far.sent_at[-1] < 40.0
    assert hand.states[0].lanes[0].limits == Limits(concurrency=50)
    assert far.most_under_way <= 50


def test_concurrency_and_windows_change_too() -> None:
    """
    Fewer at once from then on; a window holds for what was sent after it was stated.
    """
    far = Scripted(then=reply(after=1.0))
    hand = Hand((10.0, Retune(concurrency=2)), (20.0, Retune(windows=(Window(requests=5, seconds=10.0),))))

    hand.play(far, some(150), Settings(seed=1, limits=Limits(requests_per_minute=600)))

    assert sent_between(far, 11, 20) == pytest.approx(18, abs=2)
    late = [at for at in far.sent_at if at > 30]
    assert late
    assert all(sum(at <= other < at + 10 for other in late) <= 5 for at in late)


def test_a_paused_run_sends_nothing_and_goes_on_where_it_was() -> None:
    """
    What is on the wire comes home, nothing goes out, nothing fails; after resume all of it is answered.
    """
    far = Scripted(then=reply(after=3.0))
    hand = Hand((10.0, Pause()), (15.0, Show()), (2_000.0, Resume()))

    played = hand.play(far, some(200))

    assert sent_between(far, 10, 2_000) == 0
    assert sent_between(far, 2_000, 2_005) > 0
    assert played.positions == list(range(200))
    assert all(result.attempts == 1 for result in played.recorded)
    paused = hand.states[1]
    assert paused.state is State.PAUSED
    assert paused.in_flight == 0
    assert paused.left_s is None
    assert paused.lanes[0].binding == "paused by hand"
    assert hand.states[2].state is State.RUNNING


def test_a_drained_run_keeps_what_is_on_the_wire_and_leaves_the_rest() -> None:
    """
    Nothing is cancelled; every other row is left untouched, also while the run was paused.
    """
    for before in ((), ((9.0, Pause()),)):
        far = Scripted(then=reply(after=3.0))
        hand = Hand(*before, (10.0, Drain()), (10.1, Show()))

        played = hand.play(far, some(200))

        assert len(played.recorded) == len(far.requests) < 110
        assert far.cancelled == 0
        assert {result.failure.kind for result in played.left if result.failure} == {FailureKind.STOPPED}
        assert played.ended_at < 13.0
        assert hand.states[-1].state is State.DRAINING
        assert hand.states[-1].lanes[0].state is State.STOPPED


def sent_at(far: Scripted, model: str) -> list[float]:
    """When the rows of *model* were sent."""
    named = msgspec.json.encode(model)
    return [at for at, body in zip(far.sent_at, far.bodies, strict=True) if named in body]


def rows_of_two_models() -> list[Request]:
    """More rows of `early` than are read ahead, then some of `late`: its lane appears while the other is at work."""
    return [*(ask(n, model="early") for n in range(1_200)), *(ask(n + 1_200, model="late") for n in range(50))]


def test_a_lane_that_appears_later_obeys_what_stands() -> None:
    """
    Set and pause without a lane hold for those still to come; an order that names a lane does not.
    """
    far = Scripted(then=reply(after=0.1))
    hand = Hand(
        (5.0, Retune(concurrency=7)),
        (6.0, Retune(lane="early", requests_per_minute=6_000)),
        (18.0, Show()),
    )

    played = hand.play(far, rows_of_two_models(), FEW_AT_ONCE)

    assert min(sent_at(far, "late")) > 6.0
    late = next(lane for lane in hand.states[-1].lanes if lane.name == "openai:late")
    assert late.limits == Limits(requests_per_minute=600, concurrency=7)
    retuned = [event for event in played.events if isinstance(event, LaneRetuned) and event.lane == "openai:late"]
    assert [event.changed for event in retuned] == [{"concurrency": 7}]


def test_a_lane_that_appears_in_a_pause_waits_too() -> None:
    """
    Not one of its rows is sent before the run is resumed.
    """
    far = Scripted(then=reply(after=0.1))
    hand = Hand((5.0, Pause()), (6.0, Resume(lane="early")), (200.0, Show()), (300.0, Resume()))

    played = hand.play(far, rows_of_two_models(), FEW_AT_ONCE)

    assert min(sent_at(far, "late")) >= 300.0
    assert [lane.state for lane in hand.states[2].lanes] == [State.RUNNING, State.PAUSED]
    assert len(played.recorded) == 1_250


@pytest.mark.parametrize("name", ["b", "openai:b"])
def test_an_order_may_name_one_lane(name: str) -> None:
    """
    By its name, or by that of its model; the others are as before.
    """
    far = Scripted(then=reply(after=0.1))
    rows = [ask(number, model="ab"[number % 2]) for number in range(100)]
    hand = Hand((1.0, Retune(lane=name, requests_per_minute=60)), (2.0, Pause(lane=name)), (60.0, Resume(lane=name)))

    hand.play(far, rows)

    (a, b) = hand.states[1].lanes
    assert (a.state, a.limits) == (State.RUNNING, Limits(requests_per_minute=600))
    assert (b.state, b.limits) == (State.PAUSED, Limits(requests_per_minute=60))
    assert hand.states[1].state is State.RUNNING


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (write(Pause(lane="c")), "no lane 'c'; its lanes are: openai:a, openai:b"),
        (write(Retune(lane="a", requests_per_minute=-1)), "limit requests_per_minute is -1"),
        (write(Retune(concurrency=0)), "limit concurrency is 0"),
        (b'{"order":"set","windows":[{"requests":0,"seconds":60}]}\n', "can't be kept"),
        (b'{"order":"set","rpm":5}\n', "rpm"),
        (b'{"order":"set","requests_per_minute":"many"}\n', "requests_per_minute"),
        (b'{"order":"explode"}\n', "explode"),
        (b'{"order":"pause","until":3}\n', "until"),
        (b"{}\n", "order"),
        (b"garbage\n", ""),
        (b"\n", ""),
        (b"\xff\xfe\n", ""),
        (b"[" * 10_000 + b"\n", ""),
        (b'{"x":' + b"[" * 10_000 + b"\n", ""),
    ],
)
def test_what_is_no_order_is_refused_and_changes_nothing(line: bytes, said: str) -> None:
    """
    The answer says why, and every lane is as it was.
    """
    answers: list[bytes] = []
    limits: list[Limits] = []

    def begin(run: Run, _: Played) -> None:
        controls = Controls(run, Tally())

        def give() -> None:
            answers.append(controls.answer(line))
            limits.extend(lane.limiter.limits for lane in run.lanes)

        asyncio.get_running_loop().call_at(1.0, give)

    play(Scripted(then=reply(after=0.1)), [ask(n, model="ab"[n % 2]) for n in range(50)], TEN_A_SECOND, meanwhile=begin)

    answer = read_answer(answers[0])
    assert isinstance(answer, Refused)
    assert said in answer.message
    assert limits == [TEN_A_SECOND.limits] * 2


@given(
    st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(["order", "lane", "concurrency", "windows"]), st.none() | st.integers() | st.text()
    ).map(msgspec.json.encode)
)
def test_whatever_comes_in_has_one_line_for_an_answer(line: bytes) -> None:
    """
    It never raises, and never answers with more than one line.
    """
    controls = Controls(Run(record=lambda _: None, leave=lambda _: None), Tally())

    answer = controls.answer(line)

    assert answer.index(b"\n") == len(answer) - 1
    assert isinstance(read_answer(answer), Refused | Status)


@given(
    st.builds(
        Retune,
        requests_per_minute=st.none() | st.floats(1, 1e9),
        windows=st.none() | st.just((Window(requests=40, seconds=60.0),)),
        concurrency=st.none() | st.integers(1, 1_000_000),
    )
)
def test_orders_survive_the_wire(order: Retune) -> None:
    """
    What is read is what was written; what it does not name it does not change, and None takes back.
    """
    assert read_order(write(order)) == order

    before = Limits(requests_per_minute=5, tokens_per_day=7, concurrency=3)
    after = order.applied_to(before)

    assert after.tokens_per_day == 7
    assert after.requests_per_minute == order.requests_per_minute
    assert after.concurrency == (order.concurrency or Limits().concurrency)


def test_the_state_has_every_number() -> None:
    """
    Rows, rates, what is on the wire, what holds it up, how full each limit is.
    """
    hand = Hand((30.0, Show()))

    hand.play(Scripted(then=reply(after=2.0)), some(400))

    (state,) = hand.states
    (lane,) = state.lanes
    assert state.answered + state.in_flight == pytest.approx(300, abs=3)
    assert state.in_flight == lane.in_flight == pytest.approx(20, abs=1)
    assert state.rates.requests == pytest.approx(600, rel=0.1)
    assert state.cost_usd == pytest.approx(state.answered * 0.25)
    assert state.input_tokens == state.answered * 10
    assert lane.queued > 0
    assert lane.binding == "requests a minute"
    assert {gauge.name for gauge in lane.gauges} == {"requests a minute", "concurrency"}
    assert lane.binding != Constraint.SOURCE


def test_a_lane_says_why_it_waits_or_has_stopped_but_not_in_the_providers_words() -> None:
    """
    A provider's message may quote a prompt or a key, so only the kind of failure is told.
    """
    far = Scripted(
        *[reply()] * 3,
        *[refusal(429, retry_after=20)] * 2,
        then=lambda request: refusal(401, code="key sk-123 for prompt ping"),
    )
    lines: list[bytes] = []

    def begin(run: Run, played: Played) -> None:
        loop = asyncio.get_running_loop()
        tally = Tally(clock=loop.time)
        played.events = Counted(tally)
        controls = Controls(run, tally)
        for second in (5.0, 60.0):
            loop.call_at(second, lambda: lines.append(controls.answer(write(Show()))))

    play(
        far, [*some(8), ask(9, model="slow")], Settings(seed=1, limits=Limits(requests_per_minute=60)), meanwhile=begin
    )

    waiting, *_ = [read_answer(line) for line in lines]
    assert isinstance(waiting, Status)
    assert waiting.lanes[0].state is State.WAITING
    assert waiting.lanes[0].why == FailureKind.THROTTLED
    assert b"sk-123" not in b"".join(lines)
    assert b"ping" not in b"".join(lines)


def test_a_lane_that_was_told_until_when_says_so() -> None:
    """
    A stopped lane has the time at which it may be asked again.
    """
    lines: list[bytes] = []

    def begin(run: Run, played: Played) -> None:
        tally = Tally(clock=asyncio.get_running_loop().time, wall=lambda: 1_000.0)
        played.events = Counted(tally)
        asyncio.get_running_loop().call_at(5.0, lambda: lines.append(Controls(run, tally).answer(write(Show()))))

    far = Scripted(refusal(429, retry_after=86_400), then=reply(after=10.0))
    play(far, [ask(0), ask(1, model="slow")], meanwhile=begin)

    told = read_answer(lines[0])
    assert isinstance(told, Status)
    assert [(lane.state, lane.opens_at) for lane in told.lanes] == [(State.STOPPED, 87_400.0), (State.RUNNING, None)]


def test_before_the_first_row_the_state_is_told_too() -> None:
    """
    A run that still waits for its input can be looked at and paused.
    """
    run = Run(record=lambda _: None, leave=lambda _: None)
    controls = Controls(run, Tally())

    assert isinstance(read_answer(controls.answer(write(Show()))), Status)
    paused = read_answer(controls.answer(write(Pause())))

    assert isinstance(paused, Status)
    assert (paused.state, paused.lanes) == (State.PAUSED, ())
    assert isinstance(read_answer(controls.answer(write(Pause(lane="x")))), Refused)


def test_a_hung_call_does_not_keep_an_order_from_being_obeyed() -> None:
    """
    Orders need no answer from the far end.
    """
    hand = Hand((10.0, Drain()))

    played = hand.play(Scripted(then=Hangs()), some(5))

    assert hand.states[0].state is State.DRAINING
    assert len(played.left) + len(played.recorded) == 5
