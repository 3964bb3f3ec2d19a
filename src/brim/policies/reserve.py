"""What is left alone of a limit that the server shows: a little, for what is not known exactly.

Where too little is left alone calls are refused; what is left alone of a bucket is not lost, but of a window it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

from brim.policies.refill import SLIDING, Manner

__all__ = ["reserve", "spare", "to_the_end"]

_RESERVE_S: Final = 4.0
_RESERVE_SHARE: Final = 0.25
_SHORT_SHARE: Final = 0.03
"""Windows of a second look like buckets, and what is left of them is lost."""
_CALLS: Final = 2.0
_SHARE_OF_FEW: Final = 0.5
"""Where only a few calls fit, one that comes too early is refused: that many are left, up to half of them."""
_SPARE: Final = 0.004
_FEW: Final = 50.0
"""Of a window of fewer calls what was sent is known to the call, and a spare one is a large part of it."""
_MISJUDGED: Final = 0.03
"""A call may cost so much more than was estimated."""
_DOUBTS: Final = 2.0
_HASTE_S: Final = 0.02
_LAST: Final = 4.0
"""So many times the reserve before the end it begins to be used up..."""
_LAST_S: Final = 1.0
"""... over so many seconds at least."""
_LEFT: Final = 2.0
"""So many calls are left alone all the same."""


def reserve(cap: float, rate: float, *, is_in_calls: bool, is_short: bool) -> float:
    """The level at which a bucket of *cap* is kept that comes back at *rate* a second, in seconds if it *is_short*."""
    some = min(_RESERVE_S * rate, (_SHORT_SHARE if is_short else _RESERVE_SHARE) * cap)
    return max(some, min(_CALLS, _SHARE_OF_FEW * cap)) if is_in_calls else some


def spare(cost: float, cap: float, rate: float, *, manner: Manner, doubt: float, is_in_calls: bool) -> float:
    """What must be left beyond *cost*: tokens may be more than they seem, and what is left of them less.

    Where many calls slide out of a window, by a call or so one can always be wrong. *doubt* is what the level was off
    lately.
    """
    if manner in SLIDING:
        return _SPARE * cap + float(not is_in_calls or cap >= _FEW)
    if manner is Manner.AT_ONCE or is_in_calls:
        return 0.0
    return _MISJUDGED * cost + _DOUBTS * doubt + _HASTE_S * rate


def to_the_end(rest: float, totals: Sequence[float], place: int, *, level: float, kept: float, refill: float) -> float:
    """So many units a second beyond *refill* use up what is *kept* of a bucket with the last call.

    Nobody needs a reserve who sends nothing more. Far from the end, and where a few calls are all that is kept, this
    says nothing: minus infinity, for a reserve that is not whole has to come back first.

    Args:
        rest: calls to be sent yet.
        totals: what was ever sent, by place: so much of it each call takes.
        place: what the bucket counts.
        level: what is left in the bucket.
        kept: its reserve.
        refill: what comes back a second.
    """
    each = totals[place] / max(1.0, totals[0])
    units = rest * each
    if units > _LAST * kept or kept < 2.0 * _LEFT * each:
        return -inf
    return max(0.0, units / max(_LAST_S, (units - max(0.0, level - _LEFT * each)) / refill) - refill)
