"""What waits to the fraction of a second tell of a rate: of a bucket everything, of a window nothing."""

from __future__ import annotations

import pytest

from brim.policies.countdown import Countdown
from brim.policies.evidence import Evidence
from brim.policies.mode import Mode
from brim.policies.pace import Pace
from brim.policies.refusal import Refusal


class Bucket:
    """A bucket that tells exactly how long to wait, and a client that sends when its pace and that wait allow."""

    def __init__(self, rate: float, capacity: float, *, place: int = 0, amount: float = 1.0) -> None:
        self.rate = rate
        self.capacity = self.level = capacity
        self.amount = amount
        self.place = place
        self.passed = [0.0, 0.0]
        self.sent = [0.0, 0.0]
        self.pace = Pace(self.passed, place, ceiling=None, now=0.0)
        self.now = self.at = self.opens_at = 0.0
        self.refused = 0

    def wait(self) -> float:
        """Seconds until one more fits."""
        return (self.amount - self.level) / self.rate

    def pause(self, wait: float) -> float:
        """For how many seconds it asks to be left alone where *wait* is what it names exactly."""
        return wait

    def refill(self) -> None:
        """Catch up with the present time."""
        self.level = min(self.capacity, self.level + (self.now - self.at) * self.rate)
        self.at = self.now

    def run(self, seconds: float, *, fastest: float) -> None:
        """Send for so long, at most *fastest* attempts a second."""
        until = self.now + seconds
        while self.now < until:
            self.now = max(self.now + self.pace.ready_in(self.amount, self.now), self.opens_at, self.now + 1 / fastest)
            self.refill()
            self._send()

    def volley(self, count: int) -> None:
        """Send as many at once."""
        for _ in range(count):
            self._send()

    def _send(self) -> None:
        self.sent[0] += 1.0
        self.sent[1] += self.amount
        self.passed[0] += 1.0
        self.passed[1] += self.amount
        self.pace.took(self.amount, self.now)
        if self.level >= self.amount:
            self.level -= self.amount
            return
        wait = self.wait()
        pause = self.pause(wait)
        self.refused += 1
        self.passed[0] -= 1.0
        self.passed[1] -= self.amount
        if self.place:
            self.sent[1] -= self.amount  # a refused call took no tokens
        self.opens_at = self.now + pause
        totals = (self.sent[0], self.sent[1] + self.amount * (self.place > 0))
        self.pace.refused(Refusal(self.amount, self.now, self.now, pause, exact=wait), sent=totals)


class Clock(Bucket):
    """Counts so many in every second of its own."""

    def wait(self) -> float:
        """Seconds until the next."""
        return 1.0 - (self.now + 0.37) % 1.0

    def refill(self) -> None:
        """Begin a new second if it is time for it."""
        if int(self.now + 0.37) > int(self.at + 0.37):
            self.level = self.capacity
        self.at = self.now


class Hasty(Bucket):
    """Names waits that are too short by a share, asks for a whole second all the same, and counts what it refuses."""

    def __init__(self, rate: float, capacity: float, *, share: float) -> None:
        super().__init__(rate, capacity)
        self.share = share

    def wait(self) -> float:
        """What a bucket says that is empty since it refused."""
        self.level = 0.0
        return self.share * super().wait()

    def pause(self, wait: float) -> float:
        """Whole seconds."""
        return max(1.0, wait)


@pytest.mark.parametrize("capacity", [1.0, 5.0, 100.0])
@pytest.mark.parametrize("rate", [2.3, 12.7, 45.1])
def test_the_rate_of_a_bucket_is_known_after_a_few_refusals(rate: float, capacity: float) -> None:
    """
    Once it refused a volley: of a hundred calls' time three quarters are used at least (without exact waits it may be
    three calls), and of what follows 96 %.
    """
    bucket = Bucket(rate, capacity)
    bucket.volley(round(capacity) + 6)
    assert bucket.refused == 6

    passed = bucket.passed[0]
    bucket.run(100.0 / rate, fastest=20.0 * rate)
    assert bucket.passed[0] - passed >= 75.0
    assert bucket.refused <= 6 + 9

    passed, refused = bucket.passed[0], bucket.refused
    bucket.run(200.0 / rate, fastest=20.0 * rate)
    assert bucket.passed[0] - passed >= 0.96 * 200.0
    assert bucket.refused <= refused + 8
    assert bucket.pace.mode is Mode.CRUISING


@pytest.mark.parametrize("share", [0.6, 0.8, 0.9])
@pytest.mark.parametrize(("rate", "capacity"), [(10.0, 3.0), (10.0, 9.0), (50.0, 3.0), (50.0, 9.0)])
def test_a_rate_that_waits_only_seem_to_tell_proves_no_strays(rate: float, capacity: float, share: float) -> None:
    """
    What is refused below a rate that nothing but hasty waits told is no stray: the rate is less than that. Every
    refusal costs a second in which the bucket runs over.
    """
    bucket = Hasty(rate, capacity, share=share)
    bucket.volley(round(capacity) + 3)
    bucket.run(20.0, fastest=4.0 * rate)
    passed, refused = bucket.passed[0], bucket.refused
    bucket.run(60.0, fastest=4.0 * rate)

    assert bucket.passed[0] - passed >= 0.88 * 60.0 * rate
    assert bucket.refused - refused <= 8


def test_tokens_are_counted_down_as_well() -> None:
    """
    What is asked for and lacking is tokens there.
    """
    bucket = Bucket(1_000.0, 3_010.0, place=1, amount=90.0)
    bucket.volley(40)
    bucket.run(5.0, fastest=500.0)
    before, refused = bucket.passed[1], bucket.refused
    bucket.run(60.0, fastest=500.0)

    assert bucket.passed[1] - before >= 0.96 * 60_000.0
    assert bucket.refused - refused <= 8


def test_the_end_of_a_window_tells_no_rate() -> None:
    """
    Ten in every second of the server's: the waits end all at the same part of it, and are not divided by.
    """
    clock = Clock(10.0, 10.0)
    clock.run(120.0, fastest=40.0)
    before = clock.passed[0]
    clock.run(120.0, fastest=40.0)

    assert clock.passed[0] - before >= 0.93 * 1_200.0


def test_a_wait_that_may_be_a_windows_end_tells_nothing() -> None:
    """
    A minute's end is as far away as it is, whatever the rate; the guess is the same as without a wait.
    """
    guesses = []
    for exact in (0.0, 43.21):
        pace = Pace([20.0], 0, ceiling=None, now=0.0)
        assert pace.refused(Refusal(1.0, 1.0, 1.0, 43.21, exact=exact), sent=(21.0,))
        guesses.append(pace.rate)

    assert guesses[0] == guesses[1]


@pytest.mark.parametrize(
    ("base", "high", "believed"), [(20.0, 200.0, 42.5), (60.0, 200.0, 50.0), (45.0, 200.0, 45.0), (20.0, 40.0, 34.0)]
)
def test_waits_that_are_not_confirmed_say_about_how_much_it_is(base: float, high: float, believed: float) -> None:
    """
    A call that has to wait for a fiftieth of a second: no more than fifty, and not far less unless refusals say so.
    """
    countdown = Countdown()
    assert countdown.within(base, high) == base

    countdown.named(1.0, 0.02)
    countdown.named(1.0, 0.01)
    assert countdown.within(base, high) == pytest.approx(believed)


@pytest.mark.parametrize(("low", "told"), [(0.0, True), (8.0, True), (9.5, False)])
def test_promises_tell_no_less_than_what_surely_got_through(low: float, *, told: bool) -> None:
    """
    A log of a second that was left alone for one: between its two promises less came back than between its refusals.
    """
    evidence, countdown = Evidence(0.0), Countdown()
    first, second = Refusal(1.0, 1.0, 1.0, 0.0, exact=0.5), Refusal(1.0, 3.0, 3.0, 0.0, exact=0.5)
    evidence.first(40.0, first, least=1.0)
    countdown.began(first, 40.0, evidence)
    for number in range(18):
        evidence.saw(1.0, 41.0 + number, 1.1 + number / 10.0)
    evidence.low = evidence.likely = low
    evidence.high = 30.0

    found = countdown.tells(second, 58.0, evidence, pace=30.0, mean=1.0)

    assert found == (pytest.approx(9.0) if told else None)


def test_no_bucket_holds_more_than_a_minutes_worth() -> None:
    """
    A thousand went in three seconds, and the next is to wait for 1.7: that is a window's, no bucket refills so slowly
    and held so much. None of the volley is believed, nor what comes after it.
    """
    passed = [1_030.0, 0.0]
    pace = Pace(passed, 0, ceiling=None, now=0.0)
    for number in range(30):
        passed[0] -= 1.0
        pace.refused(Refusal(1.0, 3.0 + number / 100, 3.1 + number / 100, 5.0, exact=1.7), sent=(1_001.0 + number, 0.0))

    assert pace.rate >= 0.98 * 1_000.0 / 63.0
