"""What is known of a rate that is learnt."""

from __future__ import annotations

from enum import Enum

__all__ = ["Mode"]


class Mode(Enum):
    """What is known of the rate."""

    FREE = "nothing was refused yet"
    SEARCHING = "searching"
    CRUISING = "cruising"
