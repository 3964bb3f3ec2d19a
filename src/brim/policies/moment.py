"""The moment that a shown level belongs to: when the call was admitted, or when its answer began.

Under the right one what is shown can be foretold from what was sent since the last answer. So both are kept as
hypotheses, and the one under which answers surprise least, in the order of sending, is believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Moment"]

_WEIGHT: Final = 0.2
_STEADIER: Final = 0.7


class Moment:
    """Learns which moment answers show.

    Attributes:
        is_late: is it the one at which an answer began?
    """

    __slots__ = ("_last", "_noise", "_weighed_at", "is_late")

    def __init__(self) -> None:
        self.is_late = False
        self._last: tuple[float, float] | None = None
        self._noise = [0.0, 0.0]
        self._weighed_at = float("-inf")

    def forget(self) -> None:
        """What was shown before says nothing about what is shown now."""
        self._last = None

    def weigh(
        self,
        remaining: float,
        *,
        sent_at: float,
        sent: float,
        now: float,
        total: float,
        given_back: Callable[[float], float],
        least: float,
    ) -> bool:
        """An answer showed what remains. Was the other moment the right one all the time?

        Args:
            remaining: what it showed.
            sent_at: when the attempt went that it answers.
            sent: what had been sent by then.
            now: when it came.
            total: what has been sent by now.
            given_back: tells what came back by a time, but for a constant.
            least: differences up to this say nothing.
        """
        if sent_at <= self._weighed_at:
            return False
        self._weighed_at = sent_at
        offsets = (remaining + sent - given_back(sent_at), remaining + total - given_back(now))
        if self._last is not None:
            for place in (0, 1):
                self._noise[place] += (abs(offsets[place] - self._last[place]) - self._noise[place]) * _WEIGHT
        self._last = offsets
        noise, other = self._noise[self.is_late], self._noise[not self.is_late]
        if other < _STEADIER * noise and other < noise - least:
            self.is_late = not self.is_late
            return True
        return False
