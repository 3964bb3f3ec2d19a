"""Why an attempt had to wait: what held up the head of the queue, and since when.

Attempts go in order, so what holds up the first holds up all behind it. The limiter notes it where it looks anyway; a
wait is then a piece of that log. Kept only for those who ask for a trace.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from brim.events import Hold

if TYPE_CHECKING:
    from collections.abc import Callable

    from brim.engine.permits import Waiter
    from brim.policies.tokens import Cost
    from brim.values import Attempt, Bound

__all__ = ["WaitLog"]

_MOST: Final = 16
"""A wait that changed its reason more often is summed up by reason."""


class WaitLog:
    """Remembers what held up the queue for as long as somebody waits who saw it.

    Args:
        tell: told every attempt that waited, its cost and what it waited for, in order.
    """

    def __init__(self, tell: Callable[[Attempt, Cost, tuple[Hold, ...]], None]) -> None:
        self._tell = tell
        self._log: deque[tuple[float, Bound]] = deque()

    def looked(self, bound: Bound | None, now: float, *, since: float) -> None:
        """From *now* on *bound* holds up the first of the queue, who waits *since* then."""
        log = self._log
        if bound is not None and (not log or log[-1][1] != bound):
            log.append((now, bound))
        while len(log) > 1 and log[1][0] <= since:
            log.popleft()

    def admitted(self, waiter: Waiter, now: float) -> None:
        """*waiter* goes. Told on is what an attempt waited for."""
        holds = self._holds(waiter.since, now)
        if holds and waiter.attempt is not None:
            self._tell(waiter.attempt, waiter.cost, holds)

    def _holds(self, since: float, now: float) -> tuple[Hold, ...]:
        holds = []
        until = now
        for at, bound in reversed(self._log):
            if until <= since:
                break
            begin = max(at, since)
            if begin < until:
                holds.append(Hold(bound, until - begin))
                until = begin
        if len(holds) > _MOST:
            sums: dict[Bound, float] = {}
            for hold in reversed(holds):
                sums[hold.bound] = sums.get(hold.bound, 0.0) + hold.seconds
            return tuple(Hold(bound, seconds) for bound, seconds in sums.items())
        return tuple(reversed(holds))
