"""A far end that follows a script: a `Transport` without sockets, for our tests and for users'.

Time is the event loop's own, so a script plays in no time at all on a virtual clock, and exactly:

    far_end = Scripted(Breaks(phase=Phase.SENT), Answers(body=b"{}", after=1.5))

breaks the first exchange after the request was sent and answers the second 1.5 s after it began.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from brim.protocols import WireRequest, WireResponse
from brim.transport import Phase, Phases, TransportError

__all__ = ["Answers", "Breaks", "Hangs", "Scripted", "Step"]


class Step(Protocol):
    """What happens to one exchange."""

    async def play(self, phases: Phases) -> WireResponse:
        """Go through the phases and end as an exchange does: with an answer or a `TransportError`."""


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, *after* seconds from the start, in *pieces* pieces that come *between* seconds apart.

    Its `received_at` is the loop's time.
    """

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = {}
    after: float = 0.0
    pieces: int = 1
    between: float = 0.0

    async def play(self, phases: Phases) -> WireResponse:
        """Answer."""
        _reach(Phase.SENT, phases)
        await asyncio.sleep(self.after)
        phases.reached(Phase.ANSWERING)
        for _ in range(1, self.pieces):
            await asyncio.sleep(self.between)
            phases.reached(Phase.ANSWERING)
        phases.reached(Phase.DONE)
        now = asyncio.get_running_loop().time()
        return WireResponse(status=self.status, headers=self.headers, body=self.body, received_at=now)


class Breaks(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange that comes as far as *phase* and breaks there, *after* seconds from the start."""

    phase: Phase = Phase.CONNECTING
    after: float = 0.0
    message: str = "the script breaks here"
    is_malformed: bool = False

    async def play(self, phases: Phases) -> WireResponse:
        """Break."""
        _reach(self.phase, phases)
        await asyncio.sleep(self.after)
        raise TransportError(self.message, sent=self.phase.sent, is_malformed=self.is_malformed)


class Hangs(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange that comes as far as *phase* and never any further."""

    phase: Phase = Phase.SENT

    async def play(self, phases: Phases) -> WireResponse:
        """Hang until cancelled."""
        _reach(self.phase, phases)
        await asyncio.Event().wait()
        raise AssertionError("nothing ends this but a cancellation")


class Scripted:
    """Plays one step for each exchange, in the order in which they begin.

    Args:
        steps: the script.
        then: what follows when *steps* have run out: a step for every further exchange, or a function that chooses
            one by the request. None makes a further exchange an `AssertionError`.

    Attributes:
        requests: what was asked, in order.
        sent_at: when, by the loop's clock.
        cancelled: exchanges that were cancelled before their end.
        under_way: exchanges that have not ended.
        most_under_way: how many there were at once, at most.
        is_closed: was it closed?
    """

    def __init__(self, *steps: Step, then: Step | Callable[[WireRequest], Step] | None = None) -> None:
        self._steps = iter(steps)
        self._then = then
        self.requests: list[WireRequest] = []
        self.sent_at: list[float] = []
        self.cancelled = 0
        self.under_way = 0
        self.most_under_way = 0
        self.is_closed = False

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of the requests, in order."""
        return [request.body for request in self.requests]

    async def exchange(self, request: WireRequest, phases: Phases) -> WireResponse:
        """Play the next step."""
        step = self._next(request)
        self.requests.append(request)
        self.sent_at.append(asyncio.get_running_loop().time())
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await step.play(phases)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.is_closed = True

    def _next(self, request: WireRequest) -> Step:
        step = next(self._steps, None) or self._then
        if step is None:
            raise AssertionError(f"the script has run out after {len(self.requests)} exchanges")
        return step(request) if callable(step) else step


def _reach(last: Phase, phases: Phases) -> None:
    for phase in Phase:
        if Phase.CONNECTING < phase <= last:
            phases.reached(phase)
