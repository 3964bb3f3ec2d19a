"""Looks at the lanes four times a second and tells what keeps each from sending more.

What binds is looked up, never followed, so that it costs a call nothing. The same look shows whether this process
itself is the bottleneck: its timer comes late, or its thread has had no rest.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from brim.events import Event, LaneState
from brim.values import Bound, Constraint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from brim.engine.lane import Lane

__all__ = ["PERIOD_S", "Sampler"]

PERIOD_S: Final = 0.25
"""Seconds between two looks."""

_LATE_S: Final = 0.1
"""A timer that is later than this would have been late for an attempt too."""
_BUSY: Final = 0.9
"""Of the time since the last look, the share from which on a thread has nothing left to give."""

_CPU: Final = Bound(Constraint.CPU, "own CPU")
_NEVER_OURS: Final = frozenset({Constraint.HELD, Constraint.PARKED, Constraint.DAY, Constraint.OUTAGE})
"""What holds a lane up however fast this process is."""
_PERHAPS_OURS: Final = frozenset({Constraint.SOURCE, Constraint.CONCURRENCY})
"""What a process without time left looks like: answers are not read, and the input is not either."""


class Sampler:
    """Tells the state of every lane while there is work.

    Args:
        lanes: those there are, asked at every look.
        emit: told a `LaneState` for each of them at every look.
        cpu: seconds of CPU that this thread has used.
    """

    def __init__(
        self,
        lanes: Callable[[], Iterable[Lane]],
        emit: Callable[[Event], None],
        *,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._lanes = lanes
        self._emit = emit
        self._cpu = cpu
        self._works = 0
        self._timer: asyncio.TimerHandle | None = None
        self._looked_at = self._used = 0.0

    @contextmanager
    def during(self) -> Iterator[None]:
        """Look for as long as the context lasts. Several may overlap: the lanes are looked at once."""
        self._works += 1
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._looked_at, self._used = loop.time(), self._cpu()
            self._timer = loop.call_at(self._looked_at + PERIOD_S, self._look, loop, self._looked_at + PERIOD_S)
        try:
            yield
        finally:
            self._works -= 1
            if not self._works and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now, used = loop.time(), self._cpu()
        seconds = now - self._looked_at
        is_late = now - due > _LATE_S
        is_busy = used - self._used >= _BUSY * seconds
        for lane in self._lanes():
            bound = lane.bound()
            is_ours = is_late or (is_busy and bound.constraint in _PERHAPS_OURS)
            if is_ours and bound.constraint not in _NEVER_OURS:
                bound = _CPU
            limiter = lane.limiter
            state = LaneState(
                lane=lane.name,
                bound=bound,
                gauges=limiter.gauges(),
                seconds=seconds,
                in_flight=limiter.in_flight,
                waiting=limiter.waiting + lane.held,
            )
            self._emit(state)
        self._looked_at, self._used = now, used
        self._timer = loop.call_at(now + PERIOD_S, self._look, loop, now + PERIOD_S)
