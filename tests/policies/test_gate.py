"""The shared pause: the server's word is kept, one burst of refusals is one strike, and strikes double the pause."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.policies.gate import Gate


def test_keeps_the_servers_wait_with_jitter_upward_only() -> None:
    """
    Closed at least as long as the server asked, at most a tenth longer.
    """
    gate = Gate(Random(1))
    gate.pushed_back(sent_at=0.0, now=1.0, retry_after=20.0)

    assert 21.0 <= gate.opens_at <= 23.0


def test_a_shorter_wait_does_not_open_earlier() -> None:
    """
    The lane opens after the longest wait it was told.
    """
    gate = Gate(Random(1))
    gate.pushed_back(sent_at=0.0, now=0.0, retry_after=30.0)
    opens_at = gate.opens_at

    assert gate.pushed_back(sent_at=0.0, now=1.0, retry_after=2.0) == 0.0
    assert gate.opens_at == opens_at


def test_one_stray_refusal_closes_nothing() -> None:
    """
    A single 429 that names no wait is no reason to stop a lane.
    """
    gate = Gate(Random(1))

    assert gate.pushed_back(sent_at=0.0, now=1.0, retry_after=None) == 0.0


def test_a_burst_of_refusals_is_one_strike() -> None:
    """
    Refusals of attempts sent before the last strike tell nothing new.
    """
    gate = Gate(Random(1))
    pauses = [gate.pushed_back(sent_at=0.0, now=1.0 + n / 100, retry_after=None) for n in range(100)]

    assert pauses == [0.0] * 100


def test_strikes_double_the_pause_up_to_a_minute() -> None:
    """
    Each refusal of what was sent after the last one doubles the pause: 0.25 s, 0.5 s, ... 60 s.
    """
    gate = Gate(Random(1))
    now, pauses = 0.0, []
    for _ in range(12):
        now += 100.0
        pauses.append(gate.pushed_back(sent_at=now, now=now, retry_after=None))

    assert pauses[0] == 0.0
    for pause, plain in zip(pauses[1:], [0.25 * 2**n for n in range(8)] + [60.0] * 3, strict=True):
        assert plain <= pause <= plain * 1.1


def test_an_attempt_that_passes_ends_the_series() -> None:
    """
    What was sent after the last strike and got through starts the count anew; older ones do not.
    """
    gate = Gate(Random(1))
    gate.pushed_back(sent_at=1.0, now=1.0, retry_after=None)
    gate.passed(sent_at=0.5)
    assert gate.pushed_back(sent_at=2.0, now=2.0, retry_after=None) > 0.0

    gate.passed(sent_at=3.0)
    assert gate.pushed_back(sent_at=4.0, now=4.0, retry_after=None) == 0.0


@given(st.lists(st.tuples(st.floats(0, 100), st.one_of(st.none(), st.floats(0, 1_000))), max_size=50), st.integers())
def test_never_opens_earlier_than_it_said(events: list[tuple[float, float | None]], seed: int) -> None:
    """
    Whatever comes, the time of opening only moves later, and no named wait is shortened.
    """
    gate = Gate(Random(seed))
    now = 0.0
    for step, retry_after in events:
        now += step
        before = gate.opens_at
        gate.pushed_back(sent_at=now, now=now, retry_after=retry_after)
        assert gate.opens_at >= before
        assert gate.opens_at >= now + (retry_after or 0.0) or not retry_after


def test_strays_among_many_close_nothing() -> None:
    """
    A refusal comes back sooner than an answer; where one attempt in twenty is refused, no lane closes.
    """
    gate, now = Gate(Random(1)), 0.0
    for number in range(2_000):
        now += 0.01
        gate.went(now)
        if number % 20 == 19:
            assert gate.pushed_back(sent_at=now, now=now, retry_after=None) == 0.0


def test_where_some_of_those_that_went_together_get_through_the_pause_stays_short() -> None:
    """
    A cap on calls at once refuses some of every volley: that is no reason to stay away for twice as long each time.
    """
    gate = Gate(Random(1))
    now, pauses = 0.0, []
    for _ in range(8):
        sent_at, now = now, now + 0.1
        pauses.append(gate.pushed_back(sent_at=sent_at, now=now, retry_after=None))
        gate.passed(sent_at=sent_at)
        now += 1.0

    assert max(pauses) < 0.3


def refuse(gate: Gate, now: float, count: int, *, trip: float = 0.1) -> int:
    """Send as many as the gate lets go within a *trip*, at most *count*, all refused. Returns how many went."""
    went, sent_at = 0, max(now, gate.opens_at)
    at = sent_at
    while went < count and gate.opens_at <= at:
        gate.went(at)
        went += 1
    gate.pushed_back(sent_at=sent_at, now=sent_at + trip, retry_after=1.0)
    return went


def test_after_three_rounds_that_were_refused_one_goes_alone() -> None:
    """
    Twenty that wait are not all refused each time the lane opens: the first one asks for the others.
    """
    gate = Gate(Random(1))

    assert [refuse(gate, 0.0, 20) for _ in range(6)] == [20, 20, 20, 1, 1, 1]


def test_one_that_is_not_refused_in_time_opens_for_the_others() -> None:
    """
    A refusal takes a tenth of a second and an answer half a minute: nobody waits for that.
    """
    gate = Gate(Random(1))
    for _ in range(3):
        refuse(gate, 0.0, 20)
    scouted_at = gate.opens_at
    gate.went(scouted_at)
    assert gate.opens_at == pytest.approx(scouted_at + 0.25)

    gate.went(gate.opens_at)
    assert gate.opens_at == pytest.approx(scouted_at + 0.25)
    assert refuse(gate, 0.0, 20) == 20


def test_what_gets_through_in_between_ends_the_rounds() -> None:
    """
    A limit that lets some through each time refuses nobody in a row.
    """
    gate = Gate(Random(1))
    for _ in range(9):
        assert refuse(gate, 0.0, 20) == 20
        gate.went(gate.opens_at)
        gate.passed(sent_at=gate.opens_at)
