"""Forms of the output: tables and batch lines that hold what the JSON lines hold."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from brim.errors import ConfigError
from brim.storage import ExportSummary, export
from brim.storage.flat import flat
from brim.storage.formats import FORMATS, Form, form_of
from brim.values import Failure, FailureKind, FinishReason, Reply, Usage
from storage.samples import failure, open_journal, reply, request, result

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two answers, one of them a call of a tool, and three failures: one of HTTP, one of none, one behind a 200."""
    path = tmp_path / "journal"
    with open_journal(path) as journal:
        calls = Reply(text="", finish_reason=FinishReason.TOOL_CALLS, tool_calls=[CALL], model="m-1")
        refused = Failure(kind=FailureKind.REFUSED, message="no", status=200)
        timeout = Failure(kind=FailureKind.TIMEOUT, message="late")
        journal.record(result(request(0, row_id="a", label="x, y", stars=5), "q"))
        journal.record(result(request(1, label=None, stars=4.5, more={"k": [1]}), "q", calls))
        journal.record(result(request(2, row_id=3, text="mine"), "q", failure()))
        journal.record(result(request(4), "q", timeout))
        journal.record(result(request(5), "q", refused))
    return path


def written(path: Path, name: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    assert export(path, stream, Form(name, **options)) == ExportSummary(rows=5, replies=2, failures=3)
    return stream.getvalue()


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_csv_has_a_column_for_everything(path: Path) -> None:
    """
    Ours in their order, usage and error spread out, then every field that any row brings; what nests is JSON.
    """
    first, second, third, *_ = table(written(path, "csv"))

    assert [*first] == [
        "id", "text", "finish_reason", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
        "reasoning_tokens", "cost_usd", "attempts", "latency_s", "error_kind", "error_message", "error_status",
        "label", "stars", "tool_calls", "more", "input_text",
    ]  # fmt: skip
    assert (first["id"], first["text"], first["input_tokens"], first["label"]) == ("a", "Q", "7", "x, y")
    assert (second["id"], second["text"], second["stars"], second["label"]) == ("1", "", "4.5", "")
    assert json.loads(second["tool_calls"]) == [CALL]
    assert json.loads(second["more"]) == {"k": [1]}
    assert (third["error_kind"], third["error_message"], third["error_status"]) == ("server", "broken", "500")
    assert (third["text"], third["input_text"], third["input_tokens"]) == ("", "mine", "")


def test_parquet_is_the_same_table_with_types(path: Path) -> None:
    """
    Numbers are numbers, null is null, and a column of several kinds is text.
    """
    read = pq.read_table(io.BytesIO(written(path, "parquet")))
    rows = read.to_pylist()

    assert read.column_names == [*table(written(path, "csv"))[0]]
    assert [row["id"] for row in rows] == ["a", "1", "3", "4", "5"]
    assert [row["stars"] for row in rows] == [5.0, 4.5, None, None, None]
    assert [row["input_tokens"] for row in rows] == [7, None, None, None, None]
    assert [row["error_status"] for row in rows] == [None, None, 500, None, 200]
    assert [row["text"] for row in rows] == ["Q", "", None, None, None]
    assert json.loads(rows[1]["more"]) == {"k": [1]}


def test_batch_lines_are_what_openai_gives_back(path: Path) -> None:
    """
    An answer as Chat Completions have it; an error of HTTP is a response, any other an error.
    """
    first, second, third, fourth, fifth = map(json.loads, written(path, "openai-batch").splitlines())

    assert first == {
        "id": "batch_req_0",
        "custom_id": "a",
        "response": {
            "status_code": 200,
            "request_id": "req-1",
            "body": {
                "id": "req-1",
                "object": "chat.completion",
                "created": 1_000,
                "model": "m-1",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "Q"}, "finish_reason": "stop"}],
                "usage": {
                    "prompt_tokens": 7,
                    "completion_tokens": 2,
                    "total_tokens": 9,
                    "prompt_tokens_details": {"cached_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 0},
                },
            },
        },
        "error": None,
    }
    message = second["response"]["body"]["choices"][0]["message"]
    assert message == {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert "usage" not in second["response"]["body"]
    assert (third["custom_id"], third["response"]["status_code"], third["error"]) == ("3", 500, None)
    assert third["response"]["body"]["error"]["code"] == "server"
    assert (fourth["response"], fourth["error"]) == (None, {"code": "timeout", "message": "late"})
    assert (fifth["response"], fifth["error"]) == (None, {"code": "refused", "message": "no"})


def test_a_row_that_took_over_an_answer_has_its_own_id_in_a_batch_line(tmp_path: Path) -> None:
    """
    And the answer's other facts.
    """
    path = tmp_path / "journal"
    with open_journal(path) as journal:
        journal.record(result(request(0, row_id="old"), "q"))
    with open_journal(path) as journal:
        journal.claim(request(0, row_id="new"), result(0, "q").fingerprint)

    stream = io.BytesIO()
    export(path, stream, Form("openai-batch"))
    line = json.loads(stream.getvalue())

    assert (line["custom_id"], line["response"]["request_id"]) == ("new", "req-1")


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "parquet"])
def test_any_form_of_lines_may_be_compressed(path: Path, name: str) -> None:
    """
    The same content, and the same bytes whenever it is written.
    """
    zipped = written(path, name, is_zipped=True)

    assert gzip.decompress(zipped) == written(path, name)
    assert zipped == written(path, name, is_zipped=True)


def test_parquet_is_written_in_groups(tmp_path: Path) -> None:
    """
    So that memory stays flat: none has more rows than a group may have.
    """
    with open_journal(tmp_path / "journal") as journal:
        journal.record_all([result(position, "q") for position in range(20_000)])
        export(journal, tmp_path / "o.parquet", Form("parquet"))

    groups = pq.ParquetFile(tmp_path / "o.parquet").metadata
    assert groups.num_rows == 20_000
    assert groups.num_row_groups == 3


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_a_journal_without_results_is_a_table_without_rows(tmp_path: Path, name: str) -> None:
    """
    The columns that every table has are there.
    """
    stream = io.BytesIO()
    with open_journal(tmp_path / "journal") as journal:
        export(journal, stream, Form(name))

    data = stream.getvalue()
    columns = pq.read_table(io.BytesIO(data)).column_names if name == "parquet" else data.decode().strip().split(",")
    assert columns[:2] == ["id", "text"]
    assert len(columns) == 14


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
FIELDS = st.dictionaries(
    st.sampled_from(["a", "b", "text", "usage", "input_tokens", "input_input_tokens", "error_kind"]),
    VALUES | st.lists(VALUES) | st.dictionaries(st.text(), VALUES),
)


@settings(max_examples=50, deadline=None)
@given(extras=st.lists(FIELDS, min_size=1, max_size=4))
@example(extras=[{"weight": 2**53 + 1}, {"weight": 0.5}])
def test_any_fields_go_into_a_table_and_none_is_lost(
    extras: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """
    Whatever rows bring, in whatever mixture: both tables have the same columns, and as many cells as fields.
    """
    path = tmp_path_factory.mktemp("table") / "journal"
    with open_journal(path) as journal:
        for position, extra in enumerate(extras):
            journal.record(result(request(position, **extra), "q", reply("fine")))
    lines, texts, typed = io.BytesIO(), io.BytesIO(), io.BytesIO()
    for stream, form in ((lines, "jsonl"), (texts, "csv"), (typed, "parquet")):
        export(path, stream, Form(form))

    rows = pq.read_table(typed).to_pylist()
    assert [*table(texts.getvalue())[0]] == [*rows[0]]
    for line, row, extra in zip(lines.getvalue().splitlines(), rows, extras, strict=True):
        assert len(flat(line)) == 14 + len(extra)
        assert sum(value is not None for value in row.values()) == sum(
            value is not None for value in flat(line).values()
        )


@pytest.mark.parametrize(
    ("output", "name", "form"),
    [
        ("o.jsonl", None, Form("jsonl")),
        ("o.json.gz", None, Form("jsonl", is_zipped=True)),
        ("o", None, Form("jsonl")),
        ("O.CSV", None, Form("csv")),
        ("o.csv.gz", None, Form("csv", is_zipped=True)),
        ("o.parquet", None, Form("parquet")),
        ("o.csv", "jsonl", Form("jsonl")),
        ("o.jsonl.gz", "openai-batch", Form("openai-batch", is_zipped=True)),
        (None, None, Form("jsonl")),
        (None, "csv", Form("csv")),
    ],
)
def test_the_form_comes_from_its_name_or_the_ending(output: str | None, name: str | None, form: Form) -> None:
    """
    What is named wins; `.gz` compresses either.
    """
    assert form_of(None if output is None else Path(output), name) == form


@pytest.mark.parametrize(
    ("output", "name", "said"),
    [("o", "xml", "there is no format 'xml'; there are jsonl, csv"), ("o.parquet.gz", None, "compressed twice")],
)
def test_a_form_that_there_is_not_is_refused(output: str, name: str | None, said: str) -> None:
    """
    With those that there are.
    """
    with pytest.raises(ConfigError, match=said):
        form_of(Path(output), name)


def test_usage_is_spread_in_its_own_order() -> None:
    """
    So a new count of usage becomes a column by itself.
    """
    line = json.dumps(
        {"id": 1, "usage": dict.fromkeys(Usage.__struct_fields__, 1), "error": None, "text": "", "attempts": 1}
    )

    assert [name for name, value in flat(line.encode()).items() if name in Usage.__struct_fields__ and value] == [
        *Usage.__struct_fields__
    ]
