"""A cap on the bill, by the provider's own book-keeping: never broken, whatever goes wrong, over any restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import brim
from brim import testing
from brim.engine.budget import Purse, Till
from brim.engine.lane import Lane, Settings
from brim.engine.path import Prepared
from brim.engine.run import Run
from brim.events import LaneState
from brim.policies.budget import Account, Bill, nanos, read_cap
from brim.policies.prices import parse_price
from brim.storage.journal import Journal
from brim.storage.outlay import Outlay
from brim.storage.use import Book, Ledger
from brim.surfaces.client import Options
from brim.values import Constraint, FailureKind, Request
from end_to_end.support import MIX, Played, scenario
from end_to_end.test_cli import Shell
from engine.support import open_lane

PRICE = parse_price("1/4")


NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""An example is a whole run: to make a failing one smaller would take minutes."""


def bill(tally: testing.Tally) -> int:
    """What the provider charges, in nano-dollars."""
    return tally.input_tokens * 1_000 + tally.output_tokens * 4_000


@settings(max_examples=25, deadline=None, phases=NO_SHRINKING)
@given(
    seed=st.integers(0, 1_000),
    budget=st.floats(0.001, 0.05),
    models=st.integers(1, 3),
    is_limited=st.booleans(),
    mix=st.sampled_from([{}, {"hang": 0.1}, {"throttled": 0.3}, MIX]),
)
def test_the_bill_stays_within_the_budget(
    seed: int, budget: float, models: int, *, is_limited: bool, mix: dict[str, float]
) -> None:
    """
    One account over all lanes: at every event what is spent and at stake is within the cap, and so is the provider's
    own bill; every row is answered or untouched, and what was set aside has come back.
    """
    world = scenario(mix, seed=seed)
    transport = testing.SimTransport(testing.Provider(world))
    seen: list[brim.Result] = []

    async def main() -> None:
        options: Options = {"transport": transport, "base_url": "http://127.0.0.1:1", "environ": {}, "seed": seed}
        options |= {"budget_usd": budget, "price": "1/4", "max_tokens": 100, "max_attempts": 1_000}
        options["timeouts"] = brim.Timeouts(total=20.0)
        if is_limited:
            options["limits"] = brim.Limits(requests_per_minute=600)

        def check(_: object) -> None:
            purse = client.costs.purse
            assert purse is not None
            assert purse.account.spent + purse.account.held <= nanos(budget)

        options["on_event"] = check
        client = brim.Client("openai:m", **options)
        async with client:
            rows = (
                Request(messages=[{"role": "user", "content": f"prompt {n}"}], model=f"m{n % models}")
                for n in range(200)
            )
            seen.extend([result async for result in client.complete_each(rows)])
            purse = client.costs.purse
            assert purse is not None
            assert purse.account.held == 0
            assert bill(transport.provider.tally) <= purse.account.spent

    testing.run_virtual(main())

    assert sorted(result.request.position for result in seen) == list(range(200))
    assert all(result.reply or result.is_untouched for result in seen)
    assert {result.failure.kind for result in seen if result.failure} <= {FailureKind.BUDGET}
    assert bill(transport.provider.tally) <= nanos(budget)


def test_a_budget_that_is_ample_costs_no_time() -> None:
    """
    Where the money never runs short, a run takes exactly as long as without a budget.
    """
    free = Played(scenario(MIX), 300)
    capped = Played(scenario(MIX), 300, budget_usd=100.0, price="1/4", max_tokens=500)

    assert all(result.text for result in capped.results)
    assert capped.seconds == free.seconds


def test_most_of_the_budget_is_used() -> None:
    """
    What is left at the end is less than the worst case of one call, and lanes that wait for money say so.
    """
    played = Played(scenario({}), 2_000, budget_usd=0.02, price="1/4", max_tokens=200)

    spent = sum(result.cost_usd or 0.0 for result in played.results)
    assert 0.02 - 0.002 < spent <= 0.02
    assert any(
        isinstance(event, LaneState) and event.bound.constraint is Constraint.BUDGET for _, event in played.events
    )


class Process:
    """Processes of one run under a budget over one journal and one provider: killed, or ended."""

    def __init__(self, folder: Path, *, seed: int = 1) -> None:
        self.path = folder / "journal"
        self.provider = testing.Provider(scenario({"hang": 0.1, "throttled": 0.2, "lost": 0.05}, seed=seed))
        self.left = 0

    def live(self, rows: int, budget: float, *, until: float | None = None) -> Account:
        """Run, for *until* seconds at most. Returns the account as it is then."""
        outlay = Outlay(lambda _: PRICE)
        account = Account(read_cap(budget))
        with Journal.open(
            self.path, settings={"model": "m"}, input_name="in", sync_every_s=None, hear=outlay.read
        ) as journal:
            ledger = Ledger(journal, Book(now=0.0, reach_s=60.0), default="m", marks=True)
            account.recall(outlay.spent, outlay.unsure)

            async def main() -> None:
                lane = open_lane(
                    testing.SimTransport(self.provider),
                    Settings(seed=1, max_attempts=1_000, max_timeouts=1_000, timeouts=brim.Timeouts(total=20.0)),
                    ledger=ledger,
                    till=Till(Purse(account), Bill(PRICE), ledger),
                    price=lambda reply: None if reply.usage is None else PRICE.cost(reply.usage),
                )

                async def source() -> AsyncIterator[tuple[Lane, Prepared]]:
                    for n in range(rows):
                        words = [{"role": "user", "content": f"prompt {n}"}]
                        prepared = lane.prepare(Request(position=n, messages=words, max_tokens=100))
                        if journal.claim(prepared.request, prepared.fingerprint) is None:
                            yield lane, prepared

                left: list[brim.Result] = []
                run = asyncio.create_task(Run(record=journal.record_all, leave=left.append).carry(source()))
                await asyncio.wait([run], timeout=until)
                self.left = len(left)
                if not run.done():
                    run.cancel()
                    await asyncio.wait([run])

            testing.run_virtual(main())
            self.answered = len(journal)
        return account


@settings(max_examples=15, deadline=None, phases=NO_SHRINKING)
@given(
    seed=st.integers(0, 100),
    budget=st.floats(0.002, 0.05),
    kills=st.lists(st.floats(0.1, 30.0), min_size=1, max_size=4),
)
def test_the_spend_survives_kills(seed: int, budget: float, kills: list[float]) -> None:
    """
    Killed at any moments, with calls in flight, hung, lost and refused: the next process knows at least what the
    provider bills for all of them, and the bill stays within the budget; a larger one answers the rest.
    """
    with TemporaryDirectory() as folder:
        run = Process(Path(folder), seed=seed)
        for until in kills:
            account = run.live(100, budget, until=until)
            assert bill(run.provider.tally) <= account.spent + account.held <= nanos(budget)
        known = run.live(100, budget).spent
        # One that sends nothing, since a row may be left that is a word shorter than the one that was too dear.
        assert run.live(0, budget).spent == known, "what is spent stays spent, to the nano-dollar"
        assert known <= run.live(100, budget).spent <= nanos(budget)

        run.live(100, 100.0)

        assert run.answered == 100


def test_a_run_parks_and_a_larger_budget_goes_on(tmp_path: Path) -> None:
    """
    The command itself: exit 3, the spend and the way on said; the same command with a larger budget answers the rest.
    """
    shell = Shell(tmp_path)
    shell.write(100)
    with testing.serve(testing.Scenario(latency=testing.Latency(first=0.01))) as provider:
        capped = ("--max-tokens", "50", "--price", "1/4", "--budget")

        status, _, err = shell.run(provider, *capped, "0.005")

        assert status == 3, err
        assert "brim: stopped: openai:sim-small: budget: $0.00" in err
        assert "brim: next: raise --budget, then run the same command again" in err
        assert "of $0.0050 spent" in err
        assert bill(provider.tally) <= nanos(0.005)
        answered = len(shell.rows)
        assert 0 < answered < 100

        status, _, err = shell.run(provider, *capped, "1")

        assert status == 0, err
        assert f"{answered} of them from an earlier run" in err
        assert len(shell.rows) == 100
        assert provider.tally.paid_twice == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"budget_usd": 1}, "no price is known for openai:m"),
        ({"budget_usd": 1, "price": "1/4"}, "give --max-tokens"),
        ({"budget_usd": 1, "price": "1/4", "max_tokens": 5, "params": {"plugins": []}}, "plugins"),
        ({"budget_usd": 0, "price": "1/4"}, "must be a number above 0"),
        ({"budget_usd": 1, "prices": {"m": "4"}}, r"should look like 0\.25/2"),
    ],
)
def test_what_can_not_be_bounded_is_refused_before_anything_is_sent(options: dict[str, Any], said: str) -> None:
    """
    The message says what to give.
    """
    with pytest.raises(brim.ConfigError, match=said):
        Played(scenario({}), 3, **options)


def test_a_model_without_a_price_fails_its_own_row_alone() -> None:
    """
    A row that names one is told what is missing; the others are answered.
    """
    far_end = testing.SimTransport(testing.Provider(scenario({})))
    options: Options = {"transport": far_end, "base_url": "http://127.0.0.1:1", "environ": {}, "max_tokens": 5}
    options |= {"budget_usd": 1.0, "prices": {"openai:m": "1/4"}}
    words = [{"role": "user", "content": "hi"}]
    rows = [Request(messages=words), Request(messages=words, model="other")]

    async def main() -> list[brim.Result]:
        async with brim.Client("m", **options) as client:
            return [result async for result in client.complete_each(rows)]

    priced, unpriced = sorted(testing.run_virtual(main()), key=lambda result: result.request.position)

    assert priced.cost_usd is not None
    assert unpriced.failure is not None
    assert "no price is known for openai:other" in unpriced.failure.message


def test_a_cancelled_call_keeps_its_worst_and_one_that_was_never_sent_nothing() -> None:
    """
    Two calls, one of them still waiting for its turn; both are cancelled.
    """
    far_end = testing.SimTransport(testing.Provider(scenario({})))
    options: Options = {"transport": far_end, "base_url": "http://127.0.0.1:1", "environ": {}, "max_tokens": 5}
    options |= {"budget_usd": 1.0, "price": "1/4", "limits": brim.Limits(concurrency=1)}

    async def main() -> tuple[int, int]:
        async with brim.Client("m", **options) as client:
            calls = [asyncio.create_task(client.complete("ping")) for _ in range(2)]
            await asyncio.sleep(0.5)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            purse = client.costs.purse
            assert purse is not None
            assert purse.account.held == 0
            return purse.account.spent, purse.account.unsure

    spent, unsure = testing.run_virtual(main())

    assert far_end.provider.tally.arrived == 1
    assert spent == unsure > 0
