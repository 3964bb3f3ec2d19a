"""Virtual time: an asyncio event loop whose clock leaps to the next timer whenever every task waits.

An hour of pacing passes in the time that its Python code takes, and the same seed gives the same run to the last event.
Where no timer is left and nothing can wake the program again, a real loop would hang for ever; this one raises
`Deadlock` instead. Sockets belong to real time and have no place on it; what would run in a thread runs at once.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["Deadlock", "LoopClock", "VirtualLoop", "run_virtual"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Deadlock(RuntimeError):
    """Every task waits and nothing is left that could wake one. Lists the tasks and where they wait."""


class _LeapingSelector(selectors.SelectSelector):
    """Never blocks: being asked to wait for *timeout* seconds, it moves the clock by them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock(f"every task waits and no timer is left, at {self.now:.3f} s of virtual time:{_waiting()}")
        if timeout > 0:
            self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time. `time()` starts at 0."""

    def __init__(self) -> None:
        self._leaping = _LeapingSelector()
        super().__init__(self._leaping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._leaping.now

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
        """Wait until second *at*; not at all if it is over."""
        left = at - self.now()
        if left > 0:
            await asyncio.sleep(left)

    async def for_ever(self) -> None:
        """Wait until cancelled."""
        await asyncio.get_running_loop().create_future()


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
