"""From the journal to the output file."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from brim.errors import JournalError
from brim.storage import ExportSummary, export
from storage.samples import exported, failure, open_journal, request, result


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal whose rows ended out of order, and one not at all."""
    path = tmp_path / "out.jsonl.journal"
    with open_journal(path) as journal:
        for position in (4, 0, 3, 1):
            outcome = failure() if position == 3 else None
            journal.record(result(request(position, row_id=f"row {position}"), "q", outcome))
    return path


def test_results_come_in_the_order_of_the_input(path: Path, tmp_path: Path) -> None:
    """
    Whatever the order they came in; a row without a result is absent; the counts say so.
    """
    output = tmp_path / "out.jsonl"

    assert export(path, output) == ExportSummary(rows=4, replies=3, failures=1)
    assert [json.loads(line)["id"] for line in output.read_text().splitlines()] == ["row 0", "row 1", "row 3", "row 4"]


def test_the_last_line_of_a_position_wins(path: Path, tmp_path: Path) -> None:
    """
    A row that ran again has its later result.
    """
    with open_journal(path, retry_failed=True) as journal:
        journal.record(result(request(3, row_id="row 3"), "q"))

    assert [line["error"] for line in exported(path, tmp_path)] == [None] * 4


def test_rows_without_an_id_are_named_by_their_position(tmp_path: Path) -> None:
    """
    So that the lines of an unfinished output can be told apart.
    """
    with open_journal(tmp_path / "journal") as journal:
        journal.record(result(7, "q"))
        journal.record(result(2, "q"))

        assert [line["id"] for line in exported(journal, tmp_path)] == [2, 7]


def test_a_stream_gets_the_same_bytes(path: Path, tmp_path: Path) -> None:
    """
    Standard output is written as it comes.
    """
    output, stream = tmp_path / "out.jsonl", io.BytesIO()

    assert export(path, stream) == export(path, output)
    assert stream.getvalue() == output.read_bytes()


def test_a_journal_being_written_can_be_exported(path: Path, tmp_path: Path) -> None:
    """
    By path, beside the run that writes it: all whole lines, and nothing is changed.
    """
    with open_journal(path) as journal:
        journal.record(result(2, "q"))
        with path.open("ab") as file:
            file.write(b'{"crc32":"half a line')
        before = path.read_bytes()

        assert len(exported(path, tmp_path)) == 5
        assert path.read_bytes() == before


def test_an_old_output_is_replaced_as_a_whole(path: Path, tmp_path: Path) -> None:
    """
    Under another name first, so no reader sees half of it, and nothing is left behind; a link stays one.
    """
    real, output = tmp_path / "real.jsonl", tmp_path / "out.jsonl"
    real.write_text("old")
    output.symlink_to(real)
    with real.open() as reader:
        export(path, output)

        assert reader.read() == "old"
    assert output.is_symlink()
    assert len(real.read_text().splitlines()) == 4
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.jsonl", "out.jsonl.journal", "real.jsonl"]


@pytest.mark.skipif(os.name != "posix", reason="no such device there")
def test_a_device_is_written_to_not_replaced(path: Path) -> None:
    """
    `-o /dev/null` leaves the null device what it is.
    """
    assert export(path, Path(os.devnull)).rows == 4
    assert Path(os.devnull).is_char_device()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device there")
def test_a_full_disk_is_told_with_the_name_and_what_to_do(path: Path) -> None:
    """
    The results stay in the journal.
    """
    with pytest.raises(JournalError, match=r"can't export .*/dev/full: the disk is full: make room"):
        export(path, Path("/dev/full"))


def test_an_output_that_can_not_be_written_leaves_nothing(path: Path, tmp_path: Path) -> None:
    """
    A missing directory is told by its name.
    """
    with pytest.raises(JournalError, match=r"missing.*No such file or directory"):
        export(path, tmp_path / "missing" / "out.jsonl")


def test_what_breaks_an_export_leaves_the_old_output(path: Path, tmp_path: Path) -> None:
    """
    A journal that changed under our hands is no reason to lose the last output.
    """
    output = tmp_path / "out.jsonl"
    output.write_text("old")
    with open_journal(path) as journal:
        os.truncate(path, 400)
        with pytest.raises(ValueError, match="truncated"):
            export(journal, output)

    assert output.read_text() == "old"
    assert not list(tmp_path.glob(".*"))


def test_only_a_journal_is_exported(tmp_path: Path) -> None:
    """
    Any other file, or none, is told apart.
    """
    notes = tmp_path / "notes"
    notes.write_text("hello\n")

    with pytest.raises(JournalError, match="is no brim journal"):
        export(notes, tmp_path / "out.jsonl")
    with pytest.raises(JournalError, match=r"there is no journal .*missing"):
        export(tmp_path / "missing", tmp_path / "out.jsonl")


def test_a_reader_that_has_had_enough_is_no_error_of_ours(path: Path) -> None:
    """
    `brim export ... | head` ends as pipes end.
    """
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError), os.fdopen(writer, "wb", buffering=0) as stream:
        export(path, stream)
