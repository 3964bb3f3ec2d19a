"""Limits whose refusals ask for a whole second: questions are dear, and what a wait lets through proves little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from random import Random

import pytest

from brim.config import Limits
from brim.policies.admission import Admission
from brim.policies.charges import Charge
from brim.policies.tokens import Charging
from brim.values import Answer, Failure, FailureKind, FinishReason, Outcome, Reply, Usage

REPLY = Reply(text="x", finish_reason=FinishReason.STOP, usage=Usage(input_tokens=50, output_tokens=20))
REFUSAL = Failure(kind=FailureKind.THROTTLED, message="slow down", retry_after=1.0)


class Bucket:
    """Sixty calls at once, 30 a second; only half as many from the 18th second on."""

    def __init__(self) -> None:
        self.level, self.at = 60.0, 0.0

    def lets(self, now: float) -> bool:
        """May a call begin?"""
        self.level = min(60.0, self.level + (30.0 if now < 18.0 else 15.0) * (now - self.at))
        self.at = now
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True


class Seconds:
    """So many in each second of a clock of its own."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.passed = Counter[int]()

    def lets(self, now: float) -> bool:
        """May a call begin?"""
        second = int(now + 0.37)
        is_let = self.passed[second] < self.limit
        self.passed[second] += is_let
        return is_let


def refused_in_a_hundred_seconds(
    lets: Callable[[float], bool], takes: Callable[[], float], *, late_s: float = 0.0
) -> list[float]:
    """Send as fast as admission allows to what *lets* calls through that take so long. Returns when it refused.

    A lane opens up to *late_s* seconds later than it was asked to.
    """
    rng = Random(1)
    admission = Admission(Limits(), charging=Charging.RESERVES_CAP, now=0.0)
    now, opens_at, window = 0.0, 0.0, 8
    back = list[tuple[float, int]]()
    charges, outcomes, refused = list[Charge](), list[Outcome](), list[float]()
    while now < 100.0:
        cost = admission.cost(b"x" * 200, None)
        may = max(now + admission.ready_in(cost, now), opens_at) if len(back) < window else inf
        if back and back[0][0] <= may:
            now, number = heappop(back)
            window = 200
            charge, outcome = charges[number], outcomes[number]
            answer = Answer(outcome=outcome, sent_at=charge.at, ended_at=now)
            admission.answered(charge, answer, now)
            if isinstance(outcome, Failure):
                admission.refused(charge, answer, outcome, now)
                opens_at = max(opens_at, now + rng.uniform(1.0, 1.0 + late_s))
            continue
        now = may
        is_let = lets(now)
        if not is_let:
            refused.append(now)
        heappush(back, (now + (takes() if is_let else 0.002), len(charges)))
        charges.append(admission.take(cost, now, among=len(back), max_tokens=None))
        outcomes.append(REPLY if is_let else REFUSAL)
    return refused


@pytest.mark.parametrize(("limit", "least"), [(20, 0.93), (40, 0.93), (100, 0.93)])
def test_a_second_that_is_waited_out_does_not_pass_for_a_lower_limit(limit: int, least: float) -> None:
    """
    So many in each second, a wait of one second named by each refusal: after the first ones the seconds are filled.
    """
    seconds = Seconds(limit)

    refused_in_a_hundred_seconds(seconds.lets, lambda: 0.3)

    assert sum(seconds.passed[second] for second in range(20, 100)) > least * 80 * limit


def test_a_limit_that_fell_is_not_taken_for_strays_for_ever() -> None:
    """
    Whoever is refused waits a second, and by then the bucket holds enough for a volley: few are refused, but the rate
    must not grow and grow.
    """
    rng = Random(1)

    refused = refused_in_a_hundred_seconds(Bucket().lets, lambda: rng.uniform(0.4, 0.8), late_s=0.02)

    assert sum(at > 40.0 for at in refused) < 35
