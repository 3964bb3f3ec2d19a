"""What people are told of a lane's limits: their names, how full they are, and what never fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Final

from brim.policies.spans import MINUTE_S
from brim.policies.stated import CONSTRAINTS, WORDS
from brim.values import Bound, Dimension, Failure, FailureKind, Gauge, GaugeSource, Sent

if TYPE_CHECKING:
    from brim.policies.clock_pace import ClockPace
    from brim.policies.growth import Growth
    from brim.policies.level import ServerLevel
    from brim.policies.lone import Row
    from brim.policies.past import Past
    from brim.policies.stated import Stated
    from brim.policies.tokens import Amounts

__all__ = [
    "day_used_up",
    "gauge_of_crowd",
    "gauges_of_levels",
    "gauges_of_paces",
    "lasting",
    "longest_wait",
    "over_ceiling",
    "over_shown",
    "refused_alone",
]

_GROWTH_NAME: Final = "a limit on how fast the rate may grow"


def _learnt_name(place: int) -> str:
    """A rate that refusals taught."""
    return f"{WORDS[place]}, a rate learnt from refusals"


def _shown_name(dimension: Dimension) -> str:
    """A limit that headers show."""
    return f"{dimension.value} left on the server"


def longest_wait(
    amounts: Amounts,
    now: float,
    *,
    stated: Sequence[Stated],
    paces: Sequence[ClockPace],
    levels: Mapping[tuple[Dimension, float | None], ServerLevel],
    growth: Growth | None,
) -> Bound | None:
    """The limit that makes an attempt of *amounts* wait the longest; None if none does."""
    waits = [(each.gauge.ready_in(amounts[each.place], now), each.constraint, each.name) for each in stated]
    waits += [
        (pace.ready_in(amounts[pace.place], now), CONSTRAINTS[pace.place], _learnt_name(pace.place)) for pace in paces
    ]
    waits += [
        (level.ready_in(amounts[level.place], now), CONSTRAINTS[level.place], _shown_name(dimension))
        for (dimension, _), level in levels.items()
    ]
    if growth is not None:
        waits.append((growth.ready_in(amounts[growth.place], now), CONSTRAINTS[growth.place], _GROWTH_NAME))
    wait, constraint, name = max(waits, key=lambda each: each[0], default=(0.0, CONSTRAINTS[0], ""))
    return Bound(constraint, name) if wait > 0.0 else None


def gauge_of_crowd(name: str, calls: int, size: int, *, is_stated: bool) -> Gauge:
    """How full the window is: so many *calls* at once of *size*."""
    return Gauge(
        name=name,
        limit=size,
        used=min(1.0, calls / size),
        unit="calls",
        period_s=None,
        source=GaugeSource.STATED if is_stated else GaugeSource.ANSWERS,
    )


def gauges_of_levels(
    levels: Mapping[tuple[Dimension, float | None], ServerLevel], past: Past, now: float
) -> list[Gauge]:
    """How full every limit is that headers show."""
    gauges = []
    for (dimension, _), level in levels.items():
        if level.is_known and level.limit:
            used = _used(past, level.place, level.rate * MINUTE_S, now)
            if level.remaining is not None:
                used = 1.0 - level.level(now) / level.limit
            gauges.append(_gauge(_shown_name(dimension), level.place, level.limit, used, GaugeSource.HEADERS))
    return gauges


def gauges_of_paces(paces: Sequence[ClockPace], past: Past, now: float) -> list[Gauge]:
    """How full every limit is that refusals taught."""
    gauges = []
    for pace in paces:
        if pace.holds:
            limit = pace.rate * MINUTE_S
            used = _used(past, pace.place, limit, now)
            gauges.append(_gauge(_learnt_name(pace.place), pace.place, limit, used, GaugeSource.REFUSALS))
    return gauges


def _used(past: Past, place: int, per_minute: float, now: float) -> float:
    """Which share of a rate the last minute used."""
    return past.rate(place, MINUTE_S, now) * MINUTE_S / per_minute


def _gauge(name: str, place: int, limit: float, used: float, source: GaugeSource) -> Gauge:
    """How full a limit a minute is; *used* is a share, cut to 0 to 1."""
    share = min(1.0, max(0.0, used))
    return Gauge(name=name, limit=limit, used=share, unit=WORDS[place], period_s=MINUTE_S, source=source)


def day_used_up(limit: Stated, wait_s: float) -> Failure:
    """A limit a day leaves no room for *wait_s* seconds."""
    return Failure(
        kind=FailureKind.DAILY,
        message=f"the stated limit of {limit.amount:,.0f} {limit.name} is used up; there is room in {lasting(wait_s)}",
        retry_after=wait_s,
        sent=Sent.NO,
    )


def lasting(seconds: float) -> str:
    """A long wait in words: `45 minutes`, `24.0 hours`, `11.6 days`."""
    for unit, length in (("days", 86_400.0), ("hours", 3_600.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    minutes = max(1, ceil(seconds / MINUTE_S))
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def over_ceiling(cost: float, limit: float, place: int, span: str) -> Failure:
    """A request that never fits into a *limit* a *span*."""
    return Failure(
        kind=FailureKind.TOO_LARGE,
        message=f"the request needs about {cost:,.0f} {WORDS[place]} but the limit is {limit:,.0f} {WORDS[place]} "
        f"a {span}; raise that limit or make the request smaller",
        sent=Sent.NO,
    )


def over_shown(cost: float, limit: float, place: int, refusal: Failure) -> Failure:
    """A request that never fits into a *limit*, as the server's *refusal* bears out."""
    return _meant(
        refusal,
        FailureKind.TOO_LARGE,
        f"the request needs about {cost:,.0f} {WORDS[place]} but the limit is {limit:,.0f} {WORDS[place]}, "
        "and the server refused it; make the request smaller or have that limit raised",
    )


def refused_alone(row: Row, refusal: Failure) -> Failure:
    """A request that is refused whenever it comes, and others are not."""
    return _meant(
        refusal,
        FailureKind.INVALID,
        f"refused {row.refusals} times in {row.seconds:,.0f} s, while {row.passed:,} other calls were let through: "
        "it is this request that is refused, and no rate; the last refusal",
    )


def _meant(refusal: Failure, kind: FailureKind, why: str) -> Failure:
    """What a *refusal* means, *why* before its own words."""
    return Failure(
        kind=kind,
        message=f"{why}: {refusal.message}",
        status=refusal.status,
        code=refusal.code,
        request_id=refusal.request_id,
    )
