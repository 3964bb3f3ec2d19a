"""The drift of the offset: somebody else's share is seen, windows and full buckets are not mistaken for it."""

from __future__ import annotations

import pytest

from brim.policies.drift import Drift


def watch(drift: Drift, slope: float, *, start: float, seconds: float, jump: float = 0.0, every: float = 60.0) -> None:
    """Show an offset that falls by *slope* a second and jumps by *jump* at each multiple of *every*."""
    for step in range(round(seconds * 4)):
        at = start + step / 4
        drift.saw(-slope * at + jump * (at // every), at, promised=10.0, least_s=0.0)


def test_sees_the_share_of_another_client() -> None:
    """
    Half of the refill missing is seen as about half: what is not seen again is always being forgotten.
    """
    drift = Drift()
    watch(drift, 5.0, start=0.0, seconds=60.0)

    assert drift.rate == pytest.approx(-5.0, rel=0.2)


def test_the_jumps_of_a_window_cancel_out() -> None:
    """
    A limit counted in windows of ten seconds, all of it used, is no rival.
    """
    drift = Drift()
    watch(drift, 10.0, start=0.0, seconds=120.0, jump=100.0, every=10.0)

    assert abs(drift.rate) < 1.5


def test_learns_nothing_while_the_bucket_is_full() -> None:
    """
    A full bucket hides what it refills.
    """
    drift = Drift()
    drift.saw_full(0.0)
    watch(drift, 5.0, start=0.0, seconds=60.0)

    assert drift.rate == 0.0


def test_forgets_when_the_other_client_has_left() -> None:
    """
    Full again, the correction fades within a minute.
    """
    drift = Drift()
    watch(drift, 5.0, start=0.0, seconds=60.0)
    for second in range(60, 120):
        drift.saw_full(float(second))

    assert abs(drift.rate) < 1.5
