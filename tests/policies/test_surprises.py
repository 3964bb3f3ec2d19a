"""What a refusal says beside the rate: minutes that slide where a limit is stated, a rate and no number of calls."""

from __future__ import annotations

import pytest

from brim.config import Limits, Window
from brim.policies.admission import Admission
from brim.policies.past import Past
from brim.policies.refusal import Refusal
from brim.policies.stated import Stated
from brim.policies.surprises import Surprises
from brim.policies.tokens import Charging, Cost
from brim.values import Answer, Failure, FailureKind

LARGE = Cost((1.0, 200.0, 200.0, 0.0))
REFUSAL = Failure(kind=FailureKind.THROTTLED, message="too many input tokens", retry_after=1.0)


def refused(admission: Admission, now: float, failure: Failure = REFUSAL) -> float:
    """Send a large attempt as soon as it may go, and have it refused; say when that was."""
    now += admission.ready_in(LARGE, now)
    charge = admission.take(LARGE, now, among=1, max_tokens=None)
    answer = Answer(outcome=failure, sent_at=now, ended_at=now)
    admission.refused(charge, answer, failure, now)
    return now


def test_holds_in_every_minute_after_two_refusals() -> None:
    """
    One refusal may be an accident; after two no stretch of a minute gets more than the limit.
    """
    limits = Limits(input_tokens_per_minute=1_000)
    admission, now = Admission(limits, charging=Charging.COUNTS_OUTPUT, now=0.0), 0.0
    sent: list[float] = []
    for number in range(40):
        if number in {5, 6}:
            now = refused(admission, now)
            continue
        now += admission.ready_in(LARGE, now)
        admission.take(LARGE, now, among=1, max_tokens=None)
        sent.append(now)

    later = sent[-20:]
    assert all(sum(at - 60.0 < other <= at for other in sent) <= 5 for at in later)
    assert any(gauge.name == "input tokens in any minute" for gauge in admission.gauges(now))


SMALL = Cost((1.0, 20.0, 20.0, 0.0))
LIMITS = Limits(input_tokens_per_minute=1_000)


def send(admission: Admission, cost: Cost, count: int, now: float) -> float:
    """Send so many, each as soon as it may go; say when the last one went."""
    for _ in range(count):
        now += admission.ready_in(cost, now)
        admission.take(cost, now, among=1, max_tokens=None)
    return now


def by_the_minute() -> tuple[Admission, float]:
    """An admission that has learnt that its limit is counted in every minute, and a time when none of it is used."""
    admission = Admission(LIMITS, charging=Charging.COUNTS_OUTPUT, now=0.0)
    now = send(admission, LARGE, 3, 0.0)
    for _ in range(2):
        now = refused(admission, now)
    assert any(gauge.name.endswith("in any minute") for gauge in admission.gauges(now))
    return admission, now + 120.0


def test_what_came_free_while_a_large_one_waited_goes_soon() -> None:
    """
    A minute that slides is filled again within a quarter of it: there is no even pace beside it that would lose what a
    wait left over.
    """
    admission, began = by_the_minute()
    now = send(admission, SMALL, 49, began)
    assert now - began < 15.1
    assert began + 60.0 < now + admission.ready_in(LARGE, now) < began + 63.0


def test_a_window_that_is_all_but_used_up_may_be_counted_otherwise() -> None:
    """
    A refusal there teaches no rate: only that nothing is left now. What the refused call gave back would be refused
    again, so nothing goes before the oldest leave; and then not more than fits.
    """
    admission, began = by_the_minute()
    now = send(admission, LARGE, 4, began) + 15.0
    last = Cost((1.0, 190.0, 190.0, 0.0))
    charge = admission.take(last, now, among=1, max_tokens=None)
    answer = Answer(outcome=REFUSAL, sent_at=now, ended_at=now)
    admission.answered(charge, answer, now)
    admission.refused(charge, answer, REFUSAL, now)

    assert not admission.is_paced
    now += 1.0
    now += admission.ready_in(last, now)
    assert began + 60.0 < now < began + 63.0
    admission.take(last, now, among=1, max_tokens=None)
    assert admission.ready_in(LARGE, now) > 0.0


@pytest.mark.parametrize(
    ("sent", "is_overdrawn", "is_proof"),
    [(990.0, False, True), (500.0, False, False), (500.0, True, True)],
)
def test_a_minute_with_room_left_refuses_nothing(sent: float, *, is_overdrawn: bool, is_proof: bool) -> None:
    """
    A shorter window does, or one where less was counted here than over there, if a minute is over.
    """
    totals = [0.0, 0.0, 0.0, 0.0]
    past, surprises = Past(totals, 0.0), Surprises((None, 1_000.0, None, None))
    past.note(0.0)
    totals[1] = sent
    stated: list[Stated] = []

    def prove(at: float) -> bool:
        told, _ = surprises.explain(1, Refusal(10.0, at, at, 0.0), stated, past=past, is_overdrawn=is_overdrawn)
        return any(each.name == "tokens in any minute" for each in told)

    assert not prove(20.0)
    assert prove(40.0) is (sent > 900.0)
    assert prove(60.0) is (is_proof and sent < 900.0)  # told once


def test_a_minute_that_goes_on_refusing_is_none() -> None:
    """
    Whatever refuses calls that fit into every minute, it is not minutes: the rate is kept to evenly again.
    """
    totals = [0.0, 0.0, 0.0, 0.0]
    past, surprises = Past(totals, 0.0), Surprises((None, 1_000.0, None, None))
    past.note(0.0)
    totals[1] = 990.0
    stated: list[Stated] = []
    names = []
    for at in (20.0, 30.0, 33.0, 36.0, 36.5, 39.0, 42.0):
        stated, _ = surprises.explain(1, Refusal(10.0, at, at, 0.0), stated, past=past, is_overdrawn=False)
        names.append([each.name for each in stated])

    assert names == [[], *[["tokens in any minute"]] * 4, *[["tokens a minute"]] * 2]


def test_a_window_that_is_refused_is_paced_evenly() -> None:
    """
    What was sent at once in one window may be too much for the next, where a server weighs two of them: from the first
    refusal on calls go one by one, as fast as the window allows in all.
    """
    limits = Limits(windows=(Window(requests=40, seconds=10.0),))
    admission, now = Admission(limits, charging=Charging.COUNTS_OUTPUT, now=0.0), 0.0
    refusal = Failure(kind=FailureKind.THROTTLED, message="too many requests", retry_after=1.0)
    sent: list[float] = []
    for number in range(120):
        if number == 40:
            now = refused(admission, now, refusal)
            continue
        now += admission.ready_in(LARGE, now)
        admission.take(LARGE, now, among=1, max_tokens=None)
        sent.append(now)

    assert sent[39] == 0.0
    later = sent[45:]
    assert later[-1] - later[0] <= (len(later) - 1) / 4.0 * 1.1
    assert max(sum(at - 1.0 < other <= at for other in later) for at in later) <= 5
