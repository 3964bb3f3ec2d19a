"""One call as the provider remembers it."""

from __future__ import annotations

from brim.simulator.asks import Ask
from brim.simulator.charging import Charge
from brim.simulator.delivery import Delivery
from brim.simulator.generation import Plan
from brim.simulator.headers import Pair

__all__ = ["Exchange"]


class Exchange:
    """One call from its arrival to the end of its answer.

    Attributes:
        ordinal: the number of its arrival, from 1.
        name: 24 characters that name it.
        ask: the request; None if it could not be read.
        delivery: what the driver must do.
        refusal: the name of the error it was turned away with; empty if it was accepted.
        fault: the name of the fault that befell it; empty for none.
        plan: when its answer is made; None if none is.
        cost: what it costs; None if nothing.
        spent: tokens of input and output.
        limits: header lines about limits, if they were taken when it was admitted.
        shows_limits: does its answer say anything about limits?
        is_inside: is it one of the calls that run?
        is_stopped: did its client leave, and its generation end with it?
    """

    __slots__ = (
        "ask",
        "cost",
        "delivery",
        "fault",
        "is_inside",
        "is_stopped",
        "limits",
        "name",
        "ordinal",
        "plan",
        "refusal",
        "shows_limits",
        "spent",
    )

    def __init__(self, ordinal: int) -> None:
        self.ordinal = ordinal
        self.name = f"{ordinal:024x}"
        self.ask: Ask | None = None
        self.delivery: Delivery
        self.refusal = ""
        self.fault = ""
        self.plan: Plan | None = None
        self.cost: Charge | None = None
        self.spent = (0, 0)
        self.limits: list[Pair] | None = None
        self.shows_limits = False
        self.is_inside = False
        self.is_stopped = False
