"""One answer, handed out while it comes.

The call runs in a task of its own and never waits for its reader: a slow one costs memory for the text, not time on
the wire, and no clock runs against it. Leaving early in any way (closing, cancelling, dropping the stream) cancels the
task, which closes the connection and gives the permit back at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from brim.errors import CallFailed
from brim.protocols import Piece
from brim.values import Failure, FailureKind, Reply, Result

__all__ = ["AnswerStream", "Inbox"]


_STOPPED: Final = Failure(kind=FailureKind.STOPPED, message="the client was closed in the middle of the answer")


class Inbox:
    """Pieces between the call that brings them and the reader who takes them."""

    __slots__ = ("_changed", "_pieces", "_was_taken")

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self._changed = asyncio.Event()
        self._was_taken = False

    def put(self, piece: Piece) -> None:
        """A piece has come."""
        self._pieces.append(piece)
        self._changed.set()

    def take_back(self) -> bool:
        """Forget what nobody has taken, for the call begins anew. Returns whether nobody has taken anything."""
        if not self._was_taken:
            self._pieces.clear()
        return not self._was_taken

    def take(self) -> Piece | None:
        """The next piece, if one is here."""
        if not self._pieces:
            return None
        self._was_taken = True
        return self._pieces.popleft()

    async def wait(self, call: asyncio.Task[Result]) -> None:
        """Wait for a piece or for the end of *call*."""
        if call.done():
            return
        self._changed.clear()
        await self._changed.wait()

    def wake(self, _: object) -> None:
        """The call has ended."""
        self._changed.set()


Start: TypeAlias = Callable[[Inbox], Coroutine[Any, Any, Result]]
"""Makes the call that puts its pieces into an inbox."""


class AnswerStream:
    """An answer that comes in pieces: iterate over it, and look at `reply` after the end.

        async for piece in client.stream("Tell me a story"):
            print(piece.text, end="")

        async with client.stream("Tell me a story") as stream:
            async for piece in stream:
                ...
        print(stream.reply.usage)

    The request is sent when the first piece is asked for, or on entering the context. It is sent again after a failure,
    by the ordinary rules, as long as no piece has been handed out; a later failure is raised.

    Raises:
        CallFailed: from the iteration: the call failed for good.
        ConfigError: likewise: the dialect has no streams.
    """

    def __init__(self, start: Start, tasks: set[asyncio.Task[Result]]) -> None:
        self._start = start
        self._tasks = tasks
        self._call: asyncio.Task[Result] | None = None
        self._inbox: Inbox
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        call = self._call or self._open()
        while (piece := self._inbox.take()) is None:
            if call.done():
                raise self._end(call)
            try:
                await self._inbox.wait(call)
            except asyncio.CancelledError:
                call.cancel()
                raise
        return piece

    async def __aenter__(self) -> Self:
        if self._call is None:
            self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the answer, if it still comes: the connection is closed and the permit given back on return."""
        self._is_closed = True
        if self._call is not None:
            self._call.cancel()
            await asyncio.wait([self._call])

    @property
    def result(self) -> Result:
        """What became of the request, cost and attempts included. Raises `RuntimeError` before the end."""
        if self._call is None or not self._call.done() or self._call.cancelled():
            raise RuntimeError("the answer has not come to its end; read the stream until it ends")
        return self._call.result()

    @property
    def reply(self) -> Reply:
        """The whole answer with its usage. Raises `RuntimeError` before the end, `CallFailed` where there is none."""
        outcome = self.result.outcome
        if isinstance(outcome, Failure):
            raise CallFailed.of(outcome)
        return outcome

    def _end(self, call: asyncio.Task[Result]) -> Exception:
        """How the iteration ends: in peace, or with what went wrong."""
        if call.cancelled():
            return StopAsyncIteration() if self._is_closed else CallFailed.of(_STOPPED)
        outcome = call.result().outcome
        return CallFailed.of(outcome) if isinstance(outcome, Failure) else StopAsyncIteration()

    def _open(self) -> asyncio.Task[Result]:
        self._inbox = Inbox()
        call = self._call = asyncio.create_task(self._start(self._inbox))
        call.add_done_callback(self._inbox.wake)
        self._tasks.add(call)
        call.add_done_callback(self._tasks.discard)
        return call

    def __del__(self) -> None:
        # Dropped without being closed, as by leaving a loop over it early: nobody can read any more.
        if self._call is not None and not self._call.done() and not self._call.get_loop().is_closed():
            self._call.cancel()
