"""What is left alone of a limit: little of a large one, a call or two where few fit, more where costs are guessed."""

from __future__ import annotations

import pytest

from brim.policies.refill import Manner
from brim.policies.reserve import reserve, spare, to_the_end


@pytest.mark.parametrize(
    ("cap", "rate", "in_calls", "kept"),
    [
        (600.0, 10.0, True, 40.0),
        (20.0, 10.0, True, 5.0),
        (5.0, 1.0, True, 2.0),
        (3.0, 1.0, True, 1.5),
        (3.0, 1.0, False, 0.75),
    ],
)
def test_four_seconds_or_a_quarter_are_kept_and_two_calls_where_few_fit(
    cap: float, rate: float, kept: float, *, in_calls: bool
) -> None:
    """
    Of three calls half are kept: with a quarter every call that arrives a little early is refused.
    """
    assert reserve(cap, rate, is_in_calls=in_calls, is_short=False) == kept


@pytest.mark.parametrize(("cap", "in_calls", "kept"), [(100.0, True, 3.0), (20.0, True, 2.0), (1_000.0, False, 30.0)])
def test_next_to_nothing_is_kept_of_what_is_back_within_seconds(cap: float, kept: float, *, in_calls: bool) -> None:
    """
    It may be a window, of which what is kept is lost.
    """
    assert reserve(cap, 100.0, is_in_calls=in_calls, is_short=True) == pytest.approx(kept)


def test_a_window_of_calls_needs_nothing_beyond_what_a_call_costs() -> None:
    """
    Calls are counted exactly, tokens are not; of a window out of which many slide one can always be wrong by a call.
    """

    def beyond(manner: Manner, *, in_calls: bool) -> float:
        return spare(100.0, 1_000.0, 10.0, manner=manner, doubt=5.0, is_in_calls=in_calls)

    assert beyond(Manner.EVENLY, in_calls=True) == beyond(Manner.AT_ONCE, in_calls=False) == 0.0
    assert beyond(Manner.AS_SENT, in_calls=True) == 5.0
    assert beyond(Manner.EVENLY, in_calls=False) == pytest.approx(3.0 + 10.0 + 0.2)


@pytest.mark.parametrize(("cap", "in_calls", "left"), [(10.0, True, 0.04), (49.0, True, 0.196), (10.0, False, 1.04)])
def test_of_a_few_calls_that_slide_out_of_a_window_none_is_left(cap: float, left: float, *, in_calls: bool) -> None:
    """
    One of ten is a tenth of the limit. So few are known to the call; tokens are not.
    """
    found = spare(1.0, cap, 1.0, manner=Manner.AS_SENT, doubt=0.0, is_in_calls=in_calls)

    assert found == pytest.approx(left)


def test_the_last_calls_use_up_what_was_left_alone() -> None:
    """
    A hundred calls to go, forty left, ten back a second: six seconds, and two calls are left. Fewer than are left go
    within a second, and never more slowly than what comes back.
    """
    totals = [1_000.0, 0.0, 0.0, 0.0]

    def faster(rest: float, level: float) -> float:
        return to_the_end(rest, totals, 0, level=level, kept=40.0, refill=10.0)

    assert 10.0 + faster(100.0, 40.0) == pytest.approx(100.0 / 6.2)
    assert 10.0 + faster(30.0, 40.0) == pytest.approx(30.0)
    assert faster(5.0, 0.0) == 0.0


def test_far_from_the_end_the_reserve_stays() -> None:
    """
    Somebody may come, or nobody knows how many will.
    """
    for rest in (161.0, float("inf")):
        assert to_the_end(rest, [1.0, 0.0, 0.0, 0.0], 0, level=40.0, kept=40.0, refill=10.0) == float("-inf")


def test_of_tokens_the_rest_is_as_many_calls_of_the_usual_size() -> None:
    """
    Ten calls of a hundred tokens each are a thousand.
    """
    faster = to_the_end(10.0, [50.0, 5_000.0, 0.0, 0.0], 1, level=600.0, kept=600.0, refill=150.0)

    assert 150.0 + faster == pytest.approx(1_000.0 / 4.0)
