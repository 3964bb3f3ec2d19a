"""How long windows may be: as somebody would write them down."""

from __future__ import annotations

import pytest

from brim.policies.spans import span_of, written_span


@pytest.mark.parametrize(("seconds", "span"), [(0.4, 1.0), (9.5, 10.0), (31.0, 60.0), (75.0, 60.0)])
def test_a_reset_is_rounded_up_to_a_length(seconds: float, span: float) -> None:
    """
    The longest reset that was seen is no longer than the window.
    """
    assert written_span(seconds) == span


def test_the_most_that_was_left_is_rounded_to_a_window() -> None:
    """
    One call had gone already when 99 of 100 in ten seconds were shown.
    """
    assert span_of(99.0, 10.0, reset_in=None, cost=1.0) == (10.0, 100.0)


def test_a_reset_longer_than_what_was_left_means_a_minute() -> None:
    """
    Nobody has seen the bucket full yet, and a reset of 50 seconds can't belong to a window of 24.
    """
    assert span_of(240.0, 10.0, reset_in=50.0, cost=1.0) == (60.0, 240.0)
    assert span_of(240.0, 10.0, reset_in=None, cost=1.0) == (24.0, 240.0)


def test_what_was_sent_before_anything_was_seen_is_missing() -> None:
    """
    Of 600 in a minute 90 had gone when the first answer came; of a bucket that holds few, what was sent came back.
    """
    assert span_of(510.0, 10.0, reset_in=None, cost=1.0, sent=90.0) == (60.0, 600.0)
    assert span_of(40.0, 10.0, reset_in=None, cost=1.0, sent=60.0) == (4.0, 40.0)
