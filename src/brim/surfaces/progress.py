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

from brim.surfaces.lanes import lane_lines
from brim.surfaces.screen import Screen, budget, duration, money

if TYPE_CHECKING:
    from types import TracebackType

    from brim.surfaces.tally import Tally

__all__ = ["INTERVAL_S", "Progress", "plain_lines"]

INTERVAL_S: Final = 10.0
"""Seconds between two lines where there is no terminal."""


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
        # Not console.is_terminal: FORCE_COLOR makes that true of a file, where nothing can be drawn over.
        drawn = _drawn(tally, screen) if screen.isatty() else None
        self._shown: _Shown = drawn or _Told(tally, screen, interval)

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


def _drawn(tally: Tally, screen: Screen) -> _Shown | None:
    from brim.surfaces.progress_view import drawn  # noqa: PLC0415 - a tenth of a second that plain lines can do without

    console = screen.console()
    return None if console.is_dumb_terminal else drawn(tally, console)


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
    if tally.account is not None:
        pieces.append(budget(tally.account.spent_usd, tally.account.cap_usd))
    elif tally.cost_usd is not None:
        pieces.append(money(tally.cost_usd))
    if left:
        pieces.append(f"{duration(left)} left")
    return [f"brim: {', '.join(pieces)}", *(f"brim: {line}" for line in lane_lines(tally))]
