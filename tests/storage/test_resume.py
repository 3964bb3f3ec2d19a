"""Resuming: whatever became of the input, no answer is bought twice and each goes to a row that asked for it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.storage import Journal
from brim.values import Request
from storage.samples import exported, fingerprint, open_journal, reply, request, result


class Row(msgspec.Struct, frozen=True):
    """A row of an input: what it asks, and the id and label it brings along."""

    question: str
    id: str | None = None

    def at(self, position: int) -> Request:
        return request(position, row_id=self.id, label=f"label of {self.id}")


class Plan(msgspec.Struct, frozen=True):
    """A run: its rows, how many it reads before it is killed (None: all), and which it has to leave."""

    rows: list[Row]
    reads: int | None
    leaves: set[int]


def carry(journal: Journal, plan: Plan, *, run: int = 0) -> list[str]:
    """What became of each row that was read: claimed, answered or left."""
    fates = []
    for position, row in enumerate(plan.rows[: plan.reads]):
        asked = row.at(position)
        if journal.claim(asked, fingerprint(row.question)) is not None:
            fates.append("claimed")
        elif position in plan.leaves:
            fates.append("left")
        else:
            text = f"{row.question}, answer {run}.{position}"
            journal.record(result(asked, row.question, reply(text)))
            fates.append("answered")
    if plan.reads is None:
        journal.finish_input(len(plan.rows))
    return fates


def run_once(path: Path, rows: list[Row], *, run: int = 0) -> tuple[list[str], list[dict[str, Any]]]:
    with open_journal(path) as journal:
        fates = carry(journal, Plan(rows, None, set()), run=run)
        lines = exported(journal, path.parent)
    assert exported(path, path.parent) == lines
    return fates, lines


ROWS = st.builds(Row, st.sampled_from("abc"), st.sampled_from(["i", "j", None]))
PLANS = st.builds(
    Plan,
    st.lists(ROWS, max_size=6),
    st.none() | st.integers(0, 6),
    st.sets(st.integers(0, 5), max_size=2),
)


@settings(max_examples=60, deadline=None)
@given(plans=st.lists(PLANS, min_size=1, max_size=4))
def test_any_runs_over_any_inputs_agree_with_a_naive_count(
    plans: list[Plan], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """
    A row is claimed if and only if an answer to its question is left over; and the export holds, in order, one answer
    for each row that has one, with that row's id and fields, and no answer twice, live or from the file.
    """
    path = tmp_path_factory.mktemp("runs") / "journal"
    recorded: Counter[str] = Counter()
    for run, plan in enumerate(plans):
        with open_journal(path) as journal:
            fates = carry(journal, plan, run=run)
            lines = exported(journal, path.parent)
        assert exported(path, path.parent) == lines, "the file tells what the run knew"

        left_over = recorded.copy()
        for row, fate in zip(plan.rows, fates, strict=False):
            assert (fate == "claimed") == (left_over[row.question] > 0)
            left_over[row.question] -= 1
            recorded[row.question] += fate == "answered"

        assert len({line["text"] for line in lines}) == len(lines)
        answered = [at for at, fate in enumerate(fates) if fate != "left"]
        assert len(lines) == len(answered) or plan.reads is not None
        for position, line in zip(answered, lines, strict=False):
            row = plan.rows[position]
            assert line["text"].startswith(row.question)
            assert line["id"] == (position if row.id is None else row.id)
            assert line["label"] == f"label of {row.id}"


A, B, C, X = Row("a", "i"), Row("b", "j"), Row("c", "k"), Row("x", "l")


@pytest.mark.parametrize(
    ("rows", "fates"),
    [
        ([A, B, C], ["claimed"] * 3),
        ([C, B, A], ["claimed"] * 3),
        ([A, B, C, X], ["claimed"] * 3 + ["answered"]),
        ([X, A, B, C], ["answered"] + ["claimed"] * 3),
        ([A, X, C], ["claimed", "answered", "claimed"]),
        ([A, C], ["claimed"] * 2),
        ([A, A, A], ["claimed", "answered", "answered"]),
        ([], []),
    ],
    ids=["same", "reordered", "extended", "shifted", "edited", "shortened", "duplicated", "emptied"],
)
def test_a_changed_input_is_asked_only_what_is_new(tmp_path: Path, rows: list[Row], fates: list[str]) -> None:
    """
    And the output is that of the new input.
    """
    path = tmp_path / "journal"
    run_once(path, [A, B, C])

    found, lines = run_once(path, rows, run=1)

    assert found == fates
    assert [line["id"] for line in lines] == [row.id for row in rows]
    assert [line["text"][0] for line in lines] == [row.question for row in rows]


def test_rows_that_left_the_input_come_back_with_it(tmp_path: Path) -> None:
    """
    An answer that no row wants just now is kept.
    """
    path = tmp_path / "journal"
    run_once(path, [A, B, C])
    run_once(path, [X, C], run=1)

    assert run_once(path, [A, B, C, X], run=2)[0] == ["claimed"] * 4


def test_new_ids_and_labels_go_with_the_old_answer(tmp_path: Path) -> None:
    """
    The row's own fields are the input's, the answer is the journal's, run after run.
    """
    path = tmp_path / "journal"
    _, before = run_once(path, [A])
    for run, row_id in enumerate(["one", "two", None], 1):
        fates, lines = run_once(path, [X] * run + [Row("a", row_id)], run=run)

        assert fates[-1] == "claimed"
        assert lines[-1]["id"] == (run if row_id is None else row_id)
        assert lines[-1]["label"] == f"label of {row_id}"
        assert lines[-1]["text"] == before[0]["text"]


def test_own_fields_of_any_name_are_remembered(tmp_path: Path) -> None:
    """
    A field called like a part of the journal's lines is a field like any other, also once its row has changed.
    """
    path = tmp_path / "journal"
    run_once(path, [A])
    changed = request(0, row_id="new", label="x", result="mine", outcome="reply", line="result")
    for _ in range(2):
        with open_journal(path) as journal:
            assert journal.bad_lines == 0
            assert journal.claim(changed, fingerprint("a")) is not None
            (line,) = exported(journal, tmp_path)
            assert line["id"] == "new"
            assert changed.extra.items() <= line.items()


def test_an_unchanged_input_adds_nothing_to_the_journal(tmp_path: Path) -> None:
    """
    Going on with a finished run writes no line.
    """
    path = tmp_path / "journal"
    run_once(path, [A, B, Row("a"), Row("a")])
    before = path.read_bytes()
    run_once(path, [A, B, Row("a"), Row("a")], run=1)

    assert path.read_bytes() == before


def test_of_many_equal_rows_each_keeps_its_answer(tmp_path: Path) -> None:
    """
    A gap among equal rows is filled from the end, so that the rows behind it do not all move up.
    """
    path = tmp_path / "journal"
    rows = [Row("a", str(position)) for position in range(200)]
    with open_journal(path) as journal:
        carry(journal, Plan(rows, None, {10}))
    texts = {line["id"]: line["text"] for line in exported(path, tmp_path)}

    fates, lines = run_once(path, rows, run=1)

    assert fates == ["claimed"] * 199 + ["answered"]
    assert [line["id"] for line in lines if texts.get(line["id"]) != line["text"]] == ["10", "199"]


def test_many_equal_rows_in_another_place_are_all_found(tmp_path: Path) -> None:
    """
    Looking for the next free one among many that are taken ends where it should.
    """
    path = tmp_path / "journal"
    rows = [Row("a", str(position)) for position in range(200)]
    run_once(path, rows)
    moved = [Row(f"x{position}") for position in range(300)] + rows

    fates, lines = run_once(path, [*moved, Row("a", "200")], run=1)

    assert fates == ["answered"] * 300 + ["claimed"] * 200 + ["answered"]
    assert len(lines) == 501


def test_a_bind_to_a_damaged_line_binds_nothing(tmp_path: Path) -> None:
    """
    Its row is asked again; others are as they were.
    """
    path = tmp_path / "journal"
    run_once(path, [A, B])
    run_once(path, [B, Row("a", "new")], run=1)
    path.write_bytes(path.read_bytes().replace(b"a, answer 0.0", b"a, ANSWER 0.0").replace(b"b, answer 0.1", b"!"))

    with open_journal(path) as journal:
        assert journal.bad_lines == 2
        assert exported(journal, tmp_path) == []
        assert journal.claim(A.at(0), fingerprint("a")) is None


def test_the_end_of_an_input_is_told_only_if_it_matters(tmp_path: Path) -> None:
    """
    No line for an input as long as before; one that cuts for a shorter one.
    """
    path = tmp_path / "journal"
    with open_journal(path) as journal:
        journal.record(result(1, "b"))
        before = path.read_bytes()
        journal.finish_input(2)
        assert path.read_bytes() == before
        journal.finish_input(1)
        assert len(path.read_bytes()) > len(before)
        assert exported(journal, tmp_path) == []
