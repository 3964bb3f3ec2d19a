"""Overloads (503), and whether they are a limit that speaks another status.

Some gateways answer 503 where others say 429, nginx by default. A server that is overloaded refuses whatever we do,
for as long as that lasts, and often slowly. A limit refuses at once, much of what is beyond it and nothing below: as
soon as less is sent, all gets through. So an episode counts if its overloads came quickly, were a large share of what
came back meanwhile, and were followed by answers alone once the lane had drawn back. After it the window grows again,
and what is refused then is taken for a limit's refusal. A window that stays just above a limit has no such episodes:
there a small share of quick overloads, the same for hundreds of calls, says it.

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
_CALM: Final = 16
"""So many answers in a row end an episode: a storm that refuses one in five hardly lets them by."""
_EASED: Final = 6
"""After so many already the window may grow again: waiting longer where only one goes at a time takes minutes."""
_STRETCH: Final = 96
_STEADY: Final = 0.08
_TOO_MANY: Final = 0.25
_STRETCHES: Final = 3
"""A window that stays just above a limit is never calm: so large a share of so many calls, in so many stretches one
after the other, all refused quickly, is a limit too."""
_GRACE: Final = 96
"""It takes a burst and a search to learn a limit: attempts from its first refusal on. Of all that is refused at
the same time, only one counts."""
_BLOCK: Final = 48
_STORM: Final = 0.15
"""More than this share refused in two stretches of so many attempts, one after the other, is a storm."""


class Overloads:
    """What the overloads of one lane are.

    Attributes:
        is_limit: are they the refusals of a limit?
    """

    __slots__ = (
        "_all",
        "_among",
        "_bad",
        "_calm",
        "_episodes",
        "_first_at",
        "_is_doubted",
        "_is_large",
        "_is_odd",
        "_is_slow",
        "_is_tested",
        "_last_at",
        "_many",
        "_met",
        "_needed",
        "_pending",
        "_seen",
        "_stretches",
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
        self._is_tested = self._is_doubted = self._is_slow = False
        self._met = self._all = self._stretches = 0
        self._rest()

    def _watch(self, *, is_overload: bool) -> None:
        """Count calls by stretches."""
        if self.is_limit:
            return
        self._met += is_overload
        self._all += 1
        if self._all < _STRETCH:
            return
        is_steady = _STEADY <= self._met / self._all <= _TOO_MANY and not self._is_slow
        self._stretches = self._stretches + 1 if is_steady else 0
        self._met = self._all = 0
        self._is_slow = False
        self.is_limit = self._stretches >= _STRETCHES * self._needed

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
        is_one_more: bool = False,
    ) -> bool:
        """An attempt was refused.

        Args:
            status: of the answer.
            sent_at: when it was sent.
            now: when it was back.
            typical_s: what an answer takes; 0 if none came yet.
            in_flight: attempts on the wire, whose answers may just take longer.
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
        self._is_slow = self._is_slow or is_odd
        self._watch(is_overload=True)
        if not self.is_limit or not is_news or is_one_more:
            return False
        self._seen = self._seen + 1 if self._is_tested else -_GRACE
        self._is_tested = True
        self._bad += 1
        return self._is_storm()

    def passed(self, *, sent_at: float) -> bool:
        """An attempt sent at *sent_at* was answered. Returns whether an episode is over, as it seems."""
        self._seen += 1
        self._watch(is_overload=False)
        if not self._many:
            return False
        self._pending += sent_at >= self._first_at
        self._calm += sent_at >= self._last_at
        is_episode = self._many >= _LEAST
        if self._calm < _CALM:
            return is_episode and self._calm == _EASED and sent_at >= self._last_at
        may_be_limit = self._is_large and not self._is_odd and not self.is_limit
        if is_episode and may_be_limit and self._many >= _SHARE * (self._many + self._among):
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
