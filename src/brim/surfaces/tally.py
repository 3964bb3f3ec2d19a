"""What a run has come to: counters fed by events, read by progress and report.

The run's thread writes and the screen's may read at any time, so nothing here ever changes its size while it is
read: a reader may see numbers one event apart, and never an error. It knows nothing of terminals. An event costs
about a microsecond, a minute's rates a fixed piece of memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from brim.events import (
    AttemptAdmitted,
    AttemptEnded,
    Event,
    LaneParked,
    LanePaused,
    LaneRetuned,
    LaneState,
    RequestEnded,
)
from brim.policies.prices import LIST_PRICE
from brim.values import Constraint, Failure, FailureKind, FinishReason, Reply

if TYPE_CHECKING:
    from brim.policies.budget import Account
    from brim.storage.journal import Recorded

__all__ = ["Pause", "Rates", "Tally"]

_LENGTH: Final = FinishReason.LENGTH
_WINDOW: Final = 60
"""Seconds over which the present rates are taken."""
_LONGEST_S: Final = 100 * 365 * 86_400.0
"""A longer wait is none that anybody means."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """How fast it goes, each per minute: attempts, tokens in and out, and requests that got their result."""

    requests: float
    tokens: float
    ended: float


class Pause(msgspec.Struct, frozen=True):
    """A lane that waits: until when, by the tally's clock, and why."""

    until: float
    failure: Failure


class Tally:
    """Counts what happens in one run.

    Args:
        total: rows of the input; None as long as nobody knows.
        clock: seconds that only grow.
        wall: seconds since the epoch.

    Attributes:
        answered: rows with an answer, those of earlier runs included.
        failed_by_kind: rows that failed for good, those of earlier runs included.
        examples: for each kind of failure, the first message seen in this run.
        earlier: rows that an earlier run had recorded.
        truncated: answers cut by the token cap.
        attempts: requests sent, throttled ones included.
        retried: attempts that were repeated and count against the attempts of their row.
        throttled: attempts that were waited out.
        perhaps_paid: attempts that brought nothing and may be billed all the same.
        input_tokens, output_tokens: as billed in this run.
        cost_usd: price of this run's answers; None as long as no answer had one.
        price_basis: at which prices, in words.
        paused: by lane; a pause stays here when it is over.
        parked: by lane, and why.
        opens_at: of those, by lane, when it may be asked again, in seconds since the epoch, where somebody says so.
        lanes: how each lane stood when it was looked at last.
        bound_s: by lane, the seconds for which it was held up, by what.
        account: the budget and what is spent of it; None without one.
        retuned: by lane, what was changed by hand last, and when by the tally's clock.
    """

    def __init__(
        self,
        *,
        total: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.total = total
        self.clock = clock
        self.wall = wall
        self.answered = 0
        self.failed_by_kind = dict.fromkeys(FailureKind, 0)
        self.examples: dict[FailureKind, str] = {}
        self.earlier = 0
        self.truncated = 0
        self.attempts = 0
        self.retried = 0
        self.throttled = 0
        self.perhaps_paid = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost_usd: float | None = None
        self.price_basis = LIST_PRICE
        self.paused: dict[str, Pause] = {}
        self.parked: dict[str, Failure] = {}
        self.opens_at: dict[str, float] = {}
        self.lanes: dict[str, LaneState] = {}
        self.bound_s: dict[str, dict[str, float]] = {}
        self.retuned: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self.account: Account | None = None
        self._untouched = 0
        self.begin()
        self._handlers = {
            AttemptEnded: self._attempt_ended,
            RequestEnded: self._request_ended,
            LanePaused: self._lane_paused,
            LaneParked: self._lane_parked,
            LaneState: self._lane_looked_at,
            AttemptAdmitted: _count_nothing,
            LaneRetuned: self._lane_retuned,
        }

    def begin(self) -> None:
        """Let time and rates begin now: what came before (loading a model, reading the input) is no part of them."""
        self._started = self.clock()
        self._recent = _Recent(self._started)

    def on_event(self, event: Event) -> None:
        """Count one event."""
        self._handlers[type(event)](event)  # type: ignore[operator] # each handler takes its own class

    def resumed(self, recorded: Recorded) -> None:
        """Count a row that an earlier run had recorded."""
        self.earlier += 1
        if recorded.kind is None:
            self.answered += 1
            self.truncated += recorded.finish_reason is FinishReason.LENGTH
        else:
            self.failed_by_kind[recorded.kind] += 1

    def left(self) -> None:
        """Count a row that was read and is left for another run."""
        self._untouched += 1

    @property
    def failed(self) -> int:
        """Rows that failed for good."""
        return sum(self.failed_by_kind.values())

    @property
    def ended(self) -> int:
        """Rows that have their result."""
        return self.answered + self.failed

    @property
    def untouched(self) -> int:
        """Rows without a result: those still to come while the run goes on, those left when it is over."""
        if self.total is None:
            return self._untouched
        return max(self._untouched, self.total - self.ended)

    @property
    def elapsed_s(self) -> float:
        """Seconds since `begin`, or since the tally was made."""
        return self.clock() - self._started

    @property
    def rates(self) -> Rates:
        """Rates of the last minute, or since the start if that is less ago."""
        elapsed = self.elapsed_s
        sums = self._recent.sums(int(elapsed))
        # The buckets cover a minute of whole seconds and the part of the present one.
        scale = 60 / max(1.0, min(elapsed, _WINDOW + elapsed % 1))
        attempts, tokens, ended = (value * scale for value in sums)
        return Rates(requests=attempts, tokens=tokens, ended=ended)

    @property
    def left_s(self) -> float | None:
        """Seconds until the last row has its result, if it goes on as in the last minute. None if nobody can say."""
        ended_per_minute = self.rates.ended
        if self.total is None or not ended_per_minute:
            return None
        return self.untouched / ended_per_minute * 60

    def pauses(self) -> list[tuple[str, float, Failure]]:
        """The lanes that wait at this moment: name, seconds to go, reason."""
        now = self.clock()
        return [
            (lane, pause.until - now, pause.failure)
            for lane, pause in list(self.paused.items())
            if pause.until > now and lane not in self.parked
        ]

    def _attempt_ended(self, event: AttemptEnded) -> None:
        outcome = event.outcome
        self.attempts += 1
        bucket = self._recent.at(self.clock())
        bucket[0] += 1
        usage = outcome.usage
        if usage is not None:
            given, made = usage.input_tokens, usage.output_tokens
            self.input_tokens += given
            self.output_tokens += made
            bucket[1] += given + made
        if not isinstance(outcome, Reply):
            self._attempt_failed(outcome, is_repeated=event.retry_in is not None)

    def _attempt_failed(self, failure: Failure, *, is_repeated: bool) -> None:
        if failure.kind.is_waited_out:
            self.throttled += 1
        elif is_repeated:
            self.retried += 1
        self.perhaps_paid += failure.may_be_paid

    def _request_ended(self, event: RequestEnded) -> None:
        result = event.result
        outcome = result.outcome
        self._recent.at(self.clock())[2] += 1
        if isinstance(outcome, Reply):
            self.answered += 1
            if outcome.finish_reason is _LENGTH:
                self.truncated += 1
            if result.cost_usd is not None:
                self.cost_usd = (self.cost_usd or 0.0) + result.cost_usd
        elif outcome.kind.parks_lane:
            self._untouched += 1
        else:
            self.failed_by_kind[outcome.kind] += 1
            self.examples.setdefault(outcome.kind, outcome.message)

    def _lane_paused(self, event: LanePaused) -> None:
        self.paused[event.lane] = Pause(self.clock() + event.seconds, event.failure)

    def _lane_parked(self, event: LaneParked) -> None:
        failure = event.failure
        wait = failure.retry_after if failure.kind.ends_by_itself else None
        if wait is not None and 0.0 < wait < _LONGEST_S:
            self.opens_at[event.lane] = self.wall() + wait
        self.parked[event.lane] = failure

    def _lane_looked_at(self, event: LaneState) -> None:
        self.lanes[event.lane] = event
        if event.bound.constraint is Constraint.PARKED:
            return  # what still comes home is not held up
        seconds = self.bound_s.setdefault(event.lane, {})
        seconds[event.bound.name] = seconds.get(event.bound.name, 0.0) + event.seconds

    def _lane_retuned(self, event: LaneRetuned) -> None:
        self.retuned[event.lane] = self.clock(), event.changed


def _count_nothing(event: AttemptAdmitted) -> None:
    """It is for the trace."""


class _Recent:
    """Sums of the last minute: a ring of buckets, one for each second."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._ring = [[0, 0, 0] for _ in range(_WINDOW + 1)]
        self._second = 0
        self._bucket = self._ring[0]
        self._ends_at = started + 1.0

    def at(self, now: float) -> list[int]:
        """The bucket of the moment *now*, by the tally's clock, which never goes back."""
        if now >= self._ends_at:
            self._turn(int(now - self._started))
        return self._bucket

    def sums(self, second: int) -> list[int]:
        """What the buckets hold of the minute that ends with *second*. Changes nothing, so any thread may ask."""
        newest = self._second
        living = [self._ring[past % len(self._ring)] for past in range(max(0, second - _WINDOW), newest + 1)]
        return [sum(bucket[index] for bucket in living) for index in range(3)]

    def _turn(self, second: int) -> None:
        for passed in range(max(self._second + 1, second - _WINDOW), second + 1):
            self._ring[passed % len(self._ring)][:] = 0, 0, 0
        self._bucket = self._ring[second % len(self._ring)]
        self._second = second
        self._ends_at = self._started + second + 1
