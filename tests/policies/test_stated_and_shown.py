"""A limit that is both stated and shown: the server alone knows what it counts."""

from __future__ import annotations

import pytest

from brim.config import Limits, Window
from brim.policies.admission import Admission
from brim.policies.tokens import Charging, Cost
from brim.values import Answer, Dimension, Failure, FailureKind, FinishReason, LimitLevel, Reply, Usage

RESERVED = 100.0
CALL = Cost((1.0, RESERVED, 0.0, RESERVED))
STATED = Limits(tokens_per_minute=6_000)


def send(admission: Admission, calls: int, *, counts: float, limit: float = 6_000.0) -> float:
    """Send so many calls, each as soon as it may go, to a bucket that counts *counts* for each. Returns the seconds."""
    now, level, last = 0.0, limit, 0.0
    for _ in range(calls):
        now += admission.ready_in(CALL, now)
        charge = admission.take(CALL, now, among=1, max_tokens=int(RESERVED))
        level, last = min(limit, level + (now - last) * limit / 60.0) - counts, now
        assert level >= 0.0, "the server would have refused"
        shown = LimitLevel(Dimension.TOKENS, limit=limit, remaining=int(level))
        reply = Reply(
            text="", finish_reason=FinishReason.STOP, usage=Usage(input_tokens=0, output_tokens=int(RESERVED))
        )
        admission.answered(charge, Answer(outcome=reply, sent_at=now, ended_at=now, levels=(shown,)), now)
    return now


def test_a_server_that_counts_less_is_filled() -> None:
    """
    Where the server counts half of what is reserved, calls go twice as fast as the reserve would let them.
    """
    took = send(Admission(STATED, charging=Charging.RESERVES_CAP, now=0.0), 600, counts=RESERVED / 2)

    assert took < 600 * RESERVED / 2 / 100.0 * 1.02


def test_what_the_server_has_to_spare_is_used_but_not_all_of_it() -> None:
    """
    A full bucket at the server is worth a third of a minute and more; its last half stays.
    """
    took = send(Admission(STATED, charging=Charging.RESERVES_CAP, now=0.0), 600, counts=RESERVED)

    assert 560.0 < took < 585.0


@pytest.mark.parametrize("limit", [60_000.0, 12_000.0])
def test_less_than_the_server_grants_may_be_stated(limit: float) -> None:
    """
    A limit that is stated below the server's is kept, however much the server shows.
    """
    took = send(Admission(STATED, charging=Charging.RESERVES_CAP, now=0.0), 300, counts=RESERVED, limit=limit)

    assert took == pytest.approx(299 / 0.997, rel=0.01)


def test_refusals_take_the_word_away() -> None:
    """
    A server that refuses although it shows plenty is not believed, and what is stated holds again.
    """
    admission = Admission(STATED, charging=Charging.RESERVES_CAP, now=0.0)
    now = 0.0
    shown = LimitLevel(Dimension.TOKENS, limit=6_000, remaining=5_900)
    refusal = Failure(kind=FailureKind.THROTTLED, message="too many tokens")
    for _ in range(4):
        now += 30.0
        charge = admission.take(CALL, now, among=1, max_tokens=int(RESERVED))
        answer = Answer(outcome=refusal, sent_at=now, ended_at=now, levels=(shown,))
        admission.answered(charge, answer, now)
        admission.refused(charge, answer, refusal, now)
    charge = admission.take(CALL, now + 30.0, among=1, max_tokens=int(RESERVED))
    reply = Reply(text="", finish_reason=FinishReason.STOP, usage=None)
    answer = Answer(outcome=reply, sent_at=now + 30.0, ended_at=now + 30.0, levels=(shown,))
    admission.answered(charge, answer, now + 30.0)

    assert admission.ready_in(CALL, now + 30.0, is_paced=False) >= 0.9


def test_a_number_that_is_stated_for_five_seconds_is_shown_for_five_seconds() -> None:
    """
    Fifty in five seconds are stated, and the server shows fifty under a name that means a minute: it is the same limit.
    """
    admission = Admission(Limits(windows=(Window(requests=50, seconds=5.0),)), charging=Charging.COUNTS_OUTPUT, now=0.0)
    call, now, sent = Cost((1.0, 0.0, 0.0, 0.0)), 0.0, [-1e3]
    while len(sent) <= 600:
        now += admission.ready_in(call, now)
        charge = admission.take(call, now, among=1, max_tokens=None)
        sent.append(now)
        left = 50.0 - sum(at > now - 5.0 for at in sent)
        shown = LimitLevel(Dimension.REQUESTS, limit=50.0, remaining=max(0.0, left), reset_in=5.0)
        reply = Reply(text="", finish_reason=FinishReason.STOP)
        admission.answered(charge, Answer(outcome=reply, sent_at=now, ended_at=now, levels=(shown,)), now)

    assert 550 / 10.0 <= now <= 1.2 * 550 / 10.0
