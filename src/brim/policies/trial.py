"""How a server that shows nothing counts the cap on output: found out by reserving ever less of it.

A limit of tokens that somebody states says how many there are, and not how calls are counted. To keep the whole cap of
each call reserved is safe, but where only what was used counts, most of the limit stays unused, and nothing says so. So
while such a limit is what holds calls back and nothing is refused, first what was not used is taken back when a call is
answered, and then ever less of what a call may make but hardly will is reserved when it goes. A refusal undoes the last
of the two, and it is long before it is tried again.

What got through tells more than a refusal: where the whole caps of it come to more than the limit and a minute's worth
of it besides, a server that keeps them would have refused most of it. So what was not used is given back, and no
refusal says otherwise any more.
"""

from __future__ import annotations

from typing import Final

from brim.policies.spans import MINUTE_S
from brim.policies.tokens import Charging

__all__ = ["Trial"]

_FASTER: Final = 0.8
"""A step reserves so much of what the one before did: so little more is sent that a refusal is back before much is
refused."""
_STEP_S: Final = 2.0
_STEP_CALLS: Final = 8
"""A step is judged by so many calls that were sent and answered since, after so many seconds at least."""
_SLOW_S: Final = 5.0
_SLOW_CALLS: Final = 3
"""Where calls are slow, by so many after so many seconds: of a run of fifty calls there is not much to wait for."""
_FIRST: Final = 2
"""Whether the cap is given back is tried for so many times as long, since the pace changes only as answers come."""
_WORTH: Final = 0.9
"""Where a call takes more than this share of what is reserved there is nothing to gain."""
_WEIGHT: Final = 0.05
_SURELY: Final = 1.05
"""Caps that come to so many times the limit, and as much of a minute's worth of it, are not kept."""
_REST_S: Final = 120.0
_RESTS_LONGER: Final = 4.0
"""Once refused nothing is tried for so long, and after every further time for so many times longer."""


class Trial:
    """How much is reserved.

    Attributes:
        since: when that was changed last.
        kept_until: of what was sent before nothing is given back: what the server holds of it is not known.
        charging: how the server counts output, as far as is known.
        share: how much of what a call may make beyond what it will is reserved: 1 for all of it, 0 for none.
        largest: the most tokens that a call may have been counted as.
    """

    __slots__ = (
        "_began_at",
        "_beyond",
        "_calls",
        "_ended_at",
        "_extra",
        "_heard_at",
        "_is_proven",
        "_rest_s",
        "_rests_until",
        "_used",
        "charging",
        "kept_until",
        "largest",
        "share",
        "since",
    )

    def __init__(self) -> None:
        self.charging = Charging.RESERVES_CAP
        self.share = 1.0
        self._used = self._extra = self.largest = self._beyond = 0.0
        self._began_at = float("inf")
        self._calls = 0
        self._is_proven = False
        self._heard_at: float | None = None
        self._rest_s = _REST_S
        self._ended_at = self._rests_until = self.since = self.kept_until = float("-inf")

    def passed(self, amount: float, *, limit: float, now: float) -> None:
        """A call was answered that would have taken *amount* at least if its cap was kept; *limit* is for a minute."""
        before, self._heard_at = self._heard_at, now
        back = 0.0 if before is None else _SURELY * limit / MINUTE_S * (now - before)
        self._beyond = max(0.0, self._beyond - back) + amount
        self._is_proven = self._is_proven or self._beyond > _SURELY * limit

    def answered(self, *, used: float, extra: float, sent_at: float, now: float, is_binding: bool) -> None:
        """A call was answered.

        Args:
            used: the tokens that it took.
            extra: what its cap would have allowed beyond that.
            sent_at: when it was sent.
            now: when it was answered.
            is_binding: is the limit of tokens what holds calls back?
        """
        if self.share == 0.0 or sent_at < self.since or now < self._rests_until:
            return
        self.largest = max(self.largest, used + extra)
        self._began_at = min(self._began_at, sent_at)
        weight = _WEIGHT if self._used else 1.0
        self._used += (used - self._used) * weight
        self._extra += (extra - self._extra) * weight
        self._calls += is_binding
        times = _FIRST if self.charging is Charging.REFUNDED and self.share == 1.0 else 1
        calls, seconds = self._calls / times, (now - self.since) / times
        is_slow = now - max(self.since, self._began_at) >= times * _SLOW_S
        if (calls >= _STEP_CALLS and seconds >= _STEP_S) or (calls >= _SLOW_CALLS and is_slow):
            self._step(now)

    def _step(self, now: float) -> None:
        reserved = self._used + self.share * self._extra
        if self.charging is Charging.RESERVES_CAP:
            if self._used > _WORTH * reserved:
                return
            self.charging, self.kept_until = Charging.REFUNDED, now
        else:
            self.share = max(0.0, (_FASTER * reserved - self._used) / self._extra) if self._extra else 0.0
        self._calls, self.since = 0, now

    def refused(self, amount: float, *, sent_at: float, now: float) -> bool:
        """A call that was counted as *amount* was refused. Was it because too little was reserved?

        After a trial went too far nothing is left to spare, and a call larger than all before may come too soon.
        """
        if sent_at <= self._ended_at:
            return True  # of the same burst
        is_larger = self._ended_at > float("-inf") and amount > self.largest
        self.largest = max(self.largest, amount)
        if self.charging is Charging.RESERVES_CAP:
            return is_larger
        if self.share == 1.0 and not self._is_proven:
            self.charging = Charging.RESERVES_CAP
        self.share = 1.0
        self._ended_at = self.kept_until = now
        self._rests_until = now + self._rest_s
        self._rest_s *= _RESTS_LONGER
        self._calls, self.since = 0, now
        return True

    def failed_since(self, then: float) -> bool:
        """Has one gone too far since *then*?"""
        return self._ended_at >= then
