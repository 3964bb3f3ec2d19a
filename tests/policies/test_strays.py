"""Strays: suspected where a limit can't have been reached, proven by going slower."""

from __future__ import annotations

import pytest

from brim.policies.strays import Strays


def suspect(strays: Strays, recent: float = 0.03) -> None:
    """Three refused alone, where nothing should be, and the test begins."""
    assert [strays.is_suspicious(recent, is_safe=True) for _ in range(3)] == [False, False, True]
    strays.test(recent)


def finish(strays: Strays, share: float) -> int:
    """Go through the test while *share* is refused; returns how long it was."""
    sent = 0
    while True:
        sent += 1
        if share and sent % round(1 / share) == 0:
            strays.refused()
        if strays.sent():
            return sent


def test_what_goes_on_at_a_slower_pace_are_strays() -> None:
    """
    Their share is what was refused during the test.
    """
    strays = Strays()
    suspect(strays)
    finish(strays, 0.03)

    assert strays.share == pytest.approx(0.03, abs=0.005)
    assert strays.left == 0


def test_what_ends_at_a_slower_pace_was_a_limit() -> None:
    """
    Nothing refused any more: no strays, and suspicion begins anew.
    """
    strays = Strays()
    suspect(strays)
    finish(strays, 0.0)

    assert strays.share == 0.0
    assert not strays.is_suspicious(0.03, is_safe=True)


def test_the_rarer_they_seem_the_longer_is_the_test() -> None:
    """
    Long enough for four of them, within bounds.
    """
    lengths = []
    for recent in (0.5, 0.04, 0.02, 0.001):
        strays = Strays()
        suspect(strays, recent)
        lengths.append(finish(strays, 0.0))

    assert lengths == [60, 100, 200, 300]


def test_where_the_limit_may_have_been_reached_nothing_is_suspicious() -> None:
    """
    A single refusal there is what a limit does.
    """
    strays = Strays()
    assert not any(strays.is_suspicious(0.5, is_safe=False) for _ in range(100))


def test_more_than_the_strays_explain_is_asked_about_again() -> None:
    """
    A limit may come on top of them; but not at every turn.
    """
    strays = Strays()
    suspect(strays)
    finish(strays, 0.03)
    assert not strays.is_suspicious(0.2, is_safe=False)
    for _ in range(500):
        strays.sent()

    assert not strays.is_suspicious(strays.share + 0.01, is_safe=False)
    assert strays.is_suspicious(strays.share + 0.05, is_safe=False)


def test_a_limit_beyond_doubt_ends_all_suspicion() -> None:
    """
    Two refused close to each other during the test: that is no stray.
    """
    strays = Strays()
    suspect(strays)
    strays.forget()

    assert strays.left == 0
    assert strays.share == 0.0
