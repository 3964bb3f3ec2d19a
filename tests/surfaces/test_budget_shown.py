"""A budget in the eyes of whoever watches a run, and in their hands."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest

from brim.config import Limits
from brim.engine.budget import Purse
from brim.engine.run import Run
from brim.policies.budget import Account, read_cap
from brim.surfaces.controls import Controls
from brim.surfaces.ctl_view import after, view
from brim.surfaces.orders import Refused, Retune, Status, read_answer, write
from brim.surfaces.progress import plain_lines
from brim.surfaces.progress_view import view as picture
from brim.surfaces.report import print_report, summarize
from brim.surfaces.screen import Screen
from brim.surfaces.tally import Tally


def account(cap: float | None = 5.0, *, spent: float = 1.25, unsure: float = 0.0) -> Account:
    made = Account(None if cap is None else read_cap(cap))
    made.recall(read_cap(spent), read_cap(unsure) if unsure else 0)
    return made


def tally(account: Account) -> Tally:
    made = Tally(total=10, clock=lambda: 0.0)
    made.account = account
    made.cost_usd = 0.75
    return made


def test_progress_shows_what_is_spent_of_the_budget() -> None:
    """
    In lines and in the picture, in the place of this run's cost.
    """
    drawn = io.StringIO()
    Screen(drawn).console().print(picture(tally(account())))

    for shown in (plain_lines(tally(account()))[0], drawn.getvalue()):
        assert "$1.25 of $5.00 spent" in shown
        assert "0.75" not in shown
    assert "$1.25 of no budget spent" in plain_lines(tally(account(None)))[0]


@pytest.mark.parametrize(
    ("account", "line"),
    [
        (account(), "brim: budget: $1.25 of $5.00 spent, earlier runs included"),
        (account(None), "brim: budget: $1.25 spent, earlier runs included"),
        (
            account(unsure=0.5),
            "brim: budget: $1.25 of $5.00 spent, earlier runs included, $0.5000 of it for calls that may not be billed",
        ),
    ],
)
def test_the_summary_says_what_is_spent(account: Account, line: str) -> None:
    """
    Of the budget, over all runs, and what of it was charged for safety.
    """
    told = io.StringIO()
    print_report(tally(account), output=Path("o.jsonl"), rows=0, stderr=told)

    assert line in told.getvalue().splitlines()
    assert "0.7500 at list price" in told.getvalue()


def test_a_summary_without_a_budget_has_none() -> None:
    """
    For machines: null.
    """
    assert summarize(Tally(total=1)).budget is None


def ordered(order: Retune, purse: Purse | None) -> Status | Refused:
    run = Run(record=lambda _: None, leave=lambda _: None)
    return read_answer(Controls(run, Tally(), purse).answer(write(order)))


@pytest.mark.parametrize(("asked", "cap"), [(7.5, 7_500_000_000), (None, None)])
def test_a_budget_is_changed_by_hand(asked: float | None, cap: int | None) -> None:
    """
    At once; the answer and what `brim ctl` makes of it say so.
    """
    purse = Purse(account())

    status = ordered(Retune(budget_usd=asked), purse)

    assert isinstance(status, Status)
    assert purse.account.cap == cap
    assert (status.budget_usd, status.spent_usd) == (asked, 1.25)
    words = "$1.25 of $7.50 spent" if asked else "$1.25 of no budget spent"
    assert f"budget    {words}" in view(status)
    assert f"budget: {words}" in after(status)


def test_other_orders_leave_the_budget_alone() -> None:
    """
    Only what an order names changes.
    """
    purse = Purse(account())

    ordered(Retune(requests_per_minute=5), purse)

    assert purse.account.cap == 5_000_000_000


@pytest.mark.parametrize(
    ("order", "purse", "said"),
    [
        (Retune(budget_usd=1.0), None, "the run began without a budget"),
        (Retune(budget_usd=0.0), Purse(account()), "must be a number above 0"),
    ],
)
def test_a_budget_that_can_not_be_kept_is_refused(order: Retune, purse: Purse | None, said: str) -> None:
    """
    With the reason, and nothing changes.
    """
    refused = ordered(order, purse)

    assert isinstance(refused, Refused)
    assert said in refused.message
    assert purse is None or purse.account.cap == 5_000_000_000


def test_an_order_about_the_budget_reads_back() -> None:
    """
    What is not named is left out on the way, and stays so.
    """
    sent = msgspec.json.decode(write(Retune(budget_usd=2.0)))

    assert sent == {"order": "set", "lane": None, "budget_usd": 2.0}
    assert Retune(budget_usd=2.0).applied_to(Limits()) == Limits()
