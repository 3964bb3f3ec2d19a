"""Who waits for a permit, in the order in which they go: first in, first out, and who was there before goes before.

A request that was turned away keeps its turn: it goes before those that were never sent. One that is turned away again
and again lets a few of them go first, and so does one that fails while nothing gets through: only others can tell
whether it is bad, or the endpoint down.

While single calls ask whether an endpoint is back, it is who came last that asks. Who has waited longest is the next to
lose patience, and a call that is cancelled before its answer is there tells nothing: where many give up after the same
time, each would ask just before, and no answer would ever end an outage that is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from brim.engine.permits import Waiter
    from brim.policies.health import Health
    from brim.policies.lone import Lone
    from brim.values import Attempt

__all__ = ["Queue"]

_KEEPS_ITS_TURN: Final = 8
"""Up to this attempt a request keeps the turn that it had."""
_LETS_GO: Final = 4
"""So many go before one that was turned away again and again."""
_SURE_OF_ITSELF: Final = 2
_ASKED: Final = 8
"""From the next attempt on a request that fails while nothing gets through lets so many go first: as many as show that
the endpoint is down. It would have used up all of its attempts otherwise, where calls leave seldom."""


class Queue:
    """A queue of waiters. *lone* knows which of their rows were refused lately, *health* how the endpoint is."""

    __slots__ = ("_health", "_lone", "_waiters")

    def __init__(self, lone: Lone, health: Health) -> None:
        self._lone = lone
        self._health = health
        self._waiters: deque[Waiter] = deque()

    def __len__(self) -> int:
        return len(self._waiters)

    def __iter__(self) -> Iterator[Waiter]:
        """All who wait at present; who is dropped or let go meanwhile is told of all the same."""
        return iter(tuple(self._waiters))

    @property
    def first(self) -> Waiter | None:
        """Who goes next; None if nobody waits. Who gave up is forgotten."""
        waiters = self._waiters
        while waiters and waiters[0].told.cancelled():
            waiters.popleft()
        return waiters[self._next] if waiters else None

    @property
    def _next(self) -> int:
        """Where who goes next stands: at the front, or as a probe at the end, if who is there was never sent."""
        waiters = self._waiters
        if not self._health.is_held:
            return 0
        while waiters[-1].told.cancelled():
            waiters.pop()
        return -1 if waiters[-1].behind is None else 0

    def behind(self, attempt: Attempt | None) -> int | None:
        """How many of those that were never sent go before an attempt; None for all."""
        if attempt is None or attempt.number == 1:
            return None
        row = self._lone.row(attempt)
        if row is not None:
            return 0 if row.goes_first else _LETS_GO
        if self._health.is_held:  # who failed may be bad itself: a fresh one asks better whether the endpoint is back
            return _LETS_GO if attempt.number > _KEEPS_ITS_TURN else 1
        if attempt.number > _KEEPS_ITS_TURN:
            return None
        return _ASKED if attempt.number > _SURE_OF_ITSELF and self._health.is_in_doubt else 0

    def line_up(self, waiter: Waiter) -> None:
        """*waiter* waits from now on."""
        if waiter.behind is None:
            self._waiters.append(waiter)
        else:
            self._waiters.insert(waiter.behind + sum(1 for _ in takewhile(_was_there, self._waiters)), waiter)

    def pop(self) -> Waiter:
        """Take out who goes next: the `first`, who is there."""
        return self._waiters.pop() if self._next else self._waiters.popleft()

    def drop(self, waiter: Waiter) -> None:
        """*waiter* waits no more, if it did."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def clear(self) -> None:
        """Forget all."""
        self._waiters.clear()

    def longest(self, now: float) -> float:
        """Since when the first of those waits that were never sent; *now* if there is none."""
        return next((each.since for each in self._waiters if not _was_there(each)), now)


def _was_there(waiter: Waiter) -> bool:
    return waiter.behind == 0
