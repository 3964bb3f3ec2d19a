"""Whether the far end of a lane is there at all, told by what becomes of its attempts.

A failure says something about the endpoint only if nothing that was sent after it got through: failures among answers
are the bad luck of single requests. And a request that fails again and again may be bad itself, so what counts is how
many *different* requests failed, or could not even be delivered. From this follow three things:

- *an outage*: as many requests failed as are under way, and nothing got through. Then the lane is held: nothing goes
  but a probe, at first after a second, then after twice as long each time, at most half a minute. What fails meanwhile
  is the endpoint's failure and not the request's. The first answer ends it. A wait that the server names is kept.
- *a denial* (bad key, no credit, unknown model) from an endpoint that has answered before, or while others are on the
  wire: the lane is held until two more have asked. One answer, and it was the luck of one row; denied again, and it is
  true.
- *how long to back off*: while most attempts get through, a failure is an accident, and there is nothing to spare.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from brim.values import Failure, FailureKind, Sent

__all__ = ["Denial", "Health"]

_ROWS: Final = 8
"""Fewer failing requests than this are no outage, whatever else is silent; less where only one or two go at once."""
_FIRST_PROBE_S: Final = 1.0
_LONGEST_GAP_S: Final = 30.0
_RECENT: Final = 1 / 128
_WELL: Final = 0.75
"""The share of the latest attempts that must get through, so that a failure is an accident."""
_ASKED_AGAIN: Final = 2
_MOST_ODD: Final = 4
_NEVER: Final = float("-inf")
_SICK: Final = frozenset(
    {
        FailureKind.TIMEOUT,
        FailureKind.CONNECTION,
        FailureKind.SERVER,
        FailureKind.MALFORMED,
        FailureKind.OVERLOADED,
    }
)
_ALIVE: Final = frozenset(
    {
        FailureKind.INVALID,
        FailureKind.TOO_LARGE,
        FailureKind.REFUSED,
        # Denials, where they are the caller's affair; else they are told to `denied`.
        FailureKind.DENIED,
        FailureKind.QUOTA,
        FailureKind.DAILY,
        FailureKind.UNKNOWN_MODEL,
    }
)


class Denial(Enum):
    """What to make of a denial."""

    TRUE = "it holds for all"
    OPEN = "others are to be asked"
    ODD = "it holds for one request alone"


class Health:
    """The state of one endpoint.

    Args:
        ceiling: attempts that may ever be on the wire at once.

    Attributes:
        opens_at: nothing may go before; in the past while the lane is not held.
        is_held: do only single calls go, to find out how things are?
        is_down: is that because of an outage?
        was_up: did it ever answer, if only that it has no capacity?
        typical_s: seconds that an answer takes; 0 before the first.
    """

    __slots__ = (
        "_alive_at",
        "_denials",
        "_failed",
        "_first_at",
        "_free",
        "_gap",
        "_odd",
        "_rows",
        "_share",
        "is_down",
        "is_held",
        "opens_at",
        "typical_s",
        "was_up",
    )

    def __init__(self, ceiling: int = _ROWS) -> None:
        self._rows = min(_ROWS, 2 * ceiling)
        self.opens_at = _NEVER
        self.is_held = self.is_down = self.was_up = False
        self.typical_s = 0.0
        self._share = 1.0
        self._alive_at = _NEVER
        self._first_at = float("inf")
        self._failed = 0
        self._denials = 0
        self._odd = 0
        self._free = 0
        self._gap = _FIRST_PROBE_S

    @property
    def is_well(self) -> bool:
        """Do most attempts get through?"""
        return self._share >= _WELL and self.typical_s > 0.0 and not self.is_held

    def replied(self, *, sent_at: float, now: float) -> bool:
        """An answer came to what was sent at *sent_at*. Returns whether that ended an outage."""
        self._share += (1.0 - self._share) * _RECENT
        took, typical = now - sent_at, self.typical_s
        self.typical_s = typical + (took - typical) * _RECENT if typical else took
        return self.lives(sent_at=sent_at)

    def lives(self, *, sent_at: float) -> bool:
        """The endpoint did its work, be it by calling a request invalid. Returns whether that ended an outage."""
        self.was_up = True
        if sent_at <= self._alive_at:
            return False  # what failed since was sent later
        self._alive_at = sent_at
        if sent_at < self._first_at:
            return False
        was_down = self.is_down
        if self._denials:
            self._odd = min(self._odd + 1, _MOST_ODD)
        self.is_held = self.is_down = False
        self.opens_at = _NEVER
        self._first_at = float("inf")
        self._failed = self._denials = 0
        return was_down

    def failed(self, failure: Failure, *, sent_at: float, now: float, is_first: bool, in_flight: int) -> bool:
        """An attempt failed.

        Args:
            failure: how.
            sent_at: when it was sent.
            now: the present time.
            is_first: was it the first attempt of its request?
            in_flight: attempts on the wire.

        Returns:
            Whether it failed in an outage, so that its request can't be blamed.
        """
        if failure.kind is not FailureKind.TIMEOUT or sent_at > self._alive_at:  # others are old news
            self._share -= self._share * _RECENT
        if failure.kind in _ALIVE or (failure.kind is FailureKind.THROTTLED and self.is_down):
            self.lives(sent_at=sent_at)
        if failure.kind not in _SICK:
            return False
        self.was_up = self.was_up or failure.kind is FailureKind.OVERLOADED
        if sent_at > self._alive_at:
            self._first_at = min(self._first_at, sent_at)
            self._failed += is_first or failure.sent is Sent.NO
            if not self.is_down and self._failed >= max(self._rows, in_flight):
                self.is_down = True
                self._hold(now, free=0)
        if self.is_down and failure.retry_after is not None:
            self.opens_at = max(self.opens_at, now + failure.retry_after)
        return self.is_down

    def denied(self, *, sent_at: float, now: float, is_first: bool = True, in_flight: int = 0) -> Denial:
        """An attempt was denied in a way that would hold for all. Returns what to make of it.

        *is_first* if it was the first attempt of its request: one that is sent again may be a request that is denied
        whenever it comes. *in_flight*: attempts on the wire; if there are enough of them their answers will tell.
        """
        if not self.was_up and in_flight <= _ASKED_AGAIN:
            return Denial.TRUE
        if sent_at <= self._alive_at or (self._odd and not is_first):
            return Denial.ODD
        self._first_at = min(self._first_at, sent_at)
        self._denials += 1
        if self._denials > self._odd and not self.is_held:
            self._hold(now, free=_ASKED_AGAIN)
        return Denial.TRUE if self._denials > self._odd + _ASKED_AGAIN else Denial.OPEN

    def went(self, now: float) -> None:
        """An attempt goes although the lane is held: a probe."""
        if self._free > 1:
            self._free -= 1
            return
        self._free = 0
        self.opens_at = now + self._gap
        self._gap = min(self._gap * 2.0, _LONGEST_GAP_S)

    def _hold(self, now: float, *, free: int) -> None:
        self.is_held = True
        self._free = free
        self._gap = _FIRST_PROBE_S
        if free:
            self.opens_at = now
        else:
            self.went(now)
