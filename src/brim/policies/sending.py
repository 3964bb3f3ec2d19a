"""What was sent, by time, and what had passed by then: what is refused later is taken out again.

What was sent lately is known closely, what is longer ago only roughly, and the beginning, until the first refusal, for
ever: it tells what a bucket held that was full then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from brim.policies.blocks import Trail
from brim.policies.spans import MINUTE_S

__all__ = ["SAMPLE_S", "Sending"]

_SAMPLES: Final = 128
SAMPLE_S: Final = 0.02
"""More than one sample in so many seconds is not kept."""

_RESTED: Final = 1.1
"""What was sent before speaks of no limit if what came later alone speaks of one so many times as fast."""


class Sending:
    """Times, and what had passed by each of them.

    Args:
        now: when the first attempt was sent, if *trail* is empty.
        trail: times since then, in order, and what had passed by each of them, as far as that is known.

    Attributes:
        opening: the samples until the first refusal, from the last long rest on; what had passed before is left out.
        recent: those since then, but for the latest.
    """

    __slots__ = ("_is_open", "_latest", "_next_at", "opening", "recent")

    def __init__(self, now: float, trail: Trail) -> None:
        self.opening = list(zip(*trail, strict=True)) or [(now, 0.0)]
        self.recent: list[tuple[float, float]] = []
        self._is_open = True
        self._latest = (now, 0.0)
        self._next_at = now

    @property
    def samples(self) -> list[tuple[float, float]]:
        """When it was sent lately, and what had passed by then."""
        return [*self.recent, self._latest]

    def opened(self, passed: float, now: float) -> None:
        """The first was refused *now*, when *passed* had been let through."""
        opening = [sample for sample in self.opening if sample[0] < now] or self.opening[:1]
        begin = _rested(opening, (now, passed))
        before = opening[begin][1]
        self.opening = [(at, by_then - before) for at, by_then in (*opening[begin:], (now, passed))]
        self._is_open = False
        self._latest = (now, passed)

    def saw(self, passed: float, now: float) -> None:
        """An attempt was sent, *passed* with it."""
        self._latest = (now, passed)
        if now < self._next_at:
            return
        if len(self.recent) >= _SAMPLES:
            del self.recent[: _SAMPLES // 2 : 2]  # what is long ago need not be known exactly
        self.recent.append((now, passed))
        self._next_at = now + SAMPLE_S

    def took_back(self, amount: float, sent_at: float) -> None:
        """An attempt was refused: it is among what seemed to have passed since it was sent."""
        at, passed = self._latest
        if at >= sent_at:
            self._latest = (at, passed - amount)
        samples = self.recent
        place = len(samples) - 1
        while place >= 0 and samples[place][0] >= sent_at:
            samples[place] = (samples[place][0], samples[place][1] - amount)
            place -= 1
        if not self._is_open and sent_at <= self.opening[-1][0]:
            begin, *rest = self.opening  # nothing had passed when it began
            self.opening = [begin, *((at, by_then - amount * (at >= sent_at)) for at, by_then in rest)]

    def forget(self, until: float) -> None:
        """What was sent by then is not asked about any more."""
        self.recent = [sample for sample in self.recent if sample[0] > until]

    def since(self, at: float) -> list[tuple[float, float]]:
        """The samples from then on."""
        return [sample for sample in self.samples if sample[0] >= at]

    def passed_by(self, at: float, passed: float) -> float:
        """What had passed by then, of *passed* in all."""
        latest, so_far = self._latest
        if latest <= at:
            return so_far
        return next((by_then for time, by_then in reversed(self.recent) if time <= at), passed)


def _rested(opening: Sequence[tuple[float, float]], end: tuple[float, float]) -> int:
    """Which of the samples is the beginning of what counts at *end*, where the first was refused.

    What was sent since some moment speaks of a limit that is just fast enough to let it through with a minute saved up.
    The moment that speaks of the fastest is the beginning, unless the first of all says nearly the same.
    """
    until, passed = end
    beyond = [(passed - by_then) / (MINUTE_S + until - at) for at, by_then in opening]
    most = max(beyond)
    return 0 if most <= _RESTED * beyond[0] else beyond.index(most)
