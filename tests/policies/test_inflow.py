"""What comes back of a limit: others count when little is left, at once only where windows are out of the question."""

from __future__ import annotations

import pytest

from brim.policies.inflow import Inflow

RATE, CAP = 10.0, 100.0


def watch(inflow: Inflow, *, share: float, remaining: float, start: float = 0.0, seconds: float = 20.0) -> None:
    """Look twice a second at a limit of which another client takes a *share*, and of which so much is left."""
    for step in range(round(seconds * 2)):
        at = start + step / 2
        inflow.saw(
            -share * RATE * at,
            at,
            now=at,
            remaining=remaining,
            promised=RATE,
            cap=CAP,
            quantum=1.0,
            cost=1.0,
            is_short=False,
        )


def test_what_others_take_is_missing() -> None:
    """
    With a tenth of the bucket left and half of the refill gone, half is counted upon.
    """
    inflow = Inflow()
    watch(inflow, share=0.5, remaining=10.0)

    assert inflow.per_s(RATE, CAP, is_bucket=True) == pytest.approx(0.5 * RATE, rel=0.1)


def test_while_plenty_is_left_nobody_is_missed() -> None:
    """
    A bucket that is nearly full hides what it refills, and there is no hurry.
    """
    inflow = Inflow()
    watch(inflow, share=0.5, remaining=70.0)

    assert inflow.per_s(RATE, CAP, is_bucket=True) == RATE


def test_plenty_is_forgotten() -> None:
    """
    Some time after the last look at plenty it counts no more.
    """
    inflow = Inflow()
    watch(inflow, share=0.5, remaining=70.0, seconds=5.0)
    watch(inflow, share=0.5, remaining=10.0, start=5.0, seconds=20.0)

    assert inflow.per_s(RATE, CAP, is_bucket=True) < 0.6 * RATE


def test_of_a_window_only_a_minute_tells() -> None:
    """
    Where the limit may be counted in windows, a few seconds in which nothing comes back say nothing.
    """
    inflow = Inflow()
    watch(inflow, share=1.0, remaining=10.0, seconds=5.0)

    assert inflow.per_s(RATE, CAP, is_bucket=False) == RATE
    assert inflow.per_s(RATE, CAP, is_bucket=True) == pytest.approx(0.15 * RATE)
