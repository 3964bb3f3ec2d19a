"""How a server charges tokens, told by how what it shows as left falls."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import pytest

from brim.config import Limits
from brim.policies.admission import Admission
from brim.policies.charges import Charge
from brim.policies.tokens import Charging
from brim.values import Answer, Dimension, FinishReason, LimitLevel, Reply, Usage

CAP = 900
LIMIT = 600_000.0
LATENCY_S = 1.5
BODY = b"a few words that make up the prompt of a call " * 40
PROMPT = 430


class Way(NamedTuple):
    """What a server takes when a call comes in, and what more (or less) when its answer is done."""

    at_first: float
    by_output: float
    cap_back: float


WAYS = {
    Charging.RESERVES_CAP: Way(PROMPT + CAP, 0.0, 0.0),
    Charging.LARGER: Way(CAP, 0.0, 0.0),
    Charging.REFUNDED: Way(PROMPT + CAP, 1.0, CAP),
    Charging.USED: Way(PROMPT, 1.0, 0.0),
}


class Run:
    """Calls of an admission against a bucket of a minute, each answered a while after it went."""

    def __init__(self, charging: Charging, *, stale: int = 1, taken: float = 0.0) -> None:
        self.way = WAYS[charging]
        self.admission = Admission(Limits(), charging=Charging.RESERVES_CAP, now=0.0)
        self.now = self.last = 0.0
        self.left = LIMIT
        self.taken = taken
        self.stale = stale
        self.shown = LIMIT
        self.calls = self.refused = 0
        self.rng = Random(3)

    def move(self, now: float) -> None:
        self.left = min(LIMIT, self.left + (now - self.last) * (LIMIT / 60.0 - self.taken))
        self.last = now

    def carry(self, calls: int) -> float:
        """Send so many as soon as each may go. Returns the tokens that the last one was held to take."""
        admission, cost = self.admission, 0.0
        flying: list[tuple[float, Charge, int]] = []
        for _ in range(calls):
            wait, wanted = 1.0, admission.cost(BODY, CAP)
            while wait:
                wanted = admission.renew(wanted, CAP)
                wait = max(admission.ready_in(wanted, self.now), 0.01 if len(flying) >= 100 else 0.0)
                if flying and flying[0][0] <= self.now + wait:
                    self.answer(*flying.pop(0))
                else:
                    self.now += wait
            charge = admission.take(wanted, self.now, among=1, max_tokens=CAP)
            cost = wanted.amounts[1]
            self.move(self.now)
            self.refused += self.left < self.way.at_first
            self.left -= self.way.at_first
            self.calls += 1
            if self.calls % self.stale == 0:
                self.shown = self.left
            flying.append((self.now + LATENCY_S, charge, int(self.shown)))
        return cost

    def answer(self, at: float, charge: Charge, shown: int) -> None:
        self.now = max(self.now, at)
        self.move(self.now)
        made = self.rng.randint(20, 180)
        self.left += self.way.cap_back - self.way.by_output * made
        reply = Reply(text="", finish_reason=FinishReason.STOP, usage=Usage(input_tokens=PROMPT, output_tokens=made))
        level = LimitLevel(Dimension.TOKENS, limit=LIMIT, remaining=max(0, shown))
        answer = Answer(outcome=reply, sent_at=charge.at, ended_at=self.now, levels=(level,))
        self.admission.answered(charge, answer, self.now)


TAKES = {
    Charging.RESERVES_CAP: PROMPT + CAP,
    Charging.LARGER: CAP,
    Charging.REFUNDED: PROMPT + CAP,
    Charging.USED: PROMPT + 100,
}


@pytest.mark.parametrize("charging", list(WAYS))
@pytest.mark.parametrize("stale", [1, 10])
def test_the_way_of_charging_is_learnt(charging: Charging, stale: int) -> None:
    """
    After some hundred calls each is held to take what the server takes, be what it shows fresh or ten calls old.
    """
    run = Run(charging, stale=stale)

    assert run.carry(400 if stale == 1 else 800) == pytest.approx(TAKES[charging], rel=0.1)


def test_a_server_that_counts_what_is_used_is_filled() -> None:
    """
    Two thousand calls take what their tokens need, less the full bucket at the beginning, not 2.5 times as long.
    """
    run = Run(Charging.USED)
    run.carry(3_000)

    assert run.refused == 0
    assert run.now == pytest.approx((3_000 * (PROMPT + 100) - LIMIT) / (LIMIT / 60.0), rel=0.1)


def test_who_else_takes_tokens_is_not_taken_for_another_way() -> None:
    """
    A server that keeps the cap is never held to count less, though somebody else takes a third.
    """
    run = Run(Charging.RESERVES_CAP, taken=LIMIT / 180.0)

    assert run.carry(1_500) == pytest.approx(PROMPT + CAP, rel=0.05)


def test_what_never_changes_tells_nothing() -> None:
    """
    A server that always shows everything left says nothing of what calls take.
    """
    run = Run(Charging.RESERVES_CAP, stale=10**9)

    assert run.carry(500) == pytest.approx(PROMPT + CAP, rel=0.05)


def test_what_misled_at_the_beginning_does_not_do_so_for_ever() -> None:
    """
    Somebody else took far more than the limit while the first calls went: no way fitted that, and one does since.
    """
    run = Run(Charging.LARGER, taken=LIMIT / 10.0)
    run.carry(250)
    run.taken = 0.0

    assert run.carry(400) == pytest.approx(CAP, rel=0.1)
