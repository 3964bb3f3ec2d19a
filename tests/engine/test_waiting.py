"""Who goes next, where callers lose patience."""

from __future__ import annotations

import asyncio
from random import Random

from brim.config import Limits
from brim.engine.limiter import Limiter, Permit
from brim.simulator.clock import run_virtual
from brim.values import Answer, Attempt, Failure, FailureKind, Outcome, Reply, Request

PATIENCE_S = 30.0
ENDS_AT = 80.0


class Service:
    """An endpoint that says 503 from second 20 to 80, and callers who wait no longer than half a minute each."""

    def __init__(self) -> None:
        self.limiter = Limiter(Limits(), rng=Random(1), on_pause=lambda _s, _f: None, on_park=None)
        self.answered: list[float] = []
        self.gave_up: list[float] = []

    async def play(self, seconds: int) -> None:
        """One call a second, each of which takes ten when it is answered."""
        calls = []
        for second in range(seconds):
            calls.append(asyncio.create_task(self._call(float(second))))
            await asyncio.sleep(1.0)
        await asyncio.gather(*calls)

    async def _call(self, came_at: float) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not isinstance(await self._send(), Reply):  # noqa: ASYNC110 - a backoff
                    await asyncio.sleep(1.0)
            self.answered.append(came_at)
        except TimeoutError:
            self.gave_up.append(came_at)

    async def _send(self) -> Outcome:
        permit = await self.limiter.admit(Attempt(request=Request(messages=()), number=1, body=b"{}"))
        assert isinstance(permit, Permit)
        loop = asyncio.get_running_loop()
        with permit:
            sent_at = loop.time()
            is_down = 20.0 <= sent_at < ENDS_AT
            await asyncio.sleep(0.1 if is_down else 10.0)
            outcome: Outcome = Reply(text="ok")
            if is_down:
                outcome = Failure(kind=FailureKind.OVERLOADED, message="503", status=503)
            permit.settle(Answer(outcome, sent_at, loop.time()))
            return outcome


def test_impatient_callers_do_not_keep_an_endpoint_down() -> None:
    """
    An outage is over. Whoever waited longest would ask, and be gone before the answer is there; so nobody ever knew.
    """

    async def main() -> Service:
        service = Service()
        await service.play(400)
        return service

    service = run_virtual(main())

    assert [at for at in service.gave_up if at > ENDS_AT] == []
    assert len(service.answered) > 330


def test_a_retried_call_asks_if_nobody_else_waits() -> None:
    """
    Where all who wait were sent before, the first of them asks.
    """

    async def main() -> list[int]:
        limiter = Limiter(Limits(concurrency=8), rng=Random(1), on_pause=lambda _s, _f: None, on_park=None)
        loop, went = asyncio.get_running_loop(), list[int]()

        async def call(position: int, number: int) -> None:
            request = Request(position=position, messages=())
            permit = await limiter.admit(Attempt(request=request, number=number, body=b"{}"))
            assert isinstance(permit, Permit)
            with permit:
                went.append(position)
                await asyncio.sleep(0.1)
                failure = Failure(kind=FailureKind.OVERLOADED, message="503", status=503)
                permit.settle(Answer(failure, loop.time() - 0.1, loop.time()))

        await asyncio.gather(*(call(position, 1) for position in range(8)))
        assert limiter.health.is_down
        went.clear()
        await asyncio.gather(*(call(position, 2) for position in range(3)))
        return went

    assert run_virtual(main())[0] == 0
