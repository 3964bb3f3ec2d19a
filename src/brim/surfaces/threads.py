"""Threads beside event loops: a loop for programs that have none, and waiting for one from outside."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, wait
from typing import Any, Final

__all__ = ["STANDS_STILL", "LoopThread", "is_in_loop", "wait_for"]

_LOOK_S: Final = 0.5
"""A thread that waits for a loop looks so often whether that still runs."""
STANDS_STILL: Final = "the event loop of this limiter stands still, so no thread can wait for its turn there"


def wait_for(told: Future[Any], loop: asyncio.AbstractEventLoop) -> None:
    """Wait until *loop*, in another thread, has told. Raises `RuntimeError` if it stands still meanwhile."""
    while not wait((told,), _LOOK_S).done:
        if not loop.is_running():
            raise RuntimeError(STANDS_STILL)


def is_in_loop() -> bool:
    """Does an event loop run in this thread?"""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class LoopThread:
    """An event loop in a thread of its own, for programs that have none. It ends with the program."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """There is no such thread: at the beginning, and in a process that is forked off."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, which runs; made when it is first asked for."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                runs = threading.Event()
                self._loop.call_soon(runs.set)
                threading.Thread(target=self._loop.run_forever, name="brim-limiter", daemon=True).start()
                runs.wait()
            return self._loop
