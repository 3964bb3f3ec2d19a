"""Strays: proven by what comes through after them, or by going faster for a moment; a limit is not taken for them."""

from __future__ import annotations

import pytest

from brim.policies.dash import Belief
from brim.policies.refusal import Refusal
from brim.policies.strays import Strays


def refuse(strays: Strays, number: float, *, at: float, bound: float) -> None:
    """The attempt with that *number* is refused, all others came through; if by a limit, by one of *bound* at most."""
    strays.weigh(number, number, Refusal(1.0, at, at, 0.0), bound)


def suspect(strays: Strays, *, each: int = 50) -> None:
    """Two refused alone, *each* attempts apart, where nothing should be, and the test begins."""
    for expected in (False, True):
        for _ in range(each):
            strays.sent(0.0, is_safe=True)
        assert strays.is_suspicious(0.03, is_safe=True) is expected
    strays.test(0.0)


def finish(strays: Strays) -> int:
    """Go through the test; returns how long it was."""
    sent = 1
    while not strays.sent(float(sent), is_safe=False):
        sent += 1
    return sent


def test_what_more_comes_through_after_was_no_limit() -> None:
    """
    Refused at ten a second, twenty a second came through afterwards, twice: two or three of sixty are strays.
    """
    strays = Strays()
    refuse(strays, 10.0, at=1.0, bound=10.0)
    refuse(strays, 40.0, at=2.5, bound=20.0)
    assert strays.share == 0.0
    refuse(strays, 100.0, at=4.0, bound=40.0)

    assert strays.share == pytest.approx(3.0 / 133.0)


def test_what_a_limit_lets_through_after_proves_nothing() -> None:
    """
    However often it refuses, no more comes through than before: no strays.
    """
    strays = Strays()
    for number in range(20, 2_000, 20):
        refuse(strays, float(number), at=number / 10.0, bound=10.0)

    assert strays.share == 0.0


def test_a_limit_that_was_raised_proves_nothing() -> None:
    """
    One refused before it was raised comes into question by that, and long afterwards another: that is not enough.
    """
    strays = Strays()
    for begin in (0.0, 2_000.0):
        refuse(strays, begin + 10.0, at=begin + 1.0, bound=10.0)
        refuse(strays, begin + 60.0, at=begin + 2.0, bound=60.0)

    assert strays.share == 0.0


def test_what_is_refused_no_more_often_when_going_faster_are_strays() -> None:
    """
    Two in a hundred, and no limit in the test: that share.
    """
    strays = Strays()
    suspect(strays)
    assert strays.is_trying

    assert finish(strays) == 25
    assert not strays.is_testing
    assert strays.share == pytest.approx(3.0 / 158.0)


def test_the_test_waits_for_what_may_still_come_back() -> None:
    """
    A refusal is back after five seconds: so long the last of those that went faster is waited for.
    """
    strays = Strays()
    suspect(strays)
    strays.test(5.0)
    for number in range(24):
        assert not strays.sent(10.0 + number / 100.0, is_safe=False)

    assert not strays.is_trying
    assert not strays.sent(15.0, is_safe=False)
    assert strays.sent(15.3, is_safe=False)


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
    finish(strays)
    assert not strays.is_suspicious(0.2, is_safe=False)
    for _ in range(500):
        strays.sent(0.0, is_safe=False)

    assert not strays.is_suspicious(strays.share + 0.01, is_safe=False)
    assert strays.is_suspicious(strays.share + 0.05, is_safe=False)


def test_strays_that_no_longer_come_are_forgotten() -> None:
    """
    Where six should have come and none did there are none; one that comes shows that there are.
    """
    strays = Strays()
    suspect(strays)
    finish(strays)
    safe = round(5.0 / strays.share)
    for _ in range(2):
        strays.is_suspicious(0.0, is_safe=True)
        for _ in range(safe):
            strays.sent(0.0, is_safe=True)
        assert strays.share > 0.0
    for _ in range(safe):
        strays.sent(0.0, is_safe=True)

    assert strays.share == 0.0


def test_a_limit_beyond_doubt_ends_all_suspicion() -> None:
    """
    Three refused close to each other during the test: that is no stray.
    """
    strays = Strays()
    suspect(strays)
    strays.forget()

    assert not strays.is_testing
    assert strays.share == 0.0


def go_on(strays: Strays, numbers: range, *, each: int, belief: Belief) -> bool:
    """Every so many attempts one is refused, by chance as it seems. Does a test begin?"""
    for number in numbers:
        strays.sent(number / belief.rate, is_safe=False)
        if number % each == 0:
            refusal = Refusal(1.0, number / belief.rate, number / belief.rate, 0.0)
            strays.weigh(float(number), float(number), refusal, belief.rate)
            strays.kept(float(number), refusal, recent=0.0, belief=belief)
            if strays.is_testing:
                return True
    return False


def test_far_more_than_is_thought_to_be_chance_is_asked_about_and_ends_it() -> None:
    """
    A tenth was thought to be chance. One in four is refused for long, whatever was believed in between: a dash asks, a
    limit answers, and nothing is thought to be chance any more. One in eight may still be.
    """
    for each, is_asked in ((4, True), (8, False)):
        strays = Strays()
        strays.share = 0.1
        assert go_on(strays, range(1, 400), each=each, belief=Belief(5.0, 0.0)) is is_asked
    strays = Strays()
    strays.share = 0.1
    go_on(strays, range(1, 400), each=4, belief=Belief(5.0, 0.0))
    while strays.is_testing:
        strays.sent(80.0, is_safe=False)
        strays.refused(80.0, is_open=True)

    assert strays.share == 0.0
