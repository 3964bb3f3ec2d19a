"""Virtual time: an asyncio event loop whose clock leaps to the next timer whenever every task waits.

An hour of pacing passes in the time that its Python code takes, and the same seed gives the same run to the last event.
Where no timer is left and nothing can wake the program again, a real loop would hang for ever; this one raises
`Deadlock` instead. Sockets and threads belong to real time and have no place on it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["Deadlock", "VirtualLoop", "run_virtual"]

T = TypeVar("T")


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


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* to its end on a new virtual clock. Raises `Deadlock` where a real loop would hang."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def _waiting() -> str:
    lines = []
    for task in asyncio.all_tasks():
        frames = task.get_stack(limit=1)
        where = f"{frames[-1].f_code.co_qualname}, line {frames[-1].f_lineno}" if frames else "not started"
        lines.append(f"\n  {task.get_name()}: {where}")
    return "".join(sorted(lines)) or " (no task at all)"
