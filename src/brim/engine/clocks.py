"""The clocks of a lane's attempts.

The transport reports how far an exchange has come; its watch knows how long each phase may last and cancels the
exchange when its time is up. One timer serves all watches of a lane: it is set for the earliest moment at which any
clock could run out and looks at them all when it rings. So a phase costs a few assignments, and an attempt no timer of
its own.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import msgspec

from brim.transport import Phase
from brim.values import Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from brim.config import Timeouts
    from brim.policies.timeouts import LearntTotal
    from brim.values import LimitLevel

__all__ = ["Clocks", "Watch"]

_LOOK_AGAIN_S: Final = 30.0
"""The total may be learnt anew while an attempt is out, so its watch is looked at at least this often."""
_CONNECTING: Final = Phase.CONNECTING
_SENT: Final = Phase.SENT
_ANSWERING: Final = Phase.ANSWERING
_NEVER: Final = float("inf")


class Clocks:
    """What all watches of one lane share, in the running event loop.

    Args:
        timeouts: how long each phase may last.
        total: how long the whole exchange may.

    Attributes:
        on_written: told how many seconds it took until a request was written, and the time; None if nobody asks.
    """

    __slots__ = ("_first_s", "_rings_at", "_timer", "_watches", "loop", "on_written", "timeouts", "total")

    def __init__(self, timeouts: Timeouts, total: LearntTotal) -> None:
        self.timeouts = timeouts
        self.total = total
        self.on_written: Callable[[float, float], None] | None = None
        self.loop = asyncio.get_running_loop()
        self._first_s = min(timeouts.connect, timeouts.silence, total.seconds, timeouts.first or _NEVER, _LOOK_AGAIN_S)
        self._watches: dict[Watch, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = _NEVER

    def watch(self, *, is_stream: bool = False) -> Watch:
        """A watch for the exchange that the present task begins now.

        *is_stream*: the answer is read in pieces. Then it has begun when a piece of content is `heard`, not at its head
        or a keep-alive.
        """
        task = asyncio.current_task(self.loop)
        assert task is not None, "an exchange runs in a task"
        now = self.loop.time()
        return Watch(self, task, task.cancelling(), now, now, is_stream)

    def add(self, watch: Watch) -> None:
        """Look at *watch* from now on."""
        self._watches[watch] = None
        first = watch.started_at + self._first_s
        if first < self._rings_at:
            self._set(first)

    def drop(self, watch: Watch) -> None:
        """Its exchange is over."""
        del self._watches[watch]

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = self.loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._rings_at, self._timer = _NEVER, None
        now = self.loop.time()
        due = min((watch.look(now) for watch in self._watches), default=_NEVER)
        if self._watches:
            # A silence that begins after this look ends before the next one no sooner than this.
            self._set(min(due, now + min(_LOOK_AGAIN_S, self.timeouts.silence)))


class Watch(msgspec.Struct, eq=False):
    """Watches one exchange, as a context around it, and is the `Phases` that its transport reports to.

    When a clock runs out the exchange is cancelled, the context swallows that cancellation, and `expired` says what
    happened. A cancellation from outside passes through untouched. It also keeps what the head of the answer said about
    the server's limits, as `levels`.

    See `Clocks.watch` for how to get one.
    """

    _clocks: Clocks
    _task: asyncio.Task[object]
    _cancelling: int
    started_at: float
    _moved_at: float
    _awaits_piece: bool
    phase: Phase = _CONNECTING
    expired: Failure | None = None
    levels: Sequence[LimitLevel] = ()

    def reached(self, phase: Phase) -> None:
        """See `brim.transport.Phases`."""
        self.phase = phase
        if phase is _ANSWERING:  # the one phase with a clock that starts anew
            self._moved_at = self._clocks.loop.time()
        elif phase is _SENT and self._clocks.on_written is not None:
            now = self._clocks.loop.time()
            self._clocks.on_written(now - self.started_at, now)

    def heard(self) -> None:
        """A piece of the answer itself has come."""
        self._awaits_piece = False

    def __enter__(self) -> Self:
        self._clocks.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._clocks.drop(self)
        if self.expired is None:
            return False
        # The cancellation is ours alone only if nobody else asked for one meanwhile.
        alone = self._task.uncancel() <= self._cancelling
        return alone and kind is not None and issubclass(kind, asyncio.CancelledError)

    def look(self, now: float) -> float:
        """Cancel the exchange if its time is up. Returns when that will be; never, once it is done."""
        if self.expired is not None:
            return _NEVER
        clock, seconds, due = self._next_due()
        if now < due:
            return due
        self.expired = _timed_out(clock, seconds, self.phase)
        self._task.cancel()
        return _NEVER

    def _next_due(self) -> tuple[str, float, float]:
        """The clock that runs out first in the present phase, its length and its end."""
        timeouts, total = self._clocks.timeouts, self._clocks.total
        clocks = [("the whole attempt", total.seconds, total.ends_at(self.started_at))]
        if self.phase is _CONNECTING:
            clocks.append(("connecting", timeouts.connect, self._moved_at + timeouts.connect))
        elif self.phase is _ANSWERING:
            clocks.append(("silence within the answer", timeouts.silence, self._moved_at + timeouts.silence))
        if timeouts.first is not None and (self._awaits_piece or self.phase < Phase.ANSWERING):
            clocks.append(("waiting for the answer to begin", timeouts.first, self.started_at + timeouts.first))
        return min(clocks, key=lambda due: due[2])


def _timed_out(clock: str, seconds: float, phase: Phase) -> Failure:
    # An attempt that never got a connection can't have been billed: it is no timeout in that sense.
    kind = FailureKind.CONNECTION if phase is Phase.CONNECTING else FailureKind.TIMEOUT
    return Failure(kind=kind, message=f"timed out after {seconds:g} s ({clock})", sent=phase.sent)
