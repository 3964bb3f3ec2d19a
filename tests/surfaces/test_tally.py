"""The tally counts what happens, and knows how fast and how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.events import AttemptEnded, LaneParked, LanePaused, RequestEnded
from brim.storage.journal import Recorded
from brim.surfaces.tally import Rates, Tally
from brim.values import Attempt, Failure, FailureKind, FinishReason, Outcome, Reply, Request, Result, Sent, Usage

REQUEST = Request(messages=[])
REPLY = Reply(text="x", usage=Usage(input_tokens=10, output_tokens=5))
THROTTLED = Failure(kind=FailureKind.THROTTLED, message="slow down")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def attempt(outcome: Outcome = REPLY, *, retry_in: float | None = None) -> AttemptEnded:
    return AttemptEnded("lane", Attempt(request=REQUEST, number=1, body=b""), outcome, 0.5, retry_in)


def ended(outcome: Outcome = REPLY, *, cost_usd: float | None = None) -> RequestEnded:
    return RequestEnded("lane", Result(request=REQUEST, outcome=outcome, cost_usd=cost_usd))


def recorded(kind: FailureKind | None = None, reason: FinishReason | None = FinishReason.STOP) -> Recorded:
    return Recorded(kind=kind, finish_reason=reason, usage=None, cost_usd=None, attempts=1, throttles=0, perhaps_paid=0)


def test_counts_answers_tokens_and_cost() -> None:
    """
    Tokens come from attempts, rows and their cost from requests.
    """
    tally = Tally(total=3)

    for _ in range(2):
        tally.on_event(attempt())
        tally.on_event(ended(cost_usd=0.25))

    assert (tally.answered, tally.failed, tally.untouched, tally.attempts) == (2, 0, 1, 2)
    assert (tally.input_tokens, tally.output_tokens, tally.cost_usd) == (20, 10, 0.5)


def test_an_unpriced_run_has_no_cost() -> None:
    """
    No price is not a price of zero.
    """
    tally = Tally()

    tally.on_event(ended())

    assert tally.cost_usd is None


def test_counts_failures_by_kind_with_the_first_message() -> None:
    """
    Each kind of failure keeps its count and one example.
    """
    tally = Tally(total=9)

    for message in ("first", "second"):
        tally.on_event(ended(Failure(kind=FailureKind.INVALID, message=message)))
    tally.on_event(ended(Failure(kind=FailureKind.TIMEOUT, message="late")))

    assert tally.failed == 3
    assert tally.failed_by_kind[FailureKind.INVALID] == 2
    assert tally.examples == {FailureKind.INVALID: "first", FailureKind.TIMEOUT: "late"}


def test_a_throttled_attempt_is_no_retry() -> None:
    """
    What is waited out and what is counted against the attempts are told apart; the last attempt is neither.
    """
    tally = Tally()
    server = Failure(kind=FailureKind.SERVER, message="500")

    tally.on_event(attempt(THROTTLED, retry_in=1.0))
    tally.on_event(attempt(server, retry_in=1.0))
    tally.on_event(attempt(server, retry_in=None))

    assert (tally.throttled, tally.retried, tally.attempts) == (1, 1, 3)


@pytest.mark.parametrize(
    ("sent", "kind", "count"),
    [
        (Sent.NO, FailureKind.CONNECTION, 0),
        (Sent.MAYBE, FailureKind.CONNECTION, 1),
        (Sent.YES, FailureKind.TIMEOUT, 1),
        (Sent.YES, FailureKind.SERVER, 0),
    ],
)
def test_counts_what_may_be_billed_for_nothing(sent: Sent, kind: FailureKind, count: int) -> None:
    """
    An attempt is perhaps paid by the failure's own rule, whether or not it is repeated.
    """
    tally = Tally()

    tally.on_event(attempt(Failure(kind=kind, message="", sent=sent), retry_in=1.0))
    tally.on_event(attempt(Failure(kind=kind, message="", sent=sent)))

    assert tally.perhaps_paid == 2 * count


def test_counts_cut_answers() -> None:
    """
    An answer cut by the token cap is answered, and truncated.
    """
    tally = Tally()

    tally.on_event(ended(Reply(text="x", finish_reason=FinishReason.LENGTH)))
    tally.on_event(ended())

    assert (tally.answered, tally.truncated) == (2, 1)


def test_counts_rows_of_earlier_runs() -> None:
    """
    A recorded row is answered or failed without having been sent, and takes no part in the rates.
    """
    tally = Tally(total=4)

    tally.resumed(recorded())
    tally.resumed(recorded(reason=FinishReason.LENGTH))
    tally.resumed(recorded(FailureKind.INVALID, None))

    assert (tally.earlier, tally.answered, tally.failed, tally.untouched) == (3, 2, 1, 1)
    assert (tally.attempts, tally.truncated, tally.rates.ended) == (0, 1, 0)


def test_rows_without_a_result_are_untouched() -> None:
    """
    Rows of a parked lane are untouched, known or unknown the total.
    """
    known, unknown = Tally(total=10), Tally()

    for tally in (known, unknown):
        tally.on_event(ended())
        tally.on_event(ended(Failure(kind=FailureKind.QUOTA, message="broke")))
        tally.left()

    assert (known.untouched, unknown.untouched) == (9, 2)
    assert known.failed == unknown.failed == 0


def test_rates_are_of_the_last_minute() -> None:
    """
    What is more than a minute ago is forgotten; before the first minute is over, what there is counts.
    """
    clock = Clock()
    tally = Tally(clock=clock)

    clock.now += 30
    for _ in range(10):
        tally.on_event(attempt())
        tally.on_event(ended())
    assert tally.rates == Rates(requests=20, tokens=300, ended=20)

    clock.now += 60
    assert tally.rates == Rates(requests=10, tokens=150, ended=10)

    clock.now += 1
    assert tally.rates == Rates(requests=0, tokens=0, ended=0)


@given(gaps=st.lists(st.floats(0, 90), min_size=1, max_size=60))
def test_rates_forget_and_miss_nothing(gaps: list[float]) -> None:
    """
    Whatever the rhythm, the present rate counts exactly the attempts of the last sixty seconds and the one begun.
    """
    clock = Clock()
    clock.now = 0.0
    tally = Tally(clock=clock)
    times = []

    for gap in gaps:
        clock.now += gap
        times.append(clock.now)
        tally.on_event(attempt())
    clock.now += gaps[0]

    inside = sum(int(time) >= int(clock.now) - 60 for time in times)
    covered = max(1.0, min(clock.now, 60 + clock.now % 1))
    assert tally.rates.requests == pytest.approx(inside * 60 / covered)


def test_reading_rates_changes_nothing() -> None:
    """
    The screen may read at any moment: it leaves no trace in what is counted.
    """
    clock = Clock()
    tally = Tally(clock=clock)
    tally.on_event(attempt())
    clock.now += 59

    before = tally.rates
    clock.now += 500
    assert tally.rates.requests == 0
    clock.now -= 500

    assert tally.rates == before


def test_time_left_follows_the_present_rate() -> None:
    """
    Thirty rows in thirty seconds: the other seventy take seventy.
    """
    clock = Clock()
    tally = Tally(total=100, clock=clock)
    clock.now += 30
    for _ in range(30):
        tally.on_event(ended())

    assert tally.left_s == pytest.approx(70)


def test_time_left_is_unknown_without_total_or_pace() -> None:
    """
    Nobody can say how long it takes if nothing moves, or if nobody knows how much there is.
    """
    still, endless = Tally(total=10), Tally()
    endless.on_event(ended())

    assert still.left_s is None
    assert endless.left_s is None


def test_begin_leaves_out_what_came_before() -> None:
    """
    Loading a model is no part of the run's time.
    """
    clock = Clock()
    tally = Tally(clock=clock)
    clock.now += 100

    tally.begin()
    clock.now += 2

    assert tally.elapsed_s == 2


def test_knows_which_lanes_wait() -> None:
    """
    A pause ends by itself; a parked lane does not wait, it stopped.
    """
    clock = Clock()
    tally = Tally(clock=clock)
    quota = Failure(kind=FailureKind.QUOTA, message="broke")
    tally.on_event(LanePaused("a", 20.0, THROTTLED))
    tally.on_event(LanePaused("b", 20.0, THROTTLED))
    tally.on_event(LaneParked("b", quota))
    clock.now += 5

    assert tally.pauses() == [("a", 15.0, THROTTLED)]
    assert tally.parked == {"b": quota}

    clock.now += 15
    assert tally.pauses() == []
