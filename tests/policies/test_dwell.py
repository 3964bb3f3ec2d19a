"""How long a known rate is kept to before more is asked for."""

from __future__ import annotations

import pytest

from brim.policies.dwell import Dwell
from brim.policies.evidence import Evidence


def known(low: float, high: float) -> Evidence:
    """A rate between two bounds."""
    evidence = Evidence(0.0)
    evidence.believe(low, high)
    return evidence


def seconds(dwell: Dwell, base: float) -> float:
    """How long it is at *base* attempts a second."""
    dwell.begin()
    dwell.took(1.0)
    return 1.0 / (dwell.part(base, 1.0) * base)


def test_the_faster_the_sooner_is_a_question_put() -> None:
    """
    One in 125 attempts may be refused, fewer of those that go fast; a raised limit is found within half a minute.
    """
    found = {base: seconds(Dwell(), base) for base in (0.1, 1.0, 4.0, 8.0, 16.0, 100.0)}

    assert found == pytest.approx({0.1: 140.0, 1.0: 125.0, 4.0: 32.0, 8.0: 32.0, 16.0: 16.0, 100.0: 16.0})


def test_a_dear_question_is_put_half_as_often() -> None:
    """
    One that was refused twice or more waits for twice as many attempts, and no longer; the next is a new one.
    """
    dwell = Dwell()
    cheap = seconds(dwell, 5.0)
    dwell.refused(is_new=True)
    assert seconds(dwell, 5.0) == cheap

    for _ in range(3):
        dwell.refused(is_new=False)
        assert seconds(dwell, 5.0) == pytest.approx(2.0 * cheap)
    dwell.refused(is_new=True)
    assert seconds(dwell, 5.0) == cheap


def test_what_has_to_be_waited_out_is_asked_for_more_seldom() -> None:
    """
    Where a refusal costs a second, it may not do so every quarter of a minute.
    """
    dwell = Dwell()
    dwell.refused(wait=1.0, is_new=True)
    assert seconds(dwell, 50.0) == pytest.approx(32.0)

    dwell.refused(wait=0.02, is_new=True)
    assert seconds(dwell, 50.0) == pytest.approx(16.0)


def test_the_same_answer_again_makes_patient() -> None:
    """
    Twice as patient each time, whatever the width of the bounds, up to a whole dwell.
    """
    dwell, evidence = Dwell(), known(1.0, 1.2)
    whole = seconds(dwell, 5.0)
    dwell.learnt(evidence, 1.1)
    found = [seconds(dwell, 5.0) / whole]
    for _ in range(3):
        dwell.learnt(evidence, 1.0)
        found.append(seconds(dwell, 5.0) / whole)

    assert found == pytest.approx([0.25, 0.5, 1.0, 1.0])


def test_a_rate_that_fell_is_as_uncertain_as_its_bounds_are_wide() -> None:
    """
    So it is asked about sooner; one that somebody names is not, but one that is only worked out is.
    """
    dwell = Dwell()
    whole = seconds(dwell, 5.0)
    dwell.learnt(known(1.0, 1.2), 0.5)
    assert seconds(dwell, 5.0) == pytest.approx(0.5 * whole)

    dwell.trust(is_proven=True)
    assert seconds(dwell, 5.0) == whole

    dwell.trust(is_proven=False)
    assert seconds(dwell, 5.0) == pytest.approx(0.5 * whole)


def test_the_same_answer_again_makes_the_next_question_rarer_where_few_go() -> None:
    """
    At one call in twenty seconds a question costs one in seven; at eight a second it costs nothing worth saving.
    """
    slow, fast = Dwell(), Dwell()
    slow_s, fast_s = [], []
    for _ in range(4):
        slow.learnt(known(0.0499, 0.0501), 1.0)
        fast.learnt(known(7.9, 8.1), 1.0)
        slow_s.append(seconds(slow, 0.05))
        fast_s.append(seconds(fast, 8.0))

    assert slow_s == pytest.approx([280.0, 560.0, 560.0, 560.0])
    assert fast_s == pytest.approx([32.0] * 4)
    slow.learnt(known(0.1, 0.102), 2.0)
    slow.trust(is_proven=True)
    assert seconds(slow, 0.05) == pytest.approx(140.0)
