"""Trying whether a server that shows nothing counts less than the whole cap: more where it does, little lost if not."""

from __future__ import annotations

import heapq
from random import Random

import pytest

from brim.config import Limits
from brim.policies.admission import Admission
from brim.policies.charges import Charge
from brim.policies.tokens import Charging
from brim.policies.trial import Trial
from brim.values import Answer, Dimension, Failure, FailureKind, FinishReason, LimitLevel, Reply, Usage

RATE = 1_000.0
CAP = 400
GIVEN = 40
MADE = 60
BODY = b"word " * 30


class Server:
    """A bucket of tokens that shows nothing; calls are sent as soon as admission lets them go."""

    def __init__(self, *, keeps: bool, gives_back: bool, size: float = 3.0 * RATE, trip_s: float = 0.5) -> None:
        self.keeps, self.gives_back, self.size, self.trip_s = keeps, gives_back, size, trip_s
        self.admission = Admission(Limits(tokens_per_minute=60.0 * RATE), charging=Charging.RESERVES_CAP, now=0.0)
        self.level, self.at, self.now = size, 0.0, 0.0
        self.answered = self.refused = 0
        self._due: list[tuple[float, int, Charge, int]] = []

    def _refill(self, at: float) -> None:
        self.level = min(self.size, self.level + (at - self.at) * RATE)
        self.at = at

    def run(self, seconds: float, *, given: int = GIVEN) -> None:
        """Send for so long; prompts have *given* tokens."""
        until = self.now + seconds
        number = 0
        while self.now < until:
            cost = self.admission.cost(BODY, CAP)
            wait = max(self.admission.ready_in(cost, self.now), 0.001)
            while self._due and self._due[0][0] <= self.now + wait:
                self._answer(*heapq.heappop(self._due))
                wait = max(self.admission.ready_in(cost, self.now), 0.001)
            self.now += wait
            self._refill(self.now)
            charge = self.admission.take(cost, self.now, among=1, max_tokens=CAP)
            takes = given + (CAP if self.keeps else MADE)
            if self.level < takes:
                self.refused += 1
                failure = Failure(kind=FailureKind.THROTTLED, message="too many tokens", status=429)
                answer = Answer(outcome=failure, sent_at=self.now, ended_at=self.now)
                self.admission.answered(charge, answer, self.now)
                self.admission.refused(charge, answer, failure, self.now)
                continue
            self.level -= takes
            number += 1
            heapq.heappush(self._due, (self.now + self.trip_s, number, charge, given))

    def _answer(self, at: float, _: int, charge: Charge, given: int) -> None:
        self.now = max(self.now, at)
        self._refill(self.now)
        if self.keeps and self.gives_back:
            self.level = min(self.size, self.level + CAP - MADE)
        usage = Usage(input_tokens=given, output_tokens=MADE)
        reply = Reply(text="", finish_reason=FinishReason.STOP, usage=usage)
        self.admission.answered(charge, Answer(outcome=reply, sent_at=charge.at, ended_at=self.now), self.now)
        self.answered += 1


@pytest.mark.parametrize("trip_s", [0.2, 3.0])
@pytest.mark.parametrize(("keeps", "gives_back"), [(False, False), (True, True)])
def test_a_server_that_counts_less_is_filled(trip_s: float, *, keeps: bool, gives_back: bool) -> None:
    """
    A quarter of what the cap allows is used. Counted as such, or given back when it is known, nearly all of the limit
    is filled with it.
    """
    server = Server(keeps=keeps, gives_back=gives_back, trip_s=trip_s, size=max(3.0, 6.0 * trip_s) * RATE)
    server.run(30.0)
    before, refused = server.answered, server.refused
    server.run(100.0)

    assert (server.answered - before) * (GIVEN + MADE) >= 0.95 * 100.0 * RATE
    assert server.refused <= 4
    assert server.refused - refused <= 2


@pytest.mark.parametrize("trip_s", [0.2, 3.0])
@pytest.mark.parametrize("seconds", [1.5, 10.0, 60.0])
def test_a_server_that_keeps_the_whole_cap_is_hardly_refused(trip_s: float, seconds: float) -> None:
    """
    What is tried costs a refusal or two, and is not tried again for minutes; the limit is filled as before.
    """
    server = Server(keeps=True, gives_back=False, trip_s=trip_s, size=seconds * RATE)
    server.run(100.0)
    assert server.refused <= 3
    assert server.answered * (GIVEN + CAP) >= 0.95 * (100.0 - trip_s) * RATE


@pytest.mark.parametrize(("per_call_s", "charging"), [(0.1, Charging.REFUNDED), (0.5, Charging.RESERVES_CAP)])
def test_what_got_through_tells_more_than_a_refusal(per_call_s: float, charging: Charging) -> None:
    """
    Caps of four times the limit got through: they are given back, though a bucket that holds a few of them refuses all
    the same. For that they were kept for two minutes, then eight, at a fifth of the pace.
    """
    trial, now = Trial(), 0.0
    while now < 60.0:
        now += per_call_s
        trial.passed(400.0, limit=60.0 * RATE, now=now)
        trial.answered(used=100.0, extra=340.0, sent_at=now, now=now, is_binding=True)
    for _ in range(2):
        now += 1.0
        assert trial.refused(440.0, sent_at=now, now=now)

    assert trial.charging is charging


def test_a_cap_that_is_kept_is_never_proven_to_be_given_back() -> None:
    """
    All that a server lets through that keeps the caps comes to the limit, and a minute's worth of it.
    """
    server = Server(keeps=True, gives_back=False, size=60.0 * RATE)
    server.run(900.0)

    assert server.refused <= 8


def test_where_calls_are_slow_less_is_tried_after_a_few() -> None:
    """
    Of a run of fifty calls not much is left once forty were answered.
    """
    trial, now = Trial(), 0.0
    for _ in range(6):
        trial.answered(used=100.0, extra=400.0, sent_at=now, now=now + 2.0, is_binding=True)
        now += 2.5

    assert trial.charging is Charging.REFUNDED


def test_the_first_eight_answers_are_waited_for_no_longer_than_they_take() -> None:
    """
    Whatever is lost until then is lost at the pace of whole caps.
    """
    trial = Trial()
    for number in range(8):
        at = number / 20.0
        trial.answered(used=100.0, extra=400.0, sent_at=at, now=at + 0.1, is_binding=True)

    assert trial.charging is Charging.REFUNDED


def test_a_larger_call_than_all_before_waits_for_as_much() -> None:
    """
    After a trial nothing is left to spare: one that asks for more than the others did is refused once, not again.
    """
    server = Server(keeps=True, gives_back=False, size=3.0 * RATE)
    server.run(40.0)
    before = server.refused
    server.run(40.0, given=5 * GIVEN)

    assert before <= 3
    assert server.refused - before <= 3


def test_headers_that_come_later_tell_more() -> None:
    """
    What was tried until then is forgotten: the whole cap is reserved until what they show falls by less.
    """
    server = Server(keeps=False, gives_back=False)
    server.run(30.0)
    tried = server.admission.cost(BODY, CAP)
    charge = server.admission.take(tried, server.now, among=1, max_tokens=CAP)
    reply = Reply(text="", finish_reason=FinishReason.STOP, usage=Usage(input_tokens=GIVEN, output_tokens=MADE))
    shown = LimitLevel(Dimension.TOKENS, limit=60.0 * RATE, remaining=50.0 * RATE)
    answer = Answer(outcome=reply, sent_at=server.now, ended_at=server.now, levels=(shown,))
    server.admission.answered(charge, answer, server.now)

    assert tried.amounts[1] < 0.5 * (GIVEN + CAP)
    assert server.admission.cost(BODY, CAP).amounts[1] >= 0.9 * (GIVEN + CAP)


def test_what_takes_its_whole_cap_is_nothing_to_try() -> None:
    """
    Where answers make all that they may, there is nothing to be gained.
    """
    admission = Admission(Limits(tokens_per_minute=60.0 * RATE), charging=Charging.RESERVES_CAP, now=0.0)
    rng, now = Random(1), 0.0
    for _ in range(200):
        cost = admission.cost(BODY, CAP)
        now += admission.ready_in(cost, now)
        charge = admission.take(cost, now, among=1, max_tokens=CAP)
        usage = Usage(input_tokens=GIVEN, output_tokens=rng.randrange(CAP - 10, CAP + 1))
        reply = Reply(text="", finish_reason=FinishReason.LENGTH, usage=usage)
        admission.answered(charge, Answer(outcome=reply, sent_at=now, ended_at=now), now)

    assert now >= 0.99 * (200 - 2) * (GIVEN + CAP) / RATE
