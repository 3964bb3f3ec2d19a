"""How far a run has come, as a picture for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from brim.surfaces.fields import Fields
from brim.surfaces.lane_views import lane_views
from brim.surfaces.screen import budget, compact, duration, money

if TYPE_CHECKING:
    from brim.surfaces.tally import Tally

__all__ = ["drawn", "view"]

_PER_SECOND: Final = 4
_BAR: Final = range(8, 41)
"""How many columns the bar may take."""


def drawn(tally: Tally, console: Console) -> Live:
    """The picture of *tally* on *console*, drawn anew for as long as it lives."""
    return Live(
        console=console,
        get_renderable=lambda: view(tally),
        refresh_per_second=_PER_SECOND,
        transient=True,
        redirect_stdout=False,  # standard output is data, and rich would send it to standard error
    )


def view(tally: Tally) -> Group:
    """The picture of *tally*."""
    return Group(_Head(tally), Fields(_pieces(tally)), *lane_views(tally))


class _Head:
    """The first line: the bar, how many of how many, and the time left."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        tally = self._tally
        text = _progress_text(tally)
        room = options.max_width - text.cell_len - 1
        if room < _BAR.start:
            yield text
            return
        width = min(room, _BAR.stop - 1)
        bar = ProgressBar(total=tally.total, completed=tally.ended, width=width, pulse=tally.total is None)
        yield from console.render(bar, options)
        yield Text(" ").append_text(text)


def _progress_text(tally: Tally) -> Text:
    if tally.total is None:
        return Text(f"{tally.ended:,} done", "bold")
    text = Text.assemble((f"{tally.ended:,}/{tally.total:,}", "bold"))
    text.append(f" {tally.ended / max(1, tally.total):.0%}")
    left = tally.left_s
    if left:
        text.append(f"  {duration(left)} left", "cyan")
    return text


def _pieces(tally: Tally) -> list[Text]:
    """The counters: what went wrong is coloured as soon as there is any of it."""
    rates = tally.rates
    pieces = [
        Text(f"{tally.failed:,} failed", "bold red" if tally.failed else "dim"),
        Text(f"{tally.retried:,} retried", "yellow" if tally.retried else "dim"),
        Text(f"{tally.throttled:,} throttled", "yellow" if tally.throttled else "dim"),
        Text(f"{compact(rates.requests)} requests/min"),
        Text(f"{compact(rates.tokens)} tokens/min"),
    ]
    if tally.account is not None:
        pieces.append(Text(budget(tally.account.spent_usd, tally.account.cap_usd), "green"))
    elif tally.cost_usd is not None:
        pieces.append(Text(money(tally.cost_usd), "green"))
    return pieces
