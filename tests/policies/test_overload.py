"""Overloads: when they are taken for a limit's refusals, and when that is dropped."""

from __future__ import annotations

import pytest

from brim.policies.overload import Overloads


class Lane:
    """Attempts sent a tenth of a second apart; refusals are there after 20 ms, answers after a second."""

    def __init__(self) -> None:
        self.overloads = Overloads()
        self.now = 0.0

    def refused(self, many: int = 1, *, status: int = 503, took: float = 0.02, number: int = 20) -> bool:
        """So many are refused one after the other. Returns whether any of them showed that it is a storm."""
        storms = 0
        for _ in range(many):
            self.now += 0.1
            storms += self.overloads.met(
                status, sent_at=self.now - took, now=self.now, typical_s=1.0, in_flight=20, number=number
            )
        return storms > 0

    def passed(self, many: int, *, number: int = 20) -> int:
        """So many are answered. Returns how many episodes that ended."""
        ended = 0
        for _ in range(many):
            self.now += 0.1
            ended += self.overloads.passed(sent_at=self.now - 0.05, number=number)
        return ended


def test_many_quick_overloads_and_then_only_answers_are_a_limit() -> None:
    """
    That is how a gateway refuses which speaks 503; a server that breaks down does not heal by being asked less.
    """
    lane = Lane()
    lane.refused(10)

    assert not lane.overloads.is_limit
    assert lane.passed(20) > 0
    assert lane.overloads.is_limit


@pytest.mark.parametrize(
    ("status", "took"), [(529, 0.02), (503, 0.9)], ids=["a storm by its name", "as slow as an answer"]
)
def test_a_storm_is_over_as_well_but_is_no_limit(status: int, took: float) -> None:
    """
    After it the window may grow again, and that is all.
    """
    lane = Lane()
    lane.refused(10, status=status, took=took)

    assert lane.passed(20) > 0
    assert not lane.overloads.is_limit


def test_strays_are_no_episode() -> None:
    """
    Single overloads among answers end nothing and prove nothing.
    """
    lane = Lane()
    for _ in range(50):
        lane.refused()
        assert lane.passed(20) == 0

    assert not lane.overloads.is_limit


def test_a_few_at_the_same_moment_are_strays_where_many_are_on_the_wire() -> None:
    """
    The answers of the others just take longer.
    """
    overloads = Overloads()
    for _ in range(6):
        overloads.met(503, sent_at=0.0, now=0.02, typical_s=1.0, in_flight=100, number=100)
    for _ in range(20):
        overloads.passed(sent_at=0.5, number=100)

    assert not overloads.is_limit


def test_overloads_spread_thinly_over_an_episode_are_no_limit() -> None:
    """
    What a limit refuses is much of what is sent beyond it.
    """
    lane = Lane()
    for _ in range(20):
        lane.refused()
        lane.passed(9)
    lane.passed(20)

    assert not lane.overloads.is_limit


def test_what_is_always_the_same_number_too_many_shows_a_cap() -> None:
    """
    All that goes as the 13th is refused, all that goes before it gets through: after a dozen calls that is no chance.
    """
    lane = Lane()
    for _ in range(4):
        lane.refused(number=13)
        lane.passed(2, number=12)

    assert lane.overloads.is_limit


@pytest.mark.parametrize("share", [2, 4, 9])
def test_overloads_at_numbers_that_get_through_as_well_show_no_cap(share: int) -> None:
    """
    A storm refuses some and lets others by, however many there are at once.
    """
    lane = Lane()
    for turn in range(60):
        lane.refused(number=12 + turn % 3)
        lane.passed(share, number=12 + (turn + 1) % 3)

    assert not lane.overloads.is_limit


def test_an_outage_shows_no_cap() -> None:
    """
    Each is refused, be it alone; afterwards each gets through: at no number is there a difference.
    """
    lane = Lane()
    for number in (20, 10, 5, 2, 1, 1):
        lane.refused(number=number, took=0.9)
    for number in range(1, 30):
        lane.passed(1, number=number)

    assert not lane.overloads.is_limit


def test_what_goes_on_whatever_is_sent_was_a_storm_and_is_believed_later_the_next_time() -> None:
    """
    A limit that is known refuses little: a third refused for two hundred attempts is none, and two episodes are needed.
    """
    lane = Lane()
    lane.refused(10)
    lane.passed(20)
    assert lane.overloads.is_limit

    storms = [lane.refused() or lane.passed(2) for _ in range(100)]

    assert any(storms)
    assert not lane.overloads.is_limit
    lane.refused(10)
    lane.passed(20)
    assert not lane.overloads.is_limit
    lane.refused(10)
    lane.passed(20)
    assert lane.overloads.is_limit


def test_a_limit_that_is_known_may_refuse_some() -> None:
    """
    A burst at first, a search, and then one in some ten: none of that is a storm.
    """
    lane = Lane()
    lane.refused(10)
    lane.passed(20)

    assert not lane.refused(20)
    for _ in range(100):
        lane.passed(10)
        assert not lane.refused()
    assert lane.overloads.is_limit


def test_refusals_that_come_back_together_count_once() -> None:
    """
    What was on the wire when a window of the limit was used up is refused all at once, and says no more than one does.
    """
    lane = Lane()
    lane.refused(10)
    lane.passed(20)
    for _ in range(5):
        lane.passed(60)
        burst = [
            lane.overloads.met(
                503, sent_at=lane.now - 0.02, now=lane.now + late / 1000, typical_s=1.0, in_flight=20, number=20
            )
            for late in range(15)
        ]
        lane.now += 0.1
        assert not any(burst)

    assert lane.overloads.is_limit


def test_what_a_cap_refuses_is_no_storm() -> None:
    """
    One more than a cap lets through is refused every time, however often it is tried.
    """
    lane = Lane()
    lane.refused(10)
    lane.passed(20)

    storms = [
        lane.overloads.met(
            503, sent_at=at - 0.02, now=float(at), typical_s=1.0, in_flight=20, number=20, is_one_more=True
        )
        for at in range(100, 500)
    ]

    assert not any(storms)
    assert lane.overloads.is_limit
