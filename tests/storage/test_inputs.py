"""Rows in: what each line becomes, and what is said about one that can't be asked."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.errors import ConfigError, InputError
from brim.storage import RowShape, read_rows, survey_rows
from brim.storage.rows import RowParser
from brim.values import FailureKind, Request, Result, Sent

PLAIN = RowShape()


def rows_of(content: bytes, shape: RowShape = PLAIN) -> list[Request | Result]:
    return list(read_rows(["-"], shape=shape, stdin=io.BytesIO(content)))


def asked(row: dict[str, Any], shape: RowShape = PLAIN) -> Request:
    (request,) = rows_of(json.dumps(row).encode(), shape)
    assert isinstance(request, Request), request
    return request


def refused(content: bytes | dict[str, Any], shape: RowShape = PLAIN) -> Result:
    (result,) = rows_of(content if isinstance(content, bytes) else json.dumps(content).encode(), shape)
    assert isinstance(result, Result), result
    return result


def message(result: Result) -> str:
    assert result.failure is not None
    return result.failure.message


USER = [{"role": "user", "content": "hi"}]
SYSTEM = [{"role": "system", "content": "be brief"}]
PARTS = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:"}}]


@pytest.mark.parametrize(
    ("row", "shape", "expected"),
    [
        ({"prompt": "hi"}, {}, {"messages": USER}),
        ({"review": "hi", "prompt": "x"}, {"prompt_field": "review"}, {"messages": USER, "extra": {"prompt": "x"}}),
        ({"messages": USER, "prompt_x": 1}, {}, {"messages": USER, "extra": {"prompt_x": 1}}),
        ({"messages": [{"role": "user", "content": PARTS}]}, {}, {"messages": [{"role": "user", "content": PARTS}]}),
        (
            {"q": "hi", "messages": 3},
            {"prompt_field": "q"},
            {"messages": USER, "extra": {"messages": 3}},
        ),
        ({"id": "a", "prompt": "hi"}, {}, {"messages": USER, "id": "a"}),
        ({"id": 7, "prompt": "hi"}, {}, {"messages": USER, "id": 7}),
        ({"id": None, "prompt": "hi"}, {}, {"messages": USER, "id": None}),
        ({"custom_id": "c", "prompt": "hi"}, {}, {"messages": USER, "id": "c"}),
        ({"id": None, "custom_id": "c", "prompt": "hi"}, {}, {"messages": USER, "id": "c"}),
        (
            {"id": "a", "custom_id": "c", "prompt": "hi"},
            {},
            {"messages": USER, "id": "a", "extra": {"custom_id": "c"}},
        ),
        ({"prompt": "hi", "label": [1], "n": 2}, {}, {"messages": USER, "extra": {"label": [1], "n": 2}}),
        ({"prompt": "hi", "system": "be brief"}, {}, {"messages": SYSTEM + USER}),
        ({"messages": USER, "system": "be brief"}, {}, {"messages": SYSTEM + USER}),
        (
            {"prompt": "hi", "model": "m", "max_tokens": 5, "params": {"top_p": 0.5}},
            {},
            {"messages": USER, "model": "m", "max_tokens": 5, "params": {"top_p": 0.5}},
        ),
        ({"prompt": "hi", "model": None, "params": None}, {}, {"messages": USER}),
        (
            {"a": "hi", "messages": 3},
            {"template": "{a}"},
            {"messages": USER, "extra": {"a": "hi", "messages": 3}},
        ),
    ],
)
def test_each_shape_of_row_is_asked_as_it_says(
    row: dict[str, Any], shape: dict[str, str], expected: dict[str, Any]
) -> None:
    """
    Our fields shape the request, all others come back, and the prompt itself does not.
    """
    assert asked(row, RowShape(**shape)) == Request(**expected)


CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("url", "body", "expected"),
    [
        (CHAT, {"model": "m", "messages": USER}, {"messages": USER, "model": "m"}),
        (
            CHAT,
            {"messages": USER, "max_tokens": 5, "temperature": 0},
            {"messages": USER, "params": {"max_tokens": 5, "temperature": 0}},
        ),
        ("https://api.example.com/v1/chat/completions?x=1", {"messages": USER}, {"messages": USER}),
        ("/v1/responses", {"input": "hi"}, {"messages": USER}),
        (
            "/v1/responses",
            {"input": USER, "instructions": "be brief", "max_output_tokens": 5},
            {"messages": SYSTEM + USER, "max_tokens": 5},
        ),
        (
            "/v1/responses",
            {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        ),
        ("/v1/messages", {"messages": USER, "system": "be brief"}, {"messages": SYSTEM + USER}),
        (None, {"messages": USER}, {"messages": USER}),
    ],
)
def test_a_batch_line_is_asked_as_its_body_says(
    url: str | None, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    """
    Model, messages and cap from the body, everything else in it as it is; fields beside it come back.
    """
    row = {"custom_id": "c", "method": "POST", "body": body, "label": 1} | ({} if url is None else {"url": url})

    assert asked(row) == Request(id="c", extra={"label": 1}, **expected)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({}, "field 'prompt' is missing; give it, or say with --prompt-field"),
        ({"body": "an e-mail"}, "field 'prompt' is missing"),
        ({"prompt": None}, "field 'prompt' is null; it must be a string"),
        ({"prompt": 3}, "field 'prompt' is a whole number; it must be a string"),
        ({"prompt": USER}, "field 'prompt' is an array; it must be a string"),
        ({"prompt": ""}, "field 'prompt' is empty"),
        ({"prompt": "hi", "messages": USER}, "fields 'prompt' and 'messages' both ask"),
        ({"messages": []}, "field 'messages' is empty"),
        ({"messages": "hi"}, "field 'messages' is a string; it must be an array of messages"),
        ({"messages": ["hi"]}, "field 'messages[0]' is a string"),
        ({"messages": [*USER, {"content": "x"}]}, "field 'messages[1].role' is null; it must be a string"),
        ({"prompt": "hi", "model": 3}, "field 'model' is a whole number; it must be a string"),
        ({"prompt": "hi", "system": ["x"]}, "field 'system' is an array; it must be a string"),
        ({"messages": SYSTEM + USER, "system": "x"}, "field 'system' and a system message in 'messages'"),
        ({"prompt": "hi", "max_tokens": 1.5}, "field 'max_tokens' is a number; it must be a whole number"),
        ({"prompt": "hi", "max_tokens": True}, "field 'max_tokens' is true or false"),
        ({"prompt": "hi", "max_tokens": 0}, "field 'max_tokens' is 0; it must be at least 1"),
        ({"prompt": "hi", "params": [1]}, "field 'params' is an array; it must be an object"),
        ({"prompt": "hi", "params": {"stream": True}}, "'stream' asks for an answer in pieces"),
        ({"prompt": "hi", "id": 1.5}, "field 'id' is a number; it must be a string or a whole number"),
        ({"prompt": "hi", "id": True}, "field 'id' is true or false"),
        ({"prompt": "hi", "custom_id": {}}, "field 'custom_id' is an object"),
        ({"url": "/v1/embeddings", "body": {"input": "hi"}}, "field 'url' is '/v1/embeddings'; brim can ask only"),
        ({"url": 3, "body": {"input": "hi"}}, "field 'url' is 3"),
        ({"body": {}}, "field 'body' has neither 'messages' nor 'input'"),
        ({"body": {"model": 3, "input": "hi"}}, "field 'body.model' is a whole number"),
        ({"body": {"input": ""}}, "field 'body.input' is empty"),
        ({"body": {"input": [{"role": "user", "content": [{"type": "input_image"}]}]}}, "holds a part that is no text"),
        ({"body": {"messages": [1]}}, "field 'body.messages[0]' is a whole number"),
    ],
)
def test_a_bad_row_says_which_field_and_how(row: dict[str, Any], says: str) -> None:
    """
    In one sentence behind file and line.
    """
    assert message(refused(row)).startswith("stdin line 1: ")
    assert says in message(refused(row))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"hello", "it is no JSON"),
        (b'{"prompt": "hi"', "it is no JSON (Input data was truncated)"),
        (b'{"prompt": "\xff"}', "it is no UTF-8 text"),
        (b'["hi"]', "the row is an array; it must be an object"),
        (b"3", "the row is a whole number"),
        (b'{"prompt": NaN}', "it is no JSON"),
        (b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"prompt": 1' + b"0" * 5_000 + b"}", "it is no JSON"),
    ],
    ids=["text", "cut", "bytes", "array", "number", "NaN", "deep", "huge number"],
)
def test_a_line_that_is_no_row_is_told_too(raw: bytes, says: str) -> None:
    """
    Whatever the bytes.
    """
    assert says in message(refused(raw))


def test_a_bad_row_is_a_failure_that_was_never_sent() -> None:
    """
    It costs nothing, keeps its id and fields, and its neighbours keep their places.
    """
    content = b'{"prompt": "a"}\n{"id": "x", "promt": "b"}\n\n{"prompt": "c"}\n'
    first, bad, last = rows_of(content)

    assert isinstance(first, Request)
    assert isinstance(bad, Result)
    assert isinstance(last, Request)
    assert (first.position, bad.request.position, last.position) == (0, 1, 2)
    assert bad.failure is not None
    assert (bad.failure.kind, bad.failure.sent, bad.attempts) == (FailureKind.INVALID, Sent.NO, 0)
    assert bad.failure.message.startswith("stdin line 2: ")
    assert (bad.request.id, bad.request.extra) == ("x", {"promt": "b"})
    assert not bad.is_untouched


def test_a_bad_row_with_a_bad_id_has_none() -> None:
    """
    What is no id can't come back as one.
    """
    assert refused({"id": [1], "x": 2}).request.id is None


def test_a_bad_row_has_the_same_fingerprint_until_it_or_its_place_changes() -> None:
    """
    So its message is recorded once, and never names another line.
    """
    one, again = refused(b'{"a": 1}'), refused(b'{"a": 1}')
    other, (moved,) = refused(b'{"a": 2}'), rows_of(b'\n{"a": 1}')

    assert isinstance(moved, Result)
    assert one.fingerprint == again.fingerprint
    assert len({one.fingerprint, other.fingerprint, moved.fingerprint}) == 3
    assert len(one.fingerprint) == 16


LINES = st.just(b'{"prompt": "a"}') | st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b""))


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(LINES, max_size=6))
def test_no_line_shifts_another(lines: list[bytes]) -> None:
    """
    Each line that is not blank is one row in its place, whatever it holds, and is counted as one.
    """
    filled = [line for line in lines if line.strip()]
    rows = rows_of(b"\n" + b"\n".join(lines))

    assert len(rows) == len(filled)
    for position, (row, line) in enumerate(zip(rows, filled, strict=True)):
        assert (row.request if isinstance(row, Result) else row).position == position
        assert isinstance(row, Result) or line == b'{"prompt": "a"}'


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def prompts(*paths: str, stdin: bytes = b"") -> list[str]:
    rows = list(read_rows(paths, shape=PLAIN, stdin=io.BytesIO(stdin)))
    assert [row.position for row in rows if isinstance(row, Request)] == list(range(len(rows)))
    return [row.messages[0]["content"] for row in rows if isinstance(row, Request)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"prompt": "one"}\n{"prompt": "two"}\n'),
        ("a.jsonl", b'\xef\xbb\xbf{"prompt": "one"}\r\n\r\n{"prompt": "two"}'),
        ("a", b'\n \t\n{"prompt": "one"}\n\n\n  {"prompt": "two"}  \n\n'),
        ("a.jsonl.gz", gzip.compress(b'{"prompt": "one"}\n{"prompt": "two"}\n')),
        ("a.txt", b"one\ntwo\n"),
        ("a.TXT", b"\xef\xbb\xbfone\r\n\r\ntwo"),
        ("a.txt.gz", gzip.compress(b"one\n\ntwo\n")),
    ],
)
def test_files_are_read_by_their_ending(tmp_path: Path, name: str, content: bytes) -> None:
    """
    JSON Lines or text, compressed or not, from whatever editor; blank lines are no rows, and are not counted as such.
    """
    path = write(tmp_path / name, content)

    assert prompts(path) == ["one", "two"]
    assert survey_rows([path]).rows == 2


def test_positions_run_on_over_all_inputs(tmp_path: Path) -> None:
    """
    One input after the other, standard input among them.
    """
    first, last = write(tmp_path / "a.txt", "one\ntwo"), write(tmp_path / "b.txt", "four")

    assert prompts(first, "-", last, stdin=b'{"prompt": "three"}') == ["one", "two", "three", "four"]
    assert survey_rows([first, last]).rows == 3


def test_a_bad_row_names_its_file_and_line(tmp_path: Path) -> None:
    """
    The line as an editor counts it, blank ones too.
    """
    path = write(tmp_path / "reviews.jsonl", '{"prompt": "a"}\n\n{"x": 1}\n')
    _, bad = read_rows([path], shape=PLAIN, stdin=io.BytesIO())

    assert isinstance(bad, Result)
    assert message(bad).startswith(f"{path} line 3: field 'prompt' is missing")


def test_a_line_of_text_that_is_no_utf8_is_a_bad_row(tmp_path: Path) -> None:
    """
    In plain text as in JSON.
    """
    (bad,) = read_rows([write(tmp_path / "a.txt", b"caf\xe9")], shape=PLAIN, stdin=io.BytesIO())

    assert isinstance(bad, Result)
    assert "save it as UTF-8" in message(bad)


@pytest.mark.parametrize("name", ["a.xlsx", "a.ZIP", "a.jsonl.zst"])
def test_a_format_brim_does_not_read_is_refused_by_name(tmp_path: Path, name: str) -> None:
    """
    Before anything is read.
    """
    with pytest.raises(InputError, match="brim reads JSON Lines"):
        read_rows([write(tmp_path / name, "x")], shape=PLAIN, stdin=io.BytesIO())


def test_an_input_that_is_not_there_stops_the_run_before_it_begins(tmp_path: Path) -> None:
    """
    Said at once, even if it is the last of several.
    """
    good = write(tmp_path / "a.jsonl", '{"prompt": "a"}')

    with pytest.raises(InputError, match=r"missing.jsonl does not exist"):
        read_rows([good, str(tmp_path / "missing.jsonl")], shape=PLAIN, stdin=io.BytesIO())
    with pytest.raises(InputError, match="is a directory"):
        read_rows([good, str(tmp_path)], shape=PLAIN, stdin=io.BytesIO())
    with pytest.raises(InputError, match="does not exist"):
        survey_rows([str(tmp_path / "missing.jsonl")])


def test_an_input_that_breaks_off_says_where(tmp_path: Path) -> None:
    """
    The rows before are rows; then the run is told, rather than taking the file for whole.
    """
    whole = gzip.compress(b'{"prompt": "a"}\n{"prompt": "b"}\n')
    path = write(tmp_path / "a.jsonl.gz", whole[:-12])

    with pytest.raises(InputError, match=r"a.jsonl.gz breaks off after line \d"):
        list(read_rows([path], shape=PLAIN, stdin=io.BytesIO()))
    assert survey_rows([path]).rows is not None


def test_what_can_be_read_only_once_is_not_counted(tmp_path: Path) -> None:
    """
    Standard input and pipes have no known number of rows.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    assert survey_rows(["-"]).rows is None
    assert survey_rows([write(tmp_path / "a.txt", "a"), str(pipe)]).rows is None


@pytest.mark.parametrize("chunk_end", [b"\n", b"x\n", b" \n", b"\n\n", b"x"])
def test_counting_does_not_depend_on_where_a_chunk_ends(tmp_path: Path, chunk_end: bytes) -> None:
    """
    A line over several chunks is one row, a blank one at the seam is none.
    """
    content = b"y" * (2 * (1 << 20) - len(chunk_end)) + chunk_end + b"z\n \n"
    path = write(tmp_path / "a.txt", content)

    assert survey_rows([path]).rows == sum(1 for line in content.split(b"\n") if line.strip())


def test_reading_keeps_no_rows(tmp_path: Path) -> None:
    """
    Memory is that of a row, not of the file.
    """
    line = json.dumps({"prompt": "x" * 500}) + "\n"
    path = write(tmp_path / "a.jsonl", line * 20_000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_rows([path], shape=PLAIN, stdin=io.BytesIO())) == 20_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2_000_000 < Path(path).stat().st_size


ROW = {
    "a": "text",
    "n": 3,
    "deep": {"er": {"x": "down"}, "list": [1, "é"]},
    "with space": "ok",
    "x.y": "dotted",
    "z": None,
}


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("{a}", "text"),
        ("Rate: {a}!", "Rate: text!"),
        ("{a}{n}", "text3"),
        ("{{{a}}}", "{text}"),
        ('{{"a": {n}}}', '{"a": 3}'),
        ("{deep.er.x}", "down"),
        ("{deep.list}", '[1,"é"]'),
        ("{deep.er}", '{"x":"down"}'),
        ("{with space}", "ok"),
        ("{x.y}", "dotted"),
        ("{z}\n", "null\n"),
    ],
)
def test_a_template_fills_in_the_rows_fields(template: str, prompt: str) -> None:
    """
    Text as it is, everything else as JSON; the fields still come back.
    """
    request = asked(ROW, RowShape(template=template))

    assert request.messages == [{"role": "user", "content": prompt}]
    assert request.extra == ROW


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{", "lone '{' at character 1"),
        ("a } b", "lone '}' at character 3"),
        ("{a", "lone '{' at character 1"),
        ("{a{b}}", "lone '{' at character 1"),
        ("{}", "'{}' at character 1 is no field"),
        ("{a!r}", "is no field; write a plain name"),
        ("{a:>10}", "is no field"),
        ("{a[0]}", "is no field"),
        ("{a..b}", "is no field"),
        ("{.a}", "is no field"),
        ("{ a }", "is no field"),
        ("no field", "the template names no field"),
        ("{{a}}", "the template names no field"),
    ],
)
def test_a_template_that_is_none_is_refused_before_anything_is_read(template: str, says: str) -> None:
    """
    With the place and what to write instead.
    """
    with pytest.raises(ConfigError) as caught:
        RowShape(template=template)

    assert says in str(caught.value)


def test_a_field_that_a_row_lacks_fails_that_row() -> None:
    """
    And no other.
    """
    rows = rows_of(b'{"a": {"b": "x"}}\n{"a": "x"}\n{}\n', RowShape(template="{a.b}"))

    assert [isinstance(row, Request) for row in rows] == [True, False, False]
    assert isinstance(rows[1], Result)
    assert "stdin line 2: field 'a.b', which the template names, is missing" in message(rows[1])


def test_a_prompt_field_needs_a_name() -> None:
    """
    An empty one is a slip on the command line.
    """
    with pytest.raises(ConfigError, match="has no name"):
        RowShape(prompt_field="")


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["prompt", "id", "custom_id", "model", "note"]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(max_size=3),
            max_size=3,
        ),
        max_size=4,
    )
)
def test_one_step_reads_what_close_reading_does(rows: list[dict[str, Any]]) -> None:
    """
    A row that is read in one step, as most are, is read as any other would be, whatever came before it.
    """
    content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    close = RowParser(PLAIN)

    def read_closely(row: dict[str, Any], position: int) -> Request | str:
        try:
            return close.parse(row, position=position)
        except InputError as error:
            return str(error)

    for position, (row, got) in enumerate(zip(rows, rows_of(content), strict=True)):
        expected = read_closely(row, position)
        assert got == expected if isinstance(got, Request) else message(got).endswith(str(expected))
