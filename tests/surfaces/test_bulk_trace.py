"""Runs with `--trace`: where it goes, and where it may not go."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brim.config import Limits
from brim.errors import ConfigError
from brim.surfaces.cli import app
from surfaces.test_bulk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_run_leaves_a_trace_where_it_is_told_to(desk: Desk, tmp_path: Path) -> None:
    """
    Rows that had to wait are in it by id and position; the output is as without.
    """
    desk.write("a", "b", "c")
    trace = tmp_path / "trace.jsonl"

    desk.run(options={"limits": Limits(requests_per_minute=300), "trace": trace})

    assert desk.texts == ["re: a", "re: b", "re: c"]
    last = json.loads(trace.read_text().splitlines()[-1])
    assert (last["id"], last["position"], last["held_by"][0]["name"]) == ("id-c", 2, "requests a minute")


FILES = ["in.jsonl", "out.jsonl", "out.jsonl.journal", "out.jsonl.ctl"]


@pytest.mark.parametrize("is_begun", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_a_trace_never_goes_into_a_file_of_the_run(desk: Desk, tmp_path: Path, name: str, *, is_begun: bool) -> None:
    """
    Input, output, journal and socket are no place for it, whether they are there already or not; nothing is sent.
    """
    desk.write("a")
    if is_begun:
        desk.run()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(ConfigError, match="is a file of the run itself"):
        desk.run(options={"trace": tmp_path / name})
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_trace_under_another_name_of_a_file_is_refused_too(desk: Desk, tmp_path: Path) -> None:
    """
    A link, and a way round.
    """
    desk.write("a")
    (tmp_path / "link.jsonl").symlink_to(desk.output)
    os.link(desk.input, tmp_path / "hard.jsonl")

    for name in ("link.jsonl", "hard.jsonl", f"../{tmp_path.name}/out.jsonl"):
        with pytest.raises(ConfigError, match="is a file of the run itself"):
            desk.run(options={"trace": tmp_path / name})


@pytest.mark.parametrize(
    ("option", "text"),
    [("--config={}", "rpm = 5"), ("--system=@{}", "Be brief."), ("--template=@{}", "{id}"), ("--param=a=@{}", "5")],
)
def test_a_trace_never_goes_into_a_file_that_an_option_names(
    desk: Desk, tmp_path: Path, option: str, text: str
) -> None:
    """
    Settings and texts stay as they are.
    """
    desk.write("a")
    file = tmp_path / "named"
    file.write_text(text)
    args = ["run", str(desk.input), "-o", str(desk.output), "--model=m", "--base-url=http://localhost:1"]

    result = CliRunner().invoke(app, [*args, option.format(file), f"--trace={file}"])

    assert isinstance(result.exception, ConfigError)
    assert "is a file of the run itself" in str(result.exception)
    assert file.read_text() == text
