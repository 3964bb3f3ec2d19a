"""The room between calls where a limit is enforced without slack."""

from __future__ import annotations

from random import Random

import pytest

from brim.config import Limits
from brim.policies.admission import Admission
from brim.policies.slack import Slack
from brim.policies.tokens import Charging, Cost
from brim.values import Answer, Failure, FailureKind

ONE = Cost((1.0, 0.0, 0.0, 0.0))
REFUSAL = Failure(kind=FailureKind.THROTTLED, message="slow down")


class Exact:
    """A server that lets one call through every *gap_s* seconds, to the microsecond; calls take a while to arrive."""

    def __init__(self, gap_s: float, *, late_s: float) -> None:
        self.gap_s = gap_s
        self.late_s = late_s
        self.free_at = 0.0
        self.rng = Random(7)

    def lets(self, sent_at: float) -> bool:
        at = sent_at + (self.rng.expovariate(1.0 / self.late_s) if self.late_s else 0.0)
        if at < self.free_at:
            return False
        self.free_at = at + self.gap_s
        return True


def carry(admission: Admission, server: Exact, calls: int) -> tuple[float, list[int]]:
    """Send so many one after the other as soon as each may go. Returns when the last went, and which were refused."""
    now, refused = 0.0, []
    for number in range(calls):
        now += admission.ready_in(ONE, now)
        charge = admission.take(ONE, now, among=1, max_tokens=None)
        if not server.lets(now):
            refused.append(number)
            admission.refused(charge, Answer(outcome=REFUSAL, sent_at=now, ended_at=now), REFUSAL, now)
    return now, refused


def test_an_exact_limit_refuses_few_and_is_used() -> None:
    """
    One a second without slack, calls that take 5 ms on average to arrive: fewer than one in 150 is refused, and no
    more than one in twenty-five is lost.
    """
    admission = Admission(Limits(requests_per_minute=60), charging=Charging.RESERVES_CAP, now=0.0)

    ended, refused = carry(admission, Exact(1.0, late_s=0.005), 2_000)

    assert len(refused) < 2_000 / 150
    assert ended < 2_000 * 1.04


def test_no_room_is_kept_where_none_is_needed() -> None:
    """
    A server that refuses nothing gets what is stated, less the margin of every stated rate.
    """
    admission = Admission(Limits(requests_per_minute=60), charging=Charging.RESERVES_CAP, now=0.0)

    ended, refused = carry(admission, Exact(0.9, late_s=0.0), 1_000)

    assert not refused
    assert ended == pytest.approx(999 / 0.997)


def test_a_lower_limit_is_soon_something_else() -> None:
    """
    A limit at half of what is stated goes on refusing: after a few tries a rate is learnt, and kept.
    """
    admission = Admission(Limits(requests_per_minute=60), charging=Charging.RESERVES_CAP, now=0.0)

    _, refused = carry(admission, Exact(2.0, late_s=0.005), 400)

    assert admission.is_paced
    assert sum(number >= 100 for number in refused) < 300 * 0.1


def test_room_is_given_back() -> None:
    """
    After some hundred calls in time the gap is what the limit promises.
    """
    slack = Slack(1.0)
    assert slack.refused(sent_at=1.0, now=1.2)
    assert slack.gap(1.2) == pytest.approx(1.01)

    assert slack.gap(1.2 + 210.0) == pytest.approx(1.005, abs=0.001)
    assert slack.gap(600.0) == 1.0
    assert not slack.is_kept


def test_calls_sent_before_a_step_say_nothing_new() -> None:
    """
    What was on the wire when the room was widened takes no further step.
    """
    slack = Slack(1.0)
    slack.refused(sent_at=1.0, now=3.5)
    for sent_at in (2.0, 3.0):
        assert slack.refused(sent_at=sent_at, now=sent_at + 2.5)

    assert slack.gap(3.5) == pytest.approx(1.01)
