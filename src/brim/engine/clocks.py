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
    from collections.abc import Sequence

    from brim.config import Timeouts
    from brim.policies.timeouts import LearntTotal
    from brim.values import LimitLevel

__all__ = ["Watch"]

_LOOK_AGAIN_S: Final = 30.0
"""The total may be learnt anew while an attempt is out, so the watch looks at least this often."""


class Watch:
    """Watches one exchange, as a context around it, and is the `Phases` that its transport reports to.

    When a clock runs out the exchange is cancelled, the context swallows that cancellation, and `expired` says what
    happened. A cancellation from outside passes through untouched. It also keeps what the head of the answer said about
    the server's limits, as `levels`.

    Args:
        timeouts: how long each phase may last.
        total: how long the whole exchange may.
        is_stream: is the answer read in pieces? Then it has begun when a piece of content is `heard`, not at its head
            or a keep-alive.
    """

    __slots__ = (
        "_awaits_piece",
        "_cancelling",
        "_handle",
        "_loop",
        "_moved_at",
        "_task",
        "_timeouts",
        "_total",
        "expired",
        "levels",
        "phase",
        "started_at",
    )

    def __init__(self, timeouts: Timeouts, total: LearntTotal, *, is_stream: bool = False) -> None:
        self._timeouts = timeouts
        self._awaits_piece = is_stream
        self._total = total
        self._loop = asyncio.get_running_loop()
        self.phase = Phase.CONNECTING
        self.expired: Failure | None = None
        self.levels: Sequence[LimitLevel] = ()

    def reached(self, phase: Phase) -> None:
        """See `brim.transport.Phases`."""
        self.phase = phase
        if phase is Phase.ANSWERING:  # the one phase with a clock that starts anew
            self._moved_at = self._loop.time()

    def now(self) -> float:
        """The engine's time."""
        return self._loop.time()

    def heard(self) -> None:
        """A piece of the answer itself has come."""
        self._awaits_piece = False

    def __enter__(self) -> Self:
        task = asyncio.current_task(self._loop)
        assert task is not None, "an exchange runs in a task"
        self._task = task
        self._cancelling = task.cancelling()
        self.started_at = self._moved_at = self._loop.time()
        timeouts = self._timeouts
        first = min(timeouts.connect, timeouts.silence, self._total.seconds, _LOOK_AGAIN_S)
        if timeouts.first is not None:
            first = min(first, timeouts.first)
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
            # A silence that begins after this look ends before the next one no sooner than this.
            again = min(_LOOK_AGAIN_S, self._timeouts.silence)
            self._handle = self._loop.call_at(min(due, now + again), self._ring)
            return
        self.expired = _timed_out(clock, seconds, self.phase)
        self._task.cancel()

    def _next_due(self) -> tuple[str, float, float]:
        """The clock that runs out first in the present phase, its length and its end."""
        timeouts = self._timeouts
        clocks = [("the whole attempt", self._total.seconds, self.started_at + self._total.seconds)]
        if self.phase is Phase.CONNECTING:
            clocks.append(("connecting", timeouts.connect, self._moved_at + timeouts.connect))
        elif self.phase is Phase.ANSWERING:
            clocks.append(("silence within the answer", timeouts.silence, self._moved_at + timeouts.silence))
        if timeouts.first is not None and (self._awaits_piece or self.phase < Phase.ANSWERING):
            clocks.append(("waiting for the answer to begin", timeouts.first, self.started_at + timeouts.first))
        return min(clocks, key=lambda due: due[2])


def _timed_out(clock: str, seconds: float, phase: Phase) -> Failure:
    # An attempt that never got a connection can't have been billed: it is no timeout in that sense.
    kind = FailureKind.CONNECTION if phase is Phase.CONNECTING else FailureKind.TIMEOUT
    return Failure(kind=kind, message=f"timed out after {seconds:g} s ({clock})", sent=phase.sent)
