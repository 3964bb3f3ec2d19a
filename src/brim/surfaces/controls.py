"""What may be done to a live run by hand: looking, retuning, pausing, resuming, draining.

Orders that name no lane stand: a lane that appears later obeys them too, before it sends anything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET

from brim.config import Limits
from brim.errors import BrimError, ConfigError
from brim.policies.budget import read_cap
from brim.surfaces.control_socket import control_path, listening
from brim.surfaces.orders import (
    Answer,
    Drain,
    LaneStatus,
    Order,
    Pause,
    Refused,
    Resume,
    Retune,
    Show,
    State,
    Status,
    read_order,
    write,
)
from brim.surfaces.screen import Screen, one_line
from brim.values import Failure, FailureKind, Sent

if TYPE_CHECKING:
    from brim.engine.budget import Purse
    from brim.engine.lane import Lane
    from brim.engine.run import Run
    from brim.surfaces.tally import Tally

__all__ = ["Controls", "controlled"]

_DRAINED: Final = Failure(kind=FailureKind.STOPPED, message="drained by hand (brim ctl)", sent=Sent.NO)
_SAID: Final = 300
"""Characters of a refusal."""


class Controls:
    """Carries out orders on *run*, whose counters are in *tally* and whose money, if it has a budget, is in *purse*.

    From now on *run* shows it every new lane.
    """

    def __init__(self, run: Run, tally: Tally, purse: Purse | None = None) -> None:
        self._run = run
        self._purse = purse
        self._tally = tally
        self._retuned = Retune()
        self._is_paused = False
        self._is_draining = False
        run.on_lane = self._met
        self._carry_out: Final[dict[type[Order], Callable[[Any], None]]] = {
            Show: lambda _: None,
            Retune: self._retune,
            Pause: self._pause,
            Resume: self._resume,
            Drain: self._drain,
        }

    def answer(self, line: bytes) -> bytes:
        """Carry out the order in *line* and say how things are then. Whatever *line* is, this never raises."""
        return write(self._obey(line))

    def _obey(self, line: bytes) -> Answer:
        try:
            order = read_order(line)
            self._carry_out[type(order)](order)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BrimError) as error:
            return Refused(str(error)[:_SAID])
        return self._status()

    def _retune(self, order: Retune) -> None:
        lanes = self._lanes(order.lane)
        limits = [order.applied_to(lane.limiter.limits) for lane in lanes]  # all can be kept, or nothing changes
        self._recap(order)
        if order.lane is None:
            order.applied_to(Limits())
            self._retuned = msgspec.structs.replace(self._retuned, **order.named)
        for lane, new in zip(lanes, limits, strict=True):
            lane.retune(new)

    def _recap(self, order: Retune) -> None:
        """Change the budget if that is asked for. Raises `ConfigError` if it can't be kept."""
        if order.budget_usd is UNSET:
            return
        if self._purse is None:
            raise ConfigError(
                "the run began without a budget, so nothing counts what it spends; give --budget to brim run"
            )
        if order.lane is not None:
            raise ConfigError("a budget is the whole run's; leave --lane out")
        self._purse.recap(None if order.budget_usd is None else read_cap(order.budget_usd))

    def _pause(self, order: Pause) -> None:
        lanes = self._lanes(order.lane)
        self._is_paused = self._is_paused or order.lane is None
        for lane in lanes:
            lane.limiter.hold()

    def _resume(self, order: Resume) -> None:
        lanes = self._lanes(order.lane)
        self._is_paused = self._is_paused and order.lane is not None
        for lane in lanes:
            lane.limiter.resume()

    def _drain(self, _: Drain) -> None:
        self._is_draining = True
        self._run.stop(_DRAINED)

    def _met(self, lane: Lane) -> None:
        """A lane appeared: it obeys what stands."""
        lane.retune(self._retuned.applied_to(lane.limiter.limits))
        if self._is_paused:
            lane.limiter.hold()

    def _lanes(self, name: str | None) -> list[Lane]:
        """The lanes that an order concerns. Raises `ConfigError` if it names one that isn't there."""
        lanes = list(self._run.lanes)
        named = [lane for lane in lanes if name in {None, lane.name, lane.name.partition(":")[2]}]
        if name is not None and not named:
            names = ", ".join(lane.name for lane in lanes) or "none so far"
            raise ConfigError(f"the run has no lane {name!r}; its lanes are: {names}")
        return named

    def _status(self) -> Status:
        tally = self._tally
        account = None if self._purse is None else self._purse.account
        waits = {name: (seconds, failure) for name, seconds, failure in tally.pauses()}
        lanes = tuple(
            _lane_state(lane, waits.get(lane.name), tally.opens_at.get(lane.name)) for lane in self._run.lanes
        )
        state = self._state(lanes)
        return Status(
            pid=os.getpid(),
            state=state,
            total=tally.total,
            answered=tally.answered,
            failed=tally.failed,
            earlier=tally.earlier,
            in_flight=sum(lane.in_flight for lane in lanes),
            retried=tally.retried,
            throttled=tally.throttled,
            perhaps_paid=tally.perhaps_paid,
            truncated=tally.truncated,
            seconds=tally.elapsed_s,
            left_s=tally.left_s if state is State.RUNNING else None,
            rates=tally.rates,
            input_tokens=tally.input_tokens,
            output_tokens=tally.output_tokens,
            cost_usd=tally.cost_usd,
            price_basis=tally.price_basis,
            budget_usd=None if account is None else account.cap_usd,
            spent_usd=None if account is None else account.spent_usd,
            lanes=lanes,
        )

    def _state(self, lanes: tuple[LaneStatus, ...]) -> State:
        if self._is_draining:
            return State.DRAINING
        states = {lane.state for lane in lanes} - {State.STOPPED}
        if not lanes and self._is_paused:
            return State.PAUSED
        return states.pop() if len(states) == 1 else State.RUNNING


def _lane_state(lane: Lane, wait: tuple[float, Failure] | None, opens_at: float | None) -> LaneStatus:
    limiter = lane.limiter
    state, failure, seconds = State.RUNNING, limiter.parked, None
    if failure is not None:
        state = State.STOPPED
    elif limiter.is_held:
        state = State.PAUSED
    elif wait is not None:
        state, (seconds, failure) = State.WAITING, wait
    return LaneStatus(
        name=lane.name,
        state=state,
        why=None if failure is None else failure.kind,
        waits_s=seconds,
        opens_at=opens_at,
        in_flight=limiter.in_flight,
        window=limiter.window.size,
        queued=lane.held + lane.alive - limiter.in_flight,
        binding=lane.bound().name,
        limits=limiter.limits,
        gauges=limiter.gauges(),
    )


@asynccontextmanager
async def controlled(run: Run, tally: Tally, output: Path, purse: Purse | None) -> AsyncIterator[None]:
    """Let `brim ctl` reach *run* for as long as the context lasts, or say once why it can't."""
    async with listening(control_path(output), Controls(run, tally, purse).answer) as obstacle:
        if obstacle is not None:
            screen = Screen(sys.stderr)
            screen.write(f"brim: brim ctl can't reach this run: {one_line(obstacle)}\n")
            screen.flush()
        yield
