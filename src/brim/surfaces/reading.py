"""Reads an input for several lanes, so that none of them waits until another has had its rows.

Rows may come in any order: a thousand for one model, then a thousand for another. Whoever reads them in order, and no
further than there is room, sends to one lane after the other. So where an input can be read again, a lane that is full
is *left behind*: reading goes on, for the others, and a second reading from the first row that was left out hands the
lane its rows as it has room. Where that catches up with the first, it ends. No row is kept in memory for that.

The rule: the rows of a lane go in their order, each once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Final, Protocol, TypeVar

from brim.engine.lane import Lane
from brim.engine.path import Prepared
from brim.engine.run import MOST_AHEAD, READ_AHEAD, Run
from brim.values import Request, Result

__all__ = ["Desk", "Reading", "in_turns"]

T = TypeVar("T")

_TURN: Final = 256
"""Rows read in one turn of the event loop when none of them needs sending."""
_REST_S: Final = 0.01
"""Seconds between two turns of which every row was left for later: there is no hurry, and calls need the CPU."""


class Desk(Protocol):
    """What becomes of the rows that are read."""

    def lane_of(self, request: Request) -> Lane | None:
        """The lane of *request*; None if it can't be sent."""

    def admit(self, row: Request | Result) -> tuple[Lane, Prepared] | None:
        """Make *row* ready to be sent; None if it need not or can't be, which is entered where it belongs."""

    def ended(self, rows: int) -> None:
        """The input ended after so many *rows*. Some may have been left for later."""


class Reading:
    """One reading of an input, and those of lanes that were left behind.

    Args:
        run: carries what is read.
        desk: told every row once.
        rows_from: the input's rows from a position on, turn by turn.
        is_again: may *rows_from* be called more than once, and may rows be for different lanes?
    """

    def __init__(
        self,
        run: Run,
        desk: Desk,
        rows_from: Callable[[int], AsyncIterator[Iterable[Request | Result]]],
        *,
        is_again: bool,
    ) -> None:
        self._count = 0
        self._run = run
        self._desk = desk
        self._rows_from = rows_from
        self._is_again = is_again
        self._behind: set[Lane] = set()

    async def carry(self) -> None:
        """Carry every row to its result. See `Run.carry`."""
        await self._run.carry(self._rows(), most_ahead=MOST_AHEAD if self._is_again else READ_AHEAD)

    async def _rows(self) -> AsyncIterator[tuple[Lane, Prepared]]:
        async for turn in self._rows_from(0):
            left = read = 0
            for row in turn:
                is_left = self._is_again and isinstance(row, Request) and self._leaves(row)
                self._count += 1
                read += 1
                left += is_left
                ready = None if is_left else self._desk.admit(row)
                if ready is not None:
                    yield ready
            if 0 < read == left:
                await asyncio.sleep(_REST_S)
        self._desk.ended(self._count)

    def _leaves(self, request: Request) -> bool:
        """Is *request* to be read again, when its lane has room?"""
        lane = self._desk.lane_of(request)
        if lane is None:
            return False
        if lane in self._behind:
            return True
        if not self._run.is_full(lane):
            return False
        self._behind.add(lane)
        self._run.feed(lane, self._late(lane, request.position))
        return True

    async def _late(self, lane: Lane, position: int) -> AsyncIterator[Prepared]:
        """The rows of *lane* from *position* on, up to where the first reading is."""
        async for turn in self._rows_from(position):
            for row in turn:
                if position >= self._count:
                    self._behind.discard(lane)
                    return
                position += 1
                if isinstance(row, Request) and self._desk.lane_of(row) is lane:
                    ready = self._desk.admit(row)
                    if ready is not None:
                        yield ready[1]


async def in_turns(rows: Iterator[T]) -> AsyncIterator[Iterable[T]]:
    """Read *rows*, letting the event loop have its turn however many need no sending.

    Each turn reads its rows as they are taken, so it has to be used up before the next.
    """
    for row in rows:
        yield chain((row,), islice(rows, _TURN - 1))
        await asyncio.sleep(0)
