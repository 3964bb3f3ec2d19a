"""What people are told of a lane's limits: their names, how full they are, and what never fits."""

from __future__ import annotations

from typing import Final

from brim.policies.spans import MINUTE_S
from brim.policies.stated import WORDS
from brim.values import Dimension, Failure, FailureKind, Gauge, GaugeSource, Sent

__all__ = ["GROWTH_NAME", "gauge_of", "learnt_name", "over_ceiling", "shown_name"]

GROWTH_NAME: Final = "a limit on how fast the rate may grow"


def learnt_name(place: int) -> str:
    """A rate that refusals taught."""
    return f"{WORDS[place]}, a rate learnt from refusals"


def shown_name(dimension: Dimension) -> str:
    """A limit that headers show."""
    return f"{dimension.value} left on the server"


def gauge_of(name: str, place: int, limit: float, used: float, source: GaugeSource) -> Gauge:
    """How full a limit a minute is; *used* is a share, cut to 0 to 1."""
    share = min(1.0, max(0.0, used))
    return Gauge(name=name, limit=limit, used=share, unit=WORDS[place], period_s=MINUTE_S, source=source)


def over_ceiling(cost: float, limit: float, place: int, span: str) -> Failure:
    """A request that never fits into a *limit* a *span*."""
    return Failure(
        kind=FailureKind.TOO_LARGE,
        message=f"the request needs about {cost:,.0f} {WORDS[place]} but the limit is {limit:,.0f} {WORDS[place]} "
        f"a {span}; raise that limit or make the request smaller",
        sent=Sent.NO,
    )
