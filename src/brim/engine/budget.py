"""A cap on what is spent: the stage that lets an attempt go only if there is money for the worst it may cost.

It stands before admission, so that no permit is held while money is waited for. One purse pays for all lanes, first
in, first out. What can't be paid now waits as long as calls under way may give some of their money back; with none
under way it never can, and its lane parks, its rows untouched.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

import msgspec

from brim.values import Answer, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from brim.engine.limiter import Limiter
    from brim.engine.path import Service
    from brim.engine.permits import Permit
    from brim.policies.budget import Account, Bill
    from brim.values import Attempt

__all__ = ["Afford", "Purse", "Till"]


class Purse:
    """The money of a run: *account*, and who waits for it."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._queue: deque[tuple[int, asyncio.Future[bool]]] = deque()

    async def hold(self, worst: int) -> bool:
        """Wait until there is money for a call that costs *worst* at most, and set it aside. False: there never is."""
        if not self._queue and self.account.can_pay(worst):
            self.account.hold(worst)
            return True
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue.append((worst, told))
        self._pump()
        try:
            return await told
        except asyncio.CancelledError:
            if told.done() and not told.cancelled() and told.result():
                self.account.settle(worst, 0)
            self._pump()
            raise

    def settle(self, worst: int, charge: int | None) -> None:
        """The call is over and cost *charge*; None if nobody knows."""
        self.account.settle(worst, charge)
        if self._queue:
            self._pump()

    def recap(self, cap: int | None) -> None:
        """Another budget holds from now on. What is under way comes home; a lane that is parked stays so."""
        self.account.cap = cap
        self._pump()

    def _pump(self) -> None:
        """Pay for whoever can be paid for, in order, and tell those who never can."""
        while self._queue:
            worst, told = self._queue[0]
            if not told.cancelled():
                can_pay = self.account.can_pay(worst)
                if not can_pay and self.account.held:
                    return
                if can_pay:
                    self.account.hold(worst)
                told.set_result(can_pay)
            self._queue.popleft()


class Charges(Protocol):
    """Where charges are written down."""

    def charged(self, attempt: Attempt, nanos: int) -> None:
        """Write down what *attempt* is charged, in nano-dollars, where its result does not say so."""


class Till:
    """The purse as one lane knows it.

    Args:
        purse: the run's.
        bill: what the lane's calls cost.
        book: where charges are written down that no result tells; None: nowhere.

    Attributes:
        waiting: attempts that wait for money.
    """

    def __init__(self, purse: Purse, bill: Bill, book: Charges | None) -> None:
        self.purse = purse
        self.bill = bill
        self.waiting = 0
        self._book = book
        self._unsent: dict[int, int] = {}

    async def hold(self, attempt: Attempt) -> int | None:
        """Wait for the worst that *attempt* may cost, and set it aside; None if there never is so much."""
        worst = self.bill.worst(attempt.body)
        self.waiting += 1
        try:
            is_paid = await self.purse.hold(worst)
        finally:
            self.waiting -= 1
        if not is_paid:
            return None
        self._unsent[id(attempt)] = worst
        return worst

    def worst_of(self, attempt: Attempt) -> int:
        """The worst that *attempt*, which is not sent yet, may cost."""
        return self._unsent[id(attempt)]

    def going(self, note: Callable[[Attempt, Permit], None] | None) -> Callable[[Attempt, Permit], None]:
        """*note*, told each attempt just before it goes, as a function that lets the till know as well."""

        def told(attempt: Attempt, permit: Permit) -> None:
            if note is not None:
                note(attempt, permit)
            del self._unsent[id(attempt)]

        return told

    def settle(self, attempt: Attempt, worst: int, answer: Answer | None) -> None:
        """*attempt* is over: with *answer*, or None if it was cancelled."""
        if self._unsent.pop(id(attempt), None) is not None:
            self.purse.settle(worst, 0)
            return
        charge = None if answer is None else self.bill.charge(answer.outcome)
        self.purse.settle(worst, charge)
        if self._book is None or answer is None or (isinstance(answer.outcome, Reply) and charge is not None):
            return
        self._book.charged(attempt, worst if charge is None else charge)


class Afford(msgspec.Struct, frozen=True):
    """Have money set aside for exactly as long as one attempt is under way."""

    inner: Service
    limiter: Limiter
    till: Till

    async def __call__(self, attempt: Attempt) -> Answer:
        """Wait for the money, send, settle."""
        worst = await self.till.hold(attempt)
        if worst is None:
            failure = self.till.purse.account.broke(self.till.bill.worst(attempt.body))
            self.limiter.park(failure)
            now = asyncio.get_running_loop().time()
            return Answer(failure, now, now, was_sent=False)
        answer: Answer | None = None
        try:
            answer = await self.inner(attempt)
        finally:
            self.till.settle(attempt, worst, answer)
        return answer
