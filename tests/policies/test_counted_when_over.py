"""Output tokens that a server counts when a call is over: what is under way is spent, though it is shown as left."""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random

import pytest

from brim.config import Limits
from brim.policies.admission import Admission
from brim.policies.charges import Charge
from brim.policies.tokens import Charging, Cost
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


class Client:
    """Sends calls with answers of very different lengths, each as soon as it may go."""

    def __init__(self, calls: int, server: Server, *, seed: int) -> None:
        rng = Random(seed)
        self.server = server
        self.admission = Admission(Limits(), charging=Charging.COUNTS_OUTPUT, now=0.0)
        self.todo = [int(min(2_000.0, max(10.0, rng.lognormvariate(5.5, 1.2)))) for _ in range(calls)]
        self.needs_s = sum(self.todo) / RATE
        self.ends: list[tuple[float, int, int, Charge]] = []
        self.now = 0.0
        self.refused = self.number = 0
        self.window = 8

    def carry(self) -> None:
        """Send all."""
        while self.todo:
            cost = self.admission.cost(BODY, 2_000)
            may = self.now + self.admission.ready_in(cost, self.now) if len(self.ends) < self.window else float("inf")
            if self.ends and self.ends[0][0] <= may:
                self._end()
            else:
                self.now = may
                self._send(cost)

    def _end(self) -> None:
        self.now, _, length, charge = heappop(self.ends)
        self.server.reach(self.now)
        self.server.output -= length
        usage = Usage(input_tokens=50, output_tokens=length)
        self._answer(charge, Reply(text="x", finish_reason=FinishReason.STOP, usage=usage))
        self.window = 1_000

    def _send(self, cost: Cost) -> None:
        self.server.reach(self.now)
        charge = self.admission.take(cost, self.now, among=len(self.ends) + 1, max_tokens=2_000)
        if self.server.lets():
            length = self.todo.pop()
            self.number += 1
            heappush(self.ends, (self.now + 0.4 + 0.005 * length, self.number, length, charge))
            return
        self.refused += 1
        failure = Failure(kind=FailureKind.THROTTLED, message="slow down")
        answer = self._answer(charge, failure)
        self.admission.refused(charge, answer, failure, self.now)
        self.now += max(0.5, -self.server.output / RATE)  # as the server asks

    def _answer(self, charge: Charge, outcome: Reply | Failure) -> Answer:
        answer = Answer(outcome=outcome, sent_at=charge.at, ended_at=self.now, levels=self.server.levels())
        self.admission.answered(charge, answer, self.now)
        return answer


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("minutes", [0.25, 1.0])
def test_what_is_under_way_is_not_spent_twice(seed: int, minutes: float) -> None:
    """
    Answers take up to ten seconds, and their tokens count when they end: next to none is refused, and the bucket is
    used.
    """
    client = Client(2_000, Server(minutes * 60.0 * RATE), seed=seed)

    client.carry()

    assert client.refused <= 2
    assert client.now < client.needs_s
