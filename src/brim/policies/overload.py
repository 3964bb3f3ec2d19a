"""Overloads (503), and whether they are a limit that speaks another status.

Some gateways answer 503 where others say 429, nginx by default. A server that is overloaded refuses whatever we do,
for as long as that lasts, and often slowly. A limit refuses at once, much of what is beyond it and nothing below: as
soon as less is sent, all gets through. So an episode counts if its overloads came quickly, were a large share of what
came back meanwhile, and were followed by answers alone once the lane had drawn back. After it the window grows again,
and what is refused then is taken for a limit's refusal. A window that stays just above a cap on calls at once has no
such episodes; there all that is one too many is refused, and hardly anything else (`Ledge`).

It is dropped where it proves wrong: a limit that is known refuses little, a storm goes on whatever is sent. Next time
it takes twice as many episodes. A 529 is a storm by its very name, and never told here.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Overloads"]

_UNAVAILABLE: Final = 503
_QUICK: Final = 0.5
"""A refusal takes no longer than this share of what an answer does..."""
_QUICK_S: Final = 0.25
"""... or than so many seconds: where answers are as fast, both are quick."""
_LEAST: Final = 4
_SHARE: Final = 0.2
"""Overloads are at least this share of what is on the wire, and of what was sent since the first and is back by the
last."""
_CHANCE: Final = 0.03
"""An episode ends when a storm that refuses the same share would let so many answers in a row by that seldom."""
_EASED: Final = 6
"""After so many already the window may grow again: waiting longer where only one goes at a time takes minutes."""
_GRACE: Final = 96
"""It takes a burst and a search to learn a limit: attempts from its first refusal on. Of all that is refused at
the same time, only one counts."""
_BLOCK: Final = 48
_STORM: Final = 0.15
"""More than this share refused in two stretches of so many attempts, one after the other, is a storm."""
_LEAST_BEYOND: Final = 4
_LEAST_BELOW: Final = 8
_STRAYED: Final = 4
"""At most one in so many beyond a cap seems to get through: those that are being refused are counted as there."""


class Ledge:
    """Whether all of the attempts from some number at once on are refused, and hardly any below it."""

    __slots__ = ("_below", "_beyond", "_lowest", "_since", "_through")

    def __init__(self) -> None:
        self._lowest = 0
        self._since = 0.0
        self._beyond = self._through = self._below = 0

    def refused(self, number: int, now: float) -> None:
        """An attempt was refused as the *number*-th of those that were there."""
        if not self._beyond or number < self._lowest:
            self._lowest, self._since = number, now
            self._beyond = self._through = self._below = 0
        self._beyond += 1

    def passed(self, number: int, sent_at: float) -> None:
        """An attempt that was sent as the *number*-th was answered."""
        if not self._beyond or sent_at < self._since:
            return
        self._below += number < self._lowest
        self._through += number >= self._lowest
        if self._through > _STRAYED and self._through > self._beyond:
            self._beyond = 0  # it was chance

    @property
    def is_there(self) -> bool:
        """Has it shown often enough?"""
        return (
            self._beyond >= _LEAST_BEYOND and self._below >= _LEAST_BELOW and self._through * _STRAYED <= self._beyond
        )


class Overloads:
    """What the overloads of one lane are.

    Attributes:
        is_limit: are they the refusals of a limit?
    """

    __slots__ = (
        "_among",
        "_bad",
        "_calm",
        "_episodes",
        "_first_at",
        "_is_doubted",
        "_is_large",
        "_is_odd",
        "_is_tested",
        "_last_at",
        "_ledge",
        "_many",
        "_needed",
        "_pending",
        "_seen",
        "is_limit",
    )

    def __init__(self) -> None:
        self.is_limit = False
        self._needed = 1
        self._begin()
        self._first_at = self._last_at = float("-inf")

    def _begin(self) -> None:
        self._episodes = 0
        self._seen = self._bad = 0
        self._is_tested = self._is_doubted = False
        self._ledge = Ledge()
        self._rest()

    def _rest(self) -> None:
        self._many = self._among = self._pending = self._calm = 0
        self._is_odd = self._is_large = False

    def met(
        self,
        status: int | None,
        *,
        sent_at: float,
        now: float,
        typical_s: float,
        in_flight: int,
        number: int,
        is_one_more: bool = False,
    ) -> bool:
        """An attempt was refused.

        Args:
            status: of the answer.
            sent_at: when it was sent.
            now: when it was back.
            typical_s: what an answer takes; 0 if none came yet.
            in_flight: attempts on the wire, whose answers may just take longer.
            number: as which of those that were there it was refused.
            is_one_more: was it one more than a cap on calls at once lets through, which is what a cap refuses?

        Returns:
            Whether this shows that the overloads are no limit after all.
        """
        if not self._many:
            self._first_at = now
        self._many += 1
        self._among += self._pending
        self._pending = self._calm = 0
        self._is_large = self._is_large or self._many >= _SHARE * in_flight
        is_news, self._last_at = sent_at >= self._last_at, now
        is_odd = status != _UNAVAILABLE or now - sent_at > max(_QUICK_S, _QUICK * typical_s)
        self._is_odd = self._is_odd or is_odd
        if not is_odd:
            self._ledge.refused(number, now)
        if not self.is_limit or not is_news or is_one_more:
            return False
        self._seen = self._seen + 1 if self._is_tested else -_GRACE
        self._is_tested = True
        self._bad += 1
        return self._is_storm()

    def passed(self, *, sent_at: float, number: int) -> bool:
        """An attempt sent at *sent_at* as the *number*-th was answered. Returns whether an episode seems to be over."""
        self._seen += 1
        self._ledge.passed(number, sent_at)
        self.is_limit = self.is_limit or self._ledge.is_there
        if not self._many:
            return False
        self._pending += sent_at >= self._first_at
        self._calm += sent_at >= self._last_at
        is_episode = self._many >= _LEAST
        share = self._many / (self._many + self._among)
        if self._calm < _EASED or (1.0 - share) ** self._calm > _CHANCE:
            return is_episode and self._calm == _EASED and sent_at >= self._last_at
        if is_episode and self._is_large and not self._is_odd and not self.is_limit and share >= _SHARE:
            self._episodes += 1
            self.is_limit = self._episodes >= self._needed
        self._rest()
        return is_episode

    def _is_storm(self) -> bool:
        """Is it too much for a limit that is known?"""
        if self._seen < _BLOCK:
            self._bad *= self._seen > 0
            return False
        is_bad = self._bad > _STORM * self._seen
        is_storm, self._is_doubted = is_bad and self._is_doubted, is_bad
        self._seen = self._bad = 0
        if is_storm:
            self.is_limit = False
            self._needed *= 2
            self._begin()
        return is_storm
