"""The requests of one run in one lane: those that are alive, and those that are held until there is room.

A lane may serve several runs at once, as when a program reads two `complete_each` of one client. Each has a crew of its
own, so that a run only ever takes its own requests, and what one leaves behind goes with it. Who of them sends next is
up to the limiter's queue, in which they take turns.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from brim.engine.limiter import Limiter
    from brim.engine.path import Prepared

__all__ = ["Crew"]

_MOST_RESTING: Final = 16
"""So many requests may rest out a backoff beside those on the wire, or as many again where that is more."""
_FRESH: Final = 16
"""While an endpoint seems down so many more come alive: one that never failed asks best whether it is back."""


class Crew:
    """What one run has in a lane.

    Args:
        limiter: the lane's.
        resting: the lane's requests that rest out a backoff.
        start: called when there may be room for more.

    Attributes:
        alive: requests on their way: on the wire, before it, or resting.
        starting: those of them that have not taken a step yet.
        held: requests that wait until there is room.
        is_whole: are all requests of the run here?
    """

    __slots__ = ("_limiter", "_resting", "alive", "held", "is_whole", "start", "starting")

    def __init__(self, limiter: Limiter, resting: Sized, start: Callable[[Crew], None]) -> None:
        self._limiter = limiter
        self._resting = resting
        self.start = start
        self.alive = self.starting = 0
        self.held: deque[Prepared] = deque()
        self.is_whole = False

    def room(self) -> int:
        """How many requests more may come alive; below 0 if the window has shrunk, so that too many are.

        As many as may be on the wire, so that hardly any has to queue; those that rest out a backoff leave their
        place to others, within bounds.
        """
        size = self._limiter.window.size
        if self._limiter.health.is_held:
            size += _FRESH
        if not self._resting:
            return size - self.alive
        return min(size + len(self._resting), self._most_alive) - self.alive

    def hold(self, prepared: Prepared) -> None:
        """Keep *prepared* until there is room for it."""
        self.held.append(prepared)
        self._limiter.held(prepared.request)

    def take(self) -> Prepared:
        """The first of those that are kept."""
        prepared = self.held.popleft()
        self._limiter.took(prepared.request)
        return prepared

    def disband(self) -> None:
        """The run is over: nobody will take what is kept."""
        while self.held:
            self._limiter.dropped(self.held.popleft().request)

    @property
    def is_held_up(self) -> bool:
        """Does a request wait here for which there would be room, if nothing but backoffs filled the lane?"""
        return bool(self.held) and not self._is_full_of_rest

    @property
    def _is_full_of_rest(self) -> bool:
        """Do so many rest out a backoff that no other may come alive?"""
        return self.alive >= self._most_alive and self.alive - len(self._resting) < self._limiter.window.size

    @property
    def _most_alive(self) -> int:
        ceiling = self._limiter.limits.concurrency
        return ceiling + max(ceiling, _MOST_RESTING)
