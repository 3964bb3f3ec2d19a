"""What a refusal says beside the rate: minutes that slide where a limit is stated, a rate and no number of calls."""

from __future__ import annotations

from brim.config import Limits
from brim.policies.admission import Admission
from brim.policies.tokens import Charging, Cost
from brim.values import Answer, Failure, FailureKind

LARGE = Cost((1.0, 200.0, 200.0, 0.0))
REFUSAL = Failure(kind=FailureKind.THROTTLED, message="too many input tokens", retry_after=1.0)


def refused(admission: Admission, now: float) -> float:
    """Send a large attempt as soon as it may go, and have it refused; say when that was."""
    now += admission.ready_in(LARGE, now)
    charge = admission.take(LARGE, now, among=1, max_tokens=None)
    answer = Answer(outcome=REFUSAL, sent_at=now, ended_at=now)
    admission.refused(charge, answer, REFUSAL, now)
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
