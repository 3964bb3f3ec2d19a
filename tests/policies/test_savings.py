"""What a stated limit saves while another one makes calls wait."""

from __future__ import annotations

from random import Random

import pytest

from brim.config import Limits
from brim.policies.admission import Admission
from brim.policies.savings import SavingBucket
from brim.policies.tokens import Charging, Cost
from brim.values import Answer, Failure, FailureKind

LIMITS = Limits(requests_per_minute=600, tokens_per_minute=60_000)


def bucket() -> SavingBucket:
    """Ten a second, of which a burst of one, that begins full."""
    return SavingBucket(600.0, rate=10.0, burst=1.0)


def mixed(calls: int) -> list[float]:
    """Tokens of calls that take 100 in the mean, of very different sizes."""
    rng = Random(7)
    sizes = [rng.lognormvariate(0.0, 1.0) for _ in range(calls)]
    return [size * 100.0 * calls / sum(sizes) for size in sizes]


def test_a_lull_saves_nothing() -> None:
    """
    While nothing makes calls wait, a bucket holds its burst and no more.
    """
    assert bucket().level(60.0) == 1.0


def test_what_another_limit_takes_is_saved() -> None:
    """
    Held for two seconds it has two seconds more, held for a minute five.
    """
    short, long = bucket(), bucket()
    short.held(2.0, 0.0)
    long.held(60.0, 0.0)

    assert short.level(2.0) == short.level(50.0) == 21.0
    assert long.level(60.0) == 51.0


def test_no_minute_holds_more_than_stated() -> None:
    """
    Savings are spent only as far as the minute before has room for them.
    """
    saving, now, sent = bucket(), 0.0, []
    for number in range(3_000):
        if number % 100 == 50:
            saving.held(now + 3.0, now)
            now += 3.0
        now += saving.ready_in(1.0, now)
        saving.take(1.0, now)
        sent.append(now)

    # By its burst of one an even rate may be over.
    assert all(sent[later] - sent[later - 601] >= 59.9 for later in range(601, len(sent)))


def test_savings_do_not_survive_refusals() -> None:
    """
    After a refusal what was saved is gone, and a tenth as much is saved; after two nothing is.
    """
    saving = bucket()
    saves = []
    for at in (10.0, 20.0, 30.0):
        saving.held(at, at - 10.0)
        saves.append(saving.level(at) - saving.burst)
        explained = saving.refused(1.0, sent_at=at, now=at)
        assert explained is (at < 30.0)

    assert saves == pytest.approx([50.0, 5.0, 0.0])
    assert saving.level(30.0) <= 1.0


def test_both_limits_are_used_where_calls_differ_much() -> None:
    """
    Requests and tokens both just suffice: the run takes 3 % longer than either limit alone, not 20 %.
    """
    admission, now = Admission(LIMITS, charging=Charging.RESERVES_CAP, now=0.0), 0.0
    for tokens in mixed(3_000):
        cost = Cost((1.0, tokens, tokens, 0.0))
        while wait := admission.ready_in(cost, now):
            now += wait
        admission.take(cost, now, among=1, max_tokens=None)

    assert now <= 300.0 * 1.03


def test_a_refusal_of_what_was_saved_teaches_no_rate() -> None:
    """
    The limit is as stated: what was refused is waited out, and no rate is learnt.
    """
    admission, now = Admission(LIMITS, charging=Charging.RESERVES_CAP, now=0.0), 0.0
    refusal = Failure(kind=FailureKind.THROTTLED, message="too many requests")
    large, small = Cost((1.0, 5_000.0, 5_000.0, 0.0)), Cost((1.0, 1.0, 1.0, 0.0))
    admission.take(large, now, among=1, max_tokens=None)
    now += admission.ready_in(small, now)
    charge = admission.take(small, now, among=1, max_tokens=None)
    verdict = admission.refused(charge, Answer(outcome=refusal, sent_at=now, ended_at=now), refusal, now)

    assert not verdict.is_strike
    assert not admission.is_paced
    assert admission.ready_in(small, now) > 0.0


def test_a_second_limit_that_is_stated_later_knows_what_was_sent() -> None:
    """
    A plain bucket becomes one that saves, keeps its debt, and remembers the minute.
    """
    admission = Admission(Limits(tokens_per_minute=60_000), charging=Charging.RESERVES_CAP, now=0.0)
    admission.take(Cost((1.0, 6_000.0, 6_000.0, 0.0)), 0.0, among=1, max_tokens=None)
    before = admission.ready_in(Cost((1.0, 1.0, 1.0, 0.0)), 0.0)
    admission.restate(LIMITS, 0.0)

    assert admission.ready_in(Cost((1.0, 1.0, 1.0, 0.0)), 0.0) == pytest.approx(before)
