"""Which limit a refusal blames: by its words, or by what it shows as left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from brim.values import Dimension

if TYPE_CHECKING:
    from brim.policies.tokens import Amounts
    from brim.values import Answer, Failure

__all__ = ["PLACES", "blamed_place", "is_no_crowd", "shows_less"]

PLACES: Final = {
    Dimension.REQUESTS: 0,
    Dimension.TOKENS: 1,
    Dimension.PROJECT_TOKENS: 1,
    Dimension.INPUT_TOKENS: 2,
    Dimension.OUTPUT_TOKENS: 3,
}
"""Where among the amounts of a cost each dimension stands."""
_WORDS: Final = (("input token", 2), ("output token", 3), ("token", 1))
"""Words in a refusal that name what was used up; numbers are not read."""


def blamed_place(failure: Failure) -> int:
    """The place that a refusal names; requests if it names none."""
    return next((place for words, place in _WORDS if words in failure.message), 0)


def shows_less(answer: Answer, asked: Amounts) -> bool:
    """Does *answer* show that less is left of a limit than its call *asked* for?"""
    return any(each.remaining is not None and each.remaining < asked[PLACES[each.dimension]] for each in answer.levels)


def is_no_crowd(answer: Answer, failure: Failure, asked: Amounts) -> bool:
    """Does a refusal give a reason that has nothing to do with how many calls there are at once?"""
    return blamed_place(failure) > 0 or shows_less(answer, asked)
