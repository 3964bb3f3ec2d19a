"""What refuses at the same rate again and again is believed to be there."""

from __future__ import annotations

import pytest

from brim.policies.agreement import Agreement


def after(*refusals: tuple[float, bool, float]) -> Agreement:
    """What is known after these, each with the bound it showed, whether more was asked for, and its wait in calls."""
    agreement = Agreement()
    for high, is_asked, waits in refusals:
        agreement.refused(high, is_asked=is_asked, waits=waits)
    return agreement


def test_each_time_more_of_the_way_to_the_bound_is_believed() -> None:
    """The share that is left is halved, then a third, and so on."""
    found = [after(*[(0.30, True, 1.0)] * times).nearer(0.4) for times in range(1, 5)]

    assert found == pytest.approx([0.4, 0.7, 0.8, 0.85])


@pytest.mark.parametrize(("times", "is_settled"), [(1, False), (2, False), (3, True)])
def test_three_that_agree_settle_it(*, times: int, is_settled: bool) -> None:
    """The first has nothing to agree with."""
    assert after(*[(0.30, True, 0.0)] * times).is_settled is is_settled


@pytest.mark.parametrize(
    "other",
    [(0.33, True, 0.0), (0.27, True, 0.0), (0.30, False, 0.0), (0.30, True, 2.0), (float("inf"), True, 0.0)],
    ids=["higher", "lower", "refused where it was believed to be", "told to wait for a window", "no bound"],
)
def test_what_does_not_agree_begins_anew(other: tuple[float, bool, float]) -> None:
    """However often it had agreed before."""
    agreement = after(*[(0.30, True, 0.0)] * 5, other)

    assert not agreement.is_settled
    assert agreement.nearer(0.4) == 0.4
