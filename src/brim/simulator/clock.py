"""Virtual time: an asyncio event loop whose clock leaps to the next timer whenever every task waits.

An hour of pacing passes in the time that its Python code takes, and the same seed gives the same run to the last event.
Where no timer is left and nothing can wake the program again, a real loop would hang for ever; this one raises
`Deadlock` instead. Sockets belong to real time and have no place on it; what would run in a thread runs at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from math import inf
from typing import Any, Final, TypeVar, TypeVarTuple

__all__ = ["Deadlock", "LoopClock", "VirtualLoop", "run_virtual"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_FEW: Final = 64
"""Cancelled timers that are not worth clearing away."""


class Deadlock(RuntimeError):
    """Every task waits and nothing is left that could wake one. Lists the tasks and where they wait."""


class _Call(asyncio.TimerHandle):
    """What is to be called. Stands in for asyncio's handles, without what that keeps for debugging."""

    __slots__ = ("args", "call", "context")

    def __init__(self, call: Callable[..., object], args: Sequence[Any], context: Context) -> None:
        self.call: Callable[..., object] | None = call
        self.args = args
        self.context = context

    def cancel(self) -> None:
        """See `asyncio.Handle`."""
        self.call = None
        self.args = ()

    def cancelled(self) -> bool:
        """See `asyncio.Handle`."""
        return self.call is None

    def get_context(self) -> Context:
        """See `asyncio.Handle`."""
        return self.context

    # Two timers of one time are two timers.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.call or 'cancelled'}>"


class _Timer(_Call):
    """What is to be called at its time. *loop* keeps it until then."""

    __slots__ = ("at", "loop")

    def __init__(
        self, call: Callable[..., object], args: Sequence[Any], context: Context, at: float, loop: VirtualLoop
    ) -> None:
        self.call = call
        self.args = args
        self.context = context
        self.at = at
        self.loop: VirtualLoop | None = loop

    def cancel(self) -> None:
        """See `asyncio.Handle`."""
        if self.call is not None:
            self.call = None
            self.args = ()
            if self.loop is not None:
                self.loop.forget()

    def when(self) -> float:
        """See `asyncio.TimerHandle`."""
        return self.at


class _Stopped(BaseException):
    """The loop was told to stop."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop on virtual time. `time()` starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._calls: deque[_Call] = deque()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._planned = 0
        self._forgotten = 0

    @property
    def timers(self) -> int:
        """How many timers are held, the cancelled ones that were not cleared away yet among them."""
        return len(self._timers)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> _Call:
        """See `asyncio.loop.call_soon`."""
        handle = _Call(callback, args, copy_context() if context is None else context)
        self._calls.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # appending is safe, and this loop never sleeps, so it needn't be woken

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> _Timer:
        """See `asyncio.loop.call_later`."""
        return self._plan(self._now + delay, callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> _Timer:
        """See `asyncio.loop.call_at`. What is due already comes behind what is ready."""
        return self._plan(when, callback, args, context)

    def _plan(
        self, when: float, callback: Callable[..., object], args: Sequence[Any], context: Context | None
    ) -> _Timer:
        timer = _Timer(callback, args, copy_context() if context is None else context, when, self)
        if when > self._now:
            self._planned = planned = self._planned + 1
            heappush(self._timers, (when, planned, timer))
        else:
            timer.loop = None
            self._calls.append(timer)
        return timer

    def elapse(self, seconds: float) -> None:
        """Let time pass within a callback, as where one computes for long: what is due meanwhile comes late."""
        self._now += seconds

    def forget(self) -> None:
        """A timer was cancelled. It leaves when its time comes, or with the others once they are the most."""
        self._forgotten += 1
        if self._forgotten > _FEW and 2 * self._forgotten > len(self._timers):
            self._timers = [timer for timer in self._timers if timer[2].call is not None]
            heapify(self._timers)
            self._forgotten = 0

    def stop(self) -> None:
        """See `asyncio.loop.stop`: what is ready by now still runs."""
        self.call_soon(_stop)

    def _run_once(self) -> None:
        """Run everything until told to stop, leaping where nothing is ready. `asyncio.BaseEventLoop` calls it."""
        calls, leap = self._calls, self._leap
        next_call = calls.popleft
        while True:
            handle = next_call() if calls else leap()
            call = handle.call
            if call is None:
                continue
            try:
                handle.context.run(call, *handle.args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except _Stopped:
                return super().stop()
            except BaseException as error:  # noqa: BLE001 - a loop outlives its callbacks, whatever they raise
                self.call_exception_handler({"message": f"{call} raised", "exception": error, "handle": handle})

    def _leap(self) -> _Timer:
        """Move the clock to the next timer and take it; what else is due then is made ready behind it."""
        timers = self._timers
        while timers:
            at, _, timer = heappop(timers)
            timer.loop = None
            if timer.call is None:
                self._forgotten -= 1
                continue
            is_late = at < self._now  # time elapsed meanwhile
            if not is_late:
                self._now = at
            if timers and timers[0][0] <= self._now:
                self._gather()
            return timer
        raise Deadlock(f"every task waits and no timer is left, at {self._now:.3f} s of virtual time:{_waiting()}")

    def _gather(self) -> None:
        """Make ready what is due."""
        timers = self._timers
        while timers and timers[0][0] <= self._now:
            timer = heappop(timers)[2]
            timer.loop = None
            self._forgotten -= timer.call is None
            self._calls.append(timer)

    def run_in_executor(self, _executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Call *func* here and now: what a thread would do takes no virtual time, and keeps its order."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to who awaits it
            done.set_exception(error)
        return done


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* to its end on a new virtual clock. Raises `Deadlock` where a real loop would hang."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class LoopClock:
    """The running loop's time, from a second 0 of its own: the virtual loop's, or on another loop the first use."""

    def __init__(self) -> None:
        self._time: Callable[[], float] | None = None
        self._zero = 0.0

    def now(self) -> float:
        """Seconds since second 0."""
        if self._time is None:
            loop = asyncio.get_running_loop()
            self._time = loop.time
            self._zero = 0.0 if isinstance(loop, VirtualLoop) else loop.time()
        return self._time() - self._zero

    async def until(self, at: float) -> float:
        """Wait until second *at*, for ever if that is infinite, not at all if it is over. Returns the time then."""
        now = self.now()
        if at <= now:
            return now
        if at == inf:
            await self.for_ever()
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        timer = loop.call_at(self._zero + at, _wake, woken)
        try:
            await woken
        except BaseException:
            timer.cancel()
            raise
        # A timer may ring a rounding before its time; what was waited for is due in any case.
        now = self.now()
        is_early = now < at
        return at if is_early else now

    async def for_ever(self) -> None:
        """Wait until cancelled."""
        await asyncio.get_running_loop().create_future()


def _stop() -> None:
    raise _Stopped


def _wake(waiting: asyncio.Future[None]) -> None:
    # Cancelled in the moment in which its time has come, it is over already.
    if not waiting.done():
        waiting.set_result(None)


def _waiting() -> str:
    lines = [f"\n  {task.get_name()}: {_place(task.get_coro())}" for task in asyncio.all_tasks()]
    return "".join(sorted(lines)) or " (no task at all)"


def _place(waiting: object) -> str:
    """The coroutines through which *waiting* waits, outermost first, each with its line."""
    frame = getattr(waiting, "cr_frame", None)
    if frame is None:
        return ""
    here = f"{frame.f_code.co_qualname}, line {frame.f_lineno}"
    inner = _place(getattr(waiting, "cr_await", None))
    return f"{here} > {inner}" if inner else here
