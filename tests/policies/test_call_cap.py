"""A cap on calls at once: tried where something was refused first, believed when it proves true, dropped when not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.policies.call_cap import CallCap

CEILING = 1_000


class Server:
    """A far end that lets through *most* calls at once, each of which takes a tenth of a second."""

    def __init__(self, cap: CallCap, most: int) -> None:
        self.cap = cap
        self.most = most
        self.now = 0.0
        self.refused = 0

    def turn(self) -> int:
        """All that may go does; a tenth of a second later it is back. Returns how many got through."""
        in_flight = 0
        while self.cap.lets(in_flight, self.now):
            in_flight += 1
            self.cap.granted(in_flight, self.now)
        if in_flight > self.most:
            self.refused += 1
            self.cap.refused(self.most + 1, self.now)
        got = min(in_flight, self.most)
        for among in range(1, got + 1):
            self.cap.replied(among, sent_at=self.now, now=self.now + 0.1)
        self.now += 0.1
        return got


def test_is_found_within_a_second_by_trying_it() -> None:
    """
    Refused at the fifth of eight: four at once are tried, first one, then more, and are let go for good.
    """
    cap = CallCap(CEILING)
    cap.refused(5, 0.0)
    server = Server(cap, most=4)

    assert [server.turn() for _ in range(3)] == [1, 2, 4]
    while not cap.is_believed:
        server.turn()

    assert server.now < 1.0
    assert cap.size == 4
    assert server.refused == 1


def test_a_cap_that_the_server_names_is_believed_at_once() -> None:
    """
    No trial is needed where a refusal says that it is for how many there are; one more is tried as seldom as ever.
    """
    cap = CallCap(CEILING)
    cap.named(21, is_news=True)
    assert cap.is_believed
    assert cap.size == 20

    calls = refused = 0
    for now in range(500):
        in_flight = 0
        while cap.lets(in_flight, float(now)):
            in_flight += 1
            cap.granted(in_flight, float(now))
        calls += in_flight
        if in_flight > 20:
            refused += 1
            cap.named(21, is_news=True)

    assert 0 < refused < 0.005 * calls
    cap.named(9, is_news=True)
    assert cap.size == 8  # lowered


def test_one_more_is_tried_ever_more_seldom() -> None:
    """
    A cap may be raised; asking for that must not cost one call in a hundred.
    """
    cap = CallCap(CEILING)
    cap.refused(21, 0.0)
    server = Server(cap, most=20)
    calls = sum(server.turn() for _ in range(500))

    assert 0 < server.refused < 0.002 * calls
    assert cap.is_believed


def test_a_raised_cap_is_followed() -> None:
    """
    What gets through when one more is tried is the new number, and more is tried soon after.
    """
    cap = CallCap(CEILING)
    cap.refused(21, 0.0)
    server = Server(cap, most=20)
    for _ in range(50):
        server.turn()
    server.most = 40
    for _ in range(2_000):
        server.turn()
        if not cap.is_believed:
            break

    assert cap.size > 30


def test_a_refusal_below_the_number_ends_the_trial() -> None:
    """
    A cap lets through whatever is below it: this is a rate, and is left to what knows of rates.
    """
    cap = CallCap(CEILING)
    cap.refused(9, 0.0)
    assert cap.lets(0, 0.1)
    cap.granted(1, 0.1)
    cap.refused(3, 0.2)

    assert not cap.lets(0, 0.3)
    assert not cap.is_believed
    assert cap.size == CEILING


def test_after_a_mistake_it_takes_many_refusals_at_one_number_to_try_again() -> None:
    """
    A rate refuses at any number; trying each of them would cost a refusal each.
    """
    cap = CallCap(CEILING)
    cap.refused(9, 0.0)
    cap.refused(3, 0.1)
    for strike, among in enumerate((9, 30, 14, 60, 9, 35, 90, 20, 11, 50)):
        cap.refused(among, 2.0 * strike)
        assert not cap.lets(1, 2.0 * strike)

    for strike in range(9):
        cap.refused(51, 100.0 + 2.0 * strike)

    assert cap.lets(1, 120.0)


def test_is_believed_too_where_nothing_comes_back_for_long() -> None:
    """
    All places are taken by calls that take minutes, so none can be tried: refused at the next one every time is enough.
    """
    cap = CallCap(CEILING)
    for strike in range(5):
        cap.refused(51, 2.0 * strike)

    assert cap.is_believed
    assert cap.size == 50


def test_is_not_believed_if_more_got_through() -> None:
    """
    What is let through above the number says that there is none.
    """
    cap = CallCap(CEILING)
    cap.refused(51, 0.0)
    for among in range(55, 61):
        cap.replied(among, sent_at=1.0, now=1.0 + 0.1)
    for strike in range(2, 7):
        cap.refused(51, 2.0 * strike)

    assert not cap.is_believed
    assert cap.size == CEILING


def test_what_was_let_through_before_is_no_cap() -> None:
    """
    A refusal at a number that has been let through is about the rate, not about calls at once.
    """
    cap = CallCap(CEILING)
    cap.replied(80, sent_at=0.0, now=0.0 + 0.1)
    for strike in range(10):
        cap.refused(51, 2.0 * strike + 1.0)

    assert cap.size == CEILING
    assert not cap.lets(1, 30.0)


def test_a_call_that_is_alone_is_never_one_too_many() -> None:
    """
    Refused again and again with nothing else on the wire: no cap on calls at once does that, so none is believed in.
    """
    cap = CallCap(CEILING)
    for strike in range(20):
        cap.refused(1, 2.0 * strike + 1.0)
        assert not cap.blames(1)
        assert not cap.is_believed


def believed(most: int) -> CallCap:
    """A cap that was tried and found true."""
    cap = CallCap(CEILING)
    cap.refused(most + 1, 0.0)
    server = Server(cap, most=most)
    while not cap.is_believed:
        server.turn()
    return cap


def test_a_number_that_is_held_to_untried_is_given_up_when_less_is_refused() -> None:
    """
    A window that is used up refuses at one number while nothing comes back; then it refuses the next all the same.
    """
    cap = CallCap(CEILING)
    for strike in range(5):
        cap.refused(51, 2.0 * strike)
    assert cap.is_believed
    assert cap.lets(40, 20.0)
    cap.refused(40, 20.0)

    assert not cap.is_believed
    assert cap.size == CEILING


def test_a_believed_cap_that_refuses_what_is_below_it_is_given_up() -> None:
    """
    It was a rate after all: three in a row that a cap would have let through.
    """
    cap = believed(50)
    for among in (40, 30, 20):
        assert cap.is_believed
        assert not cap.blames(among)
        cap.refused(among, 20.0)

    assert not cap.is_believed


def test_beside_a_rate_a_cap_that_was_refused_again_holds_on() -> None:
    """
    Both are true: what is refused below the number is the rate's affair, which holds from then on as well.
    """
    cap = believed(50)
    cap.refused(51, 10.0)
    assert cap.lets(40, 10.0)
    for strike, among in enumerate((40, 30, 20, 35)):
        cap.refused(among, 20.0 + strike)

    assert cap.is_believed
    assert cap.size == 50
    assert not cap.lets(40, 30.0)
    assert cap.blames(51)


def test_a_lowered_cap_is_tried_at_its_new_number() -> None:
    """
    A cap that was halved refuses at always the same number again, and lets through what is below.
    """
    cap = believed(50)
    for strike in range(4):
        cap.refused(26, 20.0 + strike)
    assert cap.size == 25

    server = Server(cap, most=25)
    server.now = 24.0
    while not cap.is_believed:
        server.turn()

    assert cap.size == 25
    assert server.now < 30.0


def test_a_burst_that_is_refused_is_counted_when_the_last_of_it_is_back() -> None:
    """
    Twenty at once, of which twelve are let through in no order: each refusal that is back shows it better.
    """
    cap = CallCap(CEILING)
    for in_flight in range(1, 21):
        cap.granted(in_flight, 0.0)
    refused = (11, 20, 14, 16, 13, 18, 12, 19)
    numbers = [
        cap.turned_away(20 - back, among=among, sent_at=0.0, now=0.02 + back / 1000)
        for back, among in enumerate(refused)
    ]

    assert min(numbers) == 13


def test_answers_that_came_meanwhile_were_still_there() -> None:
    """
    Where a refusal takes as long as an answer, fewer are on the wire when it is back than there were.
    """
    cap = CallCap(CEILING)
    for in_flight in range(1, 6):
        cap.granted(in_flight, 0.0)

    assert cap.turned_away(3, among=5, sent_at=0.0, now=0.05) == 5


def test_what_was_sent_while_the_refusal_was_on_its_way_was_not_there() -> None:
    """
    Only what was sent early enough to be there counts.
    """
    cap = CallCap(CEILING)
    for in_flight in range(1, 6):
        cap.granted(in_flight, 0.0)
    for in_flight in range(6, 9):
        cap.granted(in_flight, 0.9)

    assert cap.turned_away(8, among=5, sent_at=0.0, now=1.0) == 5


@pytest.mark.parametrize(("trip_s", "later_s", "is_let"), [(0.01, 0.11, True), (0.2, 0.5, False), (0.2, 0.61, True)])
def test_what_a_refusal_would_have_answered_by_now_has_got_through(
    trip_s: float, later_s: float, *, is_let: bool
) -> None:
    """
    Where refusals are back soon, what was sent to try the number need not be answered to let the next one go.
    """
    cap = CallCap(CEILING)
    for in_flight in range(1, 9):
        cap.granted(in_flight, 0.0)
    cap.refused(cap.turned_away(8, among=8, sent_at=0.0, now=trip_s), trip_s)
    assert cap.lets(2, 1.0)
    cap.granted(3, 1.0)

    assert not cap.lets(3, 1.0)
    assert cap.lets(3, 1.0 + later_s) is is_let


def test_what_got_through_is_counted_once() -> None:
    """
    One, then two, then four; that the first three are answered as well, after that, lets no more go.
    """
    cap = CallCap(CEILING)
    cap.refused(cap.turned_away(40, among=40, sent_at=-0.01, now=0.0), 0.0)
    now, sent = 1.0, list[float]()
    for _ in range(3):
        while cap.lets(len(sent), now):
            sent.append(now)
            cap.granted(len(sent), now)
        now += 0.15
    assert [sent.count(at) for at in sorted(set(sent))] == [1, 2, 4]

    for among, at in enumerate(sent[:3], start=1):
        cap.replied(among, sent_at=at, now=sent[-1] + 0.01)

    assert not cap.lets(4, sent[-1] + 0.01)


_EVENTS = ["reply", "refuse", "echo", "grant"]


@given(st.lists(st.tuples(st.sampled_from(_EVENTS), st.integers(1, 2_000)), max_size=300), st.integers(1, 1_000))
def test_stays_within_its_bounds(events: list[tuple[str, int]], ceiling: int) -> None:
    """
    Whatever comes back, the number is at least 1 and no more than the ceiling, and none goes above it.
    """
    cap = CallCap(ceiling)
    for now, (event, many) in enumerate(events):
        among = min(many, ceiling)
        if event == "reply":
            cap.replied(among, sent_at=now - 1.0, now=now - 1.0 + 0.1)
        elif event == "refuse":
            cap.refused(among, float(now))
        elif event == "echo":
            cap.echoed(among, sent_at=now - 0.1, now=float(now))
        else:
            cap.granted(among, float(now))
        assert 1 <= cap.size <= ceiling
        assert not cap.lets(cap.size, float(now))


def test_what_was_refused_is_no_place_that_got_through() -> None:
    """
    A server that refuses whatever comes in volleys is not asked for ever more at once.
    """
    cap, now = CallCap(CEILING), 0.0
    cap.refused(4, now)
    for _ in range(40):
        now += 8.0
        sent = 0
        while sent < 64 and cap.lets(sent, now):
            sent += 1
            cap.granted(sent, now)
        for among in range(sent, 0, -1):
            cap.turned_away(among, among=sent, sent_at=now, now=now + 0.1)

    assert cap.size <= 4


def test_refused_at_ever_other_numbers_it_is_no_cap() -> None:
    """
    A cap is always the same number.
    """
    cap = CallCap(CEILING)
    cap.refused(4, 0.0)
    for number in range(10, 40, 3):
        cap.refused(number, float(number))

    assert cap.size == CEILING


def test_one_more_is_tried_a_little_faster_and_not_in_a_volley() -> None:
    """
    Five at once that take a tenth of a second each are 50 a second; a sixth is tried at 55, which a small bucket of
    60 a second lets through, and a cap doesn't.
    """
    cap = CallCap(CEILING)
    cap.refused(6, 0.0)
    server = Server(cap, most=5)
    while cap.size < 6:
        server.turn()

    assert cap.gap_s == pytest.approx(0.1 / (5 * 1.1))
    cap.granted(1, server.now)
    assert cap.ready_in(5, server.now) == pytest.approx(cap.gap_s)
    assert cap.ready_in(4, server.now) == 0.0, "as many are known to be let through at once"
    cap.refused(6, server.now)
    assert cap.gap_s == 0.0


def test_a_trial_ends_although_answers_were_thought_to_take_longer() -> None:
    """
    Where answers came to take half as long, sending evenly by what they took never fills the places; so the gap shrinks
    until it does.
    """
    cap = CallCap(CEILING)
    cap.refused(6, 0.0)
    server = Server(cap, most=5)
    while cap.size < 6:
        server.turn()
    now = server.now
    back: list[float] = []
    most = 0
    while most < 5 and now < server.now + 1.0:
        now += cap.ready_in(len(back), now)
        back = [at for at in back if at > now] + [now + 0.05]
        cap.granted(len(back), now)
        most = max(most, len(back))

    assert most == 5


def test_what_closes_the_lane_is_tried_seldom() -> None:
    """
    Where each refusal asks for a second of silence, one more is tried after forty times as long, and not before.
    """
    cap = CallCap(100)
    cap.named(11, is_news=True)
    cap.closed(1.0, 5.0)
    for call in range(1_000):
        cap.granted(cap.size, 5.0 + 0.039 * call)
    assert cap.size == 10

    for call in range(64):
        cap.granted(cap.size, 46.0 + 0.01 * call)
    assert cap.size > 10


def test_a_number_that_a_volley_made_too_high_is_moved_once() -> None:
    """
    A volley was refused from the 105th on; then the 98th is, as from now on always: that is the cap, less one.
    """
    cap = CallCap(1_000)
    cap.granted(105, 0.0)
    cap.refused(105, 0.0)
    cap.refused(98, 3.0)
    assert cap.size == 97

    cap.refused(85, 6.0)
    assert cap.size == 1_000, "it is no number at all"


def test_what_came_back_while_the_lane_was_closed_makes_no_volley() -> None:
    """
    Refused as the ninth of those that are tried, told to wait two seconds, and all others are answered meanwhile: one
    goes then, and two for each that gets through.
    """
    cap = CallCap(CEILING)
    cap.refused(9, 0.0)
    for number in range(1, 9):
        cap.granted(number, 1.0)
    cap.refused(9, 1.1)
    cap.closed(2.0, 1.1)
    for number in range(1, 9):
        cap.replied(number, sent_at=1.0, now=1.5)

    assert cap.lets(0, 3.2)
    cap.granted(1, 3.2)
    assert not cap.lets(1, 3.2)
    cap.replied(1, sent_at=3.2, now=3.3)
    assert [cap.lets(0, 3.3), cap.lets(1, 3.3)] == [True, True]


@pytest.mark.parametrize(("back_at", "is_tried"), [(12.0, False), (7.5, True)], ids=["long beside it", "just gone"])
def test_two_that_were_surely_there_at_once_disprove_a_cap_of_one(*, back_at: float, is_tried: bool) -> None:
    """
    A bucket of a single call refuses the second of two as well, and lets one through beside the first when it has
    refilled. An answer that comes back as the next is sent may have been under way.
    """
    cap = CallCap(100)
    cap.granted(1, 0.0)
    cap.granted(2, 0.0)
    cap.refused(cap.turned_away(2, among=2, sent_at=0.0, now=0.01), 0.01)
    assert cap.size == 1

    cap.granted(2, 7.0)
    cap.replied(1, sent_at=0.0, now=back_at)
    cap.replied(2, sent_at=7.0, now=19.0)

    assert (cap.size == 1) is is_tried


def test_one_that_was_sent_later_and_is_refused_already_is_not_taken_off_twice() -> None:
    """
    Four of eight are let through. One of the other four is slow: the two that were sent in the place of the first ones
    while it was on its way are refused before it, one of them is back. It was the fifth, not the fourth.
    """
    cap = CallCap(CEILING)
    for among in range(1, 9):
        cap.granted(among, 0.0)
    cap.turned_away(8, among=3, sent_at=0.0, now=0.005)
    cap.granted(8, 0.0065)
    cap.turned_away(8, among=1, sent_at=0.0, now=0.0070)
    cap.granted(8, 0.0072)
    cap.turned_away(8, among=8, sent_at=0.0065, now=0.0080)
    cap.turned_away(7, among=5, sent_at=0.0, now=0.0081)

    assert cap.turned_away(6, among=7, sent_at=0.0, now=0.0128) == 5
