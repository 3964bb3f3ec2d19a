"""How late something came lately."""

from __future__ import annotations

from brim.policies.lateness import Lateness


def test_the_most_of_this_span_and_the_one_before_counts() -> None:
    """
    It is forgotten a span after the span in which it was seen.
    """
    lateness = Lateness(10.0)
    lateness.saw(0.5, 0.0)
    lateness.saw(0.1, 9.0)
    assert lateness.most_s == 0.5
    lateness.saw(0.2, 11.0)
    assert lateness.most_s == 0.5
    lateness.saw(0.1, 22.0)
    assert lateness.most_s == 0.2


def test_what_was_long_ago_counts_no_more() -> None:
    """
    After a pause of two spans only what comes now does.
    """
    lateness = Lateness(10.0)
    lateness.saw(0.5, 0.0)
    lateness.saw(0.1, 30.0)

    assert lateness.most_s == 0.1
