"""What a refusal that shows nothing left says, and what the reset beside it is worth."""

from __future__ import annotations

from brim.config import Limits
from brim.policies.admission import Admission
from brim.policies.tokens import Charging, Cost
from brim.simulator.buckets import SlidingWindow
from brim.values import Answer, Dimension, Failure, FailureKind, LimitLevel, Reply

ONE = Cost((1.0, 0.0, 0.0, 0.0))
REFUSAL = Failure(kind=FailureKind.THROTTLED, message="too many requests", retry_after=60.0, is_reset=True)


def is_explained(limit: float | None) -> bool:
    """Is a refusal that shows nothing left of *limit* explained by that?"""
    admission = Admission(Limits(), charging=Charging.COUNTS_OUTPUT, now=0.0)
    early = admission.take(ONE, 0.0, among=1, max_tokens=None)
    first = Answer(outcome=REFUSAL, sent_at=0.0, ended_at=1.0, levels=[shown(limit, 0.0)])
    admission.answered(early, first, 1.0)
    admission.refused(early, first, REFUSAL, 1.0)
    late = admission.take(ONE, 2.0, among=1, max_tokens=None)
    answer = Answer(outcome=REFUSAL, sent_at=2.0, ended_at=3.0, levels=[shown(limit, 0.0)])
    admission.answered(late, answer, 3.0)
    return admission.refused(late, answer, REFUSAL, 3.0).is_explained


def shown(limit: float | None, remaining: float) -> LimitLevel:
    return LimitLevel(Dimension.REQUESTS, limit, remaining, 60.0)


def test_nothing_left_of_nobody_knows_how_much_explains_no_refusal() -> None:
    """
    Where the limit is shown too, its level follows what is left; else only refusals can teach a rate.
    """
    assert not is_explained(None)


def test_a_guess_from_the_first_refusals_ends_when_the_limit_is_shown() -> None:
    """
    A gateway refuses the first burst and shows nothing; the first answer shows the limit, and what is left is used.
    """
    admission = Admission(Limits(), charging=Charging.COUNTS_OUTPUT, now=0.0)
    refused, passed = (admission.take(ONE, 0.0, among=1, max_tokens=None) for _ in range(2))
    refusal = Failure(kind=FailureKind.THROTTLED, message="too many requests", retry_after=2.0)
    bare = Answer(outcome=refusal, sent_at=0.0, ended_at=0.1)
    admission.answered(refused, bare, 0.1)
    admission.refused(refused, bare, refusal, 0.1)
    guessed = admission.is_paced
    reply = Answer(outcome=Reply(text="done"), sent_at=0.0, ended_at=0.2, levels=[shown(600.0, 40.0)])
    admission.answered(passed, reply, 0.2)

    assert guessed
    assert not admission.is_paced
    assert admission.ready_in(ONE, 0.2) == 0.0


def test_what_refusals_taught_ends_when_a_window_is_known_to_slide() -> None:
    """
    They came while hardly anything came back, since hardly anything had been sent a window before: that is no rate.
    """
    admission = Admission(Limits(), charging=Charging.COUNTS_OUTPUT, now=0.0)
    window, taught = SlidingWindow(allowance=60.0, span=60.0), []
    for second in range(100):
        charge = admission.take(ONE, float(second), among=1, max_tokens=None)
        is_refused = window.level(second) < 1.0 or second == 50
        window.take(0.0 if is_refused else 1.0, float(second))
        level = LimitLevel(Dimension.REQUESTS, 60.0, window.level(second), None, 60.0)
        refusal = Failure(kind=FailureKind.THROTTLED, message="too many requests", retry_after=1.0)
        outcome = refusal if is_refused else Reply(text="done")
        answer = Answer(outcome=outcome, sent_at=float(second), ended_at=second + 0.1, levels=[level])
        admission.answered(charge, answer, second + 0.1)
        if is_refused:
            admission.refused(charge, answer, refusal, second + 0.1)
        taught.append(admission.is_paced)

    assert any(taught)
    assert not taught[-1]


def test_a_reset_tells_the_wait_until_it_is_known_how_the_limit_comes_back() -> None:
    """
    Ten calls in a bucket of a second come back evenly whatever the reset says; of a minute's that is not known yet.
    """
    known = []
    for limit, left in ((600.0, 9.0), (600.0, 599.0)):
        admission = Admission(Limits(), charging=Charging.COUNTS_OUTPUT, now=0.0)
        charge = admission.take(ONE, 0.0, among=1, max_tokens=None)
        first, last = (
            Answer(outcome=REFUSAL, sent_at=0.0, ended_at=0.1, levels=[shown(limit, remaining)])
            for remaining in (left, 0.0)
        )
        admission.answered(charge, first, 0.1)
        admission.answered(charge, last, 0.1)
        known.append(admission.tells_wait(last, 0.1))

    assert known == [True, False]
