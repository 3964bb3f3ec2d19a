"""What holds each lane up and how full its limits are, as a picture for terminals."""

from __future__ import annotations

from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from brim.surfaces.fields import Fields
from brim.surfaces.lanes import Line, filled, news, states
from brim.surfaces.screen import counted, one_line
from brim.surfaces.tally import Tally
from brim.values import Gauge

__all__ = ["lane_views"]

_SHORT_NAME: Final = 44
"""Leaves room for what binds a lane on a line of 80 columns."""
_CLOSE: Final = 2
"""So many lanes are shown with all of their limits, more only with the one that binds."""
_MOST: Final = 10
_CELLS: Final = 8
_FULL: Final = ("█", "░", "▏▎▍▌▋▊▉")
_PLAIN: Final = ("#", ".", "")


def lane_views(tally: Tally) -> list[RenderableType]:
    """Each lane of *tally* as a picture: what holds it up, and its limits as bars."""
    lines = states(tally)
    views: list[RenderableType] = []
    for line in lines[:_MOST]:
        head = _head(line)
        if len(lines) <= _CLOSE:
            views.append(head)
            views += [Padding(_Bars(line, line.gauges), (0, 0, 0, 2))] if line.gauges else []
        else:
            binding = [gauge for gauge in line.gauges if line.bound is not None and gauge.name == line.bound.name]
            views.append(_Bars(line, tuple(binding), head=head))
    if len(lines) > _MOST:
        views.append(Text(f"and {counted(len(lines) - _MOST, 'lane')} more", "dim"))
    views += [_head(line) for line in news(tally)[-_CLOSE:]]
    return views


def _head(line: Line) -> Text:
    head = Text.assemble((f"{one_line(line.name, _SHORT_NAME)} ", "bold"), (line.state, line.style))
    head.no_wrap, head.overflow = True, "ellipsis"
    return head


class _Bars:
    """Limits side by side, each with a bar; the one that binds stands out."""

    def __init__(self, line: Line, gauges: tuple[Gauge, ...], *, head: Text | None = None) -> None:
        self._binding = None if line.bound is None else line.bound.name
        self._gauges = gauges
        self._head = [] if head is None else [head]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        signs = _PLAIN if options.ascii_only else _FULL
        pieces = [
            Text.assemble(
                "" if self._head else f"{gauge.unit} ",
                (_bar(gauge.used, signs), "cyan" if gauge.name == self._binding else "bright_black"),
                f" {filled(gauge)}",
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
