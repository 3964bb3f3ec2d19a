"""How far a run has come, on standard error, while it goes on.

In a terminal: a bar, the counters, and for every lane what holds it up and how full its limits are, drawn four times a
second whatever the rate.
Elsewhere (a file, a pipe, a CI log): one whole line at the start, every ten seconds, and at the end. Both are
drawn by a thread that only reads the tally, so the run never waits for the screen.
"""

from __future__ import annotations

import sys
from threading import Event, Thread
from typing import TYPE_CHECKING, Final, Protocol, Self, TextIO

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from brim.surfaces.lanes import lane_lines, lane_views
from brim.surfaces.screen import Fields, Screen, compact, duration, money

if TYPE_CHECKING:
    from types import TracebackType

    from brim.surfaces.tally import Tally

__all__ = ["INTERVAL_S", "Progress", "plain_lines", "view"]

INTERVAL_S: Final = 10.0
"""Seconds between two lines where there is no terminal."""

_PER_SECOND: Final = 4
_BAR: Final = range(8, 41)
"""How many columns the bar may take."""


class Progress:
    """Shows *tally* on *stderr* between `start` and `stop`, or inside a `with` block.

    It uses threads of its own, so it may stand around an event loop or inside one. In a terminal it leaves nothing
    behind: the report follows.

    Args:
        tally: what to show.
        stderr: where; by default the standard error of this moment.
        interval: seconds between two lines where *stderr* is no terminal.
    """

    def __init__(self, tally: Tally, *, stderr: TextIO | None = None, interval: float = INTERVAL_S) -> None:
        screen = Screen(stderr or sys.stderr)
        console = screen.console()
        # Not console.is_terminal: FORCE_COLOR makes that true of a file, where nothing can be drawn over.
        can_draw = screen.isatty() and not console.is_dumb_terminal
        self._shown: _Shown = _drawn(tally, console) if can_draw else _Told(tally, screen, interval)

    def start(self) -> None:
        """Begin to show."""
        self._shown.start()

    def stop(self) -> None:
        """Show the last state and end."""
        self._shown.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Shown(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...


def _drawn(tally: Tally, console: Console) -> Live:
    return Live(
        console=console,
        get_renderable=lambda: view(tally),
        refresh_per_second=_PER_SECOND,
        transient=True,
        redirect_stdout=False,  # standard output is data, and rich would send it to standard error
    )


class _Told:
    """Plain lines."""

    def __init__(self, tally: Tally, screen: Screen, interval: float) -> None:
        self._tally = tally
        self._screen = screen
        self._interval = interval
        self._over = Event()
        self._thread = Thread(target=self._tell, name="brim-progress", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _tell(self) -> None:
        self._say()
        while not self._over.wait(self._interval):
            self._say()
        self._say()

    def _say(self) -> None:
        self._screen.write("".join(f"{line}\n" for line in plain_lines(self._tally)))
        self._screen.flush()


def plain_lines(tally: Tally) -> list[str]:
    """The state of *tally* in lines that stand for themselves."""
    rates, left = tally.rates, tally.left_s
    pieces = [
        f"{tally.ended}/{tally.total} done" if tally.total is not None else f"{tally.ended} done",
        f"{tally.failed} failed",
        f"{tally.retried} retried",
        f"{tally.throttled} throttled",
        f"{rates.requests:.0f} requests/min",
        f"{rates.tokens:.0f} tokens/min",
    ]
    if tally.cost_usd is not None:
        pieces.append(money(tally.cost_usd))
    if left:
        pieces.append(f"{duration(left)} left")
    return [f"brim: {', '.join(pieces)}", *(f"brim: {line}" for line in lane_lines(tally))]


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
    if tally.cost_usd is not None:
        pieces.append(Text(money(tally.cost_usd), "green"))
    return pieces
