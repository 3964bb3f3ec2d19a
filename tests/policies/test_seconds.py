"""What refusals that name a wait of one second tell of a window of a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from brim.policies.refusal import Refusal
from brim.policies.seconds import Seconds

_SLOWER: Sequence[float] = (40.0, 25.0, 33.0, 22.0)


class _Sliding:
    """Lets through so many in a second."""

    def __init__(self, allows: int) -> None:
        self._allows = allows
        self._went: list[float] = []

    def lets(self, at: float) -> bool:
        self._went = [went for went in self._went if went > at - 1.0]
        if len(self._went) >= self._allows:
            return False
        self._went.append(at)
        return True


class _Fixed(_Sliding):
    """Lets through so many in each second by the clock."""

    def lets(self, at: float) -> bool:
        self._went = [went for went in self._went if int(went + 0.3) == int(at + 0.3)]
        if len(self._went) >= self._allows:
            return False
        self._went.append(at)
        return True


class _Bucket:
    """Holds *size* and refills at *rate*."""

    def __init__(self, rate: float, size: float) -> None:
        self._rate, self._size, self._level, self._at = rate, size, size, 0.0

    def lets(self, at: float) -> bool:
        self._level = min(self._size, self._level + self._rate * (at - self._at))
        self._at = at
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True


def _told(lets: Callable[[float], bool], paces: Sequence[float], *, wait: float = 1.0, exact: float = 0.0) -> float:
    """What is told at last, if calls go at each of the *paces* until one is refused, and wait a second then."""
    seconds, now, rate = Seconds(), 10.0, 0.0
    for pace in paces:
        while True:
            seconds.sent(now)
            if not lets(now):
                break
            now += 1.0 / pace
        seconds.took_back(now)
        rate = seconds.refused(Refusal(1.0, now, now, wait, exact), pace)
        now += 1.003
    return rate


def test_a_window_that_slides_is_told_by_equal_counts_at_unequal_paces() -> None:
    assert _told(_Sliding(20).lets, _SLOWER[:3]) == 20.0


def test_equal_counts_at_equal_paces_tell_nothing() -> None:
    assert _told(_Sliding(20).lets, (30.0, 30.0, 30.0)) == 0.0


def test_a_window_by_the_clock_is_told() -> None:
    assert _told(_Fixed(20).lets, _SLOWER) == 20.0


def test_a_bucket_is_no_window() -> None:
    for size in (1.0, 5.0, 20.0, 60.0):
        assert _told(_Bucket(20.0, size).lets, _SLOWER) == 0.0


def test_waits_that_are_longer_or_exact_tell_nothing() -> None:
    assert _told(_Sliding(20).lets, _SLOWER, wait=2.0) == 0.0
    assert _told(_Sliding(20).lets, _SLOWER, exact=0.4) == 0.0


def test_the_first_refusal_counts_if_the_run_began_within_the_second() -> None:
    seconds, wait = Seconds(), Refusal(1.0, 0.25, 0.25, 1.0)
    seconds.began([(0.0, 0.0), (0.1, 8.0), (0.25, 20.0)], wait)
    for number in range(20):
        seconds.sent(1.3 + 0.04 * number)

    assert seconds.refused(Refusal(1.0, 2.1, 2.1, 1.0), 25.0) == 20.0
    assert not seconds.is_sure


def test_refused_at_less_than_it_allows_it_is_no_window() -> None:
    seconds, rate = Seconds(), 0.0
    seconds.began([(0.0, 0.0), (0.25, 20.0)], Refusal(1.0, 0.25, 0.25, 1.0))
    for begin in (1.3, 4.0, 7.0):
        for number in range(20):
            seconds.sent(begin + 0.04 * number)
        rate = seconds.refused(Refusal(1.0, begin + 0.8, begin + 0.8, 1.0), 25.0 if begin < 2.0 else 15.0)

    assert rate == 0.0
