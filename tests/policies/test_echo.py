"""What was sent by when: interpolated, bounded in memory, and found again by its sum."""

from __future__ import annotations

import pytest

from brim.policies.echo import Echo


def sending(rate: float, seconds: float) -> Echo:
    """Notes of an even rate, as often as they are due."""
    echo, now = Echo(), 0.0
    while now <= seconds:
        echo.follow(now, rate * now)
        now += 0.05
    return echo


def test_says_what_had_been_sent_by_any_moment() -> None:
    """
    Between two notes the sum is interpolated, outside of them the nearest one holds.
    """
    echo = sending(10.0, 60.0)

    assert echo.sum_at(30.1) == pytest.approx(301.0, abs=0.1)
    assert echo.sum_at(-5.0) == 0.0
    assert echo.sum_at(99.0) == pytest.approx(600.0, abs=3.0)


def test_says_when_so_much_had_been_sent() -> None:
    """
    To within a note, and never for what is yet to come.
    """
    echo = sending(10.0, 60.0)

    assert 30.0 <= echo.time_of(300.0) <= 30.3
    assert echo.time_of(1e6) == float("inf")


def test_forgets_what_is_older_than_any_window() -> None:
    """
    An hour of notes keeps the last minutes exact, and the memory bounded.
    """
    echo = sending(10.0, 3_600.0)

    assert echo.sum_at(3_300.0) == pytest.approx(33_000.0, abs=0.1)
    assert echo.sum_at(60.0) > 10_000.0


def test_says_when_something_was_last_sent() -> None:
    """
    Nothing was sent after a minute, and before the beginning nobody knows.
    """
    echo = sending(10.0, 60.0)

    assert echo.last_note(99.0) == pytest.approx(60.0, abs=0.3)
    assert echo.last_note(-5.0) == -5.0
