"""What a rate saves up in a pause: of a limit that is stated or shown a second call may follow the first at once.

A server that refuses just that one has a bucket of a single call. It would do so after every pause, and each refusal
is a pause.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Pause"]

_SOON: Final = 0.5
"""A call that came as much of a step after the pause, or less, went from what was saved up."""


class Pause:
    """The last pause of one rate.

    Args:
        saves: may something be saved up at all?
    """

    __slots__ = ("_at", "_saves")

    def __init__(self, *, saves: bool) -> None:
        self._saves = saves
        self._at = float("-inf")

    def saved_s(self, step: float, now: float) -> float:
        """A pause ends *now*. Seconds of it that count for what follows, where calls keep *step* seconds apart."""
        self._at = now
        return step if self._saves else 0.0

    def refused(self, step: float, *, sent_at: float) -> None:
        """A call was refused."""
        if 0.0 <= sent_at - self._at < _SOON * step:
            self._saves = False
