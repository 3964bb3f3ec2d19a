"""The server's level, followed from its headers: bursts used, windows and rivals recognized, lies survived."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf

import pytest

from brim.policies.level import ServerLevel
from brim.policies.moment import Course
from brim.simulator.buckets import WeightedWindow
from brim.values import Dimension, LimitLevel


class Server:
    """A limit of requests that shows its headers, and a client that sends exactly when the level allows.

    Args:
        rate: true refill a second.
        capacity: of the bucket, or the allowance of a window of *span* seconds.
        shown: what the header calls the limit a minute; the truth if None.
        latency: seconds until an answer, and what it shows, is there.
        span: seconds of a window; None for a bucket.
        slides: does the window slide?
        resets: is a reset shown?
        period: what the headers say that the limit is for.
        twist: what is shown for what is true.
        lag: what is shown is so many seconds old.
    """

    def __init__(
        self,
        rate: float,
        capacity: float,
        *,
        shown: float | None = None,
        latency: float = 0.5,
        span: float | None = None,
        slides: bool = False,
        resets: bool = True,
        period: float | None = 60.0,
        twist: Callable[[float], float | None] = lambda remaining: remaining,
        lag: float = 0.0,
    ) -> None:
        self.lag = lag
        self.past = deque([(0.0, capacity)])
        self.slides, self.resets, self.period = slides, resets, period
        self.log: deque[float] = deque()
        self.rate, self.capacity, self.span = rate, capacity, span
        self.shown = 60.0 * rate if shown is None else shown
        self.latency = latency
        self.twist = twist
        self.left = capacity
        self.totals = [0.0]
        self.level = ServerLevel(self.totals, 0)
        self.answers: deque[tuple[float, float, float, LimitLevel, bool]] = deque()
        self.now = 0.0
        self.let_through = 0
        self.refused = 0

    def run(self, seconds: float) -> None:
        """Send for so long."""
        until = self.now + seconds
        while self.now < until:
            wait = max(self.level.ready_in(1.0, self.now), 0.002 if self.level.is_known else 0.5)
            due = self.answers[0][0] - self.now if self.answers else inf
            self._pass(min(wait, max(due, 0.0)))
            if due <= wait:
                self._hear()
            else:
                self._send()

    def idle(self, seconds: float) -> None:
        """Hear what is under way, and send nothing for so long."""
        until = self.now + seconds
        while self.answers:
            self._pass(max(0.0, self.answers[0][0] - self.now))
            self._hear()
        self._pass(until - self.now)

    def _hear(self) -> None:
        _, sent_at, sent, shown, is_refused = self.answers.popleft()
        course = Course(sent_at, sent, self.now, self.level.totals[0])
        self.level.observe(shown, course, cost=1.0, is_refused=is_refused)
        if is_refused:
            self.level.overran(sent_at=sent_at, now=self.now)

    def _pass(self, seconds: float) -> None:
        if self.span is None:
            self.left = min(self.capacity, self.left + seconds * self.rate)
        elif self.slides:
            while self.log and self.log[0] + self.span <= self.now + seconds:
                self.log.popleft()
            self.left = self.capacity - len(self.log)
        elif int((self.now + seconds) / self.span) > int(self.now / self.span):
            self.left = self.capacity
        self.now += seconds

    def _send(self) -> None:
        self.totals[0] += 1.0
        if self.level.is_known:
            self.level.take(1.0, self.now)
        is_refused = self.left < 1.0
        if not is_refused:
            self.left -= 1.0
            self.log.append(self.now)
            self.let_through += 1
        else:
            self.refused += 1
            if self.level.is_known:
                self.level.missed(1.0, self.now)
        missing = self.capacity - self.left
        reset = missing / self.rate if self.span is None else self.span - self.now % self.span
        if self.slides and self.span is not None:
            reset = self.log[0] + self.span - self.now if self.log else 0.0
        remaining = self.twist(float(int(self._left_then())))
        shown = LimitLevel(Dimension.REQUESTS, self.shown, remaining, reset if self.resets else None, self.period)
        self.answers.append((self.now + self.latency, self.now, self.totals[0], shown, is_refused))

    def _left_then(self) -> float:
        self.past.append((self.now, self.left))
        while len(self.past) > 1 and self.past[1][0] <= self.now - self.lag:
            self.past.popleft()
        return self.past[0][1]

    def measure(self, seconds: float) -> tuple[float, float]:
        """What gets through a second, and the share refused, over so long."""
        through, refused = self.let_through, self.refused
        self.run(seconds)
        passed, turned_away = self.let_through - through, self.refused - refused
        return passed / seconds, turned_away / max(1, passed + turned_away)


class WeightedServer(Server):
    """One whose windows count the one before in part, first asked *phase* seconds after one began."""

    def __init__(self, rate: float, *, span: float, latency: float, phase: float) -> None:
        super().__init__(rate, rate * span, span=span, latency=latency)
        self.bucket = WeightedWindow(allowance=self.capacity, span=span)
        self.now = phase

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        self.left = self.bucket.level(self.now)

    def _send(self) -> None:
        before = self.let_through
        super()._send()
        self.bucket.take(self.let_through - before, self.now)


@pytest.mark.parametrize(
    ("capacity", "latency"),
    [(8.0, 0.1), (8.0, 5.0), (60.0, 0.1), (60.0, 5.0), (60.0, 60.0), (480.0, 0.1), (480.0, 5.0), (480.0, 60.0)],
)
def test_uses_all_of_the_refill_at_any_latency(capacity: float, latency: float) -> None:
    """
    In steady state 97.5 % of the refill is used and hardly anything is refused, however old the news is.
    """
    server = Server(8.0, capacity, latency=latency)
    server.run(300.0)
    through, refused = server.measure(300.0)

    assert through >= 0.975 * 8.0
    assert refused <= 0.005


def test_a_burst_that_is_shown_is_used() -> None:
    """
    A bucket that starts with a minute's worth is emptied within seconds, and without a refusal.
    """
    server = Server(10.0, 600.0)
    server.run(30.0)

    assert server.let_through >= 0.85 * (600 + 300)
    assert server.refused == 0


def test_a_crowd_after_a_silence_uses_half_of_what_is_left_within_a_second() -> None:
    """
    Nobody came for two minutes, and then many: half of a minute's worth goes at once, the rest within seconds, and
    nothing is refused.
    """
    server = Server(1.0, 60.0, latency=0.8)
    server.run(100.0)
    server.idle(120.0)
    before = server.let_through
    server.run(1.0)
    assert server.let_through - before >= 28
    server.run(9.0)

    assert server.let_through - before >= 55
    assert server.refused == 0


@pytest.mark.parametrize(("span", "latency"), [(10.0, 0.2), (10.0, 4.0), (10.0, 15.0), (60.0, 0.2), (60.0, 15.0)])
@pytest.mark.parametrize("phase", [0.0, 0.4])
def test_a_weighted_window_is_filled_and_not_overrun(span: float, latency: float, phase: float) -> None:
    """
    What comes back is known from what was sent in the window before: a few calls a window are left at most.
    """
    server = WeightedServer(8.0, span=span, latency=latency, phase=phase * span)
    early, _ = server.measure(4.0 * span + latency)
    through, refused = server.measure(300.0)

    assert early >= (0.95 if span == 60.0 else 0.7) * 8.0
    assert through >= 8.0 - 5.0 / span
    assert refused == 0.0


@pytest.mark.parametrize("windows", [0.05, 1.1])
@pytest.mark.parametrize("span", [10.0, 60.0])
def test_a_fixed_window_is_filled_and_not_overrun(span: float, windows: float) -> None:
    """
    The reset tells a window from a bucket: what is left is spread over the time to it, however late answers come.
    """
    server = Server(5.0, 5.0 * span, span=span, latency=windows * span)
    server.run(120.0 + 3.0 * windows * span)
    through, refused = server.measure(300.0)

    assert through >= 0.95 * 5.0
    assert refused <= 0.01


def test_the_first_answer_of_a_window_counts() -> None:
    """
    A call that went with the last of one window and showed the next one: nothing waits for the one after that.
    """
    totals = [0.0]
    level = ServerLevel(totals, 0)
    for first, count in ((31.0, 29), (60.3, 60), (120.1, 1)):
        for number in range(count):
            at = first + number
            totals[0] += 1.0
            if level.is_known:
                level.take(1.0, at)
            shown = LimitLevel(Dimension.REQUESTS, 60.0, 59.0 - number, None, 60.0)
            level.observe(shown, Course(at, totals[0], at + 0.05, level.totals[0]), cost=1.0)

    assert level.ready_in(1.0, 121.1) == 0.0
    assert level.level(121.1) == 59.0


@pytest.mark.parametrize("lag", [2.0, 5.0])
@pytest.mark.parametrize("slides", [False, True])
def test_a_window_that_is_shown_late_is_filled(*, slides: bool, lag: float) -> None:
    """
    How old the headers are is found out, so that a window is used from its beginning and not overrun at its end.
    """
    server = Server(10.0, 600.0, span=60.0, slides=slides, lag=lag, resets=False)
    server.run(240.0)
    through, refused = server.measure(360.0)

    assert through >= 0.96 * 10.0
    assert refused <= 0.004


def test_a_few_calls_a_window_are_enough_to_know_it() -> None:
    """
    Ten calls in ten seconds come back all at once, too.
    """
    server = Server(1.0, 10.0, span=10.0)
    server.run(120.0)
    through, refused = server.measure(300.0)

    assert through >= 0.95
    assert refused <= 0.01


@pytest.mark.parametrize("latency", [0.2, 4.0])
def test_a_sliding_window_is_filled_though_it_returns_in_lumps(latency: float) -> None:
    """
    What was sent a minute ago is what comes back: hardly a reserve is kept, and nothing is taken for a rival.
    """
    server = Server(5.0, 300.0, span=60.0, slides=True, latency=latency)
    server.run(240.0)
    through, refused = server.measure(360.0)

    assert through >= 0.98 * 5.0
    assert refused <= 0.004


@pytest.mark.parametrize("span", [10.0, 60.0])
def test_a_window_whose_reset_nobody_shows_is_found(span: float) -> None:
    """
    Azure and LiteLLM show no reset: that all is there again at once tells where windows begin.
    """
    server = Server(10.0, 10.0 * span, span=span, resets=False)
    server.run(240.0)
    through, refused = server.measure(300.0)

    assert through >= 0.96 * 10.0
    assert refused <= 0.004


@pytest.mark.parametrize(("span", "period"), [(20.0, 20.0), (60.0, None), (20.0, None)])
def test_a_window_of_another_length_is_understood(span: float, period: float | None) -> None:
    """
    A gateway names the window, or shows only when it ends.
    """
    server = Server(5.0, 5.0 * span, shown=5.0 * span, span=span, period=period)
    server.run(120.0)
    through, refused = server.measure(300.0)

    assert through >= 0.95 * 5.0
    assert refused <= 0.01


@pytest.mark.parametrize("span", [2.0, 10.0])
@pytest.mark.parametrize("latency", [0.2, 2.0])
def test_a_limit_that_is_shown_by_the_window_is_told_from_one_by_the_minute(*, span: float, latency: float) -> None:
    """
    Fifty in ten seconds, shown as 50 where the name of the header means a minute: six times as many are sent soon.
    """
    server = Server(5.0, 5.0 * span, span=span, shown=5.0 * span, latency=latency)
    server.run(60.0)
    through, refused = server.measure(120.0)

    assert through >= 0.9 * 5.0
    assert refused <= 0.02


def test_a_limit_for_hours_sets_no_pace() -> None:
    """
    A run may be over long before an hour's limit matters.
    """
    level = ServerLevel([1.0], 0)
    shown = LimitLevel(Dimension.REQUESTS, 1_000.0, 999.0, None, 3_600.0)
    level.observe(shown, Course(0.0, 1.0, 0.5, level.totals[0]), cost=1.0)

    assert not level.is_known


def test_no_slack_is_made_up_for_by_keeping_apart() -> None:
    """
    Refused just beyond a limit of one a second, the next ones keep a little more than a second apart.
    """
    server = Server(1.0, 1.0, latency=0.1)
    server.run(60.0)
    for number in range(3):
        assert server.level.overran(sent_at=60.0 + number, now=60.5 + number)
    through, refused = server.measure(60.0)

    assert 0.94 <= through <= 0.985
    assert refused == 0.0


@pytest.mark.parametrize("slides", [False, True])
@pytest.mark.parametrize("latency", [0.1, 2.0])
def test_windows_of_a_second_are_filled(latency: float, *, slides: bool) -> None:
    """
    They look like small buckets. What comes back of one that slides is what was sent, which is no sign that somebody
    else takes a part; and nothing of it need be kept.
    """
    server = Server(50.0, 50.0, shown=50.0, period=1.0, span=1.0, slides=slides, latency=latency)
    server.run(60.0)
    through, refused = server.measure(100.0)

    assert through >= 0.96 * 50.0
    assert refused <= 0.002


def test_a_rival_is_lived_with() -> None:
    """
    The limit says ten a second, another client takes half: the refill that is seen is what is used.
    """
    server = Server(5.0, 100.0, shown=600.0)
    server.run(200.0)
    through, refused = server.measure(200.0)

    assert through >= 0.95 * 5.0
    assert refused <= 0.01


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_limit_that_changes_is_followed(factor: float) -> None:
    """
    Within half a minute the new rate is used.
    """
    server = Server(8.0, 80.0)
    server.run(120.0)
    server.rate *= factor
    server.capacity *= factor
    server.shown *= factor
    server.run(30.0)
    through, refused = server.measure(120.0)

    assert through >= 0.95 * server.rate
    assert refused <= 0.01


def test_unknown_remaining_still_sets_the_pace() -> None:
    """
    A limit without a level is paced evenly.
    """
    server = Server(8.0, 80.0, twist=lambda _: None)
    server.run(60.0)
    through, refused = server.measure(60.0)

    assert 0.98 * 8.0 <= through <= 8.0
    assert refused == 0.0


def test_a_server_that_contradicts_itself_loses_its_credit() -> None:
    """
    Refused three times although all seems left, the limit alone sets the pace.
    """
    server = Server(8.0, 80.0, twist=lambda _: 480.0)
    server.run(1.0)
    for _ in range(3):
        server.level.contradicted()
    server.run(60.0)
    through, _ = server.measure(60.0)

    assert through <= 1.1 * 8.0


def test_a_limit_per_day_sets_no_pace() -> None:
    """
    A reset hours away means a limit per day, which is no reason to go slowly.
    """
    level = ServerLevel([1.0], 0)
    shown = LimitLevel(Dimension.REQUESTS, 14_400.0, 14_370.0, 179.56)
    level.observe(shown, Course(0.0, 1.0, 0.5, level.totals[0]), cost=1.0)

    assert not level.is_known
    assert level.ready_in(1.0, 0.5) == 0.0


def shown(remaining: float, limit: float = 600.0) -> LimitLevel:
    """What a header shows."""
    return LimitLevel(Dimension.REQUESTS, limit, remaining, None, 60.0)


def test_what_was_looked_at_earlier_is_no_news() -> None:
    """
    A refusal shows the halved limit at once; an answer to an older attempt, which shows the old one, changes nothing.
    """
    level = ServerLevel([100.0], 0)
    level.observe(shown(400.0), Course(0.0, 1.0, 1.0, level.totals[0]), cost=1.0)
    level.observe(shown(0.0, limit=300.0), Course(30.0, 100.0, 30.1, level.totals[0]), cost=0.0, is_refused=True)
    left = level.level(30.2)
    level.observe(shown(350.0), Course(10.0, 50.0, 30.2, level.totals[0]), cost=1.0)

    assert level.limit == 300.0
    assert level.level(30.2) == left < 2.0


def test_a_refusal_shows_that_less_is_left() -> None:
    """
    What is shown beside a refusal may be seconds old; that the call was refused is not.
    """
    level = ServerLevel([0.0, 0.0], 1)
    limit = LimitLevel(Dimension.TOKENS, 60_000.0, 900.0, None, 60.0)
    level.observe(limit, Course(0.0, 0.0, 0.1, level.totals[0]), cost=500.0)
    assert level.ready_in(500.0, 1.0) == 0.0
    level.refused(500.0, 1.0)

    assert level.ready_in(500.0, 1.0) > 0.2


def test_a_refusal_out_of_all_reason_is_not_the_level_s() -> None:
    """
    Where a hundred calls are left, something else refused one.
    """
    level = ServerLevel([0.0], 0)
    level.observe(shown(100.0), Course(0.0, 0.0, 0.1, level.totals[0]), cost=1.0)
    level.refused(1.0, 1.0)

    assert level.level(1.0) > 90.0


def test_what_an_answer_let_through_was_there() -> None:
    """
    Eight calls that were each thought to take all of it came through at once: what is left is no deep debt, and where
    nothing more is on the wire what is shown is caught up with in a few answers.
    """
    totals = [0.0]
    level = ServerLevel(totals, 0)
    shown = LimitLevel(Dimension.REQUESTS, 600.0, 90.0, None)
    for _ in range(8):
        totals[0] += 100.0
    level.observe(shown, Course(0.0, 100.0, 0.5, level.totals[0]), cost=100.0)
    assert level.level(0.5) < -500.0

    level.observe(shown, Course(0.1, 800.0, 0.6, level.totals[0]), cost=100.0)
    assert level.level(0.6) >= 40.0


def test_a_refusal_does_not_close_a_window_that_shows_plenty() -> None:
    """
    A limit by the second refuses beside headers by the minute: what it refuses has room a second later.
    """
    server = Server(10.0, 600.0, span=60.0)
    server.run(150.0)
    for _ in range(3):
        server.level.contradicted()
    server.run(65.0 - server.now % 60.0)  # at the beginning of a window
    assert (server.level.remaining or 0.0) > 300.0
    server.level.refused(1.0, server.now)

    assert server.level.ready_in(1.0, server.now) <= 1.0
