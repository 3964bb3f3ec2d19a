"""Health: an outage is told from single failures, a denial from an odd one, and one answer settles it."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.policies.health import Denial, Health
from brim.values import Failure, FailureKind, Sent

K = FailureKind


def fail(
    health: Health,
    now: float,
    *,
    kind: FailureKind = K.SERVER,
    sent: Sent = Sent.YES,
    row: int | None = None,
    in_flight: int = 1,
    took: float = 0.1,
) -> bool:
    failure = Failure(kind=kind, message="no", sent=sent)
    return health.failed(failure, sent_at=now - took, now=now, in_flight=in_flight, row=row)


def down(now: float = 10.0) -> Health:
    """An endpoint that answered once and went down at *now*."""
    health = Health()
    health.replied(sent_at=0.0, now=1.0)
    for _ in range(8):
        fail(health, now)
    assert health.is_down
    return health


def test_eight_requests_that_fail_while_nothing_gets_through_are_an_outage() -> None:
    """
    Seven are bad luck; from the eighth on a failure is the endpoint's.
    """
    health = Health()
    assert [fail(health, 1.0 + n) for n in range(9)] == [False] * 7 + [True] * 2
    assert health.is_held
    assert not health.is_well


def test_failures_among_answers_are_no_outage() -> None:
    """
    Half of all fails, and something sent meanwhile got through each time.
    """
    health = Health()
    for second in range(200):
        assert not fail(health, float(second), took=1.0)
        health.replied(sent_at=second - 0.9, now=float(second))
    assert not health.is_held


def test_as_many_must_fail_as_are_still_under_way() -> None:
    """
    Errors that come at once among a hundred slow answers say nothing before those are back.
    """
    health = Health()
    assert not any(fail(health, 1.0, in_flight=100) for _ in range(99))
    assert fail(health, 1.0, in_flight=100)


def test_a_request_that_fails_again_and_again_may_be_bad_itself() -> None:
    """
    Repeated attempts are no evidence, unless the request never even left.
    """
    health = Health()
    assert not any(fail(health, float(n), row=1) for n in range(100))
    assert [fail(health, 200.0, row=1, sent=Sent.NO) for _ in range(8)][-1]


def test_a_lane_of_one_call_at_a_time_needs_fewer() -> None:
    """
    With two calls at once four failing requests are enough.
    """
    health = Health(2)
    assert [fail(health, float(n)) for n in range(4)] == [False, False, False, True]


def test_what_was_sent_before_something_that_got_through_is_old_news() -> None:
    """
    A hundred calls that hung since before an answer say nothing about now.
    """
    health = Health()
    health.replied(sent_at=9.0, now=10.0)
    assert not any(fail(health, 11.0, took=5.0, kind=K.TIMEOUT) for _ in range(100))
    assert health.is_well


def test_probes_come_ever_rarer_up_to_half_a_minute() -> None:
    """
    After 1, 2, 4 and then every 5 seconds, after a tenth of the outage where that is more, up to 30 seconds: what an
    outage of a minute or two costs beyond its end is a few seconds.
    """
    health, now = down(10.0), 10.0
    gaps = []
    for _ in range(40):
        gaps.append(health.opens_at - now)
        now = health.opens_at
        health.went(now)
        fail(health, now + 0.1)
    assert gaps[:8] == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0, 5.0]
    assert all(later >= gap - 1e-9 for gap, later in pairwise(gaps))
    assert gaps[-1] == pytest.approx(30.0)
    assert gaps[20] < 16.0


def test_an_answer_says_nothing_about_what_was_sent_later() -> None:
    """
    Calls that had been on the wire for long when an endpoint went down come home; what is sent fails all the same.
    """
    health = Health()
    health.replied(sent_at=0.0, now=1.0)
    for n in range(40):
        now = 10.0 + n / 4
        fail(health, now, row=n)
        health.replied(sent_at=now - 5.5, now=now)
    assert health.is_down
    assert not health.replied(sent_at=12.0, now=20.0)
    assert health.is_down
    assert health.replied(sent_at=20.0, now=21.0)


def test_a_request_that_was_refused_before_counts_when_it_fails() -> None:
    """
    Where all that goes was turned away once, an outage is seen all the same: each counts once.
    """
    health = Health()
    assert [fail(health, n / 10, row=n % 8) for n in range(8)] == [False] * 7 + [True]


def test_a_probe_that_is_not_refused_at_once_lets_others_follow() -> None:
    """
    Failures come at once and answers take long: what is on its way for seconds was taken in. One more failure, and
    probes are as rare as before.
    """
    health, now = down(10.0), 10.0
    for _ in range(5):
        now = health.opens_at
        health.went(now)
        fail(health, now + 0.1)
    gaps = []
    for _ in range(6):
        now = health.opens_at
        health.went(now)
        gaps.append(health.opens_at - now)
    assert gaps == [2.0, 1.0, 0.5, 0.25, 0.125, 0.0625]
    fail(health, now + 0.1)
    assert health.opens_at > now + 1.0


def test_nothing_comes_back_for_far_longer_than_answers_take() -> None:
    """
    An endpoint that hangs is sent single calls. Something that comes back for what was sent before is no news; an
    answer ends it, and the next silence may be as long.
    """
    health = Health()
    for n in range(16):
        health.replied(sent_at=n / 4, now=n / 4 + 1.0)
        health.went(n / 4)
        health.heard(n / 4)
    for n in range(48):
        health.went(5.0 + n / 4)
    assert not health.is_held
    health.went(17.0)
    assert health.is_down
    assert health.opens_at == 18.0
    assert not health.replied(sent_at=4.9, now=18.0)
    assert health.replied(sent_at=5.0, now=45.0)
    health.went(46.0)
    health.heard(46.0)
    for n in range(4 * 60):
        health.went(50.0 + n / 4)
    assert not health.is_held


def test_a_wait_that_the_server_names_is_kept() -> None:
    """
    The next probe goes no sooner.
    """
    health = down(10.0)
    failure = Failure(kind=K.SERVER, message="maintenance", retry_after=120.0)
    health.failed(failure, sent_at=11.0, now=11.1, in_flight=1)
    assert health.opens_at == 131.1


def test_one_answer_ends_the_outage_and_the_next_begins_afresh() -> None:
    """
    The lane is open at once, and another outage is probed after a second again.
    """
    health = down(10.0)
    for _ in range(5):
        health.went(health.opens_at)
    assert health.replied(sent_at=50.0, now=51.0)
    assert not health.is_held
    assert health.opens_at < 0
    assert not any(fail(health, 60.0) for _ in range(7))
    assert fail(health, 60.0)
    assert health.opens_at == 61.0


def test_an_answer_from_before_the_outage_does_not_end_it() -> None:
    """
    What was sent before the first failure may still come home.
    """
    health = down(10.0)
    assert not health.replied(sent_at=9.0, now=12.0)
    assert health.is_down


@pytest.mark.parametrize(
    ("kind", "ends"),
    [(K.INVALID, True), (K.REFUSED, True), (K.TOO_LARGE, True), (K.THROTTLED, True), (K.OVERLOADED, False)],
)
def test_an_endpoint_that_does_its_work_is_up(kind: FailureKind, ends: bool) -> None:  # noqa: FBT001 - a column
    """
    To call a request invalid, or to count it, one must be there.
    """
    health = down(10.0)
    fail(health, 20.0, kind=kind)
    assert health.is_down is not ends


def test_no_capacity_is_an_endpoint_that_is_there() -> None:
    """
    A server that loads its model for minutes must not be taken for a wrong address.
    """
    health = Health()
    assert not health.was_up
    fail(health, 1.0, kind=K.OVERLOADED)
    assert health.was_up


def test_the_first_denial_of_a_lane_is_believed() -> None:
    """
    Nothing was ever answered: the key is wrong.
    """
    assert Health().denied(sent_at=1.0, now=1.1) is Denial.TRUE


def test_a_denial_after_answers_is_asked_about_twice() -> None:
    """
    Two may go at once to confirm, then one a second; denied three times, it is true.
    """
    health = Health()
    health.replied(sent_at=0.0, now=1.0)
    assert health.denied(sent_at=2.0, now=2.1) is Denial.OPEN
    assert health.opens_at == 2.1
    health.went(2.1)
    assert health.opens_at == 2.1
    health.went(2.1)
    assert health.opens_at == 3.1
    assert health.denied(sent_at=2.1, now=2.2) is Denial.OPEN
    health.heard(2.1)
    assert health.denied(sent_at=2.1, now=2.2) is Denial.TRUE


def test_an_answer_clears_a_denial_and_the_next_odd_one_holds_nothing() -> None:
    """
    An endpoint that denies single rows is not stopped for each of them.
    """
    health = Health()
    health.replied(sent_at=0.0, now=1.0)
    health.denied(sent_at=2.0, now=2.1)
    assert health.is_held
    assert not health.replied(sent_at=2.1, now=3.0)
    assert not health.is_held
    health.denied(sent_at=4.0, now=4.1)
    assert not health.is_held


def test_a_request_that_is_denied_whenever_it_comes_is_no_news() -> None:
    """
    Once a denial was odd, further ones of a repeated request hold and stop nothing.
    """
    health = Health()
    health.replied(sent_at=0.0, now=1.0)
    health.denied(sent_at=2.0, now=2.1)
    health.replied(sent_at=2.1, now=3.0)
    assert {health.denied(sent_at=4.0 + n, now=4.1 + n, is_first=False) for n in range(10)} == {Denial.ODD}
    assert not health.is_held


def test_a_denial_that_others_overtook_is_odd() -> None:
    """
    What was sent after it got through: nothing is held, however many there are.
    """
    health = Health()
    health.replied(sent_at=5.0, now=6.0)
    assert {health.denied(sent_at=4.0, now=7.0) for _ in range(100)} == {Denial.ODD}
    assert not health.is_held


def test_a_denial_among_calls_that_take_longer_decides_nothing() -> None:
    """
    One key of several is dead behind a relay: denials come at once, answers take seconds, so a dozen of them may come
    before the first answer. A key that is dead for all denies those that are under way too, within moments.
    """
    health = Health()
    health.replied(sent_at=0.0, now=1.0)
    health.denied(sent_at=1.1, now=1.2)
    health.replied(sent_at=1.2, now=1.9)  # that it may be odd is known
    for n in range(60):
        health.went(2.0 + n / 100)
    for n in range(0, 60, 5):
        assert health.denied(sent_at=2.0 + n / 100, now=2.7) is Denial.OPEN
        health.heard(2.0 + n / 100)
    assert not health.is_held
    said = []
    for n in (each for each in range(60) if each % 5):
        said.append(health.denied(sent_at=2.0 + n / 100, now=2.8))
        health.heard(2.0 + n / 100)
    assert said[0] is Denial.OPEN
    assert said[-1] is Denial.TRUE


def test_a_single_call_that_hangs_does_not_keep_a_denied_lane_open() -> None:
    """
    One call without an answer says little against a dozen denials of what was sent since.
    """
    health = Health()
    health.replied(sent_at=0.0, now=1.0)
    health.went(2.0)
    health.went(2.0)
    said = []
    for n in range(6):
        health.went(2.1 + n)
        said.append(health.denied(sent_at=2.1 + n, now=2.2 + n))
        health.heard(2.1 + n)
    assert Denial.TRUE in said


def test_is_well_while_most_gets_through() -> None:
    """
    One failure in seven is an accident, one in two is not.
    """
    rng = Random(1)
    for share, is_well in ((0.14, True), (0.5, False)):
        health = Health()
        for n in range(1_000):
            if rng.random() < share:
                fail(health, float(n))
            else:
                health.replied(sent_at=n - 1.0, now=float(n))
        assert health.is_well is is_well
        assert health.typical_s == 1.0


EVENTS = st.tuples(
    st.sampled_from(["reply", "denied", "went", *(kind for kind in K if not kind.parks_lane)]),
    st.floats(0.0, 40.0),
    st.floats(0.0, 20.0),
    st.booleans(),
    st.integers(1, 30),
)


@given(events=st.lists(EVENTS, max_size=80))
def test_a_held_lane_always_gets_its_chance(events: list[tuple[str, float, float, bool, int]]) -> None:
    """
    Whatever happens, the next probe is never more than half a minute away, and its answer opens the lane.
    """
    health, now = Health(), 0.0
    for what, after, took, is_first, in_flight in events:
        now += after
        if what == "reply":
            health.replied(sent_at=now - took, now=now)
        elif what == "denied":
            health.denied(sent_at=now - took, now=now)
        elif what == "went":
            if health.is_held:
                health.went(max(now, health.opens_at))
        else:
            fail(health, now, kind=K(what), row=int(is_first), in_flight=in_flight, took=took)
        now = max(now, health.opens_at - 30.0)
        assert health.is_held == (health.opens_at > float("-inf"))
        assert health.is_held or not health.is_down
    health.replied(sent_at=now, now=now + 1.0)
    assert not health.is_held
