"""The way of one request: attempts, waits and what its result says."""

from __future__ import annotations

import asyncio

import pytest

from brim.config import Timeouts
from brim.engine.lane import Settings
from brim.engine.path import fulfil
from brim.policies.retry import Backoff
from brim.simulator.clock import run_virtual
from brim.transport import Phase
from brim.transport.scripted import Answers, Breaks, Hangs, Scripted
from brim.values import Failure, FailureKind, Reply, Result, Sent
from engine.support import ask, open_lane, play_one, refusal, reply

QUICK = Backoff(first_s=0.0)


def test_answers_at_the_first_attempt() -> None:
    """
    No error, no problem: one attempt, its latency, its price.
    """
    result = play_one(Scripted(reply("pong", after=1.5)))

    assert result.text == "pong"
    assert (result.attempts, result.throttles, result.perhaps_paid) == (1, 0, 0)
    assert result.latency_s == 1.5
    assert result.started_at == 1_000.0
    assert result.cost_usd == 0.25


def test_a_throttle_costs_no_attempt_and_waits_as_told() -> None:
    """
    A throttled attempt is repeated no sooner than the server asked, and is not counted.
    """
    far_end = Scripted(*[refusal(429, retry_after=20)] * 8, reply())

    result = play_one(far_end)

    assert result.text == "ok"
    assert (result.attempts, result.throttles) == (1, 8)
    gaps = [later - earlier for earlier, later in zip(far_end.sent_at, far_end.sent_at[1:], strict=False)]
    assert all(20.0 <= gap <= 22.0 for gap in gaps)


def test_retries_a_failing_server_seven_times() -> None:
    """
    Seven attempts, then the failure is the result.
    """
    far_end = Scripted(then=refusal(500))

    result = play_one(far_end)

    assert isinstance(result.outcome, Failure)
    assert result.outcome.kind is FailureKind.SERVER
    assert result.attempts == len(far_end.sent_at) == 7


def test_backs_off_within_the_doubling_ceilings() -> None:
    """
    The gaps stay under 1, 2, 4, 8, 16 and 32 seconds.
    """
    far_end = Scripted(then=refusal(500))
    play_one(far_end)

    gaps = [later - earlier for earlier, later in zip(far_end.sent_at, far_end.sent_at[1:], strict=False)]
    assert all(0.0 <= gap <= ceiling for gap, ceiling in zip(gaps, [1, 2, 4, 8, 16, 32], strict=True))
    assert sum(gaps) > 0.0


@pytest.mark.parametrize("phase", [Phase.CONNECTING, Phase.CONNECTED, Phase.SENT, Phase.ANSWERING])
def test_a_broken_connection_says_whether_it_may_be_paid(phase: Phase) -> None:
    """
    Only what never left is repeated for free.
    """
    result = play_one(Scripted(Breaks(phase=phase), reply()), Settings(seed=1, backoff=QUICK))

    assert result.text == "ok"
    assert result.attempts == 2
    assert result.perhaps_paid == (0 if phase is Phase.CONNECTING else 1)


@pytest.mark.parametrize(
    ("step", "clock_s", "kind", "sent", "times"),
    [
        (Hangs(phase=Phase.CONNECTING), 10.0, FailureKind.CONNECTION, Sent.NO, 7),
        (Hangs(phase=Phase.SENT), 150.0, FailureKind.TIMEOUT, Sent.MAYBE, 4),
        (Hangs(phase=Phase.ANSWERING), 120.0, FailureKind.TIMEOUT, Sent.YES, 4),
    ],
)
def test_a_hung_connection_costs_its_clock(
    step: Hangs, clock_s: float, kind: FailureKind, sent: Sent, times: int
) -> None:
    """
    Connecting, first byte and silence run out at their own time, and a timeout is repeated three times.
    """
    far_end = Scripted(then=step)

    result = play_one(far_end, Settings(seed=1, backoff=QUICK, timeouts=Timeouts(total=150.0)))

    assert isinstance(result.outcome, Failure)
    assert (result.outcome.kind, result.outcome.sent) == (kind, sent)
    assert far_end.sent_at == [n * clock_s for n in range(times)]
    assert far_end.cancelled == times


def test_a_slow_drip_ends_at_the_total() -> None:
    """
    Pieces that keep coming hold off the silence clock but not the total.
    """
    far_end = Scripted(then=Answers(pieces=1_000, between=5.0))

    result = play_one(far_end, Settings(seed=1, backoff=QUICK, timeouts=Timeouts(total=32.0)))

    assert isinstance(result.outcome, Failure)
    assert result.outcome.message == "timed out after 32 s (the whole attempt)"
    assert far_end.sent_at == [0.0, 32.0, 64.0, 96.0]


def test_an_answer_within_its_clocks_is_not_cut() -> None:
    """
    A slow answer that keeps moving is an answer.
    """
    body = reply("slow").body
    result = play_one(Scripted(Answers(body=body, after=110.0, pieces=5, between=110.0)))

    assert result.text == "slow"
    assert result.latency_s == 550.0


def test_the_total_is_learnt_while_an_attempt_hangs() -> None:
    """
    A call that hung before anything was known is cut at the minute that fast answers have taught since.
    """
    far_end = Scripted(Hangs(), then=reply(after=1.0))

    async def main() -> tuple[float, float]:
        lane = open_lane(far_end)

        def start(position: int) -> asyncio.Task[Result]:
            return asyncio.create_task(fulfil(lane.prepare(ask(position)), lane.path))

        hung = start(0)
        for position in range(1, 65):
            await start(position)
        return (await hung).latency_s, asyncio.get_running_loop().time()

    latency, ended_at = run_virtual(main())
    assert latency == 1.0
    assert ended_at < 130.0


def test_cancelling_from_outside_is_no_timeout() -> None:
    """
    A cancellation that is not ours passes through untouched and ends the exchange.
    """
    far_end = Scripted(Hangs())

    async def main() -> int:
        lane = open_lane(far_end)
        task = asyncio.create_task(fulfil(lane.prepare(ask()), lane.path))
        await asyncio.sleep(5.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return lane.limiter.in_flight

    assert run_virtual(main()) == 0
    assert far_end.cancelled == 1


def test_the_path_can_be_read_at_a_glance() -> None:
    """
    The stages print as they are stacked, and no key among them.
    """

    async def main() -> str:
        return repr(open_lane(Scripted()).path.service)

    shown = run_virtual(main())
    assert shown.startswith("Admit(inner=Send(openai to http://127.0.0.1:1/v1/chat/completions), limiter=Limiter(")


def test_a_reply_is_a_reply_even_when_cut() -> None:
    """
    An answer cut by the cap is not retried.
    """
    body = b'{"choices":[{"message":{"content":"half"},"finish_reason":"length"}]}'
    result = play_one(Scripted(Answers(body=body)))

    assert isinstance(result.outcome, Reply)
    assert result.outcome.is_truncated
    assert result.attempts == 1
