"""The two halves of a hand-off: who waits for the right to send, and that right.

A permit is settled at most once and given back once; one that was on its way to a waiter who has gone comes back by
itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    from brim.policies.admission import Charge
    from brim.policies.tokens import Cost
    from brim.values import Answer, Attempt, Failure

__all__ = ["Permit", "Waiter"]


class Issuer(Protocol):
    """Whoever gives out permits, and takes them back."""

    def settled(self, answer: Answer, charge: Charge) -> None:
        """Learn what came of an attempt that was charged *charge*."""

    def released(self) -> None:
        """Take back a slot."""


class Permit:
    """The right to have one attempt on the wire, as a context: leaving it gives the slot back."""

    __slots__ = ("_charge", "_limiter")

    def __init__(self, limiter: Issuer, charge: Charge) -> None:
        self._limiter: Issuer | None = limiter
        self._charge = charge

    def settle(self, answer: Answer) -> None:
        """Tell the limiter what came of the attempt. Once; an attempt that is not settled keeps its charge."""
        assert self._limiter is not None, "a permit is settled while it is held"
        self._limiter.settled(answer, self._charge)

    def release(self) -> None:
        """Give the slot back. Only the first call counts."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            limiter.released()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Waiter:
    """One attempt in the queue."""

    __slots__ = ("attempt", "cost", "since", "told")

    def __init__(self, attempt: Attempt, cost: Cost, told: asyncio.Future[Permit | Failure], since: float) -> None:
        self.since = since
        self.attempt = attempt
        self.cost = cost
        self.told = told

    def tell(self, decision: Permit | Failure) -> None:
        """Hand over *decision*; a permit that nobody waits for any more goes back."""
        if not self.told.done():
            self.told.set_result(decision)
        elif isinstance(decision, Permit):
            decision.release()
