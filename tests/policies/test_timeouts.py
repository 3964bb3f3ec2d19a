"""The learnt total: six times the slow answers, between a minute and ten."""

from __future__ import annotations

from brim.policies.timeouts import LearntTotal


def learnt(latency_s: float, count: int = 64) -> float:
    total = LearntTotal()
    for _ in range(count):
        total.answered(latency_s, now=0.0)
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
        total.answered(50.0 if number % 50 == 0 else 5.0, now=0.0)
    assert total.seconds == 300.0

    rare = LearntTotal()
    for number in range(512):
        rare.answered(50.0 if number == 100 else 20.0, now=0.0)
    assert rare.seconds == 120.0


def test_follows_the_recent_answers() -> None:
    """
    What was slow 512 answers ago is forgotten.
    """
    total = LearntTotal()
    for latency in [90.0] * 512 + [15.0] * 512:
        total.answered(latency, now=0.0)

    assert total.seconds == 90.0


def test_a_fixed_total_learns_nothing() -> None:
    """
    `--timeout` is a word.
    """
    total = LearntTotal(7.5)
    for _ in range(200):
        total.answered(100.0, now=200.0)

    assert total.seconds == 7.5
    assert total.ends_at(10.0) == 17.5


def in_order(total: LearntTotal, *, each_s: float, count: int) -> float:
    """All sent at once to a server that takes them one by one. Returns when the last answer was there."""
    for number in range(1, count + 1):
        total.answered(number * each_s, now=number * each_s)
    return count * each_s


def test_what_only_waits_for_its_turn_is_not_given_up() -> None:
    """
    While answers come, and none to what was sent later, the clock begins with the latest of them.
    """
    total = LearntTotal()
    now = in_order(total, each_s=2.0, count=64)

    assert total.seconds == 600.0
    assert total.ends_at(0.0) == now + total.seconds
    assert total.ends_at(now + 5.0) == now + 5.0 + total.seconds


def test_what_was_overtaken_has_its_clock_from_then_on() -> None:
    """
    A connection that hangs costs its clock, once, however many others are answered meanwhile.
    """
    total = LearntTotal()
    for number in range(1, 2_000):
        total.answered(1.0, now=number * 0.1)

    assert total.seconds == 60.0
    assert 61.0 <= total.ends_at(0.0) <= 64.0


def test_remembers_no_more_than_it_must() -> None:
    """
    Who overtook whom is told apart by the second, for as long as anything can be out.
    """
    total = LearntTotal()
    for number in range(50_000):
        total.answered(1.0, now=number * 0.5)

    assert total.ends_at(24_990.0) <= 24_990.0 + 60.0 + 3.0
    assert len(total._overtaken) <= 602
