"""The learnt pace: settles just below what a server allows, follows it, and is not led astray by strays."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from brim.policies.mode import Mode
from brim.policies.pace import Pace
from brim.policies.refusal import Refusal


class Server:
    """A bucket of requests that refuses, and a client that sends exactly when its pace allows."""

    def __init__(
        self,
        rate: float,
        capacity: float,
        *,
        counts_refusals: bool = False,
        ceiling: float | None = None,
        named_wait: float = 0.0,
        named_rate: float | None = None,
    ) -> None:
        self.rate = rate
        self.capacity = self.level = capacity
        self.counts_refusals = counts_refusals
        self.named_wait = named_wait
        self.named_rate = named_rate
        self.opens_at = 0.0
        self.passed = [0.0]
        self.pace = Pace(self.passed, 0, ceiling=ceiling, now=0.0)
        self.now = 0.0
        self.sent = 0
        self.refused = 0
        self.strays = Random(7)
        self.stray_share = 0.0

    def run(self, seconds: float, *, fastest: float = 100.0) -> None:
        """Send for so long, at most *fastest* a second."""
        until = self.now + seconds
        while self.now < until:
            wait = max(self.pace.ready_in(1.0, self.now), 1.0 / fastest, self.opens_at - self.now)
            self.now += wait
            self.level = min(self.capacity, self.level + wait * self.rate)
            self._send()

    def _send(self) -> None:
        self.sent += 1
        self.passed[0] += 1.0
        self.pace.took(1.0, self.now)
        is_stray = self.strays.random() < self.stray_share
        if self.level >= 1.0 and not is_stray:
            self.level -= 1.0
            return
        if self.counts_refusals and not is_stray:
            self.level = 0.0
        self.refused += 1
        self.passed[0] -= 1.0
        self.opens_at = self.now + self.named_wait
        self.pace.told(self.named_rate, self.now)
        self.pace.refused(Refusal(1.0, self.now, self.now, self.named_wait), sent=(self.sent,))

    def measure(self, seconds: float) -> tuple[float, float]:
        """What gets through a second, and the share that is refused, over so long."""
        passed, sent, refused = self.passed[0], self.sent, self.refused
        self.run(seconds)
        return (self.passed[0] - passed) / seconds, (self.refused - refused) / (self.sent - sent)


@pytest.mark.parametrize("capacity", [2.0, 10.0, 300.0])
@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("rate", [1.0, 5.0, 40.0])
def test_settles_just_below_what_is_allowed(rate: float, capacity: float, *, counts: bool) -> None:
    """
    Whatever the rate and the burst, refusals counting or not: at least 94 % gets through, at most 3 % is refused.
    """
    server = Server(rate, capacity, counts_refusals=counts)
    server.run(max(300.0, 100.0 / rate))
    through, refused = server.measure(max(600.0, 600.0 / rate))

    assert through >= 0.94 * rate
    assert refused <= 0.03


@pytest.mark.parametrize("capacity", [1.0, 10.0, 300.0])
@pytest.mark.parametrize("rate", [1.0, 5.0, 40.0])
def test_a_rate_that_refusals_name_is_kept_from_then_on(rate: float, capacity: float) -> None:
    """
    There is nothing to search for: from the first refusal on 97 % gets through, and 2 % is refused at most.
    """
    server = Server(rate, capacity, named_rate=rate)
    server.run(2.0 + 2.0 * capacity / rate, fastest=4.0 * rate)
    assert server.pace.mode is Mode.CRUISING
    through, refused = server.measure(max(120.0, 120.0 / rate))

    assert through >= 0.97 * rate
    assert refused <= 0.02


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_rate_that_is_named_falsely_is_found_all_the_same(factor: float) -> None:
    """
    Words need not be true: what is refused, or is not, proves them wrong.
    """
    server = Server(10.0, 20.0, named_rate=10.0 * factor)
    server.run(180.0, fastest=50.0)
    through, refused = server.measure(600.0)

    assert through >= 9.4
    assert refused <= 0.03


def test_another_rate_that_is_named_is_followed_at_once() -> None:
    """
    A limit that was halved says so with the first refusal.
    """
    server = Server(10.0, 20.0, named_rate=10.0)
    server.run(60.0, fastest=50.0)
    server.rate, server.capacity, server.named_rate = 5.0, 10.0, 5.0
    server.run(5.0)
    through, refused = server.measure(120.0)

    assert through >= 0.96 * 5.0
    assert refused <= 0.02


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_follows_a_limit_that_changes(factor: float) -> None:
    """
    Halved or doubled, within three minutes nine tenths of the new rate get through.
    """
    server = Server(10.0, 50.0)
    server.run(300.0)
    server.rate *= factor
    server.run(180.0)
    through, refused = server.measure(120.0)

    assert through >= 0.9 * server.rate
    assert refused <= 0.03


def test_strays_hardly_cost_anything() -> None:
    """
    Three bare refusals in a hundred, of no limit at all, don't slow a lane down for long.
    """
    server = Server(1_000.0, 1_000.0)
    server.stray_share = 0.03
    server.run(400.0, fastest=10.0)
    through, _ = server.measure(200.0)

    assert through >= 0.8 * 9.7


@pytest.mark.parametrize(
    ("capacity", "share", "least"),
    [(5.0, 0.01, 0.9), (5.0, 0.03, 0.8), (60.0, 0.01, 0.95), (60.0, 0.03, 0.95), (60.0, 0.05, 0.8)],
)
def test_strays_are_told_from_a_limit(capacity: float, share: float, least: float) -> None:
    """
    One, three or five bare strays in a hundred beside an unstated limit neither end the search nor wear the rate down.
    """
    fills = []
    for seed in range(3):
        server = Server(30.0, capacity)
        server.stray_share, server.strays = share, Random(seed)
        server.run(400.0)
        fills.append(server.measure(300.0)[0] / 30.0)

    assert sum(fills) / len(fills) >= least, fills


def test_strays_that_name_a_wait_do_not_wear_a_known_rate_down() -> None:
    """
    Each of them is believed where a limit may be, none below the rate that is known: after ten minutes half of it at
    least gets through, where it sank to a tenth.
    """
    fills = []
    for seed in range(4):
        server = Server(15.0, 200.0)
        server.run(120.0)
        server.stray_share, server.strays, server.named_wait = 0.025, Random(seed), 1.0
        server.run(600.0)
        fills.append(server.measure(300.0)[0] / 15.0)

    assert min(fills) >= 0.5, fills


@pytest.mark.parametrize("begin", [0.0, 0.3, 0.7])
def test_a_window_of_a_second_that_names_its_end_is_no_stray(begin: float) -> None:
    """
    It refuses one of six, alone, each time after as many: below what a limit of that rate would refuse.
    """
    passed, now, sent, left, refused = [0.0], begin, 0, 5, 0
    pace = Pace(passed, 0, ceiling=None, now=now)
    while now < 600.0:
        wait = pace.ready_in(1.0, now)
        if int(now + wait) > int(now):
            left = 5
        now += wait
        sent, passed[0] = sent + 1, passed[0] + 1.0
        pace.took(1.0, now)
        if left:
            left -= 1
            now += 0.001
            continue
        passed[0] -= 1.0
        refused += 1
        end = int(now) + 1.0
        pace.refused(Refusal(1.0, now, now, end - now), sent=(sent,))
        now, left = end, 5

    assert passed[0] >= 0.9 * 600.0 * 5.0
    assert refused <= 0.02 * passed[0]


def test_a_single_refusal_does_not_end_the_search() -> None:
    """
    While searching, one bare refusal may be a stray one and moves nothing; a second soon after it is a limit.
    """
    server = Server(1_000.0, 4.0)
    server.level = 0.0
    server.rate = 0.0
    while not server.pace.holds:
        server.run(0.01)
    server.rate = 1_000.0
    server.run(3.0)
    rate = server.pace.rate

    server.pace.refused(Refusal(1.0, server.now, server.now, 0.0), sent=(server.sent,))
    assert server.pace.rate == rate
    server.pace.refused(Refusal(1.0, server.now, server.now, 0.0), sent=(server.sent + 2,))
    assert server.pace.rate < rate


def test_never_passes_its_ceiling() -> None:
    """
    A stated rate bounds what is learnt.
    """
    server = Server(50.0, 5.0, ceiling=8.0)
    server.run(1.0)
    server.pace.refused(Refusal(1.0, server.now, server.now, 1.0), sent=(server.sent,))
    server.run(300.0)

    assert server.pace.rate <= 8.0


def test_a_burst_of_refusals_is_one_measurement() -> None:
    """
    What was sent before the last strike is no new strike; it only had not passed, as it had seemed: 180 in ten seconds.
    """
    passed = [200.0]
    pace = Pace(passed, 0, ceiling=None, now=0.0)
    assert pace.refused(Refusal(1.0, 9.9, 10.0, 7.0), sent=(200, 200.0))
    for _ in range(20):
        passed[0] -= 1.0
        assert pace.refused(Refusal(1.0, 9.95, 10.1, 7.0), sent=(200,))

    assert pace.rate == pytest.approx(0.985 * 180.0 / 10.0)
    assert pace.mode is Mode.SEARCHING


@pytest.mark.parametrize("capacity", [1.0, 4.0, 600.0])
def test_waits_in_whole_seconds_don_t_hide_the_rate(capacity: float) -> None:
    """
    A server that is asked to be left alone for a second where a tenth would do: what refills meanwhile may be lost, but
    the rate is not taken for less than it is.
    """
    server = Server(20.0, capacity, named_wait=1.0)
    server.run(120.0)
    through, refused = server.measure(200.0)

    assert through >= 0.93 * 20.0
    assert refused <= 0.01


def test_begins_with_what_it_is_told() -> None:
    """
    A limit that the server shows is believed until refusals say something else.
    """
    pace = Pace([10.0], 0, ceiling=None, hint=7.0, now=0.0)
    assert pace.refused(Refusal(1.0, 9.9, 10.0, 7.0), sent=(200, 200.0))

    assert pace.rate == pytest.approx(0.985 * 7.0)


def test_what_lets_nothing_through_is_asked_less_and_less() -> None:
    """
    Refused calls that count keep a window full for ever if they come fast: the pauses double, up to eight seconds.
    """
    pace, now, pauses = Pace([100.0], 0, ceiling=None, now=0.0), 10.0, []
    for number in range(12):
        assert pace.refused(Refusal(1.0, now, now, 1.0), sent=(100 + number,))
        pauses.append(pace.ready_in(1.0, now))
        now += pauses[-1]
        pace.took(1.0, now)

    assert sum(pauses) > 40.0
    assert pauses[-1] == pytest.approx(8.0)


def test_is_free_until_something_is_refused() -> None:
    """
    Nothing refused, nothing to wait for.
    """
    pace = Pace([0.0], 0, ceiling=None, now=0.0)
    for number in range(100):
        pace.took(1.0, number / 1_000)
        assert pace.ready_in(1.0, number / 1_000) == 0.0


def test_no_limit_is_asked_about_more_seldom_than_it_has_to_be() -> None:
    """
    However often it is refused, the next attempt goes within 20 seconds, or after the wait that the server names. But
    one pause in four is a minute long when it has been refused for longer than that: each refused call may count.
    """
    for wait in (0.0, 50.0):
        passed = [0.0]
        pace, now = Pace(passed, 0, ceiling=None, now=0.0), 0.0
        pauses: list[float] = []
        for number in range(60):
            now += max(0.01, pace.ready_in(1.0, now))
            pace.took(1.0, now)
            pace.refused(Refusal(1.0, now, now, wait), sent=(number,))
            pauses.append(pace.ready_in(1.0, now))
        assert max(pauses[:8]) <= max(20.0, wait) + 1e-6
        longer = [number for number, pause in enumerate(pauses, 1) if pause > max(20.0, wait) + 1e-6]
        assert len(longer) == 12
        assert all(later - earlier == 4 for earlier, later in pairwise(longer))
        assert max(pauses) == pytest.approx(62.0)


def test_a_limit_that_is_shown_to_have_doubled_doubles_the_pace() -> None:
    """
    What the server says about its limit scales what its refusals taught.
    """
    server = Server(10.0, 50.0)
    server.run(300.0)
    before = server.pace.rate
    server.pace.scaled(2.0)

    assert server.pace.rate == 2.0 * before


def test_a_server_that_shows_plenty_relieves_the_pace() -> None:
    """
    Answer by answer the pace rises while nearly all of the limit is left, until that is used up soon.
    """
    server = Server(10.0, 50.0)
    server.run(300.0)
    before = server.pace.rate
    for _ in range(32):
        server.pace.relieved(shown=10.0, most=30.0)

    assert server.pace.rate > 2.0 * before
    for _ in range(99):
        server.pace.relieved(shown=10.0, most=30.0)
    assert 30.0 <= server.pace.rate < 1.1 * 30.0


def test_a_share_refused_again_and_again_is_no_stray() -> None:
    """
    A server that takes eight in each second and names no wait: one refused in nine is a limit, and is kept below.
    """
    server = Server(8.0, 1.0)
    server.run(200.0)
    through, refused = server.measure(300.0)

    assert through >= 0.95 * 8.0
    assert refused <= 0.015


def test_a_large_attempt_waits_for_its_own_amount() -> None:
    """
    What is sent right after a refusal finds an empty bucket: it has to be filled with as much as is asked for.
    """
    pace = Pace([10.0, 100.0], 1, ceiling=None, hint=10.0, now=0.0)
    pace.refused(Refusal(1.0, 9.9, 10.0, 7.0), sent=(200, 200.0))

    assert pace.ready_in(50.0, 10.0) - pace.ready_in(10.0, 10.0) == pytest.approx(40.0 / pace.rate)


def test_a_second_call_after_a_pause_is_sent_at_once_until_that_is_refused() -> None:
    """
    Of a limit that is stated a call is saved up; where there is no room for it, every pause would end in a refusal.
    """
    passed = [10.0]
    pace = Pace(passed, 0, ceiling=None, hint=10.0, now=0.0)
    pace.refused(Refusal(1.0, 0.0, 0.0, wait=1.0), sent=[10.0])
    pace.took(1.0, 2.0)
    waits = []
    for now in (5.0, 10.0):
        pace.took(1.0, now)
        waits.append(pace.ready_in(1.0, now))
        passed[0] += 2.0
        pace.took(1.0, now)
        pace.refused(Refusal(1.0, now, now, wait=1.0), sent=[passed[0]])

    assert waits[0] == 0.0
    assert waits[1] >= 0.1


def test_a_known_rate_stays_known() -> None:
    """
    Ten minutes at a limit that stays as it is: a refusal in two hundred calls or fewer, whatever the burst.
    """
    for capacity in (2.0, 20.0, 200.0):
        server = Server(5.0, capacity)
        server.run(300.0)
        through, refused = server.measure(600.0)

        assert through >= 0.96 * 5.0
        assert refused <= 0.008


def test_a_limit_that_fell_to_a_fifth_is_followed() -> None:
    """
    Refused as soon as anything is sent, what was known is given up step by step.
    """
    server = Server(20.0, 5.0)
    server.run(300.0)
    server.rate = 4.0
    server.run(60.0)
    through, refused = server.measure(120.0)

    assert through >= 0.85 * 4.0
    assert refused <= 0.06


def test_a_refusal_that_names_a_wait_ends_the_test_for_strays() -> None:
    """
    A strike is a strike: what goes after it does not go a quarter faster, as the test had it.
    """
    server = Server(20.0, 5.0)
    server.run(300.0)

    def refuse(*, wait: float) -> None:
        server.passed[0] -= 1.0
        server.pace.refused(Refusal(1.0, server.now, server.now, wait), sent=(server.sent,))

    known = server.pace.rate
    while server.pace.rate < 1.2 * known:
        server.run(1.5)
        refuse(wait=0.0)
    server.run(0.2)
    refuse(wait=1.0)
    after = server.pace.rate
    server.run(0.3)

    assert server.pace.rate < 1.1 * after
