"""A limit on how fast the rate may grow."""

from __future__ import annotations

from math import floor, inf

import pytest

from brim.policies.growth import Growth

SPAN_S = 10.0


class Ramp:
    """In each span of ten seconds a share more than in the best of the last six, and never less than *least*."""

    def __init__(self, least: float, share: float) -> None:
        self.least, self.share = least, share
        self.past = [0.0] * 6
        self.span, self.used = 0, 0.0

    def left(self, now: float) -> float:
        """What may still get through."""
        while floor(now / SPAN_S) > self.span:
            self.past = [*self.past[1:], self.used]
            self.span, self.used = self.span + 1, 0.0
        return max(self.least, (1.0 + self.share) * max(self.past)) - self.used


def play(ramp: Ramp, *, seconds: float, fastest: float = inf) -> tuple[Growth, list[float], list[float]]:
    """Send whenever it may go, at most *fastest* a second: the growth, when what got through went, and what did not."""
    growth: Growth | None = None
    now, passed, refused = 0.0, [], []
    while now < seconds:
        if ramp.left(now) >= 1.0:
            ramp.used += 1.0
            passed.append(now)
        else:
            refused.append(now)
            wait = (ramp.span + 1) * SPAN_S - now
            if growth is None:
                growth = Growth(0, sent=len(passed) + 1.0, trail=([0.0], [0.0]), now=now)
            growth.refused(1.0, sent_at=now, now=now, wait=wait)
        gap = max(0.05 if growth is None else growth.ready_in(1.0, now), 1.0 / fastest)
        now += max(gap, 1e-6)
        if growth is not None:
            growth.took(1.0, now)
    assert growth is not None
    return growth, passed, refused


def test_grows_nearly_as_fast_as_it_may() -> None:
    """
    Two a second that may become 7 % more every ten seconds: in five minutes more than half of what a client gets
    through that is refused nothing and fills every span, 1.6 times what no growth brings, and hardly a refusal.
    """
    _, passed, refused = play(Ramp(20.0, 0.07), seconds=300.0)

    fastest = sum(20.0 * 1.07**span for span in range(30))
    assert len(passed) > 0.5 * fastest
    assert len(passed) > 1.7 * 2.0 * 300.0
    assert len(refused) < 0.04 * len(passed)


def test_finds_out_that_it_may_hardly_grow() -> None:
    """
    Where nothing more is ever let through the growth is given up little by little, and the rate stays where it may be.
    """
    growth, passed, refused = play(Ramp(50.0, 0.0), seconds=900.0)

    assert growth.growth < 0.001
    assert len(passed) > 0.9 * 5.0 * 900.0
    assert len(refused) < 0.02 * len(passed)


def test_what_it_does_not_hold_back_does_not_let_it_run_away() -> None:
    """
    While something else keeps the rate at three a second it stays within some two times as much.
    """
    growth, _, _ = play(Ramp(20.0, 0.07), seconds=1_200.0, fastest=3.0)

    assert growth.rate(1_200.0) < 1.5 * 1.5 * 3.0 * 1.05


def test_refusals_of_one_burst_are_one() -> None:
    """
    What was sent before the first of them came back says nothing new.
    """
    growth = Growth(0, sent=20.0, trail=([0.0], [0.0]), now=1.0)

    assert growth.refused(1.0, sent_at=0.5, now=1.0, wait=9.0)
    before = growth.rate(10.0)
    assert not growth.refused(1.0, sent_at=0.6, now=1.1, wait=8.9)
    assert growth.rate(10.0) == before
    # Of a wait in whole seconds half of one is taken off.
    assert growth.rate(10.0) == pytest.approx(0.99 * 19.0 / 9.5, rel=0.05)


def test_waits_as_long_as_the_server_says() -> None:
    """
    Nothing goes before that, and then one after the other.
    """
    growth = Growth(0, sent=20.0, trail=([0.0], [0.0]), now=1.0)
    growth.refused(1.0, sent_at=0.5, now=1.0, wait=8.25)

    assert growth.ready_in(1.0, 1.0) > 8.25


@pytest.mark.parametrize(("share", "part"), [(0.0, 0.97), (0.03, 0.8), (0.2, 0.75), (0.5, 0.4)])
def test_finds_out_how_fast_it_may_grow(share: float, part: float) -> None:
    """
    From nothing at all to half as much again in ten seconds: in two minutes it gets this part of all that can be had.
    """
    _, passed, refused = play(Ramp(20.0, share), seconds=120.0)

    assert len(passed) > part * sum(20.0 * (1.0 + share) ** span for span in range(12))
    assert len(refused) < 10


def test_a_lane_that_has_just_begun_goes_on_as_fast_as_it_was() -> None:
    """
    Eleven that got through in a tenth of a second are eleven a second, whatever the server's span: no tenth of that.
    """
    growth = Growth(0, sent=12.0, trail=([0.0], [0.0]), now=0.1)
    growth.refused(1.0, sent_at=0.1, now=0.1, wait=0.0)

    assert growth.rate(0.1) == pytest.approx(0.99 * 11.0)


@pytest.mark.parametrize("refusals", [1, 2])
def test_a_lane_may_be_silent_for_days(refusals: int) -> None:
    """
    Paused over night after a refusal, or with nothing to do: what may go next is a number, and goes.
    """
    growth = Growth(0, sent=100.0, trail=([0.0], [0.0]), now=60.0)
    for count in range(refusals):
        growth.refused(1.0, sent_at=59.0 + 30 * count, now=60.0 + 30 * count, wait=0.0)
        for step in range(100):
            growth.took(1.0, 61.0 + 30 * count + step / 10)

    for now in (1e4, 1e6, 1e9):
        assert growth.ready_in(1.0, now) == 0.0
        growth.took(1.0, now)
        growth.took(1.0, now + 0.1)
        assert 0.0 <= growth.ready_in(1.0, now + 0.1) < 60.0
