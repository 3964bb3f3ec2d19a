"""The purse: attempts go as far as the money certainly reaches, and wait while some may come back."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.engine.budget import Purse
from brim.policies.budget import Account
from brim.simulator.clock import run_virtual


class Watched(Account):
    """An account that is never overdrawn, or the test fails."""

    def hold(self, worst: int) -> None:
        super().hold(worst)
        assert self.cap is None or self.spent + self.held <= self.cap


async def spend(purse: Purse, worst: int, cost: int | None, seconds: float, went: list[int]) -> bool:
    if not await purse.hold(worst):
        return False
    went.append(worst)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        purse.settle(worst, None)
        raise
    purse.settle(worst, cost)
    return True


CALLS = st.lists(
    st.tuples(st.integers(1, 40), st.none() | st.integers(0, 40), st.floats(0, 5), st.none() | st.floats(0, 5)),
    max_size=25,
)


@settings(deadline=None)
@given(calls=CALLS, cap=st.integers(1, 100))
def test_never_overdrawn_nobody_forgotten_all_given_back(
    calls: list[tuple[int, int | None, float, float | None]], cap: int
) -> None:
    """
    Whatever calls cost, how long they take and when they are cancelled: each goes, is told no, or was cancelled.
    """
    purse = Purse(Watched(cap))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        tasks = []
        for worst, cost, seconds, cancelled_at in calls:
            paid = None if cost is None else min(cost, worst)
            tasks.append(asyncio.create_task(spend(purse, worst, paid, seconds, [])))
            if cancelled_at is not None:
                loop.call_later(cancelled_at, tasks[-1].cancel)
        await asyncio.wait(tasks or [loop.create_task(asyncio.sleep(0))])

    run_virtual(main())

    assert purse.account.held == 0
    assert purse.account.spent <= cap


def test_waits_for_what_may_come_back_first_in_first_out() -> None:
    """
    The large one first in line is paid as soon as the one before it has cost less than feared; nobody overtakes it.
    """
    went: list[int] = []

    async def main() -> list[bool]:
        purse = Purse(Watched(100))
        calls = ((60, 10), (90, 20), (5, 5))
        return await asyncio.gather(*(spend(purse, worst, cost, 1.0, went) for worst, cost in calls))

    assert run_virtual(main()) == [True, True, True]
    assert went == [60, 90, 5]


def test_says_no_only_when_nothing_is_under_way() -> None:
    """
    What is left does not pay: told so when the last call has come home, and a smaller one behind it goes.
    """
    went: list[int] = []

    async def main() -> tuple[list[bool], float]:
        purse = Purse(Watched(100))
        calls = ((60, 50), (90, 90), (30, 30))
        told = await asyncio.gather(*(spend(purse, worst, cost, 1.0, went) for worst, cost in calls))
        return told, asyncio.get_running_loop().time()

    assert run_virtual(main()) == ([True, False, True], 2.0)
    assert went == [60, 30]


@pytest.mark.parametrize(("cap", "is_paid"), [(200, True), (None, True), (80, False)])
def test_another_budget_holds_at_once(cap: int | None, *, is_paid: bool) -> None:
    """
    Raised or taken away, who waits goes; lowered, nobody new does.
    """

    async def main() -> bool:
        purse = Purse(Account(100))
        first = asyncio.create_task(spend(purse, 60, 50, 10.0, []))
        second = asyncio.create_task(spend(purse, 90, 90, 0.0, []))
        await asyncio.sleep(1.0)
        purse.recap(cap)
        paid, *_ = await asyncio.gather(second, first)
        return paid

    assert run_virtual(main()) is is_paid
