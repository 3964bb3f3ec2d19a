"""What holds each lane up and how full its limits are, in words; `lane_views` has the picture for terminals."""

from __future__ import annotations

from typing import Final, NamedTuple

from brim.surfaces.params import spell_limits
from brim.surfaces.screen import compact, duration, one_line, point, reason
from brim.surfaces.tally import Tally
from brim.values import Bound, Constraint, Gauge, GaugeSource

__all__ = ["Line", "filled", "lane_lines", "news", "states"]

_REASON: Final = 120
"""Characters of a reason: one line of a wide terminal."""
_NAME: Final = 60
_NEWS_S: Final = 30.0
"""A change by hand is shown for so long."""
_PERIODS: Final = {60.0: "/min", 86_400.0: "/day"}
_SOURCES: Final = {GaugeSource.HEADERS: " (server)", GaugeSource.REFUSALS: " (learnt)"}
_NO_LIMITS: Final = frozenset({Constraint.SOURCE, Constraint.CPU})


class Line(NamedTuple):
    """One lane: its name, what it does, and its limits."""

    name: str
    state: str
    style: str
    bound: Bound | None = None
    gauges: tuple[Gauge, ...] = ()


def lane_lines(tally: Tally) -> list[str]:
    """Each lane of *tally* in a line."""
    return [
        "; ".join([f"{one_line(line.name, _NAME)} {line.state}", *([_told(line.gauges)] if line.gauges else [])])
        for line in (*states(tally), *news(tally))
    ]


def states(tally: Tally) -> list[Line]:
    """How each lane stands."""
    waits = {lane: f"waits {duration(seconds)}: {reason(why, _REASON)}" for lane, seconds, why in tally.pauses()}
    lines = []
    for name in dict.fromkeys([*list(tally.lanes), *waits, *list(tally.parked)]):
        state = tally.lanes.get(name)
        gauges = () if state is None else state.gauges
        bound = None if state is None else state.bound
        if name in tally.parked:
            until = f" until {point(tally.opens_at[name], tally.wall())}" if name in tally.opens_at else ""
            lines.append(Line(name, f"stopped{until}: {reason(tally.parked[name], _REASON)}", "yellow"))
        elif name in waits and (bound is None or bound.constraint is not Constraint.HELD):
            lines.append(Line(name, waits[name], "yellow", bound, gauges))
        elif bound is not None:
            is_idle = bound.constraint in _NO_LIMITS
            words = bound.name if bound.constraint is Constraint.HELD else f"bound by {bound.name}"
            lines.append(Line(name, words, "dim" if is_idle else "cyan", bound, gauges))
    return lines


def news(tally: Tally) -> list[Line]:
    """What somebody changed a moment ago."""
    return [
        Line(name, f"changed by hand to {spell_limits(changed)}", "yellow")
        for name, (at, changed) in list(tally.retuned.items())
        if tally.clock() - at < _NEWS_S and name not in tally.parked
    ]


def _told(gauges: tuple[Gauge, ...]) -> str:
    return ", ".join(f"{gauge.unit} {filled(gauge)}" for gauge in gauges)


def filled(gauge: Gauge) -> str:
    """How full it is, in numbers."""
    if gauge.period_s is None:
        return f"{round(gauge.used * gauge.limit):,}/{gauge.limit:,.0f}"
    period = _PERIODS.get(gauge.period_s, f"/{gauge.period_s:g} s")
    return f"{gauge.used:.0%} of {compact(gauge.limit)}{period}{_SOURCES.get(gauge.source, '')}"
