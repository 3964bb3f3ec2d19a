"""A dash: a few attempts several times as fast as a rate that is believed, to see whether it is a limit that refuses.

What chance lets through between two refusals looks like what a limit brings, at any pace: each refusal that is believed
makes the learnt rate sink a little, and nothing shows that it was none. So where several came one by one, a few
attempts go several times as fast. A limit refuses nearly all of them, and no more gets through than before; chance
refuses as it did, and far more gets through.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["SPEED", "Belief", "Dash"]

SPEED: Final = 4.0
"""Times the rate that is believed."""
_SENDS: Final = 24
"""So many attempts go faster."""
_STRIKES: Final = 6
"""After so many refusals that were believed, one by one..."""
_WITHIN: Final = 32.0
"""... the last so many attempts for each of them; and after twice as many when a dash has shown that it is a limit."""
_APART: Final = 3.0
"""What lets nothing through in between is no chance: so many attempts lie between two that count."""
_FALLEN: Final = 0.8
"""What is believed has to have fallen to this share of what it was..."""
_FAR: Final = 0.4
"""Chance lets a rate sink without end. Then all of them went faster than what is believed in the end, and each about as
fast as what was believed since."""
_OFTEN: Final = 10.0
_SOME: Final = 128
"""... or half as many more were refused, one of so many attempts, although so many are over."""
_SLOW: Final = 2.0
_SLOW_ONES: Final = 4
"""So many of them went at so many times what is believed, or slower."""
_LEAST_RATE: Final = 0.25
_MANY: Final = 256
"""Where fewer go in a second a dash takes minutes: it is worth that only after so many."""
_SUNK: Final = 0.4
"""Where a rate has sunk to this share of the least of which a dash has shown that it was a limit, that says nothing."""
_SURELY: Final = 4
_NEARLY_ALL: Final = 0.65
"""So many refusals, and this share of what was sent, are a limit's."""
_DOUBT: Final = 2.0
"""So many refusals more may have been luck: a share that is thought too small lets chance pass for a limit again."""
_MOST: Final = 0.4
"""Chance that refuses more than that can't be told from a limit."""
_MORE: Final = 1.25
_SPARE: Final = 2.0
"""Chance lets through so many times what the limit would, and so many attempts besides..."""
_REFUTED: Final = 2
"""... and more than the pace at which so many were refused."""


class Belief(NamedTuple):
    """What is believed of a limit.

    Attributes:
        rate: attempts a second; 0 while nothing at all gets through.
        held: attempts that it lets through at once, if it is counted in windows.
    """

    rate: float
    held: float


class _Strike(NamedTuple):
    """A refusal that was believed: as which of all it was sent, how fast, and was that near what is believed since?"""

    number: float
    pace: float
    is_slow: bool


class Dash:
    """Says when to dash, and what it showed.

    Attributes:
        is_running: is one under way?
        is_confirmed: did the latest end because no more came through than what was believed?
    """

    __slots__ = (
        "_began_at",
        "_held",
        "_highest",
        "_least",
        "_needed",
        "_over_at",
        "_rate",
        "_refused",
        "_sent",
        "_strikes",
        "_trip_s",
        "is_confirmed",
        "is_running",
    )

    def __init__(self) -> None:
        self.is_running = self.is_confirmed = False
        self._needed = _STRIKES
        self._strikes: list[_Strike] = []
        self._rate = self._trip_s = self._began_at = self._over_at = 0.0
        self._least = float("inf")
        self._highest = 0.0
        self._held = self._sent = self._refused = 0

    @property
    def is_trying(self) -> bool:
        """Is the next attempt one of those that go faster?"""
        return self.is_running and self._sent < _SENDS + self._held

    def struck(self, number: float, *, pace: float, rate: float) -> bool:
        """An attempt was refused that went at *pace*, and *rate* is believed since then. Is it time for a dash?

        *number*: as which of all it was sent.
        """
        strikes = self._strikes
        self._highest = max(self._highest, rate)
        if 0.0 < rate < _SUNK * self._least:
            self._needed = _STRIKES  # that it was a limit above says nothing here
        if rate <= 0.0 or (strikes and number - strikes[-1].number < _APART):
            return False
        strikes.append(_Strike(number, pace, is_slow=pace <= _SLOW * rate))
        del strikes[: -2 * self._needed]
        is_far = rate < _FAR * self._highest
        is_worth_it = rate >= _LEAST_RATE or number >= _MANY
        is_sunk = rate < _FALLEN * self._highest and self._come(self._needed, _WITHIN)
        is_often = number >= _SOME and self._come(3 * self._needed // 2, _OFTEN)
        is_slow = sum(each.is_slow if is_far else each.pace <= _SLOW * rate for each in strikes) >= _SLOW_ONES
        return is_worth_it and is_slow and (is_sunk or is_often)

    def _come(self, count: int, within: float) -> bool:
        """Were the latest so many refusals one of *within* attempts each, or more?"""
        strikes = self._strikes[-count:]
        return len(strikes) == count and strikes[-1].number - strikes[0].number <= within * count

    def begin(self, belief: Belief, *, trip_s: float, now: float) -> None:
        """Put *belief* to the test. A refusal is back after *trip_s* seconds."""
        self.is_running, self.is_confirmed = True, False
        self._rate = self._highest = belief.rate
        self._held, self._trip_s, self._began_at = int(belief.held), trip_s, now
        self._sent = self._refused = 0

    def sent(self, now: float) -> float | None:
        """An attempt goes. Returns None while it goes on; in the end the share that chance refuses, 0 if none does."""
        self._sent += 1
        sends = _SENDS + self._held
        if self._sent == sends:
            self._over_at = now
        if self._sent < sends or now <= self._over_at + self._trip_s:
            return None
        seconds = max(self._over_at - self._began_at, sends / (SPEED * self._rate) / 2.0)
        passed = sends - self._held - self._refused
        slower = [each for each in self._strikes if _MORE * each.pace * seconds <= passed - _SPARE]
        is_more = passed > _MORE * self._rate * seconds + _SPARE and len(slower) >= _REFUTED
        if not is_more or self._refused > _MOST * sends:
            self.stop()
            return 0.0
        span = self._strikes[-1].number - self._strikes[0].number + 1.0
        self._strikes, self.is_running = [], False
        return (min(self._refused / sends, len(slower) / span) * sends + _DOUBT) / sends

    def refused(self, now: float) -> bool:
        """One was refused meanwhile, as is known *now*. Returns whether it may still be chance."""
        self._refused += 1
        passed = self._sent - self._refused
        is_no_more = passed <= self._rate * (now - self._began_at) + self._held + 1.0
        if self._refused < _SURELY or not (is_no_more or self._refused >= _NEARLY_ALL * self._sent):
            return True
        self.stop()
        self.is_confirmed = is_no_more
        return False

    def stop(self) -> None:
        """It is over: a limit refuses."""
        self.is_running = False
        self._least = min(self._least, self._rate)
        self._needed *= 2
        self._strikes.clear()
