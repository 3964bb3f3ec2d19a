"""The run: one result each, flat memory, lanes that do not hold each other up, and stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import pairwise
from math import inf

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.config import Limits, Timeouts
from brim.engine.lane import Lane, Settings
from brim.engine.path import Prepared
from brim.engine.run import READ_AHEAD, Run
from brim.errors import JournalError
from brim.events import AttemptEnded, Event, LaneParked, RequestEnded
from brim.policies.adaptive import START
from brim.protocols import WireRequest
from brim.simulator.clock import run_virtual
from brim.transport import Phase
from brim.transport.scripted import Answers, Breaks, Hangs, Scripted, Step
from brim.values import Failure, FailureKind, Request, Result
from engine.support import Played, ask, open_lane, play, refusal, reply


def echo(request: WireRequest) -> Answers:
    """Answers with the prompt itself, after a second."""
    return reply(msgspec.json.decode(request.body)["messages"][0]["content"], after=1.0)


def model_of(request: WireRequest) -> str:
    model = msgspec.json.decode(request.body)["model"]
    assert isinstance(model, str)
    return model


def test_every_request_has_its_own_answer() -> None:
    """
    Five hundred requests, five hundred results, each with the answer to its own prompt.
    """
    played = play(Scripted(then=echo), (ask(n, f"prompt {n}") for n in range(500)))

    assert played.positions == list(range(500))
    assert all(result.text == f"prompt {result.request.position}" for result in played.recorded)


def test_ramps_up_where_nothing_is_known() -> None:
    """
    Eight at first, a few more each quarter of a second, and up to three times as many with every round trip.
    """
    far_end = Scripted(then=echo)
    play(far_end, (ask(n) for n in range(1_000)))

    seconds = [int(at) for at in far_end.sent_at]
    each_second = [seconds.count(second) for second in range(4)]
    assert START <= each_second[0] <= 2 * START
    assert all(1.7 * earlier <= later <= 3.2 * earlier for earlier, later in pairwise(each_second))


def test_a_stated_ceiling_is_reached_at_once_and_never_passed() -> None:
    """
    Whoever states how many at once are all right has them within a second or so, as a ramp all the same.
    """
    far_end = Scripted(then=echo)
    played = play(far_end, (ask(n) for n in range(1_000)), Settings(seed=1, limits=Limits(concurrency=100)))

    assert sum(at < 0.1 for at in far_end.sent_at) == START
    assert sum(at < 2.0 for at in far_end.sent_at) >= 100
    assert far_end.most_under_way == 100
    assert 10.0 <= played.ended_at <= 11.5


def test_goes_in_order_when_the_window_opens() -> None:
    """
    Answers that come together and open the window wide let nobody jump the queue.
    """
    sent: list[int] = []

    def far_end(request: WireRequest) -> Answers:
        sent.append(int(msgspec.json.decode(request.body)["messages"][0]["content"]))
        shown = {"x-ratelimit-limit-requests": "600", "x-ratelimit-remaining-requests": "5"}
        return msgspec.structs.replace(reply(after=1.0), headers=shown)

    play(Scripted(then=far_end), (ask(n, str(n)) for n in range(300)))

    assert sent == sorted(sent)


def test_reads_no_further_ahead_than_it_must() -> None:
    """
    However long the source, only the window and the read-ahead are held at once.
    """
    taken = 0

    def source() -> Iterator[Request]:
        nonlocal taken
        for position in range(20_000):
            taken += 1
            yield ask(position)

    def look(run: Run, played: Played) -> None:
        def check() -> None:
            ahead.append(taken - len(played.recorded))
            if taken < 20_000:
                loop.call_later(0.5, check)

        loop = asyncio.get_running_loop()
        check()

    ahead: list[int] = []
    limits = Limits(concurrency=50)
    played = play(Scripted(then=echo), source(), Settings(seed=1, limits=limits), meanwhile=look)

    assert len(played.recorded) == 20_000
    assert max(ahead) <= READ_AHEAD + 2 * limits.concurrency + 1


def test_a_parked_lane_leaves_its_rows_and_the_others_go_on() -> None:
    """
    Out of credit on one model: its rows stay untouched, those of the other model are answered.
    """

    def far(request: WireRequest) -> Step:
        return refusal(429, code="insufficient_quota") if model_of(request) == "broke" else echo(request)

    rows = [ask(n, model="broke" if n % 2 else "rich") for n in range(3_000)]
    far_end = Scripted(then=far)
    played = play(far_end, rows)

    assert played.positions == [n for n in range(3_000) if n % 2 == 0]
    assert sorted(result.request.position for result in played.left) == [n for n in range(3_000) if n % 2]
    assert all(result.is_untouched for result in played.left)
    parked = [event for event in played.events if isinstance(event, LaneParked)]
    assert [(event.lane, event.failure.kind) for event in parked] == [("openai:broke", FailureKind.QUOTA)]
    assert sum(model_of(request) == "broke" for request in far_end.requests) <= 8


def test_a_slow_lane_does_not_hold_up_a_fast_one() -> None:
    """
    A model that hangs keeps only its own rows waiting.
    """

    def far(request: WireRequest) -> Step:
        return Hangs() if model_of(request) == "slow" else echo(request)

    rows = [ask(n, model="slow" if n % 4 == 0 else "fast") for n in range(2_000)]
    done_at: list[float] = []

    def look(run: Run, played: Played) -> None:
        def check() -> None:
            fast = sum(result.request.model == "fast" for result in played.recorded)
            if fast == 1_500:
                done_at.append(loop.time())
            else:
                loop.call_later(1.0, check)

        loop = asyncio.get_running_loop()
        check()

    play(Scripted(then=far), rows, Settings(seed=1, limits=Limits(concurrency=100)), meanwhile=look)

    assert done_at[0] < 30.0


def test_stopping_lets_what_is_on_the_wire_come_home() -> None:
    """
    After a stop nothing more is sent, answers under way are kept, and backoffs do not hold up the end.
    """

    def stop(run: Run, played: Played) -> None:
        failure = Failure(kind=FailureKind.STOPPED, message="interrupted")
        asyncio.get_running_loop().call_later(1.5, run.stop, failure)

    far_end = Scripted(Breaks(phase=Phase.CONNECTED), then=echo)
    played = play(far_end, (ask(n) for n in range(100_000)), meanwhile=stop)

    assert played.ended_at <= 2.5
    assert max(far_end.sent_at) <= 1.5
    assert len(played.recorded) == len(far_end.sent_at) - 1
    assert all(result.is_untouched for result in played.left)


def test_events_tell_every_attempt_and_every_end() -> None:
    """
    Each attempt is told with the wait that follows it, each result once it is recorded.
    """
    played = play(Scripted(refusal(500), reply()), [ask()])

    first, second, end = played.events
    assert isinstance(first, AttemptEnded)
    assert isinstance(second, AttemptEnded)
    assert (first.attempt.number, second.attempt.number) == (1, 2)
    assert first.retry_in is not None
    assert second.retry_in is None
    assert end == RequestEnded("openai:m", played.recorded[0])


def test_a_source_that_fails_ends_the_run_with_its_own_error() -> None:
    """
    What the user's iterable raises comes out as it is.
    """

    def source() -> Iterator[Request]:
        yield ask()
        raise ZeroDivisionError("theirs")

    with pytest.raises(ZeroDivisionError, match="theirs"):
        play(Scripted(then=echo), source())


def test_a_record_that_fails_ends_the_run_with_its_own_error() -> None:
    """
    A lost disk is told as it is, and nothing counts as done that could not be recorded.
    """

    def record(_: Sequence[Result]) -> None:
        raise JournalError("the disk is lost")

    told: list[Event] = []

    async def main() -> None:
        lane = open_lane(Scripted(then=echo), emit=told.append)

        async def source() -> AsyncIterator[tuple[Lane, Prepared]]:
            for position in range(20):
                yield lane, lane.prepare(ask(position))

        await Run(record=record, leave=lambda _: None).carry(source())

    with pytest.raises(JournalError, match="the disk is lost"):
        run_virtual(main())
    assert not [event for event in told if isinstance(event, RequestEnded)]


def test_what_came_home_is_recorded_whatever_ends_the_run() -> None:
    """
    A run that is cancelled just when answers are here records them before it is over, and tells them only then.
    """
    recorded: list[Result] = []
    told: list[Event] = []

    async def main() -> None:
        def emit(event: Event) -> None:
            told.append(event)
            if isinstance(event, AttemptEnded):
                running.cancel()
            elif isinstance(event, RequestEnded):
                assert event.result in recorded

        lane = open_lane(Scripted(then=echo), emit=emit)

        async def source() -> AsyncIterator[tuple[Lane, Prepared]]:
            for position in range(8):
                yield lane, lane.prepare(ask(position))

        running = asyncio.create_task(Run(record=recorded.extend, leave=lambda _: None).carry(source()))
        with pytest.raises(asyncio.CancelledError):
            await running

    run_virtual(main())

    assert recorded
    assert len(recorded) == sum(isinstance(event, AttemptEnded) for event in told)
    assert len(recorded) == sum(isinstance(event, RequestEnded) for event in told)


FATES = ["reply", "429", "503", "500", "400", "break", "hang", "garbage"]


@settings(max_examples=40, deadline=None)
@given(fates=st.lists(st.lists(st.sampled_from(FATES), max_size=4), min_size=1, max_size=60), seed=st.integers(0, 999))
def test_one_result_each_whatever_happens(fates: list[list[str]], seed: int) -> None:
    """
    Any mix of throttles, failures and hangs: every request ends exactly once, and a throttle never fails a row.
    """
    left = {n: list(fate) for n, fate in enumerate(fates)}

    def far(request: WireRequest) -> Step:
        row = left[int(msgspec.json.decode(request.body)["messages"][0]["content"])]
        steps: dict[str, Step] = {
            "429": refusal(429, retry_after=2.0),
            "503": refusal(503),
            "500": refusal(500),
            "400": refusal(400),
            "break": Breaks(phase=Phase.SENT),
            "hang": Hangs(),
            "garbage": Answers(body=b"<html>"),
        }
        return steps.get(row.pop(0) if row else "reply", echo(request))

    quick = Settings(seed=seed, timeouts=Timeouts(total=60.0))
    played = play(Scripted(then=far), [ask(n, str(n)) for n in range(len(fates))], quick)

    assert played.positions == list(range(len(fates)))
    assert not played.left
    for result in played.recorded:
        fate = fates[result.request.position]
        if set(fate) <= {"reply", "429", "503"}:
            assert result.text is not None
        if result.text is not None:
            assert result.text == str(result.request.position)


def test_a_lane_knows_how_many_have_yet_to_come_once_all_rows_are_read() -> None:
    """
    As long as more may come nobody knows; then it is those that wait for room. Nor does a lane without a run know.
    """
    told: list[float] = []

    async def main() -> None:
        lane = open_lane(Scripted(then=echo), Settings(seed=1, limits=Limits(concurrency=2)))

        async def source() -> AsyncIterator[tuple[Lane, Prepared]]:
            for position in range(6):
                yield lane, lane.prepare(ask(position))
            await asyncio.sleep(0.25)
            told.append(lane.limiter.to_come())

        told.append(lane.limiter.to_come())
        asyncio.get_running_loop().call_later(0.5, lambda: told.append(lane.limiter.to_come()))
        asyncio.get_running_loop().call_later(2.5, lambda: told.append(lane.limiter.to_come()))
        await Run(record=lambda _: None, leave=lambda _: None).carry(source())

    run_virtual(main())

    assert told == [inf, inf, 4, 0]
