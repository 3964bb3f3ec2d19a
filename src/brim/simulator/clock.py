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
    """What is to be called, and when. Stands in for asyncio's handles, without what they keep for debugging."""

    __slots__ = ("args", "at", "call", "context", "is_timed", "loop")

    def __init__(
        self, loop: VirtualLoop, at: float, call: Callable[..., object], args: Sequence[Any], context: Context | None
    ) -> None:
        self.loop = loop
        self.at = at
        self.call: Callable[..., object] | None = call
        self.args = args
        self.context = copy_context() if context is None else context
        self.is_timed = False

    def cancel(self) -> None:
        """See `asyncio.Handle`."""
        if self.call is not None:
            self.call = None
            self.args = ()
            if self.is_timed:
                self.loop.forget()

    def cancelled(self) -> bool:
        """See `asyncio.Handle`."""
        return self.call is None

    def when(self) -> float:
        """See `asyncio.TimerHandle`."""
        return self.at

    def get_context(self) -> Context:
        """See `asyncio.Handle`."""
        return self.context

    # Two timers of one time are not the same timer.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{self.call or 'cancelled'} at {self.at:.3f} s of virtual time>"


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop on virtual time. `time()` starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._calls: deque[_Call] = deque()
        self._timers: list[tuple[float, int, _Call]] = []
        self._planned = 0
        self._forgotten = 0

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> _Call:
        """See `asyncio.loop.call_soon`."""
        handle = _Call(self, self._now, callback, args, context)
        self._calls.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # appending is safe, and this loop never sleeps, so it needn't be woken

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> _Call:
        """See `asyncio.loop.call_later`."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> _Call:
        """See `asyncio.loop.call_at`. What is due already comes behind what is ready."""
        handle = _Call(self, when, callback, args, context)
        if when > self._now:
            handle.is_timed = True
            self._planned += 1
            heappush(self._timers, (when, self._planned, handle))
        else:
            self._calls.append(handle)
        return handle

    def forget(self) -> None:
        """A timer was cancelled. It leaves when its time comes, or with the others once they are the most."""
        self._forgotten += 1
        if self._forgotten > _FEW and 2 * self._forgotten > len(self._timers):
            self._timers = [timer for timer in self._timers if timer[2].call is not None]
            heapify(self._timers)
            self._forgotten = 0

    def stop(self) -> None:
        """See `asyncio.loop.stop`: what is ready by now still runs."""
        self.call_soon(super().stop)

    def _run_once(self) -> None:
        """Do the loop's one turn, as `asyncio.BaseEventLoop` calls it: run what is ready, leaping to it if need be."""
        calls = self._calls
        if not calls:
            self._leap()
        for _ in range(len(calls)):
            handle = calls.popleft()
            call = handle.call
            if call is not None:
                try:
                    handle.context.run(call, *handle.args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001 - a loop outlives its callbacks, whatever they raise
                    self.call_exception_handler({"message": f"{call} raised", "exception": error, "handle": handle})

    def _leap(self) -> None:
        """Move the clock to the next timer, and make ready everything that is due then."""
        calls, timers = self._calls, self._timers
        while timers and (not calls or timers[0][0] <= self._now):
            at, _, handle = heappop(timers)
            handle.is_timed = False
            if handle.call is None:
                self._forgotten -= 1
            else:
                self._now = at
                calls.append(handle)
        if calls:
            return
        raise Deadlock(f"every task waits and no timer is left, at {self._now:.3f} s of virtual time:{_waiting()}")

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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._zero = 0.0

    def now(self) -> float:
        """Seconds since second 0."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._zero = 0.0 if isinstance(self._loop, VirtualLoop) else self._loop.time()
        return self._loop.time() - self._zero

    async def until(self, at: float) -> None:
        """Wait until second *at*; not at all if it is over, and until cancelled if it is infinite."""
        if at == inf:
            await self.for_ever()
        if at <= self.now():
            return
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        timer = loop.call_at(self._zero + at, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()

    async def for_ever(self) -> None:
        """Wait until cancelled."""
        await asyncio.get_running_loop().create_future()


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
