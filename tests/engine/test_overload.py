"""503s on a whole lane: a limit that speaks them is kept to, a storm is sat out and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from brim.config import Limits
from brim.engine.limiter import Limiter, Permit
from brim.simulator.clock import run_virtual
from brim.values import Answer, Attempt, Failure, FailureKind, GaugeSource, Outcome, Reply, Request

ANSWER_S = 2.0
REFUSAL_S = 0.02

Refuses = Callable[[float, int], bool]
"""By the time and by how many it is at work on: does the server refuse?"""


class Server:
    """Answers in two seconds, or refuses at once."""

    def __init__(self, refuses: Refuses, status: int) -> None:
        self.refuses = refuses
        self.status = status
        self.busy = 0
        self.refused = 0
        self.answered: list[float] = []

    async def call(self) -> Outcome:
        loop = asyncio.get_running_loop()
        if self.refuses(loop.time(), self.busy):
            self.refused += 1
            await asyncio.sleep(REFUSAL_S)
            return Failure(kind=FailureKind.OVERLOADED, message="busy", status=self.status)
        self.busy += 1
        await asyncio.sleep(ANSWER_S * (0.9 + 0.2 * (len(self.answered) % 7) / 7))
        self.busy -= 1
        self.answered.append(loop.time())
        return Reply(text="")


def play(refuses: Refuses, *, seconds: float, status: int = 503) -> tuple[Limiter, Server]:
    """As many calls as a lane lets go in so much time."""
    server = Server(refuses, status)

    async def work(limiter: Limiter) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < seconds:
            permit = await limiter.admit(Attempt(request=Request(position=0, messages=()), number=1, body=b"{}"))
            assert isinstance(permit, Permit)
            with permit:
                sent_at = loop.time()
                permit.settle(Answer(await server.call(), sent_at, loop.time()))

    async def main() -> Limiter:
        limiter = Limiter(Limits(), rng=Random(1), on_pause=lambda *_: None, on_park=None)
        tasks = [asyncio.create_task(work(limiter)) for _ in range(200)]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return limiter

    return run_virtual(main()), server


def test_a_cap_on_calls_at_once_that_says_503_is_found() -> None:
    """
    Twenty at once are served, whatever the lane tries: after some seconds it sends twenty, and hardly ever one more.
    """
    limiter, server = play(lambda _, busy: busy >= 20, seconds=200.0)

    assert limiter.window.size in {20, 21}
    assert len(server.answered) > 0.95 * 200.0 * 20 / ANSWER_S
    assert server.refused < 0.04 * len(server.answered)


def test_a_rate_that_says_503_is_learnt() -> None:
    """
    Ten a second with a burst of twenty, as nginx counts: the lane paces itself, as it would after 429s.
    """
    excess, last = 0.0, 0.0

    def refuses(now: float, _: int) -> bool:
        nonlocal excess, last
        left = max(0.0, excess - 10.0 * (now - last))
        if left + 1.0 > 20.0:
            return True
        excess, last = left + 1.0, now
        return False

    limiter, server = play(refuses, seconds=200.0)

    rates = [gauge.limit for gauge in limiter.gauges() if gauge.source is GaugeSource.REFUSALS]
    assert rates
    assert abs(rates[0] - 600.0) < 60.0
    assert len(server.answered) > 0.95 * 10.0 * (200.0 - ANSWER_S)
    assert server.refused < 0.03 * len(server.answered)


@pytest.mark.parametrize("status", [503, 529])
def test_after_a_storm_the_lane_goes_on_as_before(status: int) -> None:
    """
    For 20 seconds three calls in five are refused whatever is sent. Within a minute the lane is as wide as before.
    """
    chance = Random(3)
    _, server = play(lambda now, _: 40.0 < now < 60.0 and chance.random() < 0.6, seconds=120.0, status=status)

    before = sum(30.0 < at < 40.0 for at in server.answered)
    after = sum(110.0 < at < 120.0 for at in server.answered)
    assert after > 0.9 * before
