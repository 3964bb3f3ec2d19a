"""A bucket of which somebody else takes half, whose refusals ask for a whole second: these are no strays."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from random import Random

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


def test_a_limit_that_fell_is_not_taken_for_strays_for_ever() -> None:
    """
    Whoever is refused waits a second, and by then the bucket holds enough for a volley: few are refused, but the rate
    must not grow and grow.
    """
    rng, bucket = Random(1), Bucket()
    admission = Admission(Limits(), charging=Charging.RESERVES_CAP, now=0.0)
    now, opens_at, window = 0.0, 0.0, 8
    back = list[tuple[float, int]]()
    charges, outcomes = list[Charge](), list[Outcome]()
    refused = 0
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
                opens_at = max(opens_at, now + rng.uniform(1.0, 1.02))
            continue
        now = may
        is_let = bucket.lets(now)
        refused += not is_let and now > 40.0
        heappush(back, (now + (rng.uniform(0.4, 0.8) if is_let else 0.002), len(charges)))
        charges.append(admission.take(cost, now, among=len(back), max_tokens=None))
        outcomes.append(REPLY if is_let else REFUSAL)

    assert refused < 35
