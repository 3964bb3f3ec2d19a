"""Whether the far end of a lane is there at all, told by what becomes of its attempts.

A failure says something about the endpoint only if nothing that was sent after it got through: failures among answers
are the bad luck of single requests. And a request that fails again and again may be bad itself, so what counts is how
many *different* requests failed, or could not even be delivered. From this follow some things:

- *an outage*: as many requests failed as are under way, and nothing got through that was sent later. Then the lane is
  held: nothing goes but a probe, at first after a second, then after twice as long each time up to five seconds, or a
  tenth of the time that it is held already, at most half a minute. What fails meanwhile is the endpoint's failure and
  not the request's. The first answer to what was sent later ends it. A wait that the server names is kept.
- *an endpoint that hangs*: nothing comes back for several times as long as answers take. That is an outage too.
- *an endpoint that may be back*: a probe is not answered yet, but is on its way for far longer than failures took.
  Then more go, ever sooner, before the first answer is there.
- *a denial* (bad key, no credit, unknown model) from an endpoint that has answered before, or while others are on the
  wire: the lane is held until two more have asked. One answer, and it was the luck of one row; denied again, and it is
  true. A denial comes at once and an answer takes its time: while as much as a few that were sent in between are under
  way for longer, nothing is decided and the lane is not held. One of several keys behind a relay may be dead.
- *how long to back off*: while most attempts get through, a failure is an accident, and there is nothing to spare.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from brim.policies.failing import Failing
from brim.policies.silence import Silence
from brim.values import Failure, FailureKind, Sent

__all__ = ["Denial", "Health"]

_ROWS: Final = 8
"""Fewer failing requests than this are no outage, whatever else is silent; less where only one or two go at once."""
_FIRST_PROBE_S: Final = 1.0
_USUAL_GAP_S: Final = 5.0
_LONGEST_GAP_S: Final = 30.0
_GAP_SHARE: Final = 0.1
"""Probes are so far apart at most, or by this share of the time that the lane is held if that is longer."""
_SURVIVES_S: Final = 2.0
_SURVIVES: Final = 3.0
"""A probe that is not back after so many seconds, and so many times as long as failures took, was taken in."""
_MOST_TAKEN_IN: Final = 256
"""More probes than that wait for an answer."""
_RECENT: Final = 1 / 128
_WELL: Final = 0.75
"""The share of the latest attempts that must get through, so that a failure is an accident."""
_ASKED_AGAIN: Final = 2
_UNDECIDED: Final = 0.25
"""So many calls for each denial, sent since the first and no later than the latest, may still be answered."""
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
        "_denied_at",
        "_denied_last",
        "_due_at",
        "_failing",
        "_fails_in_s",
        "_free",
        "_gap",
        "_held_at",
        "_is_silent",
        "_is_used_up",
        "_odd",
        "_out",
        "_rows",
        "_share",
        "_silence",
        "_taken_in",
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
        self._failing = Failing()
        self._denied_at, self._denied_last = float("inf"), _NEVER
        self._denials = 0
        self._odd = 0
        self._free = 0
        self._gap = _FIRST_PROBE_S
        self._held_at = self._due_at = _NEVER
        self._fails_in_s: float | None = None
        self._is_silent = self._is_used_up = False
        self._taken_in = 0
        self._silence = Silence()
        self._out: dict[float, int] = {}  # when what is on the wire was sent, and how many at that time

    @property
    def is_well(self) -> bool:
        """Do most attempts get through?"""
        return self._share >= _WELL and self.typical_s > 0.0 and not self.is_held

    @property
    def is_in_doubt(self) -> bool:
        """Did a request use up an attempt, and nothing get through since? Nobody knows whether all would fail."""
        return self._is_used_up and len(self._failing) > 0 and not self.is_held

    def replied(self, *, sent_at: float, now: float) -> bool:
        """An answer came to what was sent at *sent_at*. Returns whether that ended an outage."""
        self._share += (1.0 - self._share) * _RECENT
        took, typical = now - sent_at, self.typical_s
        self.typical_s = typical + (took - typical) * _RECENT if typical else took
        self._silence.answered()
        is_back = self.lives(sent_at=sent_at)
        if is_back and self._is_silent:
            self._is_silent = False
            self._silence.ended(took)
        return is_back

    def heard(self, sent_at: float) -> None:
        """What was sent at *sent_at* is over, whatever came of it."""
        self._silence.broken()
        left = self._out[sent_at] - 1
        if left:
            self._out[sent_at] = left
        else:
            del self._out[sent_at]

    def lives(self, *, sent_at: float) -> bool:
        """The endpoint did its work, be it by calling a request invalid. Returns whether that ended an outage."""
        self.was_up = True
        if sent_at <= self._alive_at:
            return False  # what failed since was sent later
        self._alive_at = sent_at
        if sent_at < min(self._failing.first_at, self._denied_at):
            return False
        self._failing.forget(sent_at)
        was_down = self.is_down
        if was_down and len(self._failing) >= self._rows:
            return False
        if self._denials:
            self._odd = min(self._odd + 1, _MOST_ODD)
        self.is_held = self.is_down = False
        self.opens_at = _NEVER
        self._denied_at, self._denied_last = float("inf"), _NEVER
        self._denials = 0
        return was_down

    def failed(self, failure: Failure, *, sent_at: float, now: float, in_flight: int, row: int | None = None) -> bool:
        """An attempt failed.

        Args:
            failure: how.
            sent_at: when it was sent.
            now: the present time.
            in_flight: attempts on the wire.
            row: what all attempts of its request have in common; None if it was its only one.

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
            self._failing.add(None if failure.sent is Sent.NO else row, sent_at)
            self._is_used_up = not failure.kind.is_waited_out
            if self.is_held and sent_at >= self._held_at:
                self._fails_in_s = max(self._fails_in_s or 0.0, now - sent_at)
                self._taken_in, self.opens_at = 0, max(self.opens_at, self._due_at)
            if not self.is_down and len(self._failing) >= max(self._rows, in_flight):
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
        self._denied_at = min(self._denied_at, sent_at)
        self._denied_last = max(self._denied_last, sent_at)
        self._denials += 1
        if self._denials <= self._odd or self._undecided() >= _UNDECIDED * self._denials:
            return Denial.OPEN
        if not self.is_held:
            self._hold(now, free=_ASKED_AGAIN)
        return Denial.TRUE if self._denials > self._odd + _ASKED_AGAIN else Denial.OPEN

    def _undecided(self) -> int:
        """Attempts under way that went between the first and the last denied one; without one, which ends just now."""
        return sum(count for at, count in self._out.items() if self._denied_at <= at <= self._denied_last) - 1

    def went(self, now: float) -> None:
        """An attempt goes: a probe if the lane is held."""
        self._out[now] = self._out.get(now, 0) + 1
        if not self.is_held:
            if self._silence.went(now, self.typical_s):
                self._failing.add(None, self._silence.since)
                self.is_down = self._is_silent = True
                self._hold(now, free=0)
            return
        if self._free > 1:
            self._free -= 1
            return
        self._free = 0
        self._wait(now)
        if self._fails_in_s is not None and self._taken_in < _MOST_TAKEN_IN:
            sooner = max(_SURVIVES_S, _SURVIVES * self._fails_in_s) / 2.0**self._taken_in
            self.opens_at = min(self.opens_at, now + sooner)
        self._taken_in += 1

    def _wait(self, now: float) -> None:
        """The next probe goes a while after this one."""
        if now >= self._due_at:
            self._due_at = now + self._gap
            longest = max(_USUAL_GAP_S, _GAP_SHARE * (now - self._held_at))
            self._gap = min(2.0 * self._gap, longest, _LONGEST_GAP_S)
        self.opens_at = self._due_at

    def _hold(self, now: float, *, free: int) -> None:
        self.is_held = True
        self._free = free
        self._gap = _FIRST_PROBE_S
        self._held_at, self._due_at = now, _NEVER
        self._fails_in_s, self._taken_in = None, 0
        if free:
            self.opens_at = now
        else:
            self._wait(now)
