"""How much further apart than a limit promises calls have to keep, where it is enforced without any slack.

A limit of 60 a minute may be enforced as one a second, to the millisecond. Calls that leave a second apart do not
arrive so: whenever one takes less time on its way than the one before, it comes too early and is refused. The more room
there is between them, the more seldom that is. How much it takes nobody says; so after each such refusal there is a
step more of it, and slowly less again while none comes.

A limit that is truly lower than stated goes on refusing whatever the room. Refused again and again at once, or with
all the room there may be, this is no longer what explains it.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Slack"]

_STEP_S: Final = 0.01
_STEP: Final = 0.01
"""A step, in seconds and as a share of the time between two calls: the less of the two."""
_MOST_STEPS: Final = 5.0
_LASTS: Final = 400.0
"""A step is taken back over so many calls, and so many seconds: about as seldom is one refused in the end."""
_AT_ONCE: Final = 4.0
_SOON_S: Final = 1.5
"""Refused again within so many calls, or seconds, a step was not enough."""
_TRIES: Final = 3
_MUCH_S: Final = 0.003
"""A call that was written later than the one before by so much puts off the next one..."""
_LATER: Final = 1.5
"""... for so many times as long: a new connection is new for the server too."""


class Slack:
    """The room that is kept between calls which may leave every *gap_s* seconds, beyond that.

    Args:
        gap_s: seconds between two calls as the limit promises, above 0.
    """

    __slots__ = ("_apart_s", "_at", "_gap_s", "_late_s", "_most_s", "_step_s", "_struck_at", "_tries", "_wait_s")

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._step_s = min(_STEP_S, _STEP * gap_s)
        self._most_s = _MOST_STEPS * self._step_s
        self._apart_s = 0.0
        self._at = self._late_s = 0.0
        self._struck_at = float("-inf")
        self._tries = 0
        self._wait_s = 0.0

    @property
    def is_kept(self) -> bool:
        """Is there any?"""
        return self._apart_s > 0.0

    def gap(self, now: float) -> float:
        """Seconds to be kept between two calls, all in all."""
        spans = (now - self._at) / max(1.0, self._gap_s + self._apart_s)
        self._apart_s = max(0.0, self._apart_s - self._step_s * spans / _LASTS)
        self._at = now
        return self._gap_s + self._apart_s

    def wrote(self, late_s: float) -> float:
        """A call was written so many seconds after it might go. By how many does the next have to come later?

        By as much as this one is later than the one before, or it arrives too early if nothing holds it up as well.
        """
        later_s, self._late_s = late_s - self._late_s, late_s
        return min(_LATER * later_s, self._gap_s) if later_s > _MUCH_S else 0.0

    def refused(self, *, sent_at: float, now: float, wait: float = 0.0) -> bool:
        """A call was refused that should have been in time, and may come again after *wait* seconds.

        Returns whether that may be all there is to it.
        """
        if sent_at > self._struck_at:
            apart = self.gap(now) - self._gap_s
            is_at_once = sent_at - self._struck_at - self._wait_s < max(_AT_ONCE * self._gap_s, _SOON_S)
            self._tries = self._tries + 1 if is_at_once else 0
            if apart > self._most_s - self._step_s:
                self._tries = _TRIES
            self._apart_s = min(apart + self._step_s * (1.0 + self._tries), self._most_s)
            self._struck_at, self._wait_s = now, wait
        return self._tries < _TRIES
