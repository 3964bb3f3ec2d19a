"""What of a stated limit may go at once after a lull: found out, remembered, and never more than stated."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from random import Random

import pytest

from brim.policies.limits import Bucket
from brim.policies.lulls import LullBucket


def bucket(*, is_even: bool = False) -> LullBucket:
    """Sixty a minute, one at once, that begins full."""
    return LullBucket(60.0, rate=1.0, burst=1.0, is_even=is_even)


class Server:
    """Has room for *room* calls and refills one a second; says no at once."""

    def __init__(self, room: float) -> None:
        self.bucket = Bucket(rate=1.0, burst=room)
        self.refusals: list[float] = []

    def lets(self, now: float) -> bool:
        """Is a call let through?"""
        if self.bucket.ready_in(1.0, now):
            self.refusals.append(now)
            return False
        self.bucket.take(1.0, now)
        return True


def send(saving: LullBucket, calls: int, now: float, server: Server | None = None) -> list[float]:
    """When so many calls go that come at *now*; what is refused comes again."""
    went: list[float] = []
    late: deque[float] = deque()
    saving.arrived(now)
    while len(went) < calls:
        wait = saving.ready_in(1.0, now)
        if wait:
            now += wait + 1e-9
            while late and late[0] + 0.1 <= now:
                saving.refused(1.0, sent_at=late.popleft(), now=now)
            continue
        saving.take(1.0, now)
        if server is None or server.lets(now):
            went.append(now)
        else:
            late.append(now)
    for sent_at in late:
        saving.refused(1.0, sent_at=sent_at, now=now + 0.1)
    return went


def test_the_pace_is_even_before_there_was_a_lull() -> None:
    """
    Rows that wait from the start go one by one.
    """
    assert send(bucket(), 5, 0.0) == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0])


def test_after_a_lull_ever_more_go_at_once() -> None:
    """
    One is tried ahead of the pace; what is not refused within half a second is let through, and twice as much is tried.
    """
    went = send(bucket(), 50, 100.0)

    counts = [sum(at <= 100.01 + step / 2 for at in went) for step in range(6)]
    assert counts == [2, 4, 8, 15, 28, 50]


def test_what_was_let_through_once_goes_at_once() -> None:
    """
    The next fifty after a silence wait for nothing.
    """
    saving = bucket()
    send(saving, 50, 100.0)

    assert send(saving, 50, 300.0) == [300.0] * 50


def test_the_pace_of_who_keeps_even_is_even() -> None:
    """
    Where nobody may see what a server refuses nothing is tried.
    """
    assert send(bucket(is_even=True), 3, 100.0) == pytest.approx([100.0, 101.0, 102.0])


def test_no_minute_holds_more_than_stated() -> None:
    """
    Bursts and lulls by chance: of a minute's worth and one call, no more goes in any minute.
    """
    rng, saving, now = Random(3), bucket(), 0.0
    sent: list[float] = []
    for _ in range(300):
        now = max(now, sent[-1] if sent else 0.0) + rng.choice([0.0, 0.7, 5.0, 70.0])
        sent += send(saving, rng.randint(1, 40), now)

    assert all(later - first >= 60.0 for first, later in zip(sent, sent[61:], strict=False))


def test_nothing_goes_later_than_at_an_even_pace() -> None:
    """
    After a minute's worth went at once the next goes when the even pace has come so far, and not later.
    """
    rng, saving, even = Random(4), bucket(), bucket(is_even=True)
    now = 0.0
    for _ in range(100):
        now += rng.choice([1.0, 20.0, 50.0])
        calls = rng.randint(1, 80)
        ended, latest = send(saving, calls, now)[-1], send(even, calls, now)[-1]
        assert ended <= latest + 1e-6
        now = latest


def test_a_server_without_room_refuses_a_call_and_is_left_alone_ever_longer() -> None:
    """
    Calls by pairs, for ten hours, at a server that has room for one: each attempt costs a call, and there are few.
    """
    saving, server = bucket(), Server(1.0)
    for number in range(3_600):
        send(saving, 2, 10.0 * number, server)

    assert len(server.refusals) <= 5
    rests = [after - before for before, after in pairwise(server.refusals)]
    assert all(second > 3.0 * first for first, second in pairwise(rests))


def test_a_small_bucket_is_found_and_used() -> None:
    """
    Of thirty calls after each silence ten go at once where there is room for ten; who is refused once goes on by single
    calls.
    """
    saving, server = bucket(), Server(10.0)
    went: list[float] = []
    for number in range(100):
        went = send(saving, 30, 200.0 * number + 100.0, server)

    assert sum(at - went[0] < 0.1 for at in went) >= 9
    assert len(server.refusals) < 20


def test_what_was_let_through_and_is_refused_is_halved() -> None:
    """
    A server that has become smaller.
    """
    saving = bucket()
    send(saving, 50, 100.0)
    went = send(saving, 20, 300.0)
    assert saving.refused(1.0, sent_at=went[-1], now=300.1)

    assert 20 <= sum(at < 600.1 for at in send(saving, 30, 600.0)) <= 26


def test_a_refusal_long_after_a_burst_is_none_of_its_doing() -> None:
    """
    A minute after the last call that was ahead of the pace the server has what it gave back.
    """
    saving = bucket()
    send(saving, 10, 100.0)

    assert not saving.refused(1.0, sent_at=200.0, now=200.1)
    assert not bucket().refused(1.0, sent_at=1.0, now=1.1)


def test_other_limits_make_no_lull() -> None:
    """
    Who waits for something else is not nobody.
    """
    saving = bucket()
    saving.awaited(100.0)

    assert send(saving, 3, 100.0) == pytest.approx([100.0, 101.0, 102.0])


def test_another_limit_is_found_out_anew() -> None:
    """
    Restated, it begins with an even pace, and owes nothing for what went at once.
    """
    saving = bucket()
    send(saving, 50, 100.0)
    saving.hold_to(120.0, rate=2.0, burst=1.0, now=110.0)

    went = send(saving, 3, 110.0)
    assert went[0] <= 110.5
    assert went[2] - went[0] == pytest.approx(1.0)


def test_rows_that_wait_while_it_is_full_make_no_lull() -> None:
    """
    A gate that is closed, a window or what a server shows may hold them for long: an even pace loses nothing then.
    """
    saving = bucket()
    saving.take(1.0, 0.0)
    assert saving.ready_in(1.0, 100.0) == 0.0, "full since long, and nobody came meanwhile who did not wait before"
    saving.take(1.0, 100.0)

    assert saving.ready_in(1.0, 100.0) == pytest.approx(1.0)
