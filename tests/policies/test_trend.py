"""The trend of the offset: another client's part is seen within seconds, a full bucket does not pass for one."""

from __future__ import annotations

from math import floor, inf

import pytest

from brim.policies.trend import Trend

RATE = 10.0


def watch(trend: Trend, slope: float, *, start: float, seconds: float, begin: float = 0.0, room: float = inf) -> float:
    """Show twice a second an offset that changes by *slope* a second, in whole units. Returns where it ends."""
    for step in range(1, round(seconds * 2) + 1):
        offset = begin + slope * step / 2
        trend.saw(floor(offset), start + step / 2, promised=RATE, unit=1.0, jump=50.0, room=room)
    return begin + slope * seconds


def test_sees_within_seconds_that_half_is_gone() -> None:
    """
    Another client takes half: four seconds later most of that is known, ten seconds later all.
    """
    trend = Trend()
    end = watch(trend, 0.0, start=0.0, seconds=30.0)
    assert abs(trend.slope) < 0.05 * RATE
    end = watch(trend, -0.5 * RATE, start=30.0, seconds=4.0, begin=end)
    assert trend.slope < -0.3 * RATE
    watch(trend, -0.5 * RATE, start=34.0, seconds=6.0, begin=end)

    assert trend.slope == pytest.approx(-0.5 * RATE, rel=0.1)


def test_sees_within_seconds_that_it_has_left() -> None:
    """
    What comes back again is believed as fast as what is missing.
    """
    trend = Trend()
    end = watch(trend, -0.5 * RATE, start=0.0, seconds=30.0)
    watch(trend, 0.0, start=30.0, seconds=10.0, begin=end)

    assert abs(trend.slope) < 0.05 * RATE


def test_a_full_bucket_hides_what_it_refills() -> None:
    """
    Where less is missing than comes back between two looks, the bucket may have been full meanwhile: nothing is learnt.
    """
    trend = Trend()
    watch(trend, -0.5 * RATE, start=0.0, seconds=30.0, room=1.0)

    assert trend.slope == 0.0


def test_a_jump_is_no_trend() -> None:
    """
    All of a window is there again at once: neither then nor afterwards does more come back than before.
    """
    trend = Trend()
    end = watch(trend, -0.5 * RATE, start=0.0, seconds=20.0)
    watch(trend, -0.5 * RATE, start=20.0, seconds=5.0, begin=end + 600.0)

    assert trend.slope == pytest.approx(-0.5 * RATE, rel=0.1)


def test_a_limit_that_changes_leaves_others_their_part() -> None:
    """
    Doubled, the limit loses twice as much to whoever takes half of it.
    """
    trend = Trend()
    watch(trend, -0.5 * RATE, start=0.0, seconds=30.0)
    before = trend.slope
    trend.scale(2.0)

    assert trend.slope == pytest.approx(2.0 * before)
