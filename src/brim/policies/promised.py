"""How long a window is, by the wait that the first refusal of all names.

A window that slides, and one that begins with the first attempt, have room again just a span after that attempt. A
bucket has it as soon as a single attempt's worth is refilled, and a window that follows the clock at any moment. So if
the promise lies as far from the first attempt as windows are long that people choose, it is one of those.
"""

from __future__ import annotations

from typing import Final

from brim.policies.refusal import Refusal
from brim.policies.spans import LONG_SPANS_S, SPANS_S

__all__ = ["promised_span"]

_SLOW_S: Final = 3.0
"""A bucket seldom lets one wait as long for a single attempt."""
_ROUNDING_S: Final = 0.01
_CLOSE: Final = 0.2
"""A promise that is known less closely than this share of a span says nothing of it..."""
_EARLY: Final = 0.3
"""... nor does one for so little of it: that something was refused just then is as likely by chance."""


def promised_span(refusal: Refusal, first_at: float, slowest: float) -> float:
    """The length of the window in seconds; 0 if the promise speaks of none.

    Args:
        refusal: the first refusal, with the wait that it names: whole seconds are too coarse.
        first_at: when the first attempt was sent; it arrived no later than the refused one would have been back.
        slowest: the rate at which a bucket with a minute's worth would have refused no sooner, units a second.
    """
    wait = refusal.exact
    if wait <= 0.0 or (wait <= _SLOW_S and refusal.amount / wait >= slowest):
        return 0.0  # it may well be a bucket
    trip = refusal.now - refusal.sent_at
    earliest = refusal.sent_at + wait - first_at - trip
    latest = refusal.now + wait - first_at
    spans = [span for span in (*SPANS_S, *LONG_SPANS_S) if earliest - _ROUNDING_S <= span <= latest + _ROUNDING_S]
    is_close = len(spans) == 1 and latest - earliest <= _CLOSE * spans[0]
    return spans[0] if is_close and _EARLY * spans[0] <= wait <= spans[0] + _ROUNDING_S else 0.0
