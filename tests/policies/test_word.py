"""A rate that refusals name in words: news once, and tried once more when what was sent before is over."""

from __future__ import annotations

from collections import deque

import pytest

from brim.policies.pace import Pace
from brim.policies.refusal import Refusal
from brim.policies.word import Word


def test_the_same_word_again_is_no_news() -> None:
    """
    Another one is; none says nothing.
    """
    word = Word()

    assert not word.says(None, 0.0)
    assert word.says(5.0, 1.0)
    assert not word.says(5.0, 2.0)
    assert not word.says(None, 3.0)
    assert word.says(2.5, 4.0)
    assert word.rate == 2.5


def test_it_is_tried_once_more_after_ten_seconds() -> None:
    """
    Once, until something else is named.
    """
    word = Word()
    assert not word.is_due(100.0)

    assert word.says(5.0, 1.0)
    assert [word.is_due(at) for at in (2.0, 10.9, 11.1, 12.0, 1_000.0)] == [False, False, True, False, False]
    assert word.says(6.0, 2_000.0)
    assert word.is_due(2_010.0)


@pytest.mark.parametrize("seconds", [2.0, 5.0])
def test_a_window_that_was_used_up_before_does_not_refute_what_it_names(seconds: float) -> None:
    """
    A window that slides gives back what was sent, and as it was sent: after a slow beginning too little for a while.
    """
    rate, passed, log = 60.0, [0.0], deque[float]()
    pace, now, sent = Pace(passed, 0, ceiling=None, now=0.0), 0.0, 0

    def run(until: float, *, fastest: float) -> int:
        nonlocal now, sent
        through = 0
        while now < until:
            now += max(pace.ready_in(1.0, now), 1.0 / fastest)
            while log and log[0] <= now - seconds:
                log.popleft()
            sent += 1
            passed[0] += 1.0
            pace.took(1.0, now)
            if len(log) < rate * seconds:
                log.append(now)
                through += 1
                continue
            passed[0] -= 1.0
            pace.told(rate, now)
            pace.refused(Refusal(1.0, now, now, 0.0), sent=(sent,))
        return through

    run(0.6 * seconds, fastest=10.0)
    run(3.0 * seconds, fastest=200.0)
    run(now + 12.0, fastest=200.0)

    assert run(now + 20.0, fastest=200.0) >= 0.95 * 20.0 * rate


def test_a_wait_longer_than_a_bucket_s_speaks_of_a_window() -> None:
    """
    250 a minute is one each quarter of a second: who asks for three seconds counts in windows, of whatever length.
    """
    word = Word()
    assert word.says(250.0 / 60.0, 0.0)

    assert word.fits(Refusal(1.0, 0.0, 0.1, 1.0))
    assert not word.fits(Refusal(1.0, 0.0, 0.1, 3.0))
    assert word.fits(Refusal(1.0, 0.0, 0.1, 50.0)), "that may be the end of the minute"
