"""A window that slides, told by what it lets through after its first block: what was sent a span before, and no more.

A limit kept as a log of the last seconds refuses everything until the first of what was sent is old enough, and from
then on lets through as much as grows old: a trickle at first, if we began slowly. That looks like a slow bucket, and
one would learn its rate from the trickle, again and again. But of a bucket that is as fast as the trickle, something
would have come back between two refusals of the block; and a window of another length would have had room sooner, or
none yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from brim.policies.refusal import Refusal
from brim.policies.spans import LONG_SPANS_S, SPANS_S

__all__ = ["Log"]

_ROUNDED_S: Final = 1.0
_OFF: Final = 0.05
_OFF_CALLS: Final = 2.0
"""What was in the window may be miscounted by such a share, or by so many calls."""
_EARLY_S: Final = 0.1
_OFF_S: Final = 1.0
"""When the first attempts were sent is known by the second."""
_SENDS: Final = 4.0
"""A bucket would have let through so many meanwhile: it is none. As many came through after the block."""
_MORE: Final = 2.0
"""Nor is it one where so many times as much came through as a bucket would let that asks for as long a wait."""
_PART: Final = 0.5
"""Of a window that begins anew more than this part comes through at once."""
_APART_S: Final = 0.25
"""What is refused for a shorter time is no block."""


class Block(NamedTuple):
    """Refusals in a row, with nothing let through in between.

    Attributes:
        began: when the first of them was sent.
        last: when the last was.
        widest: the longest time between two of them, in seconds.
        wait: what the first asked to wait, in seconds, or less if it may be rounded up; 0 if nothing.
    """

    began: float
    last: float
    widest: float
    wait: float


class Log:
    """Looks for a window that slides, when the first block is over.

    Args:
        began_at: when the first attempt was sent.
    """

    __slots__ = ("_began_at", "_block", "_is_over")

    def __init__(self, began_at: float) -> None:
        self._began_at = began_at
        self._block: Block | None = None
        self._is_over = False

    def refused_again(self, at: float) -> None:
        """One more was refused that was sent *at* some time, and nothing was let through since the one before."""
        if self._block is not None:
            widest = max(self._block.widest, at - self._block.last)
            self._block = self._block._replace(last=at, widest=widest)

    def refused(self, refusal: Refusal, *, ended: float, passed_by: Callable[[float], float]) -> float:
        """One was refused, though something had been let through since the one before. Does a window slide?

        Args:
            refusal: the attempt.
            ended: when something was sent again that was let through.
            passed_by: what had been let through by some time.

        Returns:
            The seconds of the window; 0 if none is to be seen.
        """
        at, asked = refusal.sent_at, refusal.amount
        block, wait = self._block, refusal.exact or max(0.0, refusal.wait - _ROUNDED_S)
        self._block = Block(at, at, 0.0, wait)
        if block is None or self._is_over or ended - block.began < _APART_S:
            return 0.0
        self._is_over = True
        return self._span(block, ended, at, passed_by, asked)

    def _span(
        self, block: Block, ended: float, until: float, passed_by: Callable[[float], float], asked: float
    ) -> float:
        """What was sent at the very first is as old as the window is long when the first block of all ends."""
        got = passed_by(until) - passed_by(ended) + asked
        if got < _SENDS * asked or _is_bucket(block, got, asked, seconds=until - ended, until=until):
            return 0.0
        least, most = block.last - self._began_at, ended - self._began_at + _EARLY_S
        spans = [span for span in (*SPANS_S, *LONG_SPANS_S) if least < span <= most]
        if len(spans) != 1:
            return 0.0
        [span] = spans
        amount = passed_by(block.began) - passed_by(block.began - span)
        off = max(_OFF * amount, _OFF_CALLS * asked)
        has_begun = passed_by(ended - span + _OFF_S) > passed_by(block.began - span)
        is_full = abs(passed_by(until) - passed_by(until - span) - amount) <= off
        return span if got < _PART * amount and has_begun and is_full else 0.0


def _is_bucket(block: Block, got: float, asked: float, *, seconds: float, until: float) -> bool:
    """May a bucket have let through no more than *got* in *seconds*, refused so often, and asked to wait so long?"""
    if got * block.widest >= _SENDS * asked * seconds:
        return False
    return not block.wait or got < _MORE * asked * ((until - block.began) / block.wait + 1.0)
