"""The main job from table to table, and what is said of formats before anything is sent."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from brim.errors import ConfigError
from brim.surfaces.bulk import Exit, journal_path
from brim.surfaces.cli import app
from surfaces.test_bulk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    (tmp_path / "in.csv").write_text("id,prompt,label\na,one,x\nb,two,y\n")
    desk.input = tmp_path / "in.csv"
    return desk


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_a_table_becomes_a_table(desk: Desk, name: str) -> None:
    """
    By the names of the files alone: each row with its answer, its id and its own columns.
    """
    desk.output = desk.output.with_name(name)

    status, far_end = desk.run()

    assert status is Exit.ANSWERED
    assert [(row["id"], row["text"], row["label"]) for row in read(desk.output)] == [
        ("a", "re: one", "x"),
        ("b", "re: two", "y"),
    ]
    assert len(far_end.requests) == 2


def test_the_same_journal_gives_every_form(desk: Desk) -> None:
    """
    Another format is no other run: nothing is sent again, and the same is exported at any time.
    """
    desk.run()

    status, far_end = desk.run(format="openai-batch")

    assert status is Exit.ANSWERED
    assert not far_end.requests
    assert [row["custom_id"] for row in desk.rows] == ["a", "b"]
    exported = desk.output.with_name("again.csv.gz")
    result = CliRunner().invoke(app, ["export", str(journal_path(desk.output)), "-o", str(exported)])
    assert result.exit_code == 0
    assert [row["text"] for row in csv.DictReader(gzip.decompress(exported.read_bytes()).decode().splitlines())] == [
        "re: one",
        "re: two",
    ]
    shown = CliRunner().invoke(app, ["export", str(journal_path(desk.output)), "--format", "openai-batch"])
    assert [json.loads(line)["id"] for line in shown.stdout.splitlines()] == ["batch_req_0", "batch_req_1"]


def test_rows_of_parquet_are_asked(desk: Desk) -> None:
    """
    With a template over their columns.
    """
    desk.input = desk.input.with_name("in.parquet")
    pq.write_table(pa.table({"prompt": ["one"], "stars": [5]}), desk.input)

    desk.run()

    assert [(row["text"], row["stars"]) for row in desk.rows] == [("re: one", 5)]


@pytest.mark.parametrize(
    ("output", "job", "said"),
    [
        ("out.jsonl", {"format": "xml"}, "there is no format 'xml'"),
        ("out.parquet.gz", {}, "compressed twice"),
    ],
)
def test_a_wrong_format_is_refused_before_anything_is_sent(
    desk: Desk, output: str, job: dict[str, Any], said: str
) -> None:
    """
    There is no journal either.
    """
    desk.output = desk.output.with_name(output)

    with pytest.raises(ConfigError, match=said):
        desk.run(**job)
    assert not journal_path(desk.output).exists()


def test_without_pyarrow_parquet_says_how_to_get_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Going in and coming out, before anything is sent.
    """
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ConfigError, match="pip install pyarrow"):
        desk.run(output=desk.output.with_name("out.parquet"))
    desk.input = desk.input.rename(desk.input.with_name("in.parquet"))
    with pytest.raises(ConfigError, match="Parquet needs pyarrow"):
        desk.run()
