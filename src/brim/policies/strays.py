"""Refusals at random, whatever the rate: are there any, and how many?

Single refusals where the limit cannot have been reached are suspicious. They may be strays, or the limit is lower than
it was and what is known of it is out of date. Both look alike as long as the rate stays. So it is lowered for a while,
to a little less than what was let through: a limit then refuses nothing more, and strays come as before.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Strays"]

_SUSPICIOUS: Final = 3
_EXPECTED: Final = 4.0
"""The test is long enough for so many strays, if what was refused before were strays."""
_SHORTEST: Final = 60
_LONGEST: Final = 300
_SHARE: Final = 0.35
"""So much of what was expected says that there are strays."""
_RARELY: Final = 0.01
_MOST: Final = 0.05
_AGAIN: Final = 400
"""After so many attempts the question may be asked again."""
_MORE: Final = 0.02
"""Refused so much more than strays explain, it is."""


class Strays:
    """The share of attempts that is refused at random.

    Attributes:
        share: as measured; 0 while none are proven.
        left: attempts until the test that is running ends; 0 if none is.
    """

    __slots__ = ("_expected", "_hits", "_refused", "_sent", "_since", "left", "share")

    def __init__(self) -> None:
        self.share = 0.0
        self.left = 0
        self._hits = 0
        self._refused = 0
        self._sent = 0
        self._expected = 0.0
        self._since = 0

    def is_suspicious(self, recent: float, *, is_safe: bool) -> bool:
        """One was refused alone, while of the recent ones the share *recent* was: is it time for a test?

        *is_safe*: at a rate that the limit should allow.
        """
        if self.share:
            return self._since > _AGAIN and recent > self.share + _MORE
        self._hits += is_safe
        return self._hits >= _SUSPICIOUS

    def test(self, recent: float) -> None:
        """Begin a test. The share *recent* of the recent attempts was refused."""
        expected = max(recent, _RARELY)
        self._sent = self.left = round(min(max(_EXPECTED / expected, _SHORTEST), _LONGEST))
        self._expected, self._refused = expected * self._sent, 0

    def sent(self) -> bool:
        """An attempt goes. Returns whether the test ends with it: then `share` is new."""
        self._since += 1
        if not self.left:
            return False
        self.left -= 1
        if self.left:
            return False
        is_proven = self._refused >= max(1.0, _SHARE * self._expected)
        self.share = min(_MOST, self._refused / self._sent) if is_proven else 0.0
        self._hits, self._since = 0, 0
        return True

    def refused(self) -> None:
        """One was refused alone while the test is running."""
        self._refused += 1

    def forget(self) -> None:
        """It is the limit, without a doubt."""
        self.share, self.left, self._hits = 0.0, 0, 0
