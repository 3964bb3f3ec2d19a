"""Whose turn it is at a rate: calls keep a step apart, a little lateness is made up for, and a pause is not.

Of a limit that is stated or shown something is saved up in a pause all the same: a second call may follow the first at
once. A server that refuses just that one has a bucket of a single call. It would do so after every pause, and each
refusal is a pause.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["LATE_S", "Turn", "Went"]

LATE_S: Final = 0.05
"""So much lateness is made up for."""
_BEHIND_S: Final = 0.1
"""Two that come closer together than this, after a pause, need not have been held up by a fast rate."""
_EARLY_S: Final = 1e-4
"""What is sent by so much too early is sent whatever the rate says."""
_SOON: Final = 0.5
"""A call that came as much of a step after the pause, or less, went from what was saved up."""
_OWED_S: Final = 20.0
_OWED_STEPS: Final = 4.0
"""What calls took more than was thought is paid back for so long at most, or so many steps, before the next goes."""


class Went(Enum):
    """How a call went."""

    EARLY = "before its turn"
    IN_TURN = "in its turn"
    LATE = "after a pause, or right behind one that did"


class Turn:
    """When the next call of one rate may go.

    Args:
        saves: is something saved up in a pause?

    Attributes:
        since: the rate has brought nothing yet by then.
    """

    __slots__ = ("_owed", "_paused_at", "_refused", "_saves", "since")

    def __init__(self, *, saves: bool) -> None:
        self._saves = saves
        self._owed = 0.0
        self._paused_at = float("-inf")
        self._refused = 0
        self.since = 0.0

    def took(self, step: float, now: float, *, most: float) -> Went:
        """A call went that takes *step* seconds. After a pause *most* seconds of it count for the next ones."""
        due = self.since + step
        if due - now > _EARLY_S:
            return Went.EARLY
        self._owed = 0.0
        if now - due < LATE_S:
            self.since = due
            return Went.IN_TURN if now - self._paused_at > _BEHIND_S else Went.LATE
        # Where both were refused it was too early for the first one.
        self._saves = self._saves and self._refused != 1
        self._paused_at, self._refused = now, 0
        self.since = max(due, now - most) if self._saves else now
        return Went.LATE

    def owe(self, seconds: float, *, step: float) -> None:
        """What went took so many *seconds* more than was thought; less than none if it took less.

        A rate may be wrong, and while nothing goes nothing shows that: however many come home that took more, the next
        one goes some steps of the usual length later.
        """
        most = max(_OWED_S, _OWED_STEPS * step)
        before = self._owed
        self._owed = min(max(0.0, before + seconds), max(before, most))
        self.since += self._owed - before if seconds > 0.0 else seconds

    def wait_until(self, at: float) -> None:
        """Nothing is brought before."""
        self.since = max(self.since, at)

    def refused(self, step: float, *, sent_at: float) -> None:
        """A call was refused that takes *step* seconds: one more of those that ended the last pause, if it was."""
        self._refused += 0.0 <= sent_at - self._paused_at < _SOON * step
