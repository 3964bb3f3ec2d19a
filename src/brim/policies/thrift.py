"""How much of a cap on output is reserved while a limit of tokens stays full although it is what holds calls back.

A bucket of a few seconds whose server counts less than prompt and cap together never empties at the pace that these
make, and what is full shows nothing of what is counted. So while it stays full, ever less of what a call may make but
hardly will is reserved, in steps so small that what is left is seen to fall before it is gone: then
`brim.policies.tariff` sees how much each call takes. If it is the whole cap after all, all is reserved again, and the
next trial is later.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Thrift"]

_FULL: Final = 0.85
"""So much of the most that was ever left is full."""
_LOW: Final = 0.5
"""With less left than this the last step is taken back; where answers take longer than a step, if it is not full."""
_RISING: Final = 1.02
"""Where more is left than ever before, by more than this, it is not full yet."""
_LOOKS: Final = 4
_LEAST_S: Final = 2.0
_TRIPS: Final = 0.5
"""A step is judged by so many calls, sent after so many seconds or this share of the time that an answer takes."""
_SPENDS: Final = 0.25
_MOST: Final = 0.3
"""If the whole cap is counted, a step takes this share of the limit until then: enough to be seen. None is larger."""
_REST_S: Final = 30.0
_RESTS_LONGER: Final = 2.0
"""After a step that was one too many none follows for so long, and after every further one for so many times longer."""


class Thrift:
    """The share of what a call may make beyond the usual that is reserved.

    Attributes:
        share: 1 for all of it, 0 for none.
    """

    __slots__ = ("_before", "_left", "_looks", "_most", "_rest_s", "_rests_until", "_since", "_steps", "share")

    def __init__(self) -> None:
        self.share = 1.0
        self._steps: list[float] = []
        self._most = self._before = 0.0
        self._looks = 0
        self._left = 0.0
        self._since = self._rests_until = float("-inf")
        self._rest_s = _REST_S

    def saw(self, remaining: float, *, sent_at: float, now: float, rate: float) -> None:
        """An answer to a call of *sent_at* showed what remains of a limit that gives back *rate* a second."""
        self._most = max(self._most, remaining)
        if sent_at < self._since:
            return  # of before the last step
        self._looks += 1
        self._left += (remaining - self._left) / min(self._looks, _LOOKS)
        trip_s = now - sent_at
        settled_s = max(_LEAST_S, _TRIPS * trip_s)
        is_judged = self._looks >= _LOOKS and sent_at - self._since >= settled_s
        is_full = self._left >= _FULL * self._most and self._most <= _RISING * self._before
        if remaining < _LOW * self._most or (is_judged and not is_full and trip_s > settled_s):
            self._back(now)
        elif is_judged:
            if is_full and now >= self._rests_until and self.share > 0.0:
                self._steps.append(self.share)
                self.share = max(0.0, self.share - min(_MOST, _SPENDS * self._most / (rate * settled_s)))
            self._begin(now)

    def refused(self, now: float) -> None:
        """A call was refused for want of tokens."""
        self._back(now)

    def _back(self, now: float) -> None:
        if self._steps:
            self.share = self._steps.pop()
            self._rests_until = now + self._rest_s
            self._rest_s *= _RESTS_LONGER
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._looks, self._since, self._before = 0, now, self._most
