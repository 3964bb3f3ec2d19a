"""Refusals at random, whatever the rate: are there any, and how many?

A bucket that refuses is empty: from then on no more comes through than it refills, and that is less than what emptied
it. So a refusal after which more came through than before was no limit's, and two of those prove that there are strays.
While the rate grows that shows by itself. Where it stays, refusals that a limit can't explain are suspicious: strays,
or the limit is lower than it was. So more is sent for a moment: a limit then refuses much at once, and strays come as
before.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from brim.policies.dash import SPEED, Belief, Dash
from brim.policies.refusal import Refusal
from brim.policies.turn import LATE_S

__all__ = ["Strays", "refills"]

_SUSPICIOUS: Final = 2
"""So many where a limit can't refuse are reason enough for a test."""
_TRIED: Final = 24
"""So many attempts go faster in a test..."""
_FASTER: Final = 1.25
"""... by so many times what is believed."""
_USUAL: Final = (1.0, 33.0)
"""Strays, and attempts, that are added to what was counted: few tell little of the share."""
_LATE: Final = 100
"""What comes through later than this may be let through by another limit."""
_LATELY: Final = 1_000
"""So many attempts it takes to forget one that was refuted: a limit that was raised refutes some as well."""
_RARELY: Final = 0.01
_MOST: Final = 0.5
_LIGHT: Final = 0.08
"""More than this share at a rate that is only a little faster tells nothing."""
_RECENT: Final = 1 / 64
_FAR_MORE: Final = 0.3
"""So much more is refused of the latest by no chance that is known."""
_LARGEST: Final = 64.0
"""A window that lets more through at once can't be told by a dash."""
_AGAIN: Final = 400
"""After so many attempts the question may be asked again."""
_MORE: Final = 0.02
"""Refused so much more than strays explain, it is."""
_MUCH_MORE: Final = 0.05
"""So much more is no chance either: it is a limit besides."""
_CLEARLY_MORE: Final = 1.5
"""So many times as much besides, and chance may refuse more than is known."""
_REFUTED: Final = 2
_FOLLOWING: Final = 16
_CLEARLY: Final = 1.1
"""One is refuted by so many attempts after it of which so many times as much came through as a limit would allow."""
_MISSED: Final = 6.0
"""Where so many strays would have come and none did, there are none."""


class _Odd(NamedTuple):
    """A refusal, what had passed by then, and what the limit can be at most if it was a limit's: *bound* a second."""

    number: float
    at: float
    units: float
    amount: float
    bound: float


class Strays:
    """The share of attempts that is refused at random.

    Attributes:
        share: as measured; 0 while none are proven.
        is_testing: is a test running?
        names_waits: do they say when to come again, as limits do?
    """

    __slots__ = (
        "_asked",
        "_dash",
        "_hits",
        "_is_named",
        "_load",
        "_missed",
        "_odd",
        "_over_at",
        "_refused",
        "_refuted",
        "_since",
        "_tried",
        "_trip_s",
        "is_testing",
        "names_waits",
        "share",
    )

    def __init__(self) -> None:
        self.share = 0.0
        self.is_testing = False
        self._hits = 0
        self._refused = 0
        self._asked = self._tried = 0
        self._over_at = self._trip_s = 0.0
        self._since = 0
        self._odd: list[_Odd] = []
        self._refuted: list[float] = []
        self._missed = self._load = 0.0
        self._dash = Dash()
        self._is_named = self.names_waits = False

    def weigh(self, number: float, units: float, refusal: Refusal, bound: float) -> None:
        """The attempt with that *number* was refused. Were those before it of a limit?

        A bucket that refuses is empty: no more comes through than it refills, which is less than what emptied it. If
        more does, it was no limit that refused.

        Args:
            number: as which of all it was sent.
            units: what had been let through by then.
            refusal: when it was sent, and what it asked for.
            bound: the most that the limit can be if it was a limit that refused it, units a second.
        """
        self._load += _RECENT
        kept = []
        for odd in (each for each in self._odd if number - each.number < _LATE):
            through, allowed = units - odd.units - odd.amount, odd.bound * (refusal.sent_at - odd.at)
            if number - odd.number >= _FOLLOWING and through > _CLEARLY * allowed:
                self._refuted.append(odd.number)
            else:
                kept.append(odd)
        kept.append(_Odd(number, refusal.sent_at, units, refusal.amount, bound))
        self._odd = kept
        self._refuted = [each for each in self._refuted if number - each < _LATELY]
        if len(self._refuted) >= _REFUTED and not self.share and not self.is_testing:
            self.share = _share(len(self._refuted), min(number, _LATELY))
            self._since = 0

    def is_suspicious(self, recent: float, *, is_safe: bool) -> bool:
        """One was refused alone, while of the recent ones the share *recent* was: is it time for a test?

        *is_safe*: at a rate that the limit should allow.
        """
        self._hits += is_safe
        if self.share:
            self._missed *= not is_safe
            return not self.is_heavy and self._since > _AGAIN and recent > self.share + _MORE
        return self._hits >= _SUSPICIOUS

    def explains(self, recent: float) -> bool:
        """Of the recent attempts the share *recent* was refused: may strays, as they are known, be all that it is?"""
        return recent <= self.share + _MUCH_MORE

    def test(self, trip_s: float) -> None:
        """Begin a test. A refusal is back after *trip_s*."""
        self.is_testing, self._tried, self._trip_s = True, 0, trip_s

    def sent(self, now: float, *, is_safe: bool) -> bool:
        """An attempt goes. Returns whether the test ends with it: then `share` is new.

        *is_safe*: at a rate that the limit should allow.
        """
        self._load -= self._load * _RECENT
        self._missed += is_safe * self.share
        if self._missed > _MISSED:
            self.forget()
        self._since += 1
        self._asked += 1
        if not self.is_testing:
            return False
        if self._dash.is_running:
            return self._dashed(self._dash.sent(now))
        self._tried += 1
        if self._tried == _TRIED:
            self._over_at = now + self._trip_s
        if self._tried < _TRIED or now <= self._over_at:
            return False
        self.share = _share(self._hits + self._refused, self._asked)
        self.is_testing = False
        self._hits = self._refused = self._asked = self._since = 0
        return True

    def _dashed(self, share: float | None) -> bool:
        if share is None:
            return False
        self.is_testing = False
        if share > 0.0:
            self.share = min(_MOST, max(_RARELY, share))
            self._hits = self._refused = self._asked = self._since = 0
            self.names_waits = self._is_named
        else:
            self._doubt_share()
        return share > 0.0

    def _doubt_share(self) -> None:
        """A dash has shown a limit. Where far more is refused than was thought to be chance, that was the limit too."""
        if self._is_more(self._load):
            self.share, self.names_waits, self._missed = 0.0, False, 0.0
            self._refuted.clear()

    def believed(self, number: float, refusal: Refusal, *, pace: float, belief: Belief) -> None:
        """The attempt with that *number*, which went at *pace* a second, was refused by a limit, it seems.

        *belief*: what is believed of that limit now.
        """
        if self._dash.is_running:
            self.is_testing = False
            self._dash.stop()  # what lets nothing through is no chance
        elif self.is_testing:
            self.forget()
        self._missed /= 2.0  # it may have been one of them all the same
        self._weigh_dash(number, refusal, pace, belief)

    def kept(self, number: float, refusal: Refusal, *, recent: float, belief: Belief) -> None:
        """It was refused by chance, it seems, as the share *recent* was lately. Is that more than is known of?"""
        if self._is_more(max(recent, self._load)):
            self._weigh_dash(number, refusal, belief.rate, belief)

    def _is_more(self, recent: float) -> bool:
        return recent > _CLEARLY_MORE * self.share + _MORE

    def _weigh_dash(self, number: float, refusal: Refusal, pace: float, belief: Belief) -> None:
        if refusal.exact:
            return  # a wait to the fraction of a second is reckoned from a limit
        if belief.held <= _LARGEST and not self.is_testing and self._dash.struck(number, pace=pace, rate=belief.rate):
            self.is_testing = True
            self._is_named = refusal.wait > 0.0
            self._dash.begin(belief, trip_s=refusal.now - refusal.sent_at, now=refusal.now)

    @property
    def is_heavy(self) -> bool:
        """Are so many refused by chance, and no more, that two close to each other say nothing of a limit?"""
        return self.share > _LIGHT and self._load <= self.share + _FAR_MORE

    @property
    def is_dashing(self) -> bool:
        """Is a dash under way?"""
        return self.is_testing and self._dash.is_running

    @property
    def is_confirmed(self) -> bool:
        """Did the latest dash end because no more came through than is believed?"""
        return self._dash.is_confirmed

    @property
    def is_trying(self) -> bool:
        """Is the next attempt one of those that go faster?"""
        return self.is_testing and (self._dash.is_trying if self._dash.is_running else self._tried < _TRIED)

    @property
    def speed(self) -> float:
        """Times the rate that is believed, while they do."""
        return SPEED if self._dash.is_running else _FASTER

    def refused(self, now: float, *, is_open: bool) -> bool:
        """One was refused while the test is running. May it be a stray one? *is_open*: by the odds."""
        self._refused += 1
        if not self._dash.is_running:
            return is_open
        self.is_testing = self._dash.refused(now)
        if not self.is_testing:
            self._doubt_share()
        return self.is_testing

    def forget(self) -> None:
        """It is the limit, without a doubt."""
        self.share, self.is_testing, self._hits, self.names_waits = 0.0, False, 0, False
        self._missed = 0.0
        self._dash.is_running = False


def refills(units: float, seconds: float) -> float:
    """The most that a bucket refills a second, however much it held, which refused after *units* in so many *seconds*.

    Infinity where nothing came through: then others had emptied it.
    """
    return units / max(LATE_S, seconds) if units > 0.0 else float("inf")


def _share(refused: int, sent: float) -> float:
    more, usual = _USUAL
    return min(_MOST, max(_RARELY, (refused + more) / (sent + usual)))
