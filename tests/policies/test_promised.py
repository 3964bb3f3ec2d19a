"""The length of a window, told by the wait that its first refusal names."""

from __future__ import annotations

import pytest

from brim.policies.pace import Pace
from brim.policies.promised import promised_span
from brim.policies.refusal import Refusal


@pytest.mark.parametrize(
    ("refused_at", "trip", "exact", "span"),
    [
        (0.3, 0.02, 0.7, 1.0),  # used up in a third of a second, and open again a second after it began
        (2.5, 0.02, 7.5, 10.0),
        (9.0, 0.02, 51.0, 60.0),
        (2.5, 0.02, 6.8, 0.0),  # a window that follows the clock ends at any moment
        (9.5, 0.02, 0.5, 0.0),  # nearly over: that a second's part is left is chance
        (0.3, 0.3, 0.7, 0.0),  # too far away to tell one second from another
        (0.3, 0.02, 0.0, 0.0),  # nothing was said, or whole seconds
    ],
)
def test_a_promise_a_span_after_the_first_attempt_is_of_a_window(
    refused_at: float, trip: float, exact: float, span: float
) -> None:
    """
    Windows have the lengths that people choose.
    """
    refusal = Refusal(1.0, refused_at, refused_at + trip, exact, exact)

    assert promised_span(refusal, 0.0, slowest=3.0) == span


def test_a_bucket_that_refills_once_a_second_is_no_window_of_a_second() -> None:
    """
    Sixty a minute, a minute's worth in hand: used up at once, one more has room just a second after the first. Had
    more than a minute's worth come through, it would be no such bucket.
    """
    refusal = Refusal(1.0, 0.2, 0.22, 0.8, 0.8)

    assert promised_span(refusal, 0.0, slowest=60.0 / 60.2) == 0.0
    assert promised_span(refusal, 0.0, slowest=120.0 / 60.2) == 1.0


def test_a_window_is_kept_to_from_its_first_refusal_on() -> None:
    """
    150 came through within half a second, six of them are refused later, and there is room half a second from now: 144
    a second, and nothing is searched for.
    """
    passed = [150.0]
    pace = Pace(passed, 0, ceiling=None, now=0.0)
    assert pace.refused(Refusal(1.0, 0.5, 0.52, 1.0, 0.5), sent=(151.0, 0.0))
    for number in range(6):
        passed[0] -= 1.0
        assert pace.refused(Refusal(1.0, 0.5, 0.52 + number / 1_000, 1.0, 0.5), sent=(152.0 + number, 0.0))

    assert pace.rate == pytest.approx(0.985 * 144.0)
    assert "cruising" in repr(pace)
