"""Windows that begin by the clock, of which nobody says what they allow."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from brim.policies.clock_pace import ClockPace
from brim.policies.pace import Pace
from brim.policies.refusal import Refusal

SPAN = 10.0


class Server:
    """Lets as much through in every ten seconds as *allows* says of their number; each call waits to be answered."""

    def __init__(self, allows: Callable[[int], float], *, large: float = 0.0) -> None:
        self.totals = [0.0, 0.0]
        self.pace = ClockPace(Pace(self.totals, 1, ceiling=None, now=0.0))
        self.allows = allows
        self.large = large
        self.refused: list[float] = []
        self.let: dict[int, float] = {}
        self.rng = Random(1)
        self.now = 0.0

    def serves(self, until: float) -> None:
        """Calls of all sizes go as they may, and one that is refused goes again before all others, three times."""
        amount, tries, sent = 0.0, 0, [0.0, 0.0]
        while self.now < until:
            if not 0 < tries < 3:
                amount, tries = min(400.0, 40.0 * self.rng.paretovariate(1.6)), 0
                if self.large and self.rng.random() < 0.01:
                    amount = self.large
            self.now += max(self.pace.ready_in(amount, self.now), 0.02)
            sent = [sent[0] + 1.0, sent[1] + amount]
            self.totals[:] = self.totals[0] + 1.0, self.totals[1] + amount
            self.pace.took(amount, self.now)
            window = int(self.now // SPAN)
            if self.let.get(window, 0.0) + amount <= self.allows(window):
                self.let[window] = self.let.get(window, 0.0) + amount
                self.pace.trued_up(0.0, self.now)
                tries = 0
            else:
                self.totals[:] = self.totals[0] - 1.0, self.totals[1] - amount
                wait = (window + 1) * SPAN - self.now
                self.pace.refused(Refusal(amount, self.now, self.now, wait, wait), sent=sent)
                self.refused.append(self.now)
                self.now += wait if amount < self.large or not self.large else 0.1
                tries += 1

    def fill(self, since: float, until: float) -> float:
        """Of all that was allowed so much was used."""
        windows = range(int(since // SPAN), int(until // SPAN))
        return sum(self.let.get(each, 0.0) for each in windows) / sum(self.allows(each) for each in windows)


def test_a_window_is_filled_and_seldom_asked_for_more() -> None:
    """
    Even pacing before such windows is refused at the end of many.
    """
    server = Server(lambda _: 4_000.0)
    server.serves(900.0)

    assert server.fill(300.0, 900.0) >= 0.95
    assert sum(at > 300.0 for at in server.refused) <= 20


def test_a_window_that_allows_more_than_it_did_is_found_soon() -> None:
    """
    One refusal is all that it costs to ask for far more than was believed: what is asked grows by half, and doubles.
    """
    server = Server(lambda window: 2_000.0 if window < 60 else 8_000.0)
    server.serves(800.0)

    assert server.fill(300.0, 600.0) >= 0.9
    assert server.fill(680.0, 800.0) >= 0.9


def test_a_window_that_allows_less_than_it_did_is_believed_at_once() -> None:
    """
    And asked soon whether that is still so.
    """
    server = Server(lambda window: 2_000.0 if 40 <= window < 60 else 4_000.0)
    server.serves(800.0)

    assert server.fill(420.0, 600.0) >= 0.88
    assert sum(400.0 < at < 600.0 for at in server.refused) <= 12
    assert server.fill(700.0, 800.0) >= 0.92


def test_a_call_that_has_become_larger_than_any_window_closes_none() -> None:
    """
    It is refused wherever it comes; what is left of the window is for the others.
    """
    server = Server(lambda window: 8_000.0 if window < 40 else 4_000.0, large=5_000.0)
    server.serves(900.0)

    assert server.fill(500.0, 900.0) >= 0.7


def test_where_ends_agree_no_more_the_rate_is_kept_to_evenly() -> None:
    """
    It goes on from what is known, and no call goes at once that would have waited.
    """
    server = Server(lambda _: 4_000.0)
    server.serves(600.0)
    rate = server.pace.rate
    late = Refusal(50.0, server.now, server.now, 3.33, 3.33)
    server.pace.took(50.0, server.now)
    server.pace.refused(late, sent=[1e6, 1e9])

    assert server.pace.holds
    assert 0.5 * rate < server.pace.rate < 1.1 * rate
    server.pace.took(400.0, server.now + 1.0)
    assert server.pace.ready_in(400.0, server.now + 1.0) > 0.5


def test_a_window_in_which_all_was_refused_says_nothing() -> None:
    """
    Somebody else had used it up. To allow nothing would let nothing go any more.
    """
    server = Server(lambda _: 4_000.0)
    server.serves(600.0)
    pace, rate = server.pace, server.pace.rate
    begin = (server.now // SPAN + 2) * SPAN + 0.5
    for _ in range(5):
        pace.took(50.0, begin)
    for _ in range(5):
        pace.refused(Refusal(50.0, begin, begin, 9.5, 9.5), sent=[1e6, 1e9])
    pace.took(50.0, begin + SPAN)

    assert pace.rate >= 0.5 * rate
