"""What is remembered of an attempt that was refused."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Mark", "Refusal"]


class Refusal(NamedTuple):
    """An attempt that was refused: what it asked for, when it went and came back, and for how long to wait (or 0)."""

    amount: float
    sent_at: float
    now: float
    wait: float


class Mark(NamedTuple):
    """A refusal: when, what had passed by then, what it asked for, and what had been refused by then."""

    at: float
    passed: float
    amount: float
    refused: float
