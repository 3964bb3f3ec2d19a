"""One row that is refused, told from a lane that is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from brim.policies.charges import Charge
from brim.policies.lone import Lone, Row
from brim.policies.tokens import Cost
from brim.values import Attempt, Failure, FailureKind, Request


class Rows:
    """Rows of one lane, sent one after the other, a second apart."""

    def __init__(self) -> None:
        self.lone = Lone()
        self.now = 0.0
        self._attempts: dict[str, Attempt] = {}

    def send(self, name: str, tokens: float = 10.0) -> tuple[Attempt, Charge]:
        request = Request(messages=(), id=name)
        attempt = self._attempts.setdefault(name, Attempt(request=request, number=1, body=b""))
        self.lone.went += 1
        totals = (float(self.lone.went), 0.0, 0.0, 0.0)
        return attempt, Charge(Cost((1.0, tokens, tokens, 0.0), tokens), self.now, 1, None, totals)

    def refuse(self, name: str, tokens: float = 10.0, wait: float | None = 1.0, *, after: float = 1.0) -> Row:
        self.now += after
        attempt, charge = self.send(name, tokens)
        failure = Failure(kind=FailureKind.THROTTLED, message="no", retry_after=wait)
        row = self.lone.refused(attempt, charge, failure, self.now)
        assert row is not None
        return row

    def let_through(self, count: int, tokens: float = 10.0) -> None:
        for number in range(count):
            self.lone.passed(*self.send(f"other {number}", tokens))


def test_a_row_that_is_refused_while_others_get_through_is_refused_for_its_own_sake() -> None:
    """
    Three refusals do where others go at once after each of them. From then on it rests, each time for longer.
    """
    rows = Rows()
    taken = []
    for _ in range(5):
        row = rows.refuse("bad")
        taken.append((row.is_alone, row.rest_s))
        rows.let_through(8)
    assert taken == [(False, 0.0), (False, 0.0), (True, 2.0), (True, 4.0), (True, 8.0)]


def test_what_was_learnt_from_others_outlives_a_row_that_is_alone() -> None:
    """
    It alone was refused, ever: then it taught all there is. Another one before it may have met a limit.
    """
    for others, only in ((0, True), (1, False)):
        rows = Rows()
        for number in range(others):
            rows.refuse(f"good {number}")
            rows.lone.passed(*rows.send(f"good {number}"))
            rows.let_through(50)
        for name in ("bad", "worse"):
            for _ in range(2):
                rows.refuse(name)
                rows.let_through(8)
            row = rows.refuse(name)
            assert (row.is_news, row.only) == (True, only)
            rows.let_through(8)


def test_a_row_that_is_refused_for_its_own_sake_is_given_up_in_the_end() -> None:
    """
    After eight refusals, and a minute, and not before; the longest wait between two is a minute.
    """
    rows = Rows()
    tries: list[Row] = []
    while not tries or not tries[-1].is_hopeless:
        row = rows.refuse("bad", after=tries[-1].rest_s if tries else 1.0)
        tries.append(row)
        rows.let_through(40)
        assert row.is_hopeless == (row.refusals >= 8 and row.seconds >= 60.0)
        assert row.rest_s <= 60.0
    assert tries[-1].passed == 40 * len(tries)


def test_a_row_is_refused_like_all_others_where_they_are_too() -> None:
    """
    Where half of all are refused it may happen five times in a row, and twenty times gives nobody up.
    """
    rows = Rows()
    for number in range(20):
        row = rows.refuse("unlucky", after=10.0)
        assert not row.is_alone or number > 5
        assert not row.is_hopeless
        for other in range(3):
            rows.refuse(f"other {other}", after=0.1)
        rows.let_through(3)


@given(st.lists(st.floats(0.0, 100.0), max_size=40), st.floats(0.0, 60.0))
def test_nothing_is_a_rows_own_where_nobody_gets_through(waits: list[float], wait: float) -> None:
    """
    A lane that refuses all is no row's fault, however long it lasts.
    """
    rows = Rows()
    rows.let_through(50)
    for after in waits:
        row = rows.refuse("last", wait=wait, after=after)
        assert not row.is_alone
        assert not row.is_hopeless


def test_a_large_row_is_not_at_fault_while_only_small_ones_get_through() -> None:
    """
    There may have been room for these only. But if it was refused again when it had gone alone, after the wait that the
    server asked for, it is.
    """
    rows = Rows()
    for _ in range(3):
        assert not rows.refuse("large", 3_000.0).is_alone
        rows.let_through(8)

    assert not rows.refuse("large", 3_000.0).is_alone
    assert rows.refuse("large", 3_000.0).is_alone


def test_a_large_row_is_given_up_only_after_chances_of_its_own() -> None:
    """
    Small calls that never cease may be what takes the room: half a minute without any has to show that, three times.
    """
    rows = Rows()
    for _ in range(30):
        assert not rows.refuse("large", 3_000.0, after=60.0).is_hopeless
        rows.let_through(8)
    gave_up = [rows.refuse("large", 3_000.0, after=60.0).is_hopeless for _ in range(4)]
    assert gave_up == [False, False, False, True]


def test_who_was_refused_goes_first_and_then_lets_others_try() -> None:
    """
    The second time it lets others go before it; for good if such as it get through, and else every second time.
    """
    rows = Rows()
    order = []
    for tokens in (10.0, 1.0):
        for _ in range(4):
            order.append(rows.refuse(f"{tokens:g}", 10.0, wait=None).goes_first)
            rows.let_through(1, tokens)
    assert order == [True, False, False, False, True, False, True, False]


def test_whoever_is_let_through_is_forgotten() -> None:
    """
    What comes later is counted anew; and many rows at once are the lane's matter.
    """
    rows = Rows()
    rows.refuse("bad")
    rows.refuse("bad")
    rows.lone.passed(*rows.send("bad"))
    assert rows.refuse("bad").refusals == 1

    for number in range(15):
        rows.refuse(f"row {number}")
    attempt, charge = rows.send("one too many")
    failure = Failure(kind=FailureKind.THROTTLED, message="no")
    assert rows.lone.refused(attempt, charge, failure, rows.now) is None
    assert rows.lone.row(attempt) is None

    rows.now += 1_000.0
    assert rows.lone.refused(attempt, charge, failure, rows.now) is not None
