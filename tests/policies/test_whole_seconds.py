"""Windows of a second whose refusals ask for a whole second: nothing is saved up meanwhile, and questions are dear."""

from __future__ import annotations

from collections import Counter
from heapq import heappop, heappush
from math import inf

import pytest

from brim.config import Limits
from brim.policies.admission import Admission
from brim.policies.charges import Charge
from brim.policies.tokens import Charging
from brim.values import Answer, Failure, FailureKind, FinishReason, Outcome, Reply, Usage

REPLY = Reply(text="x", finish_reason=FinishReason.STOP, usage=Usage(input_tokens=50, output_tokens=20))
REFUSAL = Failure(kind=FailureKind.THROTTLED, message="slow down", retry_after=1.0)


@pytest.mark.parametrize(("limit", "least"), [(20, 0.93), (40, 0.93), (100, 0.93)])
def test_a_second_that_is_waited_out_does_not_pass_for_a_lower_limit(limit: int, least: float) -> None:
    """
    So many in each second, a wait of one second named by each refusal: after the first ones the seconds are filled.
    """
    admission = Admission(Limits(), charging=Charging.RESERVES_CAP, now=0.0)
    now, opens_at, window = 0.0, 0.0, 8
    seconds = Counter[int]()
    back = list[tuple[float, int]]()
    charges, outcomes = list[Charge](), list[Outcome]()
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
                opens_at = max(opens_at, now + 1.0)
            continue
        now = may
        second = int(now + 0.37)
        is_let = seconds[second] < limit
        seconds[second] += is_let
        heappush(back, (now + (0.3 if is_let else 0.002), len(charges)))
        charges.append(admission.take(cost, now, among=len(back), max_tokens=None))
        outcomes.append(REPLY if is_let else REFUSAL)

    assert sum(seconds[second] for second in range(20, 100)) > least * 80 * limit
