"""How long a rate that is known is kept to before more is asked for: a question costs what is refused, and waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from brim.policies.evidence import Evidence

__all__ = ["Dwell"]

_USUAL_S: Final = 32.0
_SHORTEST_S: Final = 16.0
_MANY_SENDS: Final = 256.0
"""A question is put after so many seconds; sooner where as many attempts go in less, of which one refused is next to
none."""
_SENDS: Final = 125.0
_LONGEST_S: Final = 140.0
"""Where fewer go in that time it is put after so many, or as many seconds..."""
_MOST_LONGER: Final = 4.0
"""... and so many times as many at most where the answer has been the same again and again."""
_SOME_WAIT_S: Final = 0.5
"""A wait as long costs more than the attempt that was refused."""
_DEAREST: Final = 2
"""A question that is refused so often or more is put as many times more seldom."""
_WELL_KNOWN: Final = 0.1
_LEAST_PATIENCE: Final = 0.25
_WORKED_OUT: Final = 0.5
"""The part of a dwell after which to ask about a rate that is only worked out from something else."""
_RISEN: Final = 1.03
_FALLEN: Final = 0.9


class Dwell:
    """How much of a dwell is over.

    What is sent before the first refusal is back may be refused too, and a window that does not say when it opens is
    asked several times: all that belongs to one question.
    """

    __slots__ = ("_cost", "_longest_s", "_patience", "_since", "_wait_s")

    def __init__(self) -> None:
        self._cost = 0
        self._longest_s = _LONGEST_S
        self._patience = 1.0
        self._since = 0.0
        self._wait_s = 0.0

    def begin(self) -> None:
        """From now on the rate is kept to."""
        self._since = 0.0

    def trust(self, *, is_proven: bool) -> None:
        """The rate is known from elsewhere: if that is the limit itself there is no hurry to ask for more."""
        self._patience = 1.0 if is_proven else _WORKED_OUT
        self.begin()

    def took(self, amount: float) -> None:
        """An attempt of *amount* was sent."""
        self._since += amount

    def part(self, base: float, mean: float) -> float:
        """Which part of it is over, at a rate of *base* units a second, *mean* by each attempt?"""
        return self._since / (self._whole(base, mean) * self._patience)

    def _whole(self, base: float, mean: float) -> float:
        shortest = _SHORTEST_S if self._wait_s < _SOME_WAIT_S else _USUAL_S
        usual = max(base * shortest, min(base * _USUAL_S, mean * _MANY_SENDS))
        return max(usual, min(mean * _SENDS, base * self._longest_s)) * max(1, min(self._cost, _DEAREST))

    def refused(self, *, wait: float = 0.0, is_new: bool) -> None:
        """An attempt was refused and told to wait for *wait* seconds. Is that a *new* question, or still the last?"""
        self._cost = 1 if is_new else self._cost + 1
        self._wait_s = max(wait, 0.0 if is_new else self._wait_s)

    def learnt(self, evidence: Evidence, changed: float) -> None:
        """The rate that is believed is *changed* times what it was: after which part of a dwell to ask again?

        The less is known, the sooner is more to be found out. But where the answer is the same again, the next time is
        twice as far as the one before: how much small buckets and windows allow is never known closely.
        """
        is_same = evidence.is_close and _FALLEN < changed <= _RISEN
        self._longest_s = min(2.0 * self._longest_s, _MOST_LONGER * _LONGEST_S) if is_same else _LONGEST_S
        if changed > _RISEN:
            self._patience = _LEAST_PATIENCE  # and may be raised on
            return
        width = evidence.high / evidence.likely - 1.0
        known = max(_LEAST_PATIENCE, _WELL_KNOWN / max(_WELL_KNOWN, width))
        self._patience = min(1.0, max(known, 2.0 * self._patience)) if is_same else known
