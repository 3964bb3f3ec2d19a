"""Reserving less while a limit stays full: towards what calls use, and back before anything is refused."""

from __future__ import annotations

from brim.policies.thrift import Thrift

RATE = 1_000.0
SIZE = 3_000.0


class Bucket:
    """A bucket of three seconds; calls are sent as fast as what is reserved for each lets them go."""

    def __init__(self, *, used: float, cap: float, trip_s: float = 1.0) -> None:
        self.thrift = Thrift()
        self.used, self.cap, self.trip_s = used, cap, trip_s
        self.level = SIZE
        self.lowest = SIZE
        self.now = 0.0
        self.looks: list[tuple[float, float, float]] = []

    def run(self, seconds: float, *, made: float, counts_cap: bool) -> None:
        """*made* is what calls make, all of *cap* is what they may."""
        until = self.now + seconds
        while self.now < until:
            reserved = made + self.thrift.share * (self.cap - made)
            step = reserved / RATE
            self.now += step
            self.level = min(SIZE, self.level + step * RATE) - (self.cap if counts_cap else self.used)
            self.lowest = min(self.lowest, self.level)
            self.looks.append((self.now + self.trip_s, self.now, max(0.0, self.level)))
            while self.looks and self.looks[0][0] <= self.now:
                at, sent_at, left = self.looks.pop(0)
                self.thrift.saw(left, sent_at=sent_at, now=at, rate=RATE)


def test_what_is_hardly_used_is_hardly_reserved() -> None:
    """
    Counted as used, an eighth of the cap: within half a minute nearly nothing beyond that is reserved.
    """
    bucket = Bucket(used=50.0, cap=400.0)
    bucket.run(40.0, made=50.0, counts_cap=False)

    assert bucket.thrift.share < 0.1
    assert bucket.lowest > 0.0


def test_a_server_that_counts_the_cap_is_not_overrun() -> None:
    """
    A trial is over before the bucket is empty, whatever the answers take, and trials become rare.
    """
    for trip_s in (0.2, 2.0, 8.0):
        bucket = Bucket(used=50.0, cap=400.0, trip_s=trip_s)
        bucket.run(300.0, made=50.0, counts_cap=True)

        assert bucket.lowest > 0.0
        assert bucket.thrift.share >= 0.8


def test_a_bucket_that_is_still_filling_is_not_full() -> None:
    """
    What starts empty holds more than ever before at every look.
    """
    thrift = Thrift()
    for second in range(100):
        thrift.saw(20.0 * second, sent_at=float(second), now=second + 0.5, rate=RATE)

    assert thrift.share == 1.0


def test_a_refusal_takes_the_last_step_back() -> None:
    """
    One refusal, one step; and no other for half a minute.
    """
    thrift = Thrift()
    for look in range(12):
        thrift.saw(SIZE, sent_at=look * 1.0, now=look + 0.5, rate=RATE)
    before = thrift.share
    assert before < 1.0
    thrift.refused(20.0)
    after = thrift.share
    for look in range(20, 45):
        thrift.saw(SIZE, sent_at=look * 1.0, now=look + 0.5, rate=RATE)

    assert before < after
    assert thrift.share == after
