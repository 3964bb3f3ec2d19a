"""Which limit a refusal blames: by its words, or by what it shows as left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from brim.protocols.words import named
from brim.values import Dimension

if TYPE_CHECKING:
    from brim.policies.tokens import Amounts
    from brim.values import Answer, Failure

__all__ = ["PLACES", "Timing", "blamed_place", "blames_crowd", "is_named", "is_no_crowd", "named_rate", "shows_less"]

_DIFFERENT: Final = 3
PLACES: Final = {
    Dimension.REQUESTS: 0,
    Dimension.TOKENS: 1,
    Dimension.PROJECT_TOKENS: 1,
    Dimension.INPUT_TOKENS: 2,
    Dimension.OUTPUT_TOKENS: 3,
}
"""Where among the amounts of a cost each dimension stands."""


def blamed_place(failure: Failure) -> int:
    """The place that a refusal names; requests if it names none."""
    dimension = named(failure.message).dimension
    return 0 if dimension is None else PLACES[dimension]


def is_named(failure: Failure) -> bool:
    """Does a refusal say what it counts?"""
    return named(failure.message).dimension is not None


def named_rate(failure: Failure) -> float | None:
    """The rate that a refusal names as the limit, units a second; None if it names none."""
    return named(failure.message).rate


class Timing:
    """Are the waits that refusals name those for a rate? Then it is time that lets more through, and no call that ends.

    So many different ones, to the fraction of a second, are no habit of the server's.
    """

    __slots__ = ("_waits",)

    def __init__(self) -> None:
        self._waits: set[float] = set()

    @property
    def is_rate(self) -> bool:
        """Have there been so many?"""
        return len(self._waits) >= _DIFFERENT

    def named(self, failure: Failure) -> None:
        """A limit refused an attempt."""
        if failure.exact_wait and not self.is_rate:
            self._waits.add(failure.exact_wait)


def blames_crowd(failure: Failure) -> bool:
    """Does a refusal say that there are too many calls at once?"""
    return named(failure.message).is_crowd


def shows_less(answer: Answer, asked: Amounts) -> bool:
    """Does *answer* show that less is left of a limit than its call *asked* for?"""
    return any(each.remaining is not None and each.remaining < asked[PLACES[each.dimension]] for each in answer.levels)


def is_no_crowd(answer: Answer, failure: Failure, asked: Amounts) -> bool:
    """Does a refusal give a reason that has nothing to do with how many calls there are at once?"""
    limit = named(failure.message)
    if limit.is_crowd:
        return False
    return limit.period_s is not None or blamed_place(failure) > 0 or shows_less(answer, asked)
