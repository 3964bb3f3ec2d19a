"""A trace of admission: one JSON line for each attempt that had to wait, and why it did.

Nothing of a prompt and no key is in it. It is for people who look for lost time, so it never harms a run: a disk that
takes no more ends the trace, with a warning, and nothing else.
"""

from __future__ import annotations

import time
import warnings
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from brim.errors import ConfigError
from brim.events import AttemptAdmitted, Event

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TraceFile", "trace_line"]

_FLUSH_S: Final = 1.0
"""A line is in the file after about so long while others follow, so that one can look on."""

_ENCODE: Final = msgspec.json.Encoder()


def trace_line(event: AttemptAdmitted, at: float) -> dict[str, Any]:
    """What the trace says of *event*, which happened *at* seconds since the epoch."""
    request = event.attempt.request
    return {
        "at": round(at, 3),
        "lane": event.lane,
        "id": request.id,
        "position": request.position,
        "attempt": event.attempt.number,
        "waited_s": round(event.waited_s, 4),
        "held_by": [
            {"constraint": hold.bound.constraint, "name": hold.bound.name, "seconds": round(hold.seconds, 4)}
            for hold in event.holds
        ],
        "input_tokens": round(event.input_tokens),
        "output_tokens": round(event.output_tokens),
        "limit": event.gauge and msgspec.structs.replace(event.gauge, used=round(event.gauge.used, 4)),
    }


class TraceFile:
    """A trace that goes to the end of the file *path*.

    Args:
        path: created if it is not there.
        wall: seconds since the epoch.

    Raises:
        ConfigError: the file can't be opened.
    """

    def __init__(self, path: str | PathLike[str], *, wall: Callable[[], float] = time.time) -> None:
        self._path = Path(path)
        self._wall = wall
        self._lost: OSError | None = None
        self._flushed_at = wall()
        try:
            self._file = self._path.open("ab")
        except OSError as error:
            raise ConfigError(f"can't write the trace {path}: {error.strerror}; name another file") from None

    def before(self, emit: Callable[[Event], None]) -> Callable[[Event], None]:
        """*emit*, with what belongs into the trace written first."""

        def tell(event: Event) -> None:
            if isinstance(event, AttemptAdmitted):
                self.write(event)
            emit(event)

        return tell

    def write(self, event: AttemptAdmitted) -> None:
        """Add a line."""
        if self._lost is not None:
            return
        now = self._wall()
        try:
            self._file.write(_ENCODE.encode(trace_line(event, now)) + b"\n")
            if now - self._flushed_at >= _FLUSH_S:
                self._file.flush()
                self._flushed_at = now
        except OSError as error:
            self._lost = error

    def close(self) -> None:
        """Write what is left. Warns if lines were lost."""
        try:
            self._file.close()
        except OSError as error:
            self._lost = self._lost or error
        if self._lost is not None:
            warnings.warn(f"the trace {self._path} is not complete: {self._lost.strerror}", stacklevel=2)
