"""What earlier processes spent, line by line: each attempt once, by its cost where that is known, else by its worst."""

from __future__ import annotations

from brim.policies.prices import Price, parse_price
from brim.storage.lines import Charged, Sent, Told, answer_to, read_line, seal
from brim.storage.outlay import Outlay
from brim.values import Failure, FailureKind, Outcome, Reply, Request, Result, Usage

PRICE = parse_price("1/10")
ANSWER = Reply(text="", usage=Usage(input_tokens=7, output_tokens=2))
TIMEOUT = Failure(kind=FailureKind.TIMEOUT, message="")
COST = 27_000


def mark(position: int = 0, *, worst: int = 500_000) -> Sent:
    return Sent(position=position, at=1.0, amounts=(0.0, 0.0, 0.0), worst=worst)


def ended(
    position: int = 0,
    outcome: Outcome = ANSWER,
    *,
    cost_usd: float | None = COST / 1e9,
    perhaps_paid: int = 0,
    model: str | None = None,
) -> Told:
    return answer_to(
        Result(
            request=Request(position=position, messages=(), model=model),
            outcome=outcome,
            attempts=1,
            perhaps_paid=perhaps_paid,
            cost_usd=cost_usd,
        )
    )


def read(*lines: Sent | Charged | Told, price: Price | None = None) -> tuple[int, int]:
    """What was spent, and what of that is unsure."""
    outlay = Outlay(lambda _: price)
    for line in lines:
        raw = seal(line)
        head = read_line(raw)
        assert head is not None
        outlay.read(head, raw)
    return outlay.spent, outlay.unsure


def test_an_answer_costs_what_its_line_says() -> None:
    """
    In the place of what its mark set aside; in a run without a budget there was no mark.
    """
    assert read(mark(), ended()) == (COST, 0)
    assert read(ended()) == (COST, 0)
    assert read(mark(worst=0), ended()) == (COST, 0)


def test_what_was_in_flight_keeps_its_worst() -> None:
    """
    Also when its row is answered by another attempt, of this process or the next.
    """
    assert read(mark(0), mark(1), ended(1)) == (500_000 + COST, 500_000)
    assert read(mark(), mark(), ended()) == (500_000 + COST, 500_000)


def test_a_charge_stands_in_the_place_of_a_mark() -> None:
    """
    Nothing for what was turned away, the worst for what may have been executed, a cost for what was refused and paid.
    """
    assert read(mark(), Charged(position=0, nanos=0), mark(), ended()) == (COST, 0)
    assert read(mark(), Charged(position=0, nanos=500_000), mark(), ended()) == (500_000 + COST, 500_000)
    assert read(mark(), Charged(position=0, nanos=9), ended(outcome=TIMEOUT, cost_usd=None)) == (9, 0)
    assert read(mark(), Charged(position=0, nanos=500_000), ended(cost_usd=None)) == (500_000, 500_000)


def test_a_row_that_ran_twice_was_paid_twice() -> None:
    """
    A later line for a position replaces the earlier answer, and not what it cost.
    """
    assert read(mark(), ended(), mark(), ended()) == (2 * COST, 0)


def test_without_a_budget_doubtful_attempts_cost_as_much_as_the_dearest_answer() -> None:
    """
    Their own row's, or one before.
    """
    assert read(ended(perhaps_paid=2)) == (3 * COST, 2 * COST)
    assert read(ended(0), ended(1, TIMEOUT, cost_usd=None, perhaps_paid=1)) == (2 * COST, COST)


def test_an_answer_recorded_without_a_price_costs_what_is_known_now() -> None:
    """
    By its usage; where no price is known, or no usage, nothing can be said.
    """
    assert read(ended(cost_usd=None), price=PRICE) == (COST, 0)
    assert read(ended(cost_usd=None)) == (0, 0)
    assert read(ended(outcome=TIMEOUT, cost_usd=None), price=PRICE) == (0, 0)
