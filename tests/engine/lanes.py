"""A limiter on virtual time, with what it told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from brim.config import Limits
from brim.engine.limiter import Limiter, Permit
from brim.events import Hold
from brim.policies.tokens import Cost
from brim.simulator.clock import run_virtual
from brim.values import Answer, Attempt, Failure, FailureKind, Outcome, Reply, Request

OK = Reply(text="")


def attempt(position: int = 0, body: bytes = b"{}", max_tokens: int | None = None) -> Attempt:
    request = Request(position=position, messages=(), max_tokens=max_tokens)
    return Attempt(request=request, number=1, body=body)


def now() -> float:
    return asyncio.get_running_loop().time()


def settle(permit: Permit, outcome: Outcome = OK) -> None:
    permit.settle(Answer(outcome, now(), now()))
    permit.release()


def throttled(retry_after: float | None = None) -> Failure:
    return Failure(kind=FailureKind.THROTTLED, message="slow down", retry_after=retry_after)


class Gatekeeper:
    """A limiter; who went when, and what it told."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._sent = 0
        self.parked: list[Failure] = []
        self.went: list[tuple[int, float]] = []
        self.failed: list[tuple[int, Failure]] = []
        self.waits: list[tuple[int, tuple[Hold, ...]]] = []
        self.limiter = Limiter(
            limits or Limits(),
            rng=Random(1),
            on_pause=lambda _, __: None,
            on_park=self.parked.append,
            on_admitted=self._admitted,
        )

    def _admitted(self, attempt: Attempt, _: Cost, holds: tuple[Hold, ...]) -> None:
        self.waits.append((attempt.request.position, holds))

    @property
    def times(self) -> list[float]:
        return [time for _, time in self.went]

    async def permit(self) -> Permit:
        permit = await self.limiter.admit(attempt())
        assert isinstance(permit, Permit)
        return permit

    async def go(self, position: int = 0, *, takes: float = 0.0, body: bytes = b"{}") -> None:
        permit = await self.limiter.admit(attempt(position, body))
        if isinstance(permit, Failure):
            self.failed.append((position, permit))
            return
        self.went.append((position, now()))
        with permit:
            await asyncio.sleep(takes)
            permit.settle(Answer(OK, now() - takes, now()))

    def send(self, count: int, *, takes: float = 0.0) -> list[asyncio.Task[None]]:
        self._sent += count
        return [asyncio.create_task(self.go(number, takes=takes)) for number in range(self._sent - count, self._sent)]


def virtual(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    run_virtual(main())
