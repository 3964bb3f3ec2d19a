"""One call as the provider remembers it."""

from __future__ import annotations

from typing import Final

import msgspec

from brim.simulator.asks import Ask
from brim.simulator.charging import Charge
from brim.simulator.delivery import Delivery
from brim.simulator.generation import Plan
from brim.simulator.headers import Pair
from brim.simulator.scenario import Vendor

__all__ = ["Exchange"]


_NONE_YET: Final = Delivery(at=0.0, status=0, head_at=None, end_at=0.0)


class Exchange(msgspec.Struct, gc=False, eq=False):
    """One call from its arrival to the end of its answer.

    Attributes:
        ordinal: the number of its arrival, from 1.
        name: 24 characters that name it.
        ask: the request; None if it could not be read.
        delivery: what the driver must do.
        vendor: whose words are used.
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

    ordinal: int
    name: str
    ask: Ask | None = None
    delivery: Delivery = _NONE_YET
    vendor: Vendor = "openai"
    refusal: str = ""
    fault: str = ""
    plan: Plan | None = None
    cost: Charge | None = None
    spent: tuple[int, int] = (0, 0)
    limits: list[Pair] | None = None
    shows_limits: bool = False
    is_inside: bool = False
    is_stopped: bool = False
