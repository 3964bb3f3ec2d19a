"""What holds each lane up and how full its limits are, as text: a line for plain screens, a picture for terminals."""

from __future__ import annotations

from typing import Final, NamedTuple

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from brim.surfaces.params import spell_limits
from brim.surfaces.screen import Fields, compact, counted, duration, one_line, reason
from brim.surfaces.tally import Tally
from brim.values import Bound, Constraint, Gauge, GaugeSource

__all__ = ["lane_lines", "lane_views"]

_REASON: Final = 120
"""Characters of a reason: one line of a wide terminal."""
_NAME: Final = 60
_SHORT_NAME: Final = 44
"""Leaves room for what binds a lane on a line of 80 columns."""
_NEWS_S: Final = 30.0
"""A change by hand is shown for so long."""
_CLOSE: Final = 2
"""So many lanes are shown with all of their limits, more only with the one that binds."""
_MOST: Final = 10
_CELLS: Final = 8
_FULL: Final = ("█", "░", "▏▎▍▌▋▊▉")
_PLAIN: Final = ("#", ".", "")

_PERIODS: Final = {60.0: "/min", 86_400.0: "/day"}
_SOURCES: Final = {GaugeSource.HEADERS: " (server)", GaugeSource.REFUSALS: " (learnt)"}
_NO_LIMITS: Final = frozenset({Constraint.SOURCE, Constraint.CPU})


class _Line(NamedTuple):
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
        for line in (*_lines(tally), *_news(tally))
    ]


def lane_views(tally: Tally) -> list[RenderableType]:
    """Each lane of *tally* as a picture: what holds it up, and its limits as bars."""
    lines = _lines(tally)
    views: list[RenderableType] = []
    for line in lines[:_MOST]:
        head = Text.assemble((f"{one_line(line.name, _SHORT_NAME)} ", "bold"), (line.state, line.style))
        head.no_wrap, head.overflow = True, "ellipsis"
        if len(lines) <= _CLOSE:
            views.append(head)
            views += [Padding(_Bars(line, line.gauges), (0, 0, 0, 2))] if line.gauges else []
        else:
            binding = [gauge for gauge in line.gauges if line.bound is not None and gauge.name == line.bound.name]
            views.append(_Bars(line, tuple(binding), head=head))
    if len(lines) > _MOST:
        views.append(Text(f"and {counted(len(lines) - _MOST, 'lane')} more", "dim"))
    for line in _news(tally)[-_CLOSE:]:
        head = Text.assemble((f"{one_line(line.name, _SHORT_NAME)} ", "bold"), (line.state, line.style))
        head.no_wrap, head.overflow = True, "ellipsis"
        views.append(head)
    return views


def _lines(tally: Tally) -> list[_Line]:
    waits = {lane: f"waits {duration(seconds)}: {reason(why, _REASON)}" for lane, seconds, why in tally.pauses()}
    lines = []
    for name in dict.fromkeys([*list(tally.lanes), *waits, *list(tally.parked)]):
        state = tally.lanes.get(name)
        gauges = () if state is None else state.gauges
        bound = None if state is None else state.bound
        if name in tally.parked:
            lines.append(_Line(name, f"stopped: {reason(tally.parked[name], _REASON)}", "yellow"))
        elif name in waits and (bound is None or bound.constraint is not Constraint.HELD):
            lines.append(_Line(name, waits[name], "yellow", bound, gauges))
        elif bound is not None:
            is_idle = bound.constraint in _NO_LIMITS
            words = bound.name if bound.constraint is Constraint.HELD else f"bound by {bound.name}"
            lines.append(_Line(name, words, "dim" if is_idle else "cyan", bound, gauges))
    return lines


def _news(tally: Tally) -> list[_Line]:
    """What somebody changed a moment ago."""
    return [
        _Line(name, f"changed by hand to {spell_limits(changed)}", "yellow")
        for name, (at, changed) in list(tally.retuned.items())
        if tally.clock() - at < _NEWS_S and name not in tally.parked
    ]


def _told(gauges: tuple[Gauge, ...]) -> str:
    return ", ".join(f"{gauge.unit} {_filled(gauge)}" for gauge in gauges)


def _filled(gauge: Gauge) -> str:
    """How full it is, in numbers."""
    if gauge.period_s is None:
        return f"{round(gauge.used * gauge.limit):,}/{gauge.limit:,.0f}"
    period = _PERIODS.get(gauge.period_s, f"/{gauge.period_s:g} s")
    return f"{gauge.used:.0%} of {compact(gauge.limit)}{period}{_SOURCES.get(gauge.source, '')}"


class _Bars:
    """Limits side by side, each with a bar; the one that binds stands out."""

    def __init__(self, line: _Line, gauges: tuple[Gauge, ...], *, head: Text | None = None) -> None:
        self._binding = None if line.bound is None else line.bound.name
        self._gauges = gauges
        self._head = [] if head is None else [head]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        signs = _PLAIN if options.ascii_only else _FULL
        pieces = [
            Text.assemble(
                "" if self._head else f"{gauge.unit} ",
                (_bar(gauge.used, signs), "cyan" if gauge.name == self._binding else "bright_black"),
                f" {_filled(gauge)}",
                style="" if gauge.name == self._binding else "dim",
            )
            for gauge in self._gauges
        ]
        yield from console.render(Fields([*self._head, *pieces]), options)


def _bar(used: float, signs: tuple[str, str, str]) -> str:
    full, empty, parts = signs
    eighths = used * _CELLS
    whole = int(eighths)
    part = int((eighths - whole) * (len(parts) + 1))
    bar = full * whole + (parts[part - 1] if part else "")
    return bar + empty * (_CELLS - len(bar))
