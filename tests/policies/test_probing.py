"""How a learnt rate asks for more: seldom, then quickly; a window outright."""

from __future__ import annotations

from itertools import count

import pytest

from brim.policies.dwell import Dwell
from brim.policies.evidence import Evidence
from brim.policies.probing import RAISED, between, calmer, crossing, cruising, searching, setting_out
from brim.policies.refusal import Refusal


def known(low: float, high: float) -> Evidence:
    """A bucket of which so much is known."""
    evidence = Evidence(0.0)
    evidence.believe(low, high)
    return evidence


def window(amount: float, span: float) -> Evidence:
    """A window that allowed *amount* until it was used up, and says that it opens in *span* seconds."""
    evidence = known(0.99 * amount / span, 1.01 * amount / span)
    evidence.blocks.saw(amount, 1.0)
    rate = amount / span
    evidence.blocks.refused(Refusal(1.0, 1.0, 1.0, span - 1.0), passed=amount, by_then=amount, rate=rate, pace=rate)
    assert evidence.blocks.rate == pytest.approx(amount / span)
    return evidence


def factors(evidence: Evidence, base: float) -> list[float]:
    """The pace of a cruise by attempts, until the search begins."""
    found: list[float] = []
    dwell = Dwell()
    for _ in count():
        dwell.took(1.0)
        found.append(cruising(evidence, dwell.part(base, 1.0)))
        if found[-1] > RAISED:
            break
    return found


@pytest.mark.parametrize("base", [1.0, 5.0, 20.0])
def test_a_cruise_stays_below_and_rises_at_the_end(base: float) -> None:
    """Below what is known for a hundred attempts and more; from there to the search takes half as many at most."""
    pace = factors(known(0.98 * base, 1.02 * base), base)
    below = sum(factor <= 1.0 for factor in pace)

    assert below >= 100
    assert len(pace) <= 1.5 * below
    assert pace == sorted(pace)


def test_a_window_is_asked_outright() -> None:
    """The first step above what it is known to allow is one that tells within the window."""
    pace = factors(window(300.0, 60.0), 5.0)

    assert max(pace[:-1]) <= 1.0
    assert pace[-1] == pytest.approx(1.4)


def test_a_search_is_fast_only_while_nothing_is_known() -> None:
    """
    An attempt a second: an eighth more by each while there are no bounds, a twenty-fifth where there are, and up to
    half as much again, as fast as the search may be, where nothing ever got through.
    """
    unknown, blank = Evidence(0.0), Evidence(0.0)
    unknown.first(8.0, Refusal(1.0, 1.0, 1.0, 0.0), least=1.0)
    blank.first(0.0, Refusal(1.0, 1.0, 1.0, 0.0), least=1.0)

    assert searching(blank, 0.35, 1.0, 5.0, rate=1.0, mean=1.0) == pytest.approx(1.35)
    assert searching(blank, 1.0, 1.0, 5.0, rate=1.0, mean=1.0) == pytest.approx(1.5)
    assert searching(unknown, 0.35, 1.0, 5.0, rate=1.0, mean=1.0) == pytest.approx(1.125)
    assert searching(known(1.0, 2.0), 0.35, 1.0, 5.0, rate=1.0, mean=1.0) == pytest.approx(1.04)


def test_a_search_that_left_its_bounds_behind_is_fast_again() -> None:
    """What is not refused well above the upper bound says that there is none, and slow steps would take minutes."""
    evidence = known(1.0, 2.0)

    assert searching(evidence, 0.01, 1.0, 5.0, rate=2.1, mean=1.0) == pytest.approx(1.0 + 0.01 / 2.1)
    assert searching(evidence, 0.01, 1.0, 5.0, rate=2.5, mean=1.0) == pytest.approx(1.125)


def test_a_new_window_is_searched_slowly() -> None:
    """It grows by less than a third in a window, since that says nothing until it is used up."""
    evidence = Evidence(0.0)
    refusal = Refusal(1.0, 1.0, 1.0, 59.0)
    evidence.first(300.0, refusal, least=1.0)

    assert evidence.blocks.span == 60.0
    rate = 5.0
    for step in range(300):
        rate *= searching(evidence, 0.35, 1.0, 60.0 + step / 5, rate=rate, mean=1.0)
    assert 6.0 <= rate <= 5.0 * 1.36


@pytest.mark.parametrize(("base", "attempts"), [(0.5, 25), (2.0, 25), (20.0, 160)])
def test_the_bounds_are_crossed_in_some_attempts(base: float, attempts: int) -> None:
    """In 25 attempts, and in eight seconds at least."""
    search = crossing(2.0 * base, base, 1.0)
    seconds = 0.6931 / search

    assert seconds * base == pytest.approx(attempts, rel=0.01)


@pytest.mark.parametrize(("base", "least"), [(0.1, 0.001), (1.0, 0.01), (20.0, 0.01)])
def test_a_search_grows_by_the_attempt_where_these_are_few(base: float, least: float) -> None:
    """
    One in a hundred, by the second or by the attempt: what takes ten seconds may not be ten times too fast after it.
    """
    assert crossing(1.0001 * base, base, 1.0) == pytest.approx(least)
    assert calmer(0.5 * least, base) == pytest.approx(least)
    assert calmer(8.0 * least, base) == pytest.approx(4.0 * least)


def test_sets_out_the_faster_the_sooner_refusals_are_back() -> None:
    """
    From a guess on the pace grows by a third in a second, by more where a refusal is back within half of one, and by
    no more than twofold.
    """
    assert setting_out() == pytest.approx(0.35)
    assert setting_out(30.0) == pytest.approx(0.35)
    assert 0.35 < setting_out(0.2) < 1.0
    assert setting_out(0.001) == setting_out(0.0) == 1.0


def test_a_window_that_allows_next_to_nothing_does_not_slow_the_search() -> None:
    """
    An empty bucket that names a wait until it is full lets one call through and looks like a long window of one.
    """
    evidence = Evidence(0.0)
    evidence.first(1.0, Refusal(1.0, 0.1, 0.2, 19.0), least=1.0)
    assert evidence.blocks.span == 30.0
    assert evidence.blocks.rate == 0.0

    assert searching(evidence, 1.0, 1.0, 20.0, rate=1.0, mean=1.0) >= 1.3


@pytest.mark.parametrize(("sends", "wait", "share"), [(0, 1.0, 0.3), (64, 1.0, 0.5), (640, 0.0, 0.5), (640, 1.0, 0.7)])
def test_what_got_through_is_less_than_the_limit_where_refusals_cost_a_wait(
    sends: int, wait: float, share: float
) -> None:
    """
    Refused soon, what got through is the rate; late and without a wait it lies in the middle; else further up.
    """
    assert between(sends, wait=wait) == pytest.approx(share)
