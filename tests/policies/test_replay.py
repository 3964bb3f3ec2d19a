"""What was sent, played against buckets of any rate and size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.policies.replay import drawn, highest, latest, left, lowest, steepest, taken

BURST = [(0.0, 0.0), (0.0, 20.0), (10.0, 40.0)]
"""Twenty at once, and twenty in the ten seconds after."""


def test_an_empty_bucket_holds_what_came_back_less_what_was_let_through() -> None:
    """
    At five a second 50 come back in ten seconds, of which 20 were let through.
    """
    samples = [(second / 10.0, second / 5.0) for second in range(101)]

    assert left(samples, (0.0, 0.0), 10.0, rate=5.0, size=100.0, mean=1.0) == pytest.approx(30.0)


def test_no_bucket_holds_more_than_its_size() -> None:
    """
    Left alone for ten seconds it is full, however fast it refills.
    """
    assert left([], (0.0, 0.0), 10.0, rate=5.0, size=8.0, mean=1.0) == 8.0


def test_what_came_after_does_not_count() -> None:
    """
    A moment is judged by what was sent up to it.
    """
    samples = [(1.0, 1.0), (3.0, 50.0)]

    assert left(samples, (0.0, 0.0), 2.0, rate=1.0, size=9.0, mean=1.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("rate", "least"), [(1.0, 30.0), (2.0, 20.0), (100.0, 20.0)])
def test_a_bucket_holds_what_it_let_through_beyond_its_rate(rate: float, least: float) -> None:
    """
    Twenty at once were there at any rate; at one a second ten more than came back.
    """
    assert drawn(BURST, 11.0, rate) == pytest.approx(least)


def test_a_burst_long_ago_is_no_longer_missing() -> None:
    """
    What was taken out at once is back after a while, and more than that was never there.
    """
    assert taken(BURST, (10.0, 40.0), 1.0) == pytest.approx(30.0)
    assert taken(BURST, (10.0, 40.0), 4.0) == 0.0


@pytest.mark.parametrize(("until", "at"), [(12.0, 10.0), (10.0, 10.0), (9.0, 0.0), (-1.0, 0.0)])
def test_the_latest_is_the_last_that_was_sent_by_then(until: float, at: float) -> None:
    """
    One sent at that very moment is; before all of them there is the beginning.
    """
    assert latest(BURST, until) == at


def test_the_steepest_stretch_is_long_enough_to_say_something() -> None:
    """
    Two that went at the same moment are no rate; ten in half a second after them are.
    """
    samples = [(0.0, 0.0), (1.0, 2.0), (1.0, 4.0), (1.5, 14.0), (9.0, 15.0)]

    assert steepest(samples, 9.0, 0.5) == pytest.approx(20.0)
    assert steepest(samples, 1.0, 2.0) == 0.0


@given(low=st.floats(0.01, 100.0), width=st.floats(1.1, 64.0), part=st.floats(0.05, 0.95))
def test_an_edge_is_found_from_both_sides(low: float, width: float, part: float) -> None:
    """
    Within a step the lowest at which something holds, and within a thirtieth of it the highest at which it does not.
    """
    edge, step = low * width**part, width ** (1 / 24)

    assert edge / step**0.1 <= highest(low, low * width, lambda rate: rate > edge) <= edge * step
    assert edge <= lowest(low, low * width, lambda rate: rate >= edge) <= edge * step * 1.001


def test_where_there_is_no_edge_the_low_end_is_it() -> None:
    """
    Whether it holds everywhere or nowhere.
    """
    assert highest(1.0, 8.0, lambda _: True) == 1.0
    assert lowest(1.0, 8.0, lambda _: False) == 1.0
