"""The shared pause: one throttled attempt informs its whole lane.

Where the server says how long to wait, the lane is closed at least that long, with jitter upward only. Where it says
nothing, a first push-back closes nothing (it may be a stray one), but when what is sent after it is pushed back too,
the lane closes for a quarter of a second, and for twice as long every further time, up to a minute. An attempt tells
something new only if it was sent after the last strike: a hundred refusals of one burst are one strike.

Where it was opened three times in vain, the next time one attempt goes alone. When it is not back as soon as those were
that were refused, the others follow.
"""

from __future__ import annotations

from random import Random
from typing import Final

__all__ = ["LONGEST_PAUSE", "Gate"]

_FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 60.0
_JITTER: Final = 0.1
_LATELY: Final = 1 / 16
_MOST: Final = 0.5
_SCOUTS_AFTER: Final = 3
"""So many times in a row refused with nothing let through in between, the first one goes alone when the lane opens."""
_TRIPS: Final = 2.0
_A_MOMENT_S: Final = 0.05
"""It is not refused if it is not back after so many times as long as the last one took, and a moment more."""


class Gate:
    """Says until when a lane sends nothing. *rng* gives the jitter."""

    __slots__ = (
        "_refused",
        "_rng",
        "_round_at",
        "_rounds",
        "_scouted_at",
        "_sent",
        "_strikes",
        "_struck_at",
        "_struck_before",
        "_trip_s",
        "opens_at",
    )

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._refused = 0.0
        self._sent = 0.0
        self._strikes = self._rounds = 0
        self._trip_s = 0.0
        self._struck_at = self._struck_before = self._round_at = self._scouted_at = float("-inf")
        self.opens_at = float("-inf")

    def went(self, now: float) -> None:
        """An attempt goes."""
        if self._rounds >= _SCOUTS_AFTER:
            self._scout(now)
        self._sent += 1.0 - self._sent * _LATELY
        if self._refused:
            self._refused -= self._refused * _LATELY

    def _scout(self, now: float) -> None:
        """It goes alone: the next ones go when it is not back soon, as those are that are refused."""
        if self._scouted_at > self._round_at:
            self._rounds = 0
        else:
            self._scouted_at = now
            self.opens_at = max(self.opens_at, now + _TRIPS * self._trip_s + _A_MOMENT_S)

    def passed(self, *, sent_at: float) -> None:
        """An attempt sent at *sent_at* got through."""
        if sent_at >= self._round_at:
            self._rounds = 0
        if sent_at >= self._struck_at:
            self._strikes = 0
        elif sent_at >= self._struck_before:
            self._strikes = min(self._strikes, 1)  # of those that went together, some got through

    def pushed_back(
        self, *, sent_at: float, now: float, retry_after: float | None, longest: float = LONGEST_PAUSE
    ) -> float:
        """An attempt sent at *sent_at* was throttled. Returns by how many seconds the lane opens later.

        *longest* bounds the pause where the server names none.
        """
        self._trip_s = now - sent_at
        if sent_at >= self._round_at:
            self._rounds, self._round_at = self._rounds + 1, now
        pause = min(longest, self._strike(sent_at, now)) if retry_after is None else retry_after
        if pause <= 0:
            return 0.0
        before = max(self.opens_at, now)
        self.opens_at = max(before, now + pause * (1 + self._rng.random() * _JITTER))
        return self.opens_at - before

    def _strike(self, sent_at: float, now: float) -> float:
        self._refused += 1.0
        if sent_at < self._struck_at or self._refused < _MOST * self._sent:
            return 0.0
        self._struck_before, self._struck_at = self._struck_at, now
        self._strikes += 1
        if self._strikes == 1:
            return 0.0
        return min(LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._strikes - 2, 16))
