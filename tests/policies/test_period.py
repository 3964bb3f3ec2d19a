"""For how long a limit is: less than a minute where resets and what comes back say so, and never else."""

from __future__ import annotations

from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.policies.period import Period
from brim.policies.refill import Look

_LIMIT = 50.0


def look(
    period: Period,
    at: float,
    reset_in: float,
    *,
    left: float,
    back: float,
    cap: float = _LIMIT,
    refused: bool = False,
) -> float:
    """One answer of a limit that is said to be for a minute: what is *left*, and what came *back* so far."""
    period.saw(Look(at, left, back - left, at), reset_in, limit=_LIMIT, cap=cap, cost=1.0, new=0.0, is_refused=refused)
    return period.seconds


def windows(period: Period, *, span: float, count: int, cap: float = _LIMIT) -> float:
    """Windows of *span* seconds that are used up and begin anew: what is believed in the end."""
    for number in range(count):
        for part in (0.1, 0.5, 0.9):
            look(
                period,
                span * (number + part),
                span * (1.0 - part),
                left=_LIMIT * (1.0 - part),
                back=_LIMIT * number,
                cap=cap,
            )
    return period.seconds


def test_windows_that_begin_anew_every_ten_seconds_are_told_by_the_second() -> None:
    """
    An end that came far too soon for a minute, with all of the limit back, is believed at once.
    """
    assert windows(Period(), span=10.0, count=1) == 60.0
    assert windows(Period(), span=10.0, count=2) == 10.0


def test_a_reset_that_is_far_longer_refutes_short_windows() -> None:
    """
    While a bucket is nearly full its resets are short, and what is counted only when calls are over seems to come back
    at once. Used up, it shows a reset of a minute.
    """
    period = Period()
    for number in range(20):
        look(period, number / 2, 1.5, left=_LIMIT, back=_LIMIT * number / 2)
    assert period.seconds < 10.0
    assert look(period, 600.0, 5.0, left=45.0, back=500.0) < 10.0
    assert look(period, 700.0, 58.0, left=1.0, back=540.0) == 60.0
    assert look(period, 701.0, 59.0, left=1.0, back=541.0) == 60.0


def test_windows_of_a_minute_stay_what_they_are() -> None:
    """
    Their resets are a minute apart.
    """
    assert windows(Period(), span=60.0, count=10) == 60.0


def test_what_never_shows_the_whole_limit_is_counted_otherwise() -> None:
    """
    Five calls at most are ever left of fifty a minute: the limit is the minute's, and its bucket is small.
    """
    assert windows(Period(), span=10.0, count=10, cap=5.0) == 60.0


@given(latency=st.floats(0.0, 5.0), gaps=st.lists(st.floats(0.5, 20.0), min_size=5, max_size=40))
def test_a_bucket_of_a_minute_stays_what_it_is(latency: float, gaps: list[float]) -> None:
    """
    Whenever it is looked at: its reset is the time until it is full, or until the next call, and it comes back evenly.
    """
    full, slot = Period(), Period()
    at, left, back = 0.0, _LIMIT, 0.0
    for gap in gaps:
        at += gap
        came = min(_LIMIT - left, gap * _LIMIT / 60.0)
        back, left = back + came, max(0.0, left + came - 3.0)
        assert look(full, at + latency, (_LIMIT - left) * 60.0 / _LIMIT, left=left, back=back) == 60.0
        assert look(slot, at + latency, 60.0 / _LIMIT, left=left, back=back) == 60.0


def test_without_a_name_it_is_as_long_as_the_longest_reset_if_much_was_ever_left() -> None:
    """
    `X-RateLimit-Limit: 50` with all left and a reset in 9 s is a window of ten; with 8 left at most, a minute's bucket.
    """
    window, bucket = Period(), Period()
    for reset_in in (3.0, 9.0, 1.0):
        window.read(None, reset_in, limit=_LIMIT, left=49.0)
        bucket.read(None, reset_in, limit=_LIMIT, left=8.0)

    assert window.seconds == 10.0
    assert bucket.seconds == 60.0


def test_a_window_ends_a_minute_before_the_reset_of_the_one_after_it() -> None:
    """
    Resets of more than one window and a half show that they are meant; a second too many is only rounded.
    """
    assert [Period().ends_in(reset_in) for reset_in in (5.0, 60.0, 61.0, 85.0, 95.0, 120.0)] == [
        5.0, 60.0, 61.0, 85.0, 35.0, 60.0,
    ]  # fmt: skip
    period = Period()
    assert [period.ends_in(reset_in) for reset_in in (120.0, 85.0, 62.0, 40.0)] == [60.0, 25.0, 2.0, 40.0]
    assert Period().ends_in(3_600.0) == 3_600.0


def test_a_reset_that_is_refused_twice_is_not_looked_at_again() -> None:
    """
    One that says "in a second" whatever happens costs two calls, and no more.
    """
    short = Period()
    peeks = 0
    for second in range(20):
        at = 2.0 * second
        look(short, at, 1.0, left=0.0, back=at * _LIMIT / 60.0, refused=second > 0)
        if short.peek_at < inf:
            peeks += 1
            short.took(short.peek_at)

    assert peeks == 2


def ends(period: Period, *, apart: float, count: int, whole: bool = False, cap: float = _LIMIT) -> float:
    """Windows that end so far apart, looked at some moments late; nothing else about them says how long they are."""
    for number in range(count):
        for part in (0.5, 0.6, 0.7, 0.9):
            reset_in = apart * (1.0 - part)
            left = _LIMIT - 1.0 - 2.0 * number
            reset_in = float(ceil(reset_in)) if whole else reset_in
            look(period, apart * (number + part), reset_in, left=left, back=2.0 * number, cap=cap)
    return period.seconds


@pytest.mark.parametrize("whole", [False, True])
def test_ends_that_keep_their_distance_are_of_windows(*, whole: bool) -> None:
    """
    Ten seconds from each end to the next, three times, are believed, however little comes back; a minute is what it is.
    """
    assert ends(Period(), apart=10.0, count=3, whole=whole) == 60.0
    assert ends(Period(), apart=10.0, count=6, whole=whole) == 10.0
    assert ends(Period(), apart=60.0, count=8, whole=whole) == 60.0


def test_ends_say_nothing_where_the_limit_is_a_minutes() -> None:
    """
    A window of ten seconds that holds a sixth of what is shown as the limit is counted right as it is.
    """
    assert ends(Period(), apart=10.0, count=8, cap=_LIMIT / 6.0) == 60.0


def test_a_bucket_that_is_filling_has_no_end() -> None:
    """
    The time until it is full moves on with what is sent.
    """
    period = Period()
    for second in range(200):
        look(period, float(second), 12.0, left=40.0, back=second * _LIMIT / 60.0)

    assert period.seconds == 60.0


def test_more_than_windows_of_a_minute_could_give_shows_that_they_are_shorter() -> None:
    """
    A limit of three that shows two after each call, and no reset worth the name, though there is a call every five
    seconds.
    """
    period = Period()
    for number in range(20):
        shown = Look(5.0 * number, 2.0, number + 1.0, 5.0 * number)
        period.saw(shown, 0.0, limit=3.0, cap=2.0, cost=1.0, new=0.0, is_refused=False)

    assert period.seconds == 1.0


def test_a_window_that_answers_show_half_used_already_is_looked_at_again() -> None:
    """
    Eight were sent before the first answer is there, and two of ten are left: that is all of the limit, though nobody
    ever saw it whole, and its reset comes long before a minute's limit would be back.
    """
    period = Period()
    first = Look(0.1, 2.0, 1.0, 0.1)
    period.saw(first, 0.9, limit=10.0, cap=2.0, cost=1.0, new=7.0, is_refused=False)

    assert period.peek_at == pytest.approx(1.1)


def test_a_bucket_that_holds_less_than_a_minute_is_not_taken_for_a_window() -> None:
    """
    Two of a bucket of ten are left, of a limit of sixty: most of it was never there.
    """
    period = Period()
    period.saw(Look(0.1, 2.0, 8.0, 0.1), 0.9, limit=60.0, cap=2.0, cost=1.0, new=0.0, is_refused=False)

    assert period.peek_at == inf


def test_ends_that_are_shown_in_turns_are_believed_by_nobody() -> None:
    """
    Two servers behind one address, each with windows of its own that end at other times: there is no distance to tell.
    """
    period, now = Period(), 0.0
    for turn in range(12):
        end = 500.0 + 7.5 * (turn % 2)
        for _ in range(4):
            now += 1.0
            look(period, now, end - now, left=20.0, back=5.0 * now)

    assert period.seconds == 60.0


def test_what_was_made_of_a_wrong_count_is_forgotten() -> None:
    """
    More than a minute could give seemed to come back, since less was counted than was thought: it is a minute's again.
    """
    period = Period()
    for number in range(20):
        look(period, number / 2, 1.5, left=_LIMIT, back=_LIMIT * number / 2)
    assert period.seconds < 60.0
    period.recounted()
    assert period.seconds == 60.0


def slides(period: Period, *, span: float, until: float, reset: float | None = None) -> float:
    """Four calls a second go until nothing is left; *span* seconds later they come back as they went."""
    for number in range(1, int(until * 4)):
        at = number / 4.0
        used = min(number, int(_LIMIT))
        came_back = float(max(0, min(int(4.0 * (at - span)), int(_LIMIT))))
        look(period, at, span if reset is None else reset, left=_LIMIT - used + came_back, back=came_back)
    return period.seconds


def test_a_reset_that_stays_as_long_whatever_is_left_is_that_of_a_window_that_slides() -> None:
    """
    One answer that shows more than comes back evenly is enough then.
    """
    assert slides(Period(), span=15.0, until=14.0) == 60.0
    assert slides(Period(), span=15.0, until=25.0) == 15.0


def test_of_a_window_that_slides_it_is_seen_when_its_first_call_is_out_of_it() -> None:
    """
    All was used within seconds: it is seen a reset after the first of it, not after the last.
    """
    period = Period()
    slides(period, span=15.0, until=12.0)

    assert period.peek_at == pytest.approx(15.35)


def test_the_same_reset_tells_nothing_while_nothing_comes_back() -> None:
    """
    Whoever always writes the same number under windows of a minute is not believed.
    """
    period = Period()
    for number in range(1, 200):
        look(period, number / 4.0, 2.0, left=max(0.0, _LIMIT - number), back=0.0)

    assert period.seconds == 60.0


def test_a_volley_whose_end_was_refused_shows_that_the_limit_was_whole() -> None:
    """
    Six of eight calls were let through, and six is the limit: how long that lasts is seen when the reset is over.
    """
    period = Period()
    period.saw(Look(0.0, 0.0, 6.0, 0.0), 2.0, limit=6.0, cap=1.0, cost=0.0, new=2.0, is_refused=True)

    assert period.peek_at == pytest.approx(2.1)
