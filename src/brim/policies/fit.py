"""What can never go: a request that needs more than a limit ever gives.

An estimate may be far off, so it alone fails nothing: what a request needs at the very least does, or that the server
refused it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from brim.policies.blame import PLACES
from brim.policies.telling import over_ceiling, over_shown
from brim.protocols.words import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from brim.policies.tokens import Amounts
    from brim.values import Answer, Failure

__all__ = ["outgrown", "too_large"]


def too_large(
    amounts: Amounts, ceilings: Iterable[tuple[int, float, str]], least: Callable[[], Amounts]
) -> Failure | None:
    """Why an attempt of about *amounts* can never go; None if it may. *least*: what it takes without doubt."""
    for place, limit, span in ceilings:
        if amounts[place] > limit and least()[place] > limit:
            return over_ceiling(amounts[place], limit, place, span)
    return None


def outgrown(
    amounts: Amounts,
    answer: Answer,
    failure: Failure,
    limits: Iterable[tuple[int, float]],
    least: Callable[[], Amounts],
) -> Failure | None:
    """Why an attempt of about *amounts* that was refused can never go; None if it may.

    Looks at the *limits* that are known, by place, and at those that the *answer* shows. *least*: what it takes without
    doubt.
    """
    shown = [(PLACES[each.dimension], each.limit) for each in answer.levels if each.limit]
    dimension = named(failure.message).dimension
    if dimension is None and any(
        not PLACES[each.dimension] and each.remaining is not None and each.remaining < 1.0 for each in answer.levels
    ):
        return None  # it was one request too many
    for place, limit in (*limits, *shown):
        is_blamed = place and (dimension is None or PLACES[dimension] == place)
        if is_blamed and amounts[place] > limit and least()[place] > limit:
            return over_shown(amounts[place], limit, place, failure)
    return None
