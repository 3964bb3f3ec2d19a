"""How a learnt rate rises beside headers that show nearly all of the limit left.

What was refused then may have been chance, or another client: the rate goes back to what is shown to come back, and on
until what is left is used up. Refused there, something else is short that the headers do not show, and what they show
as left says nothing: from then on the rate goes no further than what comes back. Most likely it is the very same limit,
counted over a shorter time: where what refusals taught allows for that, it is believed.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Relief"]

_AN_ANSWER: Final = 0.03
_A_SECOND: Final = 0.35
"""It rises by so much with every answer, and by so much in a second at most: a refusal takes its time to come back."""
_NEARLY: Final = 1.0025
"""What was refused at so many times what comes back may have come a little unevenly."""


class Relief:
    """Relief from what refusals taught of one limit."""

    __slots__ = ("_is_eased", "_is_refuted", "_shown")

    def __init__(self) -> None:
        self._is_eased = False
        self._is_refuted = False
        self._shown = 0.0

    def factor(self, rate: float, gap_s: float, *, shown: float, most: float) -> float:
        """How many times *rate* it may be, now that an answer came.

        Args:
            rate: what is sent, units a second.
            gap_s: seconds between two calls at that rate.
            shown: what comes back, as the headers have it, units a second.
            most: the rate at which what is left besides is used up soon.
        """
        self._shown = shown
        if rate >= (shown if self._is_refuted else most):
            return 1.0
        self._is_eased = rate > shown
        return 1.0 + min(_AN_ANSWER, _A_SECOND * gap_s)

    def refused(self) -> None:
        """An attempt was refused."""
        self._is_refuted = self._is_refuted or self._is_eased
        self._is_eased = False

    def tells(self, rate: float, *, high: float) -> float | None:
        """What the limit most likely is where refusals say that it is about *rate*, and no more than *high*."""
        return self._shown if rate < self._shown <= _NEARLY * high else None
