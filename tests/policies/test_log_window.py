"""A window that slides, told by its first block and what comes through after it."""

from __future__ import annotations

from bisect import bisect_right

import pytest

from brim.policies.log_window import Log
from brim.policies.refusal import Refusal


class Calls:
    """Calls that were let through, and the log that is asked about them."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.log = Log(0.0)
        self.ended = 0.0
        self.found: list[float] = []

    def passed_by(self, when: float) -> float:
        return float(bisect_right(self.times, when))

    def refuse(self, at: float, *, wait: float = 0.0, exact: float = 0.0, again: bool = False) -> None:
        if again:
            self.log.refused_again(at)
        else:
            refusal = Refusal(1.0, at, at, wait, exact)
            self.found.append(self.log.refused(refusal, ended=self.ended, passed_by=self.passed_by))

    def send(self, begin: float, end: float, count: int) -> None:
        """So many, evenly."""
        self.ended = begin
        self.times.extend(begin + (end - begin) * each / count for each in range(count))


def slowly_begun() -> Calls:
    """Four hundred in six seconds, ever faster; then nothing got through."""
    calls = Calls()
    for second, count in enumerate((10, 11, 19, 48, 69, 180, 63)):
        calls.send(float(second), second + 1.0, count)
    calls.times = [each for each in calls.times if each < 6.4]
    return calls


@pytest.mark.parametrize(
    ("waits", "found"),
    [((), 10.0), ((4.0,), 10.0), ((0.0, 3.6), 10.0), ((1.0,), 0.0)],
    ids=["asked in vain", "whole seconds", "exact", "a second, as of a bucket"],
)
def test_what_comes_back_a_span_after_the_first_call_is_of_a_window_that_slides(
    waits: tuple[float, ...], found: float
) -> None:
    """
    Refused until the first is ten seconds old, and then a trickle: as much as was sent at first. Where nothing was
    asked in between, a wait of seconds says that no bucket brings that much.
    """
    calls = slowly_begun()
    calls.refuse(6.4, wait=waits[0] if waits else 0.0, exact=waits[1] if len(waits) > 1 else 0.0)
    if not waits:
        calls.refuse(7.3, again=True)
        calls.refuse(8.4, again=True)
    calls.send(10.4, 11.8, 18)
    calls.refuse(11.8)

    assert calls.found == [0.0, found]


def test_a_bucket_that_refills_as_fast_as_the_trickle_is_none() -> None:
    """
    It would have been asked in vain no longer than for a tenth of a second.
    """
    calls = slowly_begun()
    calls.refuse(6.4)
    calls.refuse(6.5, again=True)
    calls.send(10.4, 11.8, 18)
    calls.refuse(11.8)

    assert calls.found == [0.0, 0.0]


def test_a_window_that_begins_anew_lets_everything_through_at_once() -> None:
    """
    Half of it and more: that is no trickle.
    """
    calls = slowly_begun()
    calls.refuse(6.4)
    calls.refuse(8.4, again=True)
    calls.send(10.4, 12.0, 395)
    calls.refuse(12.0)

    assert calls.found == [0.0, 0.0]


def test_only_the_first_block_is_asked() -> None:
    """
    Later ones fit the one or the other length by chance.
    """
    calls = slowly_begun()
    calls.refuse(6.4)
    calls.send(7.0, 8.0, 3)
    calls.refuse(8.1)
    calls.refuse(9.5, again=True)
    calls.send(10.4, 11.8, 18)
    calls.refuse(11.8)

    assert calls.found == [0.0, 0.0, 0.0]
