"""Use rebuilt from a journal's lines: summed by time, true to what answers took, whatever the clock did."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.policies.tokens import Amounts, Spent
from brim.storage.journal import Journal
from brim.storage.lines import Sent, Told, answer_to, read_line, seal
from brim.storage.use import Book
from brim.values import FailureKind, Reply, Request, Result, Usage
from storage.samples import SETTINGS, failure, open_journal, request

NOW = 2_000_000.0
DAY = 86_400.0


def sent(position: int, at: float, *, tokens: float = 300.0, lane: str | None = None, keeps: bool = False) -> Sent:
    return Sent(position=position, at=at, amounts=(tokens, tokens / 3, 2 * tokens / 3), lane=lane, keeps=keeps)


def ended(
    position: int,
    at: float,
    *,
    usage: tuple[int, int] | None = (10, 5),
    cached: int = 0,
    attempts: int = 1,
    throttles: int = 0,
    lane: str | None = None,
) -> Told:
    counted = None if usage is None else Usage(input_tokens=usage[0], output_tokens=usage[1], cache_read_tokens=cached)
    result = Result(
        request=Request(position=position, messages=(), model=lane),
        outcome=Reply(text="", usage=counted),
        attempts=attempts,
        throttles=throttles,
        started_at=at,
    )
    return answer_to(result)


def read(*lines: Sent | Told, now: float = NOW, reach_s: float = DAY, is_cache_free: bool = False) -> Book:
    book = Book(now=now, reach_s=reach_s, is_cache_free=is_cache_free)
    for line in lines:
        raw = seal(line)
        head = read_line(raw)
        assert head is not None
        book.read(head, raw)
    return book


def total(spent: list[Spent]) -> Amounts:
    requests, tokens, given, made = (sum(each.amounts[place] for each in spent) for place in range(4))
    return (requests, tokens, given, made)


def test_marks_count_and_results_true_them_up() -> None:
    """
    One answered, one in flight when the process died.
    """
    book = read(sent(0, NOW - 50), sent(1, NOW - 40), ended(0, NOW - 50))

    assert total(book.spent([None], NOW)) == (2.0, 315.0, 110.0, 205.0)
    assert [each.ago for each in book.spent([None], NOW)] == [49.0, 39.0]


@pytest.mark.parametrize("is_marked", [True, False])
@pytest.mark.parametrize(("is_cache_free", "tokens"), [(True, 40.0), (False, 10_040.0)])
def test_what_is_read_from_a_cache_counts_where_the_provider_counts_it(
    *, is_marked: bool, is_cache_free: bool, tokens: float
) -> None:
    """
    Of a long prefix that every row shares, Anthropic counts only what is new.
    """
    told = ended(0, NOW - 50, usage=(10_040, 5), cached=10_000)
    lines = [sent(0, NOW - 50), told] if is_marked else [told]

    assert total(read(*lines, is_cache_free=is_cache_free).spent([None], NOW)) == (1.0, tokens + 5.0, tokens, 5.0)


def test_what_no_call_can_have_used_stays_as_it_was_reserved() -> None:
    """
    A relay that counts wrongly uses up no day.
    """
    marked, unmarked = ended(0, NOW - 50, usage=(2**32 - 1, 5)), ended(1, NOW - 40, usage=(10, 2**32 - 1))
    book = read(sent(0, NOW - 50), marked, unmarked)

    assert total(book.spent([None], NOW)) == (2.0, 600.0, 200.0, 400.0)


def test_output_that_the_provider_keeps_stays_reserved() -> None:
    """
    Where the whole cap counts, an answer shorter than it gives nothing back.
    """
    book = read(sent(0, NOW - 50, keeps=True), ended(0, NOW - 50))

    assert total(book.spent([None], NOW)) == (1.0, 210.0, 10.0, 200.0)


def test_refused_attempts_took_a_request_each_and_no_tokens() -> None:
    """
    The two before the last one were throttled; one of an earlier process keeps what it reserved.
    """
    marks = [sent(0, NOW - 50 + number) for number in range(4)]
    book = read(*marks, ended(0, NOW - 47, throttles=2))

    assert total(book.spent([None], NOW)) == (4.0, 315.0, 110.0, 205.0)


def test_results_without_marks_count_by_themselves() -> None:
    """
    All attempts as if sent with the last; where the answer doesn't say what it took, as much as others took.
    """
    book = read(ended(0, NOW - 50), ended(1, NOW - 40, usage=None, attempts=3, throttles=2))

    assert total(book.spent([None], NOW)) == (6.0, 60.0, 40.0, 20.0)


def test_what_was_never_sent_does_not_count() -> None:
    """
    A row that could not be encoded has a result and no attempt.
    """
    assert read(ended(0, 0.0, attempts=0)).spent([None], NOW) == []


def test_lanes_are_apart() -> None:
    """
    By the model that a row names; those that name none have the run's own.
    """
    book = read(sent(0, NOW - 9, lane="a"), sent(1, NOW - 8), ended(2, NOW - 7, lane="a"), ended(3, NOW - 6, lane="b"))

    assert [total(book.spent([lane], NOW))[0] for lane in ("a", "b", None, "c")] == [2.0, 1.0, 1.0, 0.0]
    assert total(book.spent(["a", None], NOW))[0] == 3.0


def test_what_lies_too_far_back_is_left_out() -> None:
    """
    Only as much is kept as a limit can need.
    """
    lines = [sent(position, NOW - 1_000 + 10 * position) for position in range(100)]

    assert total(read(*lines, reach_s=60.0).spent([None], NOW))[0] == 5.0


@given(
    ages=st.lists(st.floats(0.0, 0.9 * DAY), min_size=1, max_size=200),
    answered=st.integers(0, 200),
)
def test_nothing_is_lost_and_nothing_looks_older_than_it_is(ages: list[float], answered: int) -> None:
    """
    However it is summed: as many as were sent, each taken for at most a minute younger.
    """
    times = sorted(NOW - age for age in ages)
    marks = [sent(position, at) for position, at in enumerate(times)]
    spent = read(*marks, *(ended(position, NOW) for position in range(min(answered, len(times))))).spent([None], NOW)

    seen = [NOW - each.ago for each in spent for _ in range(round(each.amounts[0]))]
    assert len(seen) == len(times)
    assert all(at - 0.001 <= taken <= at + 60.001 for at, taken in zip(times, seen, strict=True))
    assert seen == sorted(seen)
    assert total(spent)[1] == pytest.approx(300.0 * len(times) - 285.0 * min(answered, len(times)))


def test_a_clock_set_back_makes_use_younger_never_older() -> None:
    """
    What was sent before it, as the clock then said in the future, is taken to have just happened.
    """
    years = 3 * 365 * DAY
    before = [sent(position, NOW + years + position) for position in range(5)]
    after = [sent(10 + position, NOW - 100 + position) for position in range(5)]

    ages = [each.ago for each in read(*before, *after).spent([None], NOW) for _ in range(round(each.amounts[0]))]
    assert len(ages) == 10
    assert all(age <= 100.0 for age in ages)

    ahead = read(*before).spent([None], NOW)
    assert total(ahead)[0] == 5.0
    assert all(each.ago <= 5.0 for each in ahead)


def test_a_late_line_is_no_clock_set_back() -> None:
    """
    A row that was waited out for hours is trued up where its attempts were.
    """
    book = read(sent(0, NOW - 9_000), sent(1, NOW - 20), sent(0, NOW - 10), ended(0, NOW - 10, throttles=1))

    ages = [round(each.ago) for each in book.spent([None], NOW)]
    assert len(ages) == 3
    assert 8_930 <= ages[0] <= 9_000
    assert total(book.spent([None], NOW))[1] == pytest.approx(315.0)


def test_memory_is_flat_however_many_rows() -> None:
    """
    A day of rows is some thousand and a half sums, whatever their number.
    """
    book = Book(now=NOW, reach_s=DAY)
    for position in range(20_000):
        at = NOW - 80_000 + 4 * position
        for line in (sent(position, at), ended(position, at)):
            raw = seal(line)
            head = read_line(raw)
            assert head is not None
            book.read(head, raw)

    assert not book._open
    assert len(book.spent([None], NOW)) < 2_000
    assert total(book.spent([None], NOW))[:2] == (20_000.0, 20_000.0 * 15.0)


def test_marks_answer_no_row_and_survive_export(tmp_path: Path) -> None:
    """
    A journal with marks reads back as one without: nothing is claimed by them, nothing is damaged.
    """
    path = tmp_path / "journal"
    with open_journal(path) as journal:
        journal.mark(request(0), (1.0, 300.0, 100.0, 200.0), NOW, keeps=True)
    book = Book(now=NOW + 5, reach_s=DAY)
    with Journal.open(path, settings=SETTINGS, input_name="in", sync_every_s=None, hear=book.read) as journal:
        assert len(journal) == 0
        assert journal.bad_lines == 0
        assert journal.claim(request(0), b"\x01" * 16) is None

    assert total(book.spent([None], NOW + 5)) == (1.0, 300.0, 100.0, 200.0)


def test_another_model_is_another_lane(tmp_path: Path) -> None:
    """
    A first try with a wrong model, which may be mended since nothing was answered, is not counted to the right one.
    """
    path = tmp_path / "journal"
    with open_journal(path, model="wrong") as journal:
        journal.mark(request(0), (1.0, 300.0, 100.0, 200.0), NOW, keeps=True)
        journal.record(Result(request=request(0), outcome=failure(FailureKind.INVALID), attempts=1, started_at=NOW))
    book = Book(now=NOW + 5, reach_s=DAY)
    with Journal.open(path, settings={"model": "right"}, input_name="in", sync_every_s=None, hear=book.read):
        assert book.spent([None], NOW + 5) == []
