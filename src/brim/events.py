"""What observers are told while a run goes on: attempts, results, pauses, and how a lane stands.

Frozen, like all words of the house (`brim.values`). Observers are called synchronously and must not block.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from brim.values import Attempt, Bound, Failure, Gauge, Outcome, Result

__all__ = [
    "AttemptAdmitted",
    "AttemptEnded",
    "Event",
    "Hold",
    "LaneParked",
    "LanePaused",
    "LaneRetuned",
    "LaneState",
    "RequestEnded",
]


class AttemptEnded(msgspec.Struct, frozen=True, gc=False):
    """An attempt came back. *retry_in* is the wait before the next one in seconds, or None if it was the last."""

    lane: str
    attempt: Attempt
    outcome: Outcome
    latency_s: float
    retry_in: float | None


class RequestEnded(msgspec.Struct, frozen=True, gc=False):
    """A request has its result, and the result is recorded."""

    lane: str
    result: Result


class LanePaused(msgspec.Struct, frozen=True, gc=False):
    """A lane sends nothing for *seconds*, because of *failure*; 0 when that is over sooner than was said."""

    lane: str
    seconds: float
    failure: Failure


class LaneParked(msgspec.Struct, frozen=True, gc=False):
    """A lane sends nothing more in this run. Its rows are untouched."""

    lane: str
    failure: Failure


class LaneState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a lane stands; told four times a second while there is work.

    Attributes:
        lane: its name.
        bound: what keeps it from sending more.
        gauges: how full each of its limits is.
        seconds: since it was told the last time.
        in_flight: attempts on the wire.
        waiting: requests and attempts that could be sent but for *bound*.
    """

    lane: str
    bound: Bound
    gauges: tuple[Gauge, ...]
    seconds: float
    in_flight: int
    waiting: int


class Hold(msgspec.Struct, frozen=True, gc=False):
    """What kept an attempt waiting, and for how many seconds."""

    bound: Bound
    seconds: float


class AttemptAdmitted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An attempt that had to wait may go. Told where a trace is asked for.

    Attributes:
        lane: its lane's name.
        attempt: the attempt.
        waited_s: how long it waited for admission.
        holds: what it waited for, in order; together as long as *waited_s*.
        input_tokens, output_tokens: what it is charged until its answer says what it used.
        gauge: the limit that held it longest as it stood when the attempt went; None where that was no limit.
    """

    lane: str
    attempt: Attempt
    waited_s: float
    holds: tuple[Hold, ...]
    input_tokens: float
    output_tokens: float
    gauge: Gauge | None


class LaneRetuned(msgspec.Struct, frozen=True):
    """Somebody changed a lane's limits. *changed* has the fields of `brim.Limits` that changed, with the new values."""

    lane: str
    changed: Mapping[str, Any]


Event: TypeAlias = AttemptEnded | RequestEnded | LanePaused | LaneParked | LaneState | LaneRetuned | AttemptAdmitted
"""What observers are told. They are called synchronously and must not block."""
