"""A run whose first rows all fail in the same way is a mistake in the command or the input: stop, and say so.

A wrong parameter makes every row invalid, each for the price of a call and a line in the output. So when the first 25
results of a lane are all refused as invalid with the same status and code, and nothing was answered, the lane parks.
One answer, or one other end, and the question is settled for the rest of the run.
"""

from __future__ import annotations

from typing import Final

from brim.values import Failure, FailureKind, Outcome

__all__ = ["FIRST", "SameFault"]

FIRST: Final = 25
"""Rows that must all have failed in the same way."""


class SameFault:
    """Watches the first outcomes of a lane."""

    __slots__ = ("_first", "_seen")

    def __init__(self) -> None:
        self._first: Failure | None = None
        self._seen: int | None = 0

    def ended(self, outcome: Outcome) -> Failure | None:
        """A row ended with *outcome*. Returns why the lane should park, if it should."""
        if self._seen is None:
            return None
        if not isinstance(outcome, Failure) or not self._is_alike(outcome):
            self._seen = None
            return None
        self._first = self._first or outcome
        self._seen += 1
        if self._seen < FIRST:
            return None
        return Failure(
            kind=FailureKind.SAME_FAULT,
            message=f"the first {FIRST} rows all failed in the same way, so nothing more was sent: {outcome.message}",
            status=outcome.status,
            code=outcome.code,
        )

    def _is_alike(self, failure: Failure) -> bool:
        if failure.kind is not FailureKind.INVALID:
            return False
        first = self._first
        return first is None or (first.status, first.code) == (failure.status, failure.code)
