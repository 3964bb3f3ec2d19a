"""The learnt total: six times the slow answers, between a minute and ten."""

from __future__ import annotations

from brim.policies.timeouts import LearntTotal


def learnt(latency_s: float, count: int = 64) -> float:
    total = LearntTotal()
    for _ in range(count):
        total.answered(latency_s)
    return total.seconds


def test_waits_ten_minutes_before_anything_is_known() -> None:
    """
    The first answers have as long as any may ever have.
    """
    assert LearntTotal().seconds == 600.0
    assert learnt(1.0, count=63) == 600.0


def test_is_never_under_a_minute_nor_over_ten() -> None:
    """
    Fast models keep a minute, slow ones get no more than ten.
    """
    assert learnt(0.2) == 60.0
    assert learnt(500.0) == 600.0


def test_is_six_times_the_99th_percentile() -> None:
    """
    A single slow answer in a hundred counts, and one in a thousand does not.
    """
    total = LearntTotal()
    for number in range(512):
        total.answered(50.0 if number % 50 == 0 else 5.0)
    assert total.seconds == 300.0

    rare = LearntTotal()
    for number in range(512):
        rare.answered(50.0 if number == 100 else 20.0)
    assert rare.seconds == 120.0


def test_follows_the_recent_answers() -> None:
    """
    What was slow 512 answers ago is forgotten.
    """
    total = LearntTotal()
    for latency in [90.0] * 512 + [15.0] * 512:
        total.answered(latency)

    assert total.seconds == 90.0


def test_a_fixed_total_learns_nothing() -> None:
    """
    `--timeout` is a word.
    """
    total = LearntTotal(7.5)
    for _ in range(200):
        total.answered(100.0)

    assert total.seconds == 7.5
