"""What is remembered of an attempt that was refused."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Mark", "Refusal"]


class Refusal(NamedTuple):
    """An attempt that was refused.

    Attributes:
        amount: what it asked for.
        sent_at: when it went.
        now: when it came back.
        wait: for how long it is to wait, in seconds; 0 if nothing was said.
        exact: the same where it is named to the fraction of a second; else 0.
    """

    amount: float
    sent_at: float
    now: float
    wait: float
    exact: float = 0.0

    @property
    def told(self) -> float:
        """The wait as closely as it is known: what is exact may have been rounded up elsewhere."""
        return self.exact or self.wait


class Mark(NamedTuple):
    """A refusal: when, what had passed by then, what it asked for, and what had been refused by then."""

    at: float
    passed: float
    amount: float
    refused: float
