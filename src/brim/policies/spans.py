"""How long the windows of a limit may be: as long as somebody would write down."""

from __future__ import annotations

from typing import Final

__all__ = ["LONG_SPANS_S", "MINUTE_S", "SPANS_S", "span_of", "written_span"]

MINUTE_S: Final = 60.0
SPANS_S: Final = (1.0, 2.0, 5.0, 6.0, 10.0, 12.0, 15.0, 20.0, 30.0, MINUTE_S)
LONG_SPANS_S: Final = (120.0, 180.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0)
_NEAR: Final = 0.02


def written_span(seconds: float) -> float:
    """The shortest of those that is no shorter; a minute at most."""
    return next((span for span in SPANS_S if seconds <= span), MINUTE_S)


def span_of(cap: float, rate: float, *, reset_in: float | None, cost: float, sent: float = 0.0) -> tuple[float, float]:
    """What a limit of *cap* units at *rate* a second looks like: the length of its windows, and what there is in one.

    Args:
        cap: the most that was ever left.
        rate: units a second.
        reset_in: the reset that was shown, if one was.
        cost: of a call: so much may have been missing already when the most was seen.
        sent: what had been sent before anything was seen. If nothing came back meanwhile all of it is missing,
            which is out of the question where it is much.
    """
    for most in (cap, cap + sent if sent < cap / 2 else cap):
        written = min(SPANS_S, key=lambda each: abs(each - most / rate))
        if abs(written * rate - most) <= _NEAR * written * rate + 1.5 * max(cost, 1.0):
            return written, max(cap, written * rate)
    span = cap / rate
    is_minute = reset_in is not None and span < reset_in <= MINUTE_S
    return (MINUTE_S if is_minute else span), cap
