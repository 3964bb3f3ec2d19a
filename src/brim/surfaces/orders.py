"""What `brim ctl` and a live run say to each other: one JSON object a line, an order there, an answer back.

Every order is answered with the run's state as it is then, or with why it was refused. Nothing here ever holds a key,
a prompt, an answer, or a provider's own words, which may quote any of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from brim.config import Limits, Window
from brim.policies.prices import LIST_PRICE
from brim.surfaces.tally import Rates
from brim.values import Gauge

__all__ = [
    "Answer",
    "Drain",
    "LaneStatus",
    "Order",
    "Pause",
    "Refused",
    "Resume",
    "Retune",
    "Show",
    "State",
    "Status",
    "read_answer",
    "read_order",
    "write",
]


class Show(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="order", tag="status"):
    """How is it going?"""


class Retune(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="order", tag="set"):
    """Change limits: those named here, and no other.

    Attributes:
        lane: the name of a lane, or of its model; None for every lane, those still to come included.
        budget_usd: what the run may spend from now on, earlier runs included; None caps nothing.
        The others are as in `brim.Limits`; None takes back what was stated.
    """

    lane: str | None = None
    budget_usd: float | UnsetType | None = UNSET
    requests_per_minute: float | UnsetType | None = UNSET
    tokens_per_minute: float | UnsetType | None = UNSET
    input_tokens_per_minute: float | UnsetType | None = UNSET
    output_tokens_per_minute: float | UnsetType | None = UNSET
    requests_per_day: float | UnsetType | None = UNSET
    tokens_per_day: float | UnsetType | None = UNSET
    windows: tuple[Window, ...] | UnsetType | None = UNSET
    concurrency: int | UnsetType | None = UNSET

    @property
    def named(self) -> dict[str, Any]:
        """The limits that it names, with their new values."""
        asked = {name: getattr(self, name) for name in Limits.__struct_fields__}
        return {
            name: _UNSTATED[name] if value is None else value for name, value in asked.items() if value is not UNSET
        }

    def applied_to(self, limits: Limits) -> Limits:
        """*limits* as they are after this order. Raises `ConfigError` for what can't be kept."""
        return msgspec.structs.replace(limits, **self.named)


_UNSTATED: Final = {name: getattr(Limits(), name) for name in Limits.__struct_fields__}


class Pause(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="order", tag="pause"):
    """Send nothing until told to resume; what is on the wire comes home. *lane* as in `Retune`."""

    lane: str | None = None


class Resume(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="order", tag="resume"):
    """Send again. *lane* as in `Retune`."""

    lane: str | None = None


class Drain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="order", tag="drain"):
    """End the run: what is on the wire comes home, the rest is left for another run."""


Order: TypeAlias = Show | Retune | Pause | Resume | Drain


class State(StrEnum):
    """What a run, or a lane, is doing."""

    RUNNING = "running"
    WAITING = "waiting"
    """A pause that the server's refusals brought about."""
    PAUSED = "paused"
    """By hand."""
    DRAINING = "draining"
    STOPPED = "stopped"
    """The lane sends nothing more in this run."""


class LaneStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One lane.

    Attributes:
        name: API and model.
        state: what it is doing.
        why: while it waits or is stopped: the kind of failure that made it.
        waits_s: seconds until it goes on, while it waits.
        opens_at: once it is stopped, when it may be asked again, in seconds since the epoch, where somebody says so.
        in_flight: attempts on the wire.
        window: attempts that may be there at once, as things stand.
        queued: requests that were read and are not on the wire.
        binding: what keeps it from sending more.
        limits: as stated by now.
        gauges: how full each limit is.
    """

    name: str
    state: State
    why: str | None = None
    waits_s: float | None = None
    opens_at: float | None = None
    in_flight: int
    window: int
    queued: int
    binding: str
    limits: Limits
    gauges: tuple[Gauge, ...]


class Status(msgspec.Struct, frozen=True, kw_only=True, tag_field="answer", tag="status"):
    """A run at this moment.

    Attributes:
        pid: its process.
        state: what it is doing.
        total: rows of the input; None if nobody knows yet.
        seconds: since it began.
        left_s: seconds until its last row is done, at the pace of the last minute; None if nobody can say.
        cost_usd: price of this run's answers; None if no price is known.
        price_basis: at which prices, in words.
        budget_usd: what may be spent; None if nothing caps it.
        spent_usd: what is spent, earlier runs included; None if there is no budget.
        rates: of the last minute.
        The others are as in `brim.surfaces.tally.Tally`.
    """

    pid: int
    state: State
    total: int | None
    answered: int
    failed: int
    earlier: int
    in_flight: int
    retried: int
    throttled: int
    perhaps_paid: int
    truncated: int
    seconds: float
    left_s: float | None
    rates: Rates
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    price_basis: str = LIST_PRICE
    budget_usd: float | None = None
    spent_usd: float | None = None
    lanes: tuple[LaneStatus, ...]


class Refused(msgspec.Struct, frozen=True, tag_field="answer", tag="error"):
    """An order that was not carried out, and why. Nothing has changed."""

    message: str


Answer: TypeAlias = Status | Refused

_orders: Final = msgspec.json.Decoder(Order)
_answers: Final = msgspec.json.Decoder(Answer)


def read_order(line: bytes) -> Order:
    """Read an order.

    Raises:
        msgspec.DecodeError: it is none.
        ConfigError: it names a window that can't be kept.
    """
    order: Order = _orders.decode(line)
    return order


def read_answer(line: bytes) -> Answer:
    """Read an answer. Raises `msgspec.DecodeError` for what is none."""
    answer: Answer = _answers.decode(line)
    return answer


def write(message: Order | Answer) -> bytes:
    """One line."""
    return msgspec.json.encode(message) + b"\n"
