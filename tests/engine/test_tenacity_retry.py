"""tenacity's own objects as brim's waits, stops, questions and hooks."""

from __future__ import annotations

from random import Random

import pytest
import tenacity

from brim.engine.lane import Settings
from brim.engine.strategies import Strategies
from brim.engine.tenacity_retry import TenacityRetry
from brim.errors import CallFailed
from brim.policies.retry import StandardRetry, Tries
from brim.transport import Phase
from brim.transport.scripted import Answers, Breaks, Hangs, Scripted, Step
from brim.values import Answer, Failure, FailureKind, Reply, Result
from engine.support import play_one, refusal, reply

CUT = Answers(body=b'{"choices":[{"message":{"content":"half"},"finish_reason":"length"}]}')


def play(*steps: Step, then: Step | None = None, **strategies: object) -> tuple[Result, Scripted]:
    far_end = Scripted(*steps, then=then)
    given = Strategies(**strategies)  # type: ignore[arg-type] # tenacity's objects, by name
    return play_one(far_end, Settings(seed=1, strategies=given)), far_end


def gaps(far_end: Scripted) -> list[float]:
    return [later - earlier for earlier, later in zip(far_end.sent_at, far_end.sent_at[1:], strict=False)]


def test_the_recipes_settings_work_as_they_are() -> None:
    """
    `wait_random_exponential(min=1, max=60)`, `stop_after_attempt(20)`, `before_sleep=print`, as in the article.
    """
    said: list[tenacity.RetryCallState] = []
    result, far_end = play(
        then=refusal(500),
        wait=tenacity.wait_random_exponential(min=1, max=60),
        stop=tenacity.stop_after_attempt(20),
        before_sleep=said.append,
    )

    assert result.attempts == len(far_end.sent_at) == 20
    assert all(1.0 <= gap <= 60.0 for gap in gaps(far_end))
    assert [state.attempt_number for state in said] == list(range(1, 20))
    assert "failed (CallFailed server: no)" in repr(said[0])


def test_the_tutorials_settings_work_as_they_are() -> None:
    """
    `wait_exponential(multiplier=1, min=4, max=60)` and `stop_after_attempt(5)`, as in the other article.
    """
    result, far_end = play(
        then=refusal(500),
        wait=tenacity.wait_exponential(multiplier=1, min=4, max=60),
        stop=tenacity.stop_after_attempt(5),
    )

    assert result.attempts == 5
    assert gaps(far_end) == [4.0, 4.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (tenacity.wait_fixed(3), [3.0, 3.0, 3.0]),
        (tenacity.wait_none(), [0.0, 0.0, 0.0]),
        (tenacity.wait_incrementing(start=1, increment=2), [1.0, 3.0, 5.0]),
        (tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(9)), [1.0, 9.0, 9.0]),
        (tenacity.wait_fixed(1) + tenacity.wait_fixed(2), [3.0, 3.0, 3.0]),
    ],
)
def test_waits_are_kept_to_the_second(wait: tenacity.wait.wait_base, expected: list[float]) -> None:
    """
    Whatever strategy, alone, chained or added, says, is what is waited.
    """
    _, far_end = play(then=refusal(500), wait=wait, stop=tenacity.stop_after_attempt(4))

    assert gaps(far_end) == expected


def test_stops_by_our_clock() -> None:
    """
    `stop_after_delay` counts the seconds since the first sending, in the engine's time.
    """
    result, far_end = play(
        then=refusal(500, after=2.0), wait=tenacity.wait_fixed(8), stop=tenacity.stop_after_delay(60)
    )

    assert far_end.sent_at == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    assert result.attempts == 7


def test_the_servers_wait_is_never_cut_short() -> None:
    """
    A failure that names a wait is repeated no sooner, whatever the strategy says.
    """
    _, far_end = play(refusal(500, retry_after=40), reply(), wait=tenacity.wait_fixed(1))

    assert gaps(far_end) == [40.0]


def test_throttles_use_up_no_attempts() -> None:
    """
    `stop_after_attempt(1)` still waits out any number of 429s.
    """
    result, _ = play(*[refusal(429)] * 6, reply(), wait=tenacity.wait_fixed(5), stop=tenacity.stop_after_attempt(1))

    assert result.text == "ok"
    assert (result.attempts, result.throttles) == (1, 6)


def test_an_outage_uses_up_no_attempts() -> None:
    """
    Nothing can be delivered for a while: `stop_after_attempt(9)` counts what came before that was clear.
    """
    refused = Breaks(phase=Phase.CONNECTING)
    result, far_end = play(*[refused] * 12, reply(), wait=tenacity.wait_fixed(3), stop=tenacity.stop_after_attempt(9))

    assert result.text == "ok"
    assert len(far_end.sent_at) == 13
    assert (result.attempts, result.throttles) == (8, 5)


def test_an_outage_is_waited_out_in_short_steps_unless_a_wait_is_given() -> None:
    """
    The lane itself is held, so the row need not stay away for long.
    """
    policy = TenacityRetry(Strategies(stop=tenacity.stop_after_attempt(1)), StandardRetry(rng=Random(1)))
    failure = Failure(kind=FailureKind.SERVER, message="down")
    tries = Tries()
    for _ in range(50):
        tries.enter(Answer(failure, 0.0, 1.0, is_excused=True))
        delay = policy.next_delay(failure, tries)
        assert delay is not None
        assert delay <= 1.0


def test_a_strategy_decides_what_is_repeated() -> None:
    """
    Asked for timeouts only, a 500 is final; a timeout shows itself as a `TimeoutError`.
    """
    only_timeouts = tenacity.retry_if_exception_type(TimeoutError)
    failed, _ = play(then=refusal(500), retry=only_timeouts)
    answered, _ = play(Hangs(), reply(), retry=only_timeouts)

    assert failed.attempts == 1
    assert answered.text == "ok"


def test_a_lost_connection_is_a_connection_error() -> None:
    """
    `retry_if_not_exception_type(ConnectionError)` makes a lost connection final.
    """
    result, _ = play(Breaks(phase=Phase.SENT), retry=tenacity.retry_if_not_exception_type(ConnectionError))

    assert result.failure is not None
    assert result.failure.kind is FailureKind.CONNECTION


def test_an_answer_may_be_asked_for_again() -> None:
    """
    `retry_if_result` sees the reply: a truncated one is asked for again, and each counts.
    """

    def is_cut(reply: Reply) -> bool:
        return reply.is_truncated

    result, far_end = play(CUT, CUT, reply("whole"), retry=tenacity.retry_if_result(is_cut))

    assert result.text == "whole"
    assert result.attempts == len(far_end.sent_at) == 3


def test_what_parks_a_lane_is_never_repeated() -> None:
    """
    Out of credit is out of credit, even for `retry_always`.
    """
    result, far_end = play(then=refusal(429, code="insufficient_quota"), retry=tenacity.retry_always)

    assert result.is_untouched
    assert len(far_end.sent_at) == 1


def test_the_hook_sees_what_tenacity_would_show() -> None:
    """
    Attempt number, seconds since the start, time slept so far, the exception, and the wait to come.
    """
    seen: list[tuple[int, float | None, float, str, float]] = []

    def hook(state: tenacity.RetryCallState) -> None:
        assert state.outcome is not None
        assert state.next_action is not None
        error = state.outcome.exception()
        assert isinstance(error, CallFailed)
        kind = error.failure.kind.value
        seen.append((state.attempt_number, state.seconds_since_start, state.idle_for, kind, state.next_action.sleep))

    play(
        refusal(500, after=1.0),
        refusal(503, after=1.0),
        reply(),
        wait=tenacity.wait_fixed(4),
        before_sleep=hook,
    )

    assert seen == [(1, 1.0, 4.0, "server", 4.0), (1, 6.0, 8.0, "overloaded", 4.0)]


def test_without_strategies_nothing_is_asked() -> None:
    """
    The default policy is brim's own.
    """
    assert not Strategies()
    assert Strategies(wait=tenacity.wait_none())
