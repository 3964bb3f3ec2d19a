"""How fast a server's level moves beyond what its limit promises, right now: a straight line through the last looks.

`remaining + sent - rate * time` stands still while all of the limit is ours. Where another client begins to take a part
of it, it falls, and that shows within a few answers, and at the first refusal at the latest. The line is a Kalman
filter's: the noise of the looks is learnt from how far they are off, and a limit is thought to change once in a while.
"""

from __future__ import annotations

from math import exp
from typing import Final

__all__ = ["Trend"]

_RESTLESS: Final = 0.05
"""The standard deviation of the refill over a second, as a share of it: halved or doubled within some 100 s."""
_UNSURE: Final = 0.1
"""The same when nothing was seen yet."""
_FORGETS_S: Final = 40.0
"""What is not seen again is forgotten over so many seconds: the other client may have left."""
_NOISE_WEIGHT: Final = 0.05
_OUTLIER: Final = 9.0
"""A look is off by no more than three standard deviations for the noise."""


class Trend:
    """The refill beyond what is promised, in units a second; below 0 where somebody else takes a part.

    Attributes:
        slope: that refill.
    """

    __slots__ = ("_at", "_both", "_level", "_level_var", "_noise", "_room", "_slope_var", "slope")

    def __init__(self) -> None:
        self.slope = 0.0
        self._noise = self._room = 0.0
        self.forget()

    def forget(self) -> None:
        """The limit itself has changed: begin anew."""
        self.slope = 0.0
        self._at: float | None = None
        self._level = self._level_var = self._both = self._slope_var = 0.0

    def scale(self, factor: float) -> None:
        """The limit itself is another: others take about the same part of it as before."""
        slope = self.slope * factor
        self.forget()
        self.slope = slope

    def saw(self, offset: float, at: float, *, promised: float, unit: float, jump: float, room: float) -> None:
        """The offset was seen at a time, in the order of looking.

        Args:
            offset: what should stand still.
            at: when.
            promised: the limit's rate.
            unit: a look may be off by so much at least.
            jump: more than this is no drift: a window began.
            room: what was missing from all that there may be. A limit that was full for a while hides what it refills.
        """
        noise = self._noise + 0.25 * unit * unit
        room, self._room = self._room, room
        if self._at is None:
            self._at, self._level, self._level_var = at, offset, noise
            self._slope_var = (_UNSURE * promised) ** 2
            return
        seconds = at - self._at
        if seconds < 0.0:
            return
        self._at = at
        self.slope *= exp(-seconds / _FORGETS_S)
        self._level += self.slope * seconds
        self._level_var += seconds * (2.0 * self._both + seconds * self._slope_var)
        self._both += seconds * self._slope_var
        self._slope_var += (_RESTLESS * promised) ** 2 * seconds
        off = offset - self._level
        if abs(off) > jump or room <= promised * seconds:
            self._level, self._level_var, self._both = offset, noise, 0.0
            return
        certain = self._level_var + noise
        self._noise += (max(0.0, min(off * off, _OUTLIER * certain) - self._level_var) - self._noise) * _NOISE_WEIGHT
        gain, gain_slope = self._level_var / certain, self._both / certain
        self._level += gain * off
        self.slope = max(-0.98 * promised, min(0.02 * promised, self.slope + gain_slope * off))
        self._slope_var -= gain_slope * self._both
        self._both *= 1.0 - gain
        self._level_var *= 1.0 - gain
