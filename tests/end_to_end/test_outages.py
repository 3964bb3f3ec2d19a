"""An endpoint that goes away in the middle of a run, was never there, or denies a single row, on virtual time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from brim import testing
from brim.config import Limits, Timeouts
from brim.events import AttemptEnded, LaneParked, LanePaused
from brim.values import FailureKind
from end_to_end.support import Played

K = FailureKind


def world(*rules: testing.FaultRule) -> testing.Scenario:
    return testing.Scenario(
        seed=1,
        latency=testing.Latency(first=1.0),
        headers=testing.Headers(spelling="none", waits=()),
        faults=rules,
    )


def play(*rules: testing.FaultRule, rows: int, concurrency: int = 100, max_attempts: int = 5) -> Played:
    limits, timeouts = Limits(concurrency=concurrency), Timeouts(total=5.0)
    return Played(world(*rules), rows, limits=limits, timeouts=timeouts, max_attempts=max_attempts)


def calls_between(played: Played, begin: float, end: float) -> int:
    return sum(isinstance(event, AttemptEnded) and begin < at <= end for at, event in played.events)


def parked(played: Played) -> list[tuple[FailureKind, str]]:
    return [(event.failure.kind, event.failure.message) for _, event in played.events if isinstance(event, LaneParked)]


@pytest.mark.parametrize("concurrency", [2, 100])
@pytest.mark.parametrize("kind", ["server_error", "bad_gateway", "refused", "reset", "hang", "garbage", "unavailable"])
def test_three_minutes_of_nothing_cost_no_row(kind: str, concurrency: int) -> None:
    """
    The lane asks some ten times a minute whether the endpoint is back, later less, and goes on 20 s after its return.
    """
    outage = testing.FaultRule(kind=kind, start=5.0, until=185.0)
    rows = 12 * concurrency

    played = play(outage, rows=rows, concurrency=concurrency)

    assert played.failures == []
    assert played.is_right
    assert calls_between(played, 30.0, 185.0) <= 24
    assert played.seconds <= 185.0 + 20.0 + 1.3 * 12 + 4.0


def test_an_outage_is_said_and_its_end_too() -> None:
    """
    Each probe that fails says when the next one goes, and why; the last word is that nothing is waited for.
    """
    played = play(testing.FaultRule(kind="server_error", start=5.0, until=60.0), rows=1_000)

    pauses = [event for _, event in played.events if isinstance(event, LanePaused)]
    assert pauses[0].failure.message.startswith("the endpoint seems down: The server had an error")
    seconds = [round(pause.seconds) for pause in pauses]
    assert seconds == [1, 2, 4, *[5] * (len(seconds) - 4), 0]


def test_an_outage_uses_up_no_attempts() -> None:
    """
    Only what failed before it was clear counts: one attempt, even where there are just two.
    """
    outage = testing.FaultRule(kind="server_error", start=5.0, until=300.0)

    played = play(outage, rows=1_000, max_attempts=2)

    assert played.failures == []
    assert max(result.attempts for result in played.results) == 2


def test_comes_back_as_a_ramp() -> None:
    """
    An endpoint that has just come up is not met by all places at once.
    """
    outage = testing.FaultRule(kind="refused", start=5.0, until=35.5)

    played = play(outage, rows=1_500)

    back = next(at for at, event in played.events if isinstance(event, AttemptEnded) and at > 36.0)
    seconds = Counter(round(at - back) for at, event in played.events if isinstance(event, AttemptEnded) and at >= back)
    came = [seconds[second] for second in range(12)]
    assert came[:2] == [1, 8]
    assert all(later <= 2 * earlier + 1 for earlier, later in pairwise(came[1:4]))
    assert all(later <= max(32, 4 * earlier) for earlier, later in pairwise(came))
    assert sum(came[8:]) >= 4 * 95  # all places are filled again


def test_rows_that_fail_by_themselves_end_as_failures() -> None:
    """
    Every tenth row fails whatever is done: each gets its five attempts, and nobody waits for an outage to end.
    """
    bad = testing.FaultRule(kind="server_error", match="7")

    played = play(bad, rows=100, concurrency=10)

    failed = [result for result in played.results if result.failure]
    assert {result.request.position for result in failed} == {n for n in range(100) if "7" in str(n)}
    assert {result.attempts for result in failed} == {5}
    assert played.seconds < 60.0
    assert parked(played) == []


@pytest.mark.parametrize("kind", ["refused", "server_error", "hang"])
def test_an_endpoint_that_was_never_there_is_given_up_within_a_minute_or_so(kind: str) -> None:
    """
    A wrong address: a handful of calls, one clear message, all rows untouched.
    """
    played = play(testing.FaultRule(kind=kind), rows=500, concurrency=20)

    assert all(result.is_untouched for result in played.results)
    assert 60.0 <= played.seconds <= 90.0
    assert played.transport.provider.tally.arrived <= 60
    [(stopped, message)] = parked(played)
    assert stopped is K.STOPPED
    assert message.startswith("the endpoint never answered; check the base URL and that it is up; the last failure: ")


def test_an_endpoint_that_comes_up_late_is_waited_for() -> None:
    """
    A server that is started half a minute after the run loses nothing.
    """
    played = play(testing.FaultRule(kind="refused", until=30.0), rows=200)

    assert played.failures == []
    assert played.seconds < 60.0


def test_an_outage_without_end_parks_the_lane_after_a_quarter_of_an_hour() -> None:
    """
    What was answered is kept, the rest stays untouched.
    """
    played = play(testing.FaultRule(kind="server_error", start=5.0), rows=1_000)

    assert 900.0 <= played.seconds <= 940.0
    assert all(result.text is not None or result.is_untouched for result in played.results)
    assert parked(played)[0][1].startswith("nothing got through for 15 minutes; the last failure: ")


@pytest.mark.parametrize("kind", ["bad_key", "permission", "unknown_model", "quota"])
def test_one_odd_denial_does_not_stop_a_lane(kind: str) -> None:
    """
    The hundredth call is denied, the calls that ask again are not: its row is sent again and answered.
    """
    played = play(testing.FaultRule(kind=kind, ordinals=[100]), rows=600, max_attempts=1)

    assert played.failures == []
    assert parked(played) == []
    assert sum(result.throttles for result in played.results) == 1
    assert played.seconds < 20.0


def test_a_row_that_is_denied_every_time_fails_alone() -> None:
    """
    A firewall that dislikes a text denies its rows, not the lane.
    """
    played = play(testing.FaultRule(kind="permission", match="33"), rows=300)

    failed = [result for result in played.results if result.failure]
    assert {result.request.position for result in failed} == {n for n in range(300) if "33" in str(n)}
    assert {(result.failure.kind, result.failure.status) for result in failed if result.failure} == {(K.SERVER, 403)}
    assert {result.attempts for result in failed} == {5}
    assert parked(played) == []


@pytest.mark.parametrize(("kind", "reason"), [("bad_key", K.DENIED), ("quota", K.QUOTA)])
def test_a_denial_that_lasts_parks_the_lane_within_a_handful_of_calls(kind: str, reason: FailureKind) -> None:
    """
    A key that is revoked in the middle of a run: what was under way and two that ask again, no row failed.
    """
    played = play(testing.FaultRule(kind=kind, start=10.5), rows=600, concurrency=20, max_attempts=1)

    assert [parking for parking, _ in parked(played)] == [reason]
    assert all(result.text is not None or result.is_untouched for result in played.results)
    assert calls_between(played, 11.5, 1e9) <= 3
