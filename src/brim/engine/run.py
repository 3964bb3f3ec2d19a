"""The one task group: it carries any number of requests through their lanes in flat memory.

A feeder reads the source as fast as there is room and no faster. A lane has at most its window of workers; a worker
takes one request after the other until none is held for its lane. So a request costs no task of its own, a full lane
holds up only its own requests until the read-ahead is used up, and a parked lane holds up none.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from brim.engine.path import Prepared, fulfil
from brim.values import Failure, RequestEnded, Result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from brim.engine.lane import Lane

__all__ = ["READ_AHEAD", "Run"]

READ_AHEAD: Final = 1_000
"""Requests held for full lanes before the feeder waits; with several lanes, ten times as many."""


class Run:
    """One execution.

    Args:
        record: told every result that stands, once; called with no wait between having and recording it. What it
            raises (a lost disk) ends the run.
        leave: told every result of a request that was left untouched.
    """

    def __init__(self, *, record: Callable[[Result], None], leave: Callable[[Result], None]) -> None:
        self._record = record
        self._leave = leave
        self._lanes: set[Lane] = set()
        self._held = 0
        self._room = asyncio.Event()
        self._feeder: asyncio.Task[None] | None = None

    async def carry(self, source: AsyncIterator[tuple[Lane, Prepared]]) -> None:
        """Carry every request of *source* to its result. Cancelling this cancels what is on the wire.

        What *source* or `record` raise ends the run and comes out as it is.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._feeder = tasks.create_task(self._read(source, tasks))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    def stop(self, failure: Failure) -> None:
        """Stop sending: what is on the wire comes home, everything else is left untouched, because of *failure*."""
        if self._feeder is not None:
            self._feeder.cancel()
        for lane in self._lanes:
            lane.park(failure)

    async def _read(self, source: AsyncIterator[tuple[Lane, Prepared]], tasks: asyncio.TaskGroup) -> None:
        async for lane, prepared in source:
            self._lanes.add(lane)
            await self._feed(lane, prepared, tasks)

    async def _feed(self, lane: Lane, prepared: Prepared, tasks: asyncio.TaskGroup) -> None:
        if lane.limiter.parked is not None:
            self._leave(Result(request=prepared.request, outcome=lane.limiter.parked))
        elif lane.alive < lane.window:
            lane.alive += 1
            tasks.create_task(self._work(lane, prepared))
        else:
            lane.held.append(prepared)
            self._held += 1
            await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        most = READ_AHEAD if len(self._lanes) == 1 else 10 * READ_AHEAD
        while self._held >= most:
            self._room.clear()
            await self._room.wait()

    async def _work(self, lane: Lane, prepared: Prepared) -> None:
        """Carry *prepared*, then whatever is held for the lane."""
        try:
            while True:
                result = await fulfil(prepared, lane.path)
                if result.is_untouched:
                    self._leave(result)
                else:
                    self._record(result)  # no await between having and recording
                    lane.path.emit(RequestEnded(lane.name, result))
                if not lane.held:
                    return
                prepared = lane.held.popleft()
                self._held -= 1
                if self._held <= READ_AHEAD // 2:
                    self._room.set()
        finally:
            lane.alive -= 1
