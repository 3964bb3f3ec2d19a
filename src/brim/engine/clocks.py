"""The clocks of one attempt.

The transport reports how far an exchange has come; the watch knows how long each phase may last and cancels the
exchange when its time is up. One timer serves all clocks: it is set for the earliest moment at which any could run out
and looks again when it rings, so that a phase costs a few assignments and no timer of its own.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from brim.transport import Phase
from brim.values import Failure, FailureKind

if TYPE_CHECKING:
    from brim.config import Timeouts
    from brim.policies.timeouts import LearntTotal

__all__ = ["Watch"]

_LOOK_AGAIN_S: Final = 30.0
"""The total may be learnt anew while an attempt is out, so the watch looks at least this often."""


class Watch:
    """Watches one exchange, as a context around it, and is the `Phases` that its transport reports to.

    When a clock runs out the exchange is cancelled, the context swallows that cancellation, and `expired` says what
    happened. A cancellation from outside passes through untouched.
    """

    __slots__ = (
        "_cancelling",
        "_handle",
        "_loop",
        "_moved_at",
        "_task",
        "_timeouts",
        "_total",
        "expired",
        "phase",
        "started_at",
    )

    def __init__(self, timeouts: Timeouts, total: LearntTotal) -> None:
        self._timeouts = timeouts
        self._total = total
        self._loop = asyncio.get_running_loop()
        self.phase = Phase.CONNECTING
        self.expired: Failure | None = None

    def reached(self, phase: Phase) -> None:
        """See `brim.transport.Phases`."""
        self.phase = phase
        self._moved_at = self._loop.time()

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None, "an exchange runs in a task"
        self._task = task
        self._cancelling = task.cancelling()
        self.started_at = self._moved_at = self._loop.time()
        first = min(self._timeouts.connect, self._timeouts.silence, self._total.seconds, _LOOK_AGAIN_S)
        self._handle = self._loop.call_at(self.started_at + first, self._ring)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._handle.cancel()
        if self.expired is None:
            return False
        # The cancellation is ours alone only if nobody else asked for one meanwhile.
        alone = self._task.uncancel() <= self._cancelling
        return alone and kind is not None and issubclass(kind, asyncio.CancelledError)

    def _ring(self) -> None:
        now = self._loop.time()
        clock, seconds, due = self._next_due()
        if now < due:
            self._handle = self._loop.call_at(min(due, now + _LOOK_AGAIN_S), self._ring)
            return
        self.expired = _timed_out(clock, seconds, self.phase)
        self._task.cancel()

    def _next_due(self) -> tuple[str, float, float]:
        """The clock that runs out first in the present phase, its length and its end."""
        total = ("the whole attempt", self._total.seconds, self.started_at + self._total.seconds)
        if self.phase is Phase.CONNECTING:
            limit, clock = self._timeouts.connect, "connecting"
        elif self.phase is Phase.ANSWERING:
            limit, clock = self._timeouts.silence, "silence within the answer"
        else:
            return total
        return min(total, (clock, limit, self._moved_at + limit), key=lambda due: due[2])


def _timed_out(clock: str, seconds: float, phase: Phase) -> Failure:
    # An attempt that never got a connection can't have been billed: it is no timeout in that sense.
    kind = FailureKind.CONNECTION if phase is Phase.CONNECTING else FailureKind.TIMEOUT
    return Failure(kind=kind, message=f"timed out after {seconds:g} s ({clock})", sent=phase.sent)
