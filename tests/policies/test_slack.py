"""The room between calls where a limit is enforced without slack."""

from __future__ import annotations

from random import Random

import pytest

from brim.config import Limits, Window
from brim.policies.admission import Admission
from brim.policies.slack import Slack
from brim.policies.tokens import Charging, Cost
from brim.values import Answer, Failure, FailureKind

ONE = Cost((1.0, 0.0, 0.0, 0.0))
REFUSAL = Failure(kind=FailureKind.THROTTLED, message="slow down")


class Exact:
    """A server that lets one call through every *gap_s* seconds, to the microsecond; calls take a while to arrive."""

    def __init__(self, gap_s: float, *, late_s: float) -> None:
        self.gap_s = gap_s
        self.late_s = late_s
        self.free_at = 0.0
        self.rng = Random(7)

    def lets(self, sent_at: float) -> bool:
        at = sent_at + (self.rng.expovariate(1.0 / self.late_s) if self.late_s else 0.0)
        if at < self.free_at:
            return False
        self.free_at = at + self.gap_s
        return True


def carry(admission: Admission, server: Exact, calls: int) -> tuple[float, list[int]]:
    """Send so many one after the other as soon as each may go. Returns when the last went, and which were refused."""
    now, refused = 0.0, []
    for number in range(calls):
        now += admission.ready_in(ONE, now)
        charge = admission.take(ONE, now, among=1, max_tokens=None)
        if not server.lets(now):
            refused.append(number)
            admission.refused(charge, Answer(outcome=REFUSAL, sent_at=now, ended_at=now), REFUSAL, now)
    return now, refused


def test_an_exact_limit_refuses_few_and_is_used() -> None:
    """
    One a second without slack, calls that take 5 ms on average to arrive: fewer than one in 150 is refused, and no
    more than one in twenty-five is lost.
    """
    admission = Admission(Limits(requests_per_minute=60), charging=Charging.RESERVES_CAP, now=0.0)

    ended, refused = carry(admission, Exact(1.0, late_s=0.005), 2_000)

    assert len(refused) < 2_000 / 150
    assert ended < 2_000 * 1.04


def test_no_room_is_kept_where_none_is_needed() -> None:
    """
    A server that refuses nothing gets what is stated, less the margin of every stated rate.
    """
    admission = Admission(Limits(requests_per_minute=60), charging=Charging.RESERVES_CAP, now=0.0)

    ended, refused = carry(admission, Exact(0.9, late_s=0.0), 1_000)

    assert not refused
    assert ended == pytest.approx(999 / 0.997)


def test_a_lower_limit_is_soon_something_else() -> None:
    """
    A limit at half of what is stated goes on refusing: after a few tries a rate is learnt, and kept.
    """
    admission = Admission(Limits(requests_per_minute=60), charging=Charging.RESERVES_CAP, now=0.0)

    _, refused = carry(admission, Exact(2.0, late_s=0.005), 400)

    assert admission.is_paced
    assert sum(number >= 100 for number in refused) < 300 * 0.1


def test_room_is_given_back() -> None:
    """
    After some hundred calls in time the gap is what the limit promises.
    """
    slack = Slack(1.0)
    assert slack.refused(sent_at=1.0, now=1.2)
    assert slack.gap(1.2) == pytest.approx(1.01)

    assert slack.gap(1.2 + 210.0) == pytest.approx(1.005, abs=0.001)
    assert slack.gap(600.0) == 1.0
    assert not slack.is_kept


def test_calls_sent_before_a_step_say_nothing_new() -> None:
    """
    What was on the wire when the room was widened takes no further step.
    """
    slack = Slack(1.0)
    slack.refused(sent_at=1.0, now=3.5)
    for sent_at in (2.0, 3.0):
        assert slack.refused(sent_at=sent_at, now=sent_at + 2.5)

    assert slack.gap(3.5) == pytest.approx(1.01)


class Strict(Exact):
    """A server that lets *count* calls through in any stretch of *gap_s* seconds."""

    def __init__(self, count: int, gap_s: float, *, late_s: float) -> None:
        super().__init__(gap_s, late_s=late_s)
        self.count = count
        self.log: list[float] = []

    def lets(self, sent_at: float) -> bool:
        at = sent_at + self.rng.uniform(0.0, self.late_s)
        if sum(each > at - self.gap_s for each in self.log) >= self.count:
            return False
        self.log.append(at)
        del self.log[: -self.count]
        return True


@pytest.mark.parametrize("count", [1, 5])
def test_a_stated_window_keeps_clear_of_what_comes_too_early(count: int) -> None:
    """
    A window of a second that counts calls as they arrive, up to 20 ms late: few are refused, and no rate is learnt.
    """
    limits = Limits(windows=(Window(requests=count, seconds=1.0),))
    admission = Admission(limits, charging=Charging.RESERVES_CAP, now=0.0)

    ended, refused = carry(admission, Strict(count, 1.0, late_s=0.02), 600)

    assert len(refused) < 600 / 50
    assert ended < 600 / count * 1.04
    assert not admission.is_paced


@pytest.mark.parametrize("count", [15, 40])
def test_a_rate_that_is_looked_at_each_second_keeps_clear_of_what_comes_too_early(count: int) -> None:
    """
    So many a minute, of which each second, wherever it begins, gets its part; calls arrive up to 20 ms late.
    """
    admission = Admission(Limits(requests_per_minute=60 * count), charging=Charging.RESERVES_CAP, now=0.0)

    ended, refused = carry(admission, Strict(count, 1.0, late_s=0.02), 100 * count)

    assert len(refused) < count / 5
    assert ended < 100 * 1.04
    assert not admission.is_paced


@pytest.mark.parametrize(
    "limits", [Limits(requests_per_minute=600), Limits(requests_per_minute=500, tokens_per_minute=90_000)]
)
def test_what_a_timer_is_late_is_made_up_for(limits: Limits) -> None:
    """
    Whoever looks again a millisecond after a call might have gone loses nothing: it was a hundredth of such a pace.
    """
    admission, now = Admission(limits, charging=Charging.RESERVES_CAP, now=0.0), 0.0
    for _ in range(600):
        while (wait := admission.ready_in(ONE, now)) > 0.0:
            now += wait + 0.001
        admission.take(ONE, now, among=1, max_tokens=None)

    stated = limits.requests_per_minute or 1.0
    assert now == pytest.approx(599 * 60 / 0.997 / stated, rel=0.001)


def test_two_stated_limits_keep_clear_of_what_comes_too_early() -> None:
    """
    One a second without slack, stated beside tokens: as many are refused as where it is stated alone.
    """
    limits = Limits(requests_per_minute=60, tokens_per_minute=90_000)
    admission = Admission(limits, charging=Charging.RESERVES_CAP, now=0.0)

    _, refused = carry(admission, Exact(1.0, late_s=0.005), 2_000)

    assert len(refused) < 2_000 / 150
    assert not admission.is_paced


def test_nobody_makes_up_for_a_time_in_which_the_lane_was_closed() -> None:
    """
    A lane that was closed for two seconds opens with one call, and goes on evenly.
    """
    admission = Admission(Limits(requests_per_minute=2_400), charging=Charging.RESERVES_CAP, now=0.0)
    admission.closed(2.0, 0.0)

    assert admission.ready_in(ONE, 2.0) == 0.0
    admission.take(ONE, 2.0, among=1, max_tokens=None)
    assert admission.ready_in(ONE, 2.0) == pytest.approx(0.025, abs=0.001)


def test_a_window_counts_a_call_when_it_was_written() -> None:
    """
    Connections that took half a second to stand: the window is over that much later, and half as much again, since they
    are new for the server too; a window later all is as before.
    """
    admission = Admission(Limits(windows=(Window(requests=2, seconds=10.0),)), charging=Charging.RESERVES_CAP, now=0.0)
    for _ in range(2):
        admission.take(ONE, 0.0, among=1, max_tokens=None)
    admission.wrote(0.5, 0.5)
    assert admission.ready_in(ONE, 1.0) == pytest.approx(9.75, abs=0.01)
    for at in (11.0, 11.0, 22.0, 22.0):
        admission.take(ONE, at, among=1, max_tokens=None)
        admission.wrote(0.001, at)

    admission.take(ONE, 32.0, among=1, max_tokens=None)
    admission.wrote(0.001, 32.0)
    admission.take(ONE, 33.0, among=1, max_tokens=None)
    assert admission.ready_in(ONE, 33.0) == pytest.approx(9.0, abs=0.01)


def test_a_connection_that_hung_does_not_close_a_window_for_as_long() -> None:
    """
    Half a minute until one request was written: a window of a second is over a second later at most.
    """
    admission = Admission(Limits(windows=(Window(requests=1, seconds=1.0),)), charging=Charging.RESERVES_CAP, now=0.0)
    admission.take(ONE, 30.0, among=1, max_tokens=None)
    admission.wrote(30.0, 30.0)

    assert admission.ready_in(ONE, 30.0) == pytest.approx(2.0, abs=0.01)


def test_a_call_that_was_written_late_puts_off_the_next() -> None:
    """
    The first call had to wait for its connection: the next one keeps as much further apart, and half as much again. Who
    is as late as the one before, or hardly later, puts off nobody; one that hung no more than a gap. After a lull the
    next may come as much sooner as a timer may be late.
    """
    admission = Admission(Limits(requests_per_minute=60), charging=Charging.RESERVES_CAP, now=0.0, is_even=True)
    gap = 1.0 / 0.997
    waits = []
    for at, late_s in ((0.0, 0.1), (2.0, 0.1), (4.0, 0.102), (6.0, 30.0)):
        admission.take(ONE, at, among=1, max_tokens=None)
        admission.wrote(late_s, at)
        waits.append(admission.ready_in(ONE, at) - gap)

    assert waits == pytest.approx([0.15, -0.002, -0.002, gap - 0.002], abs=0.001)
