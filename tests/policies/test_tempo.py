"""Spacing by what calls take in the end."""

from __future__ import annotations

import pytest

from brim.policies.tempo import Tempo


def test_spaces_calls_by_what_they_take_in_the_end() -> None:
    """
    A hundred are held and ten taken: ten a second let a call go each second, whenever the answers come.
    """
    tempo, now = Tempo(), 0.0
    tempo.took(100.0, 10.0, now, late=0.0)
    assert tempo.ready_at == 10.0
    for _ in range(200):
        tempo.came_back(100.0, 10.0)
    for _ in range(100):
        now = tempo.ready_at
        tempo.took(100.0, 10.0, now, late=0.0)

    assert tempo.ready_at - now == pytest.approx(1.0)


def test_what_was_refused_says_nothing_of_what_calls_take() -> None:
    """
    It took nothing, and the next one will.
    """
    tempo = Tempo()
    tempo.came_back(100.0, 50.0)
    for _ in range(9):
        tempo.came_back(100.0, 0.0)
    tempo.took(100.0, 10.0, 0.0, late=0.0)

    assert tempo.ready_at == pytest.approx(5.0)


def test_a_little_lateness_is_made_up_for_and_a_pause_is_not() -> None:
    """
    After a pause calls keep their distance from the first on.
    """
    tempo = Tempo()
    tempo.took(10.0, 10.0, 0.0, late=0.05)
    tempo.took(10.0, 10.0, 1.04, late=0.05)
    assert tempo.ready_at == 2.0
    tempo.took(10.0, 10.0, 3.0, late=0.05)

    assert tempo.ready_at == 4.0


def test_a_gap_that_was_long_shortens_call_by_call() -> None:
    """
    No call waits for longer than the gap before it, or its own.
    """
    tempo = Tempo()
    tempo.took(100.0, 10.0, 0.0, late=0.05)
    tempo.hurry(1.0)
    tempo.took(10.0, 10.0, 1.0, late=0.05)

    assert tempo.ready_at == 2.0


def test_after_a_lull_half_of_what_is_to_spare_goes_soon() -> None:
    """
    Forty are to spare: twenty of them leave as if all went in a second, the next at the speed that is asked for. Where
    few are to spare, or just after another call, all keep to that.
    """
    tempo, now = Tempo(), 10.0
    gaps = []
    for _ in range(22):
        tempo.took(1.0, 2.0, now, late=0.05, spare=40.0)
        gaps.append(tempo.ready_at - now)
        now = tempo.ready_at
    assert gaps == pytest.approx([0.025] * 20 + [0.5] * 2)

    tempo.took(1.0, 2.0, now + 10.0, late=0.05, spare=10.0)
    assert tempo.ready_at == pytest.approx(now + 10.5)


def test_who_had_to_wait_ends_no_lull() -> None:
    """
    A window began at last: those who waited for it do not all go at once.
    """
    tempo = Tempo()
    assert tempo.holds(30.0, 10.0) == 30.0
    tempo.took(1.0, 2.0, 40.0, late=0.05, spare=40.0)

    assert tempo.ready_at == pytest.approx(40.5)
