"""Requests that failed: each counts once, and none whose failures others got through beside."""

from __future__ import annotations

from brim.policies.failing import Failing


def test_each_request_counts_once() -> None:
    """
    However often it fails; those that nobody can name count each time.
    """
    failing = Failing()
    for at in (1.0, 2.0, 3.0):
        failing.add(7, at)
    failing.add(None, 4.0)
    failing.add(None, 5.0)

    assert len(failing) == 3
    assert failing.first_at == 3.0


def test_what_got_through_makes_earlier_failures_old_news() -> None:
    """
    And a request that failed then may be bad itself: it never counts again.
    """
    failing = Failing()
    failing.add(7, 1.0)
    failing.add(8, 3.0)
    failing.forget(2.0)
    assert len(failing) == 1

    failing.add(7, 4.0)
    failing.add(9, 4.0)

    assert len(failing) == 2


def test_only_so_many_are_remembered() -> None:
    """
    Not every bad row of a run of millions.
    """
    failing = Failing()
    for row in range(5_000):
        failing.add(row, float(row))
        failing.forget(float(row))
    failing.add(0, 6_000.0)

    assert len(failing) == 1
