"""A window whose ceiling is stated anew keeps what it learnt."""

from __future__ import annotations

from brim.policies.adaptive import AdaptiveWindow


def capped(ceiling: int) -> AdaptiveWindow:
    """A window that was refused at always the same number."""
    window = AdaptiveWindow(ceiling=ceiling)
    window.open()
    for turn in range(60):
        for number in range(1, 41):
            window.granted(number, float(turn))
        window.refused(40, float(turn) + 0.5)
    return window


def test_a_cap_that_was_found_outlives_other_ceilings() -> None:
    """
    Below it the ceiling holds, above it the cap does, as often as the ceiling changes.
    """
    window = capped(1_000)
    found = window.size
    assert 30 <= found <= 40
    for ceiling, size in ((2_000, found), (10, 10), (500, found)):
        window.restate(ceiling, is_open=True, in_flight=5)
        assert window.size == size


def test_a_window_without_a_cap_follows_its_ceiling() -> None:
    """
    Where a rate holds back, the ceiling is all there is to the window.
    """
    window = AdaptiveWindow(ceiling=100)
    window.open()
    for ceiling in (20, 300, 1):
        window.restate(ceiling, is_open=True, in_flight=1)
        assert window.size == window.ceiling == ceiling


def test_a_window_that_is_not_held_back_stays_careful() -> None:
    """
    A higher ceiling makes it no wider, a rate stated now does, one taken back makes it as wide as what is there.
    """
    window = AdaptiveWindow(ceiling=100)
    window.restate(1_000, is_open=False, in_flight=8)
    assert window.size == 8
    window.restate(1_000, is_open=True, in_flight=8)
    assert window.size == 1_000
    window.restate(1_000, is_open=False, in_flight=30)
    assert window.size == 30
    assert window.grows_by_time()
