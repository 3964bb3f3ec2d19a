"""Tables in: each row of a CSV or Parquet file is asked like a JSON object, and a bad one fails alone."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.errors import InputError
from brim.storage import RowShape, read_rows, survey_rows
from brim.values import Request, Result

PLAIN = RowShape()


def rows_of(path: Path, shape: RowShape = PLAIN) -> list[Request | Result]:
    rows = list(read_rows([str(path)], shape=shape, stdin=io.BytesIO()))
    assert survey_rows([str(path)]).rows == len(rows)
    return rows


def csv_file(folder: Path, text: str | bytes, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def parquet_file(folder: Path, rows: list[dict[str, Any]], name: str = "in.parquet") -> Path:
    pq.write_table(pa.Table.from_pylist(rows), folder / name)
    return folder / name


def requests(path: Path, shape: RowShape = PLAIN) -> list[Request]:
    rows = rows_of(path, shape)
    assert all(isinstance(row, Request) for row in rows), rows
    return [row for row in rows if isinstance(row, Request)]


def prompt(request: Request) -> object:
    return request.messages[-1]["content"]


def message(row: Request | Result) -> str:
    assert isinstance(row, Result)
    assert row.failure is not None
    return row.failure.message


def test_columns_are_the_fields_of_a_row(tmp_path: Path) -> None:
    """
    Ours shape the request, others come back; cells may hold commas, quotes and line breaks, and the file a byte order
    mark.
    """
    path = csv_file(tmp_path, '\ufeffid,prompt,label\r\na,"hi, ""you""\nthere",x\r\n\r\nb,yo,\r\n')

    first, second = requests(path)

    assert (first.id, prompt(first), first.extra) == ("a", 'hi, "you"\nthere', {"label": "x"})
    assert (second.id, prompt(second), second.extra, second.position) == ("b", "yo", {"label": ""}, 1)


def test_what_is_no_text_is_json_and_what_is_empty_is_left_out(tmp_path: Path) -> None:
    """
    A cap, parameters and a conversation; an empty cell of a field of ours is no field.
    """
    asked = '"[{""role"":""user"",""content"":""hi""}]"'
    path = csv_file(tmp_path, f'messages,max_tokens,params,system,id\n{asked},50,"{{""top_p"":1}}",,\n')

    (request,) = requests(path)

    assert (prompt(request), request.max_tokens, request.params, request.id) == ("hi", 50, {"top_p": 1}, None)
    assert len(request.messages) == 1


def test_templates_and_prompt_fields_name_columns(tmp_path: Path) -> None:
    """
    As they name the fields of JSON; the prompt is text whatever it looks like.
    """
    path = csv_file(tmp_path, "body,stars\n{},5\n")

    assert prompt(*requests(path, RowShape(prompt_field="body"))) == "{}"
    assert prompt(*requests(path, RowShape(template="{stars} stars"))) == "5 stars"


@pytest.mark.parametrize("name", ["in.tsv", "in.TSV.gz", "in.csv.gz"])
def test_tabs_and_compressed_tables(tmp_path: Path, name: str) -> None:
    """
    By the file's name.
    """
    text = f"id{',' if 'csv' in name else chr(9)}prompt\na{',' if 'csv' in name else chr(9)}hi\n".encode()
    path = csv_file(tmp_path, gzip.compress(text) if name.endswith(".gz") else text, name)

    assert [(row.id, prompt(row)) for row in requests(path)] == [("a", "hi")]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"x,", "in.csv line 4: field 'prompt' is empty"),
        (b"x", "in.csv line 4: it has 1 cells, and the first line names 2 columns"),
        (b"x,a,b", "in.csv line 4: it has 3 cells, and the first line names 2 columns"),
        (b"x,caf\xe9", "in.csv line 4: it is no UTF-8 text; save the file as UTF-8"),
    ],
)
def test_a_bad_row_of_a_table_fails_alone(tmp_path: Path, row: bytes, said: str) -> None:
    """
    With the line where it begins; those around it are asked.
    """
    good, bad, last = rows_of(csv_file(tmp_path, b'id,prompt\na,"one\ntwo"\n' + row + b"\nb,three\n"))

    assert isinstance(good, Request)
    assert message(bad).startswith(f"{tmp_path}/{said}")
    assert isinstance(last, Request)
    assert last.position == 2


def test_a_cell_that_is_no_json_of_its_kind_is_told_like_any_field(tmp_path: Path) -> None:
    """
    With the line and the field.
    """
    rows = rows_of(csv_file(tmp_path, "prompt,max_tokens,params\na,many,\nb,,[1]\n"))

    assert [message(row).partition(".csv ")[2] for row in rows] == [
        "line 2: field 'max_tokens' is a string; it must be a whole number",
        "line 3: field 'params' is a string; it must be an object",
    ]


def test_a_compressed_table_that_breaks_off_says_where(tmp_path: Path) -> None:
    """
    Rather than being taken for whole.
    """
    whole = gzip.compress(b"prompt\n" + b"".join(b"question %d\n" % n for n in range(5_000)))

    with pytest.raises(InputError, match=r"in\.csv\.gz breaks off after row \d+: "):
        rows_of(csv_file(tmp_path, whole[: len(whole) // 2], "in.csv.gz"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,prompt,id\na,b,c\n", "in.csv line 1: two columns are called 'id'"),
        ("id,\na,b\n", "in.csv line 1: a column has no name"),
        ('prompt\n"a\nb\nc\n', "in.csv line 2: unexpected end of data"),
        ('prompt\nok\n"a"b\n', "in.csv line 3: "),
    ],
)
def test_a_table_without_an_end_to_its_rows_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """
    Counting the rows says so, which a run does before it sends anything.
    """
    path = csv_file(tmp_path, text)

    with pytest.raises(InputError, match=said):
        survey_rows([str(path)])


@pytest.mark.parametrize("text", ["", "id,prompt\n", "\n"])
def test_a_table_may_be_empty(tmp_path: Path, text: str) -> None:
    """
    No rows are no fault.
    """
    assert rows_of(csv_file(tmp_path, text)) == []


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@settings(max_examples=50, deadline=None)
@given(cells=st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_any_text_comes_through_a_csv_file(
    cells: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """
    Whatever it is, as the standard library writes it.
    """
    path = tmp_path_factory.mktemp("table") / "in.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("prompt", "note"), *cells])

    assert [(prompt(row), row.extra["note"]) for row in requests(path)] == cells


def test_a_table_is_read_in_flat_memory(tmp_path: Path) -> None:
    """
    A hundred thousand rows take no more than a thousand.
    """
    path = csv_file(tmp_path, "prompt\n" + "a question\n" * 100_000)
    tracemalloc.start()
    try:
        for row in read_rows([str(path)], shape=PLAIN, stdin=io.BytesIO()):
            assert isinstance(row, Request)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2 << 20


def test_parquet_has_values_of_every_kind(tmp_path: Path) -> None:
    """
    Lists and objects too; what is null in a row is no field of it, inside a conversation as well.
    """
    when = datetime(2026, 1, 2, tzinfo=UTC)
    rows = [
        {"id": 7, "messages": [{"role": "user", "content": "hi", "name": None}], "tags": ["a"], "when": when},
        {"id": 8, "messages": [{"role": "user", "content": "yo", "name": "n"}], "max_tokens": 5, "params": '{"n":1}'},
    ]

    first, second = requests(parquet_file(tmp_path, [{**dict.fromkeys([*rows[0], *rows[1]]), **row} for row in rows]))

    assert (first.id, first.messages, first.extra) == (
        7,
        [{"role": "user", "content": "hi"}],
        {"tags": ["a"], "when": when},
    )
    assert (second.max_tokens, second.params, second.extra) == (5, {"n": 1}, {})


def test_a_bad_row_of_parquet_says_its_number(tmp_path: Path) -> None:
    """
    Counted from 1.
    """
    path = parquet_file(tmp_path, [{"prompt": "a"}, {"prompt": None}])

    good, bad = rows_of(path)

    assert isinstance(good, Request)
    assert message(bad).startswith(f"{path} row 2: field 'prompt' is missing")


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """
    Before anything is read, and so is what is compressed twice.
    """
    for name, said in (("a.parquet", "is no Parquet file"), ("a.parquet.gz", "compressed twice")):
        with pytest.raises(InputError, match=said):
            read_rows([str(csv_file(tmp_path, "x", name))], shape=PLAIN, stdin=io.BytesIO())


def test_a_table_and_lines_may_be_mixed(tmp_path: Path) -> None:
    """
    Positions go on from one input to the next.
    """
    paths = [csv_file(tmp_path, "prompt\na\nb\n"), parquet_file(tmp_path, [{"prompt": "c"}])]
    paths.append(csv_file(tmp_path, "d\n", "in.txt"))

    rows = list(read_rows([str(path) for path in paths], shape=PLAIN, stdin=io.BytesIO()))

    assert [(row.position, prompt(row)) for row in rows if isinstance(row, Request)] == [*enumerate("abcd")]
