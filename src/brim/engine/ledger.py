"""What lanes remember of earlier processes, and what they say for later ones: the engine's side of the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from brim.config import Limits
    from brim.engine.budget import Till
    from brim.engine.permits import Permit
    from brim.policies.tokens import Amounts, Spent
    from brim.values import Attempt

__all__ = ["Ledger", "noting"]


class Ledger(Protocol):
    """What lanes remember of earlier processes, and write down for later ones."""

    @property
    def marks(self) -> bool:
        """Does it want to be told what is sent?"""

    def stated(self, limits: Limits) -> None:
        """A lane is held to *limits* from now on."""

    def spent(self, model: str, now: float) -> Sequence[Spent]:
        """What was sent to *model* before, in the order of time; *now* is seconds since the epoch."""

    def is_closed(self, model: str, now: float) -> bool:
        """Did the server say to send *model* nothing for hours, not over yet? *now* is seconds since the epoch."""

    def opens_in(self, model: str, now: float) -> float:
        """For how many seconds more it said so, if it is no matter of hours; 0 if it doesn't."""

    def closed(self, model: str, at: float, seconds: float) -> None:
        """Write down that the server said, *at* seconds since the epoch, to send *model* nothing for *seconds*."""

    def sent(self, attempt: Attempt, amounts: Amounts, at: float, *, keeps: bool, worst: int) -> None:
        """Write down that *attempt* goes, *at* seconds since the epoch, with *amounts* reserved.

        *keeps*: the provider counts the output that is reserved, whatever is generated. *worst*: the most that it may
        cost, in nano-dollars; 0 where there is no budget.
        """


def noting(
    ledger: Ledger, till: Till | None, wall: Callable[[], float], *, reserves: bool
) -> Callable[[Attempt, Permit], None]:
    """Tells *ledger* each attempt just before it goes. *reserves*: the provider counts the whole cap on output."""

    def note(attempt: Attempt, permit: Permit) -> None:
        if ledger.marks:
            worst = 0 if till is None else till.worst_of(attempt)
            keeps = reserves and attempt.request.max_tokens is not None
            ledger.sent(attempt, permit.amounts, wall(), keeps=keeps, worst=worst)

    return note
