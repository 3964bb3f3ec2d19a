"""Resets that are hours away: of a limit for a day, or written in the wrong unit."""

from __future__ import annotations

from brim.policies.far_reset import FarReset
from brim.values import Dimension, LimitLevel

LIMIT = 600.0


def shown(remaining: float, reset_in: float) -> LimitLevel:
    return LimitLevel(Dimension.REQUESTS, LIMIT, remaining, reset_in)


def tell(far: FarReset, remaining: float, reset_in: float, *, at: float, sent: float) -> None:
    far.saw(shown(remaining, reset_in), at=at, sent=sent, limit=LIMIT, rate=LIMIT / 60.0, cost=1.0)


def test_what_comes_back_as_slowly_as_it_says_is_a_limit_for_a_day() -> None:
    """
    A bucket of a day gives back one call in 144 seconds, and its reset says so.
    """
    far = FarReset()
    for second in range(1, 300):
        tell(far, LIMIT - second + second // 144, second * 144.0, at=float(second), sent=float(second))

    assert far.is_daily
    assert not far.is_wrong


def test_a_reset_in_the_wrong_unit_is_given_away_by_what_comes_back() -> None:
    """
    A minute's limit whose reset is written in milliseconds: within seconds it sets the pace, and no reset is believed.
    """
    far = FarReset()
    for tenth in range(1, 60):
        sent = 5.0 * tenth
        remaining = LIMIT - sent + tenth
        tell(far, remaining, (LIMIT - remaining) / 10.0 * 1_000.0, at=tenth / 10.0, sent=sent)

    assert not far.is_daily
    assert far.is_wrong
    assert far.believed(shown(3.0, 60.0)).reset_in is None


def test_a_reset_within_two_minutes_is_no_days() -> None:
    """
    A window that counts on in the next one by the part that a sliding one would hold is back after two.
    """
    far = FarReset()
    for second in range(60):
        tell(far, LIMIT - 10.0 * second, 120.0 - second, at=float(second), sent=10.0 * second)

    assert not far.is_daily


def test_a_reset_within_a_minute_is_believed() -> None:
    """
    Whatever comes back: nothing is said of a day.
    """
    far = FarReset()
    for second in range(1, 60):
        tell(far, LIMIT - 1.0, 0.1, at=float(second), sent=10.0 * second)

    assert not far.is_daily
    assert far.believed(shown(3.0, 60.0)).reset_in == 60.0
