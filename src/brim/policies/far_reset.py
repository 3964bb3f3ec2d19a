"""A reset that is hours away: a limit for a day, which sets no pace, unless it comes back much sooner all the same.

Some servers write a reset in the wrong unit, and a limit a minute looks like one a day. Its answers give that away:
what is left and what was sent grow together by far more than comes back of such a limit by then.
"""

from __future__ import annotations

from typing import Final

from brim.values import LimitLevel

__all__ = ["FarReset"]

_LONGEST_S: Final = 600.0
"""A limit for longer than this sets no pace: a run may be over long before it matters."""
_LONGER_THAN_MINUTE_S: Final = 125.0
"""What counts on in the next minute, by the part of it that a sliding one would hold, is back after two."""
_FEW_CALLS: Final = 3.0
_SOONER: Final = 5.0
"""So many times as much must have come back as would by then."""
_HALF: Final = 0.5
"""Compared is well before the reset itself: when it comes, all is back."""


class FarReset:
    """Tells a limit for a day from one whose reset is wrong.

    Attributes:
        is_daily: is it a limit for longer than a minute?
        is_wrong: was such a reset found to be wrong? Then no other is worth anything.
    """

    __slots__ = ("_at", "_believed_until", "_most", "_offset", "_per_s", "is_daily", "is_wrong")

    def __init__(self) -> None:
        self.is_daily = self.is_wrong = False
        self._at = self._most = self._offset = self._per_s = 0.0
        self._believed_until = float("-inf")

    def believed(self, shown: LimitLevel) -> LimitLevel:
        """What is *shown*, without a reset that is worth nothing."""
        self.is_daily = self.is_daily or (shown.period_s or 0.0) > _LONGEST_S
        if not self.is_wrong:
            return shown
        return LimitLevel(shown.dimension, shown.limit, shown.remaining, None, shown.period_s)

    def saw(self, shown: LimitLevel, *, at: float, sent: float, limit: float, rate: float, cost: float) -> None:
        """The answer to a call that was let through showed the limit.

        Args:
            shown: what it said.
            at: when the call went.
            sent: what had been sent by then, that call included.
            limit: how much there is.
            rate: how much of it comes back a second, if it is for as long as it seems.
            cost: what the call took.
        """
        remaining, reset_in = shown.remaining, shown.reset_in
        if remaining is None or reset_in is None or not (self.is_daily or reset_in > _LONGER_THAN_MINUTE_S):
            return
        self.is_daily = self.is_daily or reset_in > 2.0 * max(limit - remaining, 1.0) / rate
        self._most = max(self._most, remaining)
        offset = remaining + sent
        if at < self._believed_until:
            usual = self._per_s * (at - self._at)
            self.is_wrong = offset - self._offset >= max(_FEW_CALLS * max(cost, 1.0), _SOONER * usual)
            self.is_daily = self.is_daily and not self.is_wrong
            return
        self._at, self._offset = at, offset
        self._believed_until = at + _HALF * reset_in
        self._per_s = max(self._most - remaining, 1.0) / max(reset_in, 1.0)
