"""Why an attempt had to wait: what held up the head of the queue, and since when.

Attempts go in order, so what holds up the first holds up all behind it, and the requests that are not even attempts
yet, since they are held until there is room on the wire. The limiter notes it where it looks anyway; a wait is then a
piece of that log. Kept only for those who ask for a trace.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from brim.events import Hold

if TYPE_CHECKING:
    from collections.abc import Callable

    from brim.engine.permits import Waiter
    from brim.policies.tokens import Cost
    from brim.values import Attempt, Bound, Request

__all__ = ["WaitLog"]

_MOST: Final = 16
"""A wait that changed its reason more often is summed up by reason."""
_LONGEST: Final = 4_096
"""No more changes are remembered."""


class WaitLog:
    """Remembers what held up the queue for as long as somebody waits who saw it.

    Args:
        tell: told every attempt that waited, its cost and what it waited for, in order.
    """

    def __init__(self, tell: Callable[[Attempt, Cost, tuple[Hold, ...]], None]) -> None:
        self._tell = tell
        self._log: deque[tuple[float, Bound]] = deque(maxlen=_LONGEST)
        self._held: dict[int, float] = {}
        self._before: dict[int, tuple[Hold, ...]] = {}

    @property
    def waiting(self) -> int:
        """Requests of which a wait for room is remembered."""
        return len(self._held) + len(self._before)

    def held(self, request: Request, now: float) -> None:
        """*request* is there, in the order in which all will go, and waits until there is room for an attempt."""
        self._held[id(request)] = now

    def taken(self, request: Request, now: float) -> None:
        """There is room for *request*, which was held."""
        holds = self._holds(self._held.pop(id(request)), now)
        if holds:
            self._before[id(request)] = holds

    def dropped(self, request: Request) -> None:
        """*request*, which was held, will never come."""
        self._held.pop(id(request), None)

    def given_up(self, attempt: Attempt | None) -> None:
        """*attempt* will not go."""
        if attempt is not None:
            self._before.pop(id(attempt.request), None)

    def looked(self, bound: Bound | None, now: float, *, since: float) -> None:
        """From *now* on *bound* holds up the first of the queue, who waits *since* then."""
        log = self._log
        if bound is not None and (not log or log[-1][1] != bound):
            log.append((now, bound))
        since = min(since, next(iter(self._held.values()), since))
        while len(log) > 1 and log[1][0] <= since:
            log.popleft()

    def admitted(self, waiter: Waiter, now: float) -> None:
        """*waiter* goes. Told on is what an attempt waited for."""
        if waiter.attempt is not None:
            self._went(waiter.attempt, waiter.cost, self._holds(waiter.since, now))

    def admitted_at_once(self, attempt: Attempt | None, cost: Cost) -> None:
        """*attempt* goes, and did not wait for that; perhaps it did to become one."""
        if attempt is not None and self._before:
            self._went(attempt, cost, ())

    def _went(self, attempt: Attempt, cost: Cost, holds: tuple[Hold, ...]) -> None:
        before = self._before.pop(id(attempt.request), ())
        if before and holds and before[-1].bound == holds[0].bound:
            joined = Hold(holds[0].bound, before[-1].seconds + holds[0].seconds)
            before, holds = (*before[:-1], joined), holds[1:]
        if before or holds:
            self._tell(attempt, cost, _summed((*before, *holds)))

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
        return tuple(reversed(holds))


def _summed(holds: tuple[Hold, ...]) -> tuple[Hold, ...]:
    """*holds* by their reason, if they are many."""
    if len(holds) <= _MOST:
        return holds
    sums: dict[Bound, float] = {}
    for hold in holds:
        sums[hold.bound] = sums.get(hold.bound, 0.0) + hold.seconds
    return tuple(Hold(bound, seconds) for bound, seconds in sums.items())
