"""The one task group: it carries any number of requests through their lanes in flat memory.

A feeder reads the source as fast as there is room and no faster. A lane has about as many workers as attempts may be
on the wire; a worker takes one request after the other until none is held for its lane. So a request costs no task of
its own, a full lane holds up only its own requests until the read-ahead is used up, and a parked lane holds up none.
A source that can be read again leaves out what is for a full lane (`is_full`) and hands it in later by itself (`feed`):
then no lane holds up another, in whatever order their requests come.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from brim.engine.path import Prepared, fulfil
from brim.values import Failure, Reply, Result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from brim.engine.crew import Crew
    from brim.engine.lane import Lane
    from brim.engine.sampler import Sampler

__all__ = ["MOST_AHEAD", "READ_AHEAD", "Run"]

READ_AHEAD: Final = 1_000
"""Requests held for a full lane before the feeder waits."""
MOST_AHEAD: Final = 10 * READ_AHEAD
"""Requests held for full lanes, however many there are, before the feeder waits."""
_BREATH: Final = READ_AHEAD // 2
"""The feeder goes on once there is room for so many more."""


class Run:
    """One execution.

    Args:
        record: told every result that stands, once, all of a turn of the loop together; whatever ends the run, none
            is left out. What it raises (a lost disk) ends the run.
        leave: told every result of a request that was left untouched.
        sampler: tells the state of the lanes for as long as it lasts.

    Attributes:
        on_lane: told every lane the first time one of its requests comes, before anything of it is sent.
        stopped: why `stop` was called; None if it wasn't.
    """

    def __init__(
        self,
        *,
        record: Callable[[Sequence[Result]], None],
        leave: Callable[[Result], None],
        sampler: Sampler | None = None,
    ) -> None:
        self._record = record
        self._leave = leave
        self._sampler = sampler
        self._ended: list[tuple[Lane, Result]] = []
        self._lanes: dict[Lane, Crew] = {}
        self.on_lane: Callable[[Lane], None] = _nothing
        self._held = 0
        self._one_ahead = self._most_held = READ_AHEAD
        self._room = asyncio.Event()
        self._rooms: dict[Crew, asyncio.Event] = {}
        self.stopped: Failure | None = None
        self._feeders: set[asyncio.Task[None]] = set()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes that have had requests so far, in the order in which they came."""
        return tuple(self._lanes)

    async def carry(self, source: AsyncIterator[tuple[Lane, Prepared]], *, most_ahead: int = READ_AHEAD) -> None:
        """Carry every request of *source* to its result. Cancelling this cancels what is on the wire.

        *most_ahead*: requests held before the feeder waits, as long as there is a single lane. What *source* or
        `record` raise ends the run and comes out as it is.
        """
        self._one_ahead = self._most_held = most_ahead
        try:
            with self._sampler.during() if self._sampler is not None else nullcontext():
                async with asyncio.TaskGroup() as self._tasks:
                    self._start_feeder(self._read(source))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            for lane, crew in self._lanes.items():
                lane.leave(crew)
            self._record_ended()  # also what came home while the run was cancelled

    def stop(self, failure: Failure) -> None:
        """Stop sending: what is on the wire comes home, everything else is left untouched, because of *failure*."""
        self.stopped = failure
        for feeder in self._feeders:
            feeder.cancel()
        for lane in self._lanes:
            lane.park(failure)

    def is_full(self, lane: Lane) -> bool:
        """Is as much held for *lane* as is its share of the read-ahead? Not if it is parked: it takes what comes."""
        crew = self._lanes.get(lane)
        return crew is not None and len(crew.held) >= self._share and lane.limiter.parked is None

    def feed(self, lane: Lane, rows: AsyncIterator[Prepared]) -> None:
        """Carry *rows* of *lane* besides the source, read no faster than that lane has room. One at a time."""
        self._start_feeder(self._read_for(lane, self._lanes[lane], rows))

    @property
    def _share(self) -> int:
        return min(READ_AHEAD, MOST_AHEAD // len(self._lanes))

    def _start_feeder(self, reading: Coroutine[Any, Any, None]) -> None:
        feeder = self._tasks.create_task(reading)
        self._feeders.add(feeder)
        feeder.add_done_callback(self._fed)

    def _fed(self, feeder: asyncio.Task[None]) -> None:
        self._feeders.discard(feeder)
        for crew in self._lanes.values():
            crew.is_whole = not self._feeders

    async def _read(self, source: AsyncIterator[tuple[Lane, Prepared]]) -> None:
        async for lane, prepared in source:
            crew = self._lanes.get(lane)
            if crew is None:
                crew = self._lanes[lane] = lane.join(partial(self._start, lane))
                self._most_held = self._one_ahead if len(self._lanes) == 1 else MOST_AHEAD
                self.on_lane(lane)
            self._enter(lane, crew, prepared)
            while self._held >= self._most_held:
                self._room.clear()
                await self._room.wait()

    async def _read_for(self, lane: Lane, crew: Crew, rows: AsyncIterator[Prepared]) -> None:
        room = self._rooms[crew] = asyncio.Event()
        try:
            while True:
                while self.is_full(lane):  # before a row is read: what is read counts as on its way
                    room.clear()
                    await room.wait()
                prepared = await anext(rows, None)
                if prepared is None:
                    return
                self._enter(lane, crew, prepared)
        finally:
            del self._rooms[crew]

    def _enter(self, lane: Lane, crew: Crew, prepared: Prepared) -> None:
        if lane.limiter.parked is not None:
            self._leave(Result(request=prepared.request, outcome=lane.limiter.parked))
            return
        crew.hold(prepared)
        self._held += 1
        self._start(lane, crew)

    def _start(self, lane: Lane, crew: Crew) -> None:
        """Bring as many of the lane's requests alive as there is room for."""
        while crew.held and crew.room() > 0:
            crew.alive += 1
            crew.starting += 1
            self._tasks.create_task(self._work(lane, crew, self._take(crew)))

    def _take(self, crew: Crew) -> Prepared:
        self._held -= 1
        if self._held <= self._most_held - _BREATH:
            self._room.set()
        if self._rooms and (room := self._rooms.get(crew)) is not None and len(crew.held) <= self._share // 2:
            room.set()
        return crew.take()

    async def _work(self, lane: Lane, crew: Crew, prepared: Prepared) -> None:
        """Carry *prepared*, then whatever is held for the lane."""
        crew.starting -= 1
        try:
            while True:
                self._close(lane, await fulfil(prepared, lane.path))
                if crew.starting:
                    await asyncio.sleep(0)  # those came first, and none of them has queued yet
                room = crew.room()
                if not crew.held or room < 0:
                    return
                prepared = self._take(crew)
                if room > 0:  # the window has grown
                    self._start(lane, crew)
        finally:
            crew.alive -= 1

    def _close(self, lane: Lane, result: Result) -> None:
        """Enter a result where it belongs: what stands is recorded at the end of this turn of the loop."""
        if not isinstance(result.outcome, Reply) and result.is_untouched:
            self._leave(result)
            return
        if not self._ended:
            asyncio.get_running_loop().call_soon(self._end_turn)
        self._ended.append((lane, result))

    def _end_turn(self) -> None:
        try:
            self._record_ended()
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the run
            self._tasks.create_task(_raised(error))

    def _record_ended(self) -> None:
        """Record what ended since the last time, all at once; only then does it count as done."""
        ended, self._ended = self._ended, []
        if ended:
            self._record([result for _, result in ended])
        for lane, result in ended:
            lane.ended(result)


async def _raised(error: Exception) -> None:
    raise error


def _nothing(_: Lane) -> None:
    """Nobody wants to know."""
