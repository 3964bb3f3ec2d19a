"""The window: doubles while clean and busy, shrinks by the share pushed back, stays within its bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from brim.policies.adaptive import START, AdaptiveWindow


def play_round(window: AdaptiveWindow, *, pushed_back: int = 0, in_flight: int | None = None) -> None:
    """One whole round: as many outcomes as the window is wide."""
    width = window.size
    for number in range(width):
        end = window.pushed_back if number < pushed_back else window.replied
        end(width if in_flight is None else in_flight)


def test_doubles_every_clean_round_up_to_the_ceiling() -> None:
    """
    Slow start: 8, 16, 32, ... and never above the ceiling.
    """
    window = AdaptiveWindow(ceiling=50)
    sizes = [window.size]
    for _ in range(4):
        play_round(window)
        sizes.append(window.size)

    assert sizes == [START, 16, 32, 50, 50]


def test_does_not_grow_while_it_is_not_used() -> None:
    """
    Replies while hardly anything is in flight say nothing about a wider window.
    """
    window = AdaptiveWindow(ceiling=1_000)
    play_round(window, in_flight=2)

    assert window.size == START


def test_a_storm_halves_and_a_stray_one_hardly_hurts() -> None:
    """
    A round refused as a whole halves the window; one refusal in 64 costs less than one slot in a hundred.
    """
    stormy, stray = AdaptiveWindow(ceiling=1_000, start=64), AdaptiveWindow(ceiling=1_000, start=64)

    play_round(stormy, pushed_back=64)
    play_round(stray, pushed_back=1)

    assert stormy.size == 32
    assert stray.size == 63


def test_grows_by_one_a_round_after_the_first_push_back() -> None:
    """
    Once it has found resistance the window probes gently.
    """
    window = AdaptiveWindow(ceiling=1_000, start=10)
    play_round(window, pushed_back=10)
    play_round(window)
    play_round(window)

    assert window.size == 7


def test_reopens_as_a_ramp() -> None:
    """
    After a pause a quarter of the window goes first, but no fewer than at the start of a run.
    """
    window = AdaptiveWindow(ceiling=1_000, start=100)
    window.reopen()
    assert window.size == 25

    for _ in range(5):
        window.reopen()
    assert window.size == START


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2_000)), max_size=500), st.integers(1, 1_000))
def test_stays_within_its_bounds(outcomes: list[tuple[bool, int]], ceiling: int) -> None:
    """
    Whatever comes back, between 1 and the ceiling may be on the wire.
    """
    window = AdaptiveWindow(ceiling=ceiling)
    for is_reply, in_flight in outcomes:
        if is_reply:
            window.replied(in_flight)
        else:
            window.pushed_back(in_flight)
        assert 1 <= window.size <= ceiling
