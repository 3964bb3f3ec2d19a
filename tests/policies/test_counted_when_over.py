"""Output tokens that a server counts when a call is over: what is under way is no longer to be had, though it is shown."""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random

import pytest

from brim.config import Limits
from brim.policies.admission import Admission
from brim.policies.charges import Charge
from brim.policies.tokens import Charging
from brim.values import Answer, Dimension, Failure, FailureKind, FinishReason, LimitLevel, Reply, Usage

RATE = 4_000.0
BODY = b"x" * 200


class Server:
    """Two limits: 20 calls a second, and output tokens that are taken when a call ends, from a bucket of *size*."""

    def __init__(self, size: float) -> None:
        self.size = size
        self.output, self.calls = size, 100.0
        self.at = 0.0

    def reach(self, now: float) -> None:
        """Let time pass."""
        self.output = min(self.size, self.output + RATE * (now - self.at))
        self.calls = min(100.0, self.calls + 20.0 * (now - self.at))
        self.at = now

    def lets(self) -> bool:
        """May a call begin?"""
        if self.calls < 1.0 or self.output < 0.0:
            return False
        self.calls -= 1.0
        return True

    def levels(self) -> tuple[LimitLevel, ...]:
        """What headers show: tokens in thousands."""
        output = 1_000.0 * round(max(0.0, self.output) / 1_000.0)
        return (
            LimitLevel(Dimension.REQUESTS, 1_200.0, float(int(self.calls)), (100.0 - self.calls) / 20.0),
            LimitLevel(Dimension.OUTPUT_TOKENS, 60.0 * RATE, output, (self.size - self.output) / RATE),
        )


def carry(calls: int, size: float, *, seed: int) -> tuple[float, int]:
    """Send so many calls with answers of very different lengths, each as soon as it may go.

    Returns when the last went, as a multiple of the time in which all their tokens come back, and how many were refused.
    """
    rng, server = Random(seed), Server(size)
    admission = Admission(Limits(), charging=Charging.COUNTS_OUTPUT, now=0.0)
    lengths = [int(min(2_000.0, max(10.0, rng.lognormvariate(5.5, 1.2)))) for _ in range(calls)]
    todo, ends = list(reversed(lengths)), list[tuple[float, int, int, Charge]]()
    now, refused, window, number = 0.0, 0, 8, 0
    while todo:
        cost = admission.cost(BODY, 2_000)
        may = now + admission.ready_in(cost, now) if len(ends) < window else float("inf")
        if ends and ends[0][0] <= may:
            now, _, length, charge = heappop(ends)
            server.reach(now)
            server.output -= length
            reply = Reply(text="x", finish_reason=FinishReason.STOP, usage=Usage(input_tokens=50, output_tokens=length))
            answer = Answer(outcome=reply, sent_at=charge.at, ended_at=now, levels=server.levels())
            admission.answered(charge, answer, now)
            window = calls
            continue
        now, number = may, number + 1
        server.reach(now)
        charge = admission.take(cost, now, among=len(ends) + 1, max_tokens=2_000)
        if server.lets():
            length = todo.pop()
            heappush(ends, (now + 0.4 + 0.005 * length, number, length, charge))
            continue
        refused += 1
        failure = Failure(kind=FailureKind.THROTTLED, message="slow down")
        answer = Answer(outcome=failure, sent_at=now, ended_at=now, levels=server.levels())
        admission.answered(charge, answer, now)
        admission.refused(charge, answer, failure, now)
        now += max(0.5, -server.output / RATE)  # as the server asks
    return now * RATE / sum(lengths), refused


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("minutes", [0.25, 1.0])
def test_what_is_under_way_is_not_spent_twice(seed: int, minutes: float) -> None:
    """
    Answers take up to ten seconds, and their tokens count when they end: next to none is refused, and the bucket is
    used.
    """
    took, refused = carry(2_000, minutes * 60.0 * RATE, seed=seed)

    assert refused <= 2
    assert took < 1.0
