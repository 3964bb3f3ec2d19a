"""The two halves of a hand-off: who waits for the right to send, and that right.

A permit is settled at most once and given back once; one that was on its way to a waiter who has gone comes back by
itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

import msgspec

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    from brim.policies.charges import Charge
    from brim.policies.tokens import Amounts, Cost
    from brim.values import Answer, Attempt, Failure

__all__ = ["Permit", "Waiter"]


class Issuer(Protocol):
    """Whoever gives out permits, and takes them back."""

    def settled(self, answer: Answer, charge: Charge, used: Amounts | None, *, attempt: Attempt | None) -> Answer:
        """Learn what came of *attempt*, which was charged *charge* and took *used*, if that is known."""

    def released(self, charge: Charge, *, is_lost: bool) -> None:
        """Take back a slot. *charge*: what its attempt was charged; *is_lost*: nobody heard what became of it."""


class Permit(msgspec.Struct, eq=False, gc=False):
    """The right to have one attempt on the wire, as a context: leaving it gives the slot back.

    A struct, since one is made for every call, and that is the cheapest class of one's own to make.
    """

    _limiter: Issuer | None
    _charge: Charge
    _is_settled: bool = False

    @property
    def amounts(self) -> Amounts:
        """What the attempt took when it was admitted."""
        return self._charge.cost.amounts

    @property
    def admitted_at(self) -> float:
        """When it was admitted, by the clock of the loop."""
        return self._charge.at

    def settle(self, answer: Answer, used: Amounts | None = None, *, attempt: Attempt | None = None) -> Answer:
        """Tell the limiter what came of the attempt. Once; an attempt that is not settled keeps its charge.

        *used* is what it took in truth; by default the usage of the answer says so. *attempt*: what was sent; without
        it, it was the first of its request. Returns the answer as it counts for that request.
        """
        assert self._limiter is not None, "a permit is settled while it is held"
        self._is_settled = True
        return self._limiter.settled(answer, self._charge, used, attempt=attempt)

    def release(self) -> None:
        """Give the slot back. Only the first call counts."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            limiter.released(self._charge, is_lost=not self._is_settled)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Waiter:
    """One cost in the queue, and whose it is if it is an attempt's.

    Attributes:
        behind: how many of those that wait for their first attempt go before it: none if it was there before them, a
            few if it was turned away again and again; None for all.
    """

    __slots__ = ("attempt", "behind", "cost", "max_tokens", "since", "told")

    def __init__(
        self,
        cost: Cost,
        max_tokens: int | None,
        attempt: Attempt | None,
        told: asyncio.Future[Permit | Failure],
        since: float,
        *,
        behind: int | None = None,
    ) -> None:
        self.cost = cost
        self.max_tokens = max_tokens
        self.attempt = attempt
        self.told = told
        self.since = since
        self.behind = behind

    def tell(self, decision: Permit | Failure) -> None:
        """Hand over *decision*; a permit that nobody waits for any more goes back."""
        if not self.told.done():
            self.told.set_result(decision)
        elif isinstance(decision, Permit):
            decision.release()
