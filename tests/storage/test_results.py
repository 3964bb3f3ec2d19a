"""One result as one line of output."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.storage.lines import answer_to, seal
from brim.storage.results import own_fields, result_line, row_digest, with_position, with_row
from brim.values import Failure, FailureKind, Reply, Request, Usage
from storage.samples import failure, reply, request, result

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(-1e9, 1e9) | st.text(max_size=4)
JSON = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=2), SCALARS, max_size=2)
NAMES = st.text(max_size=3) | st.sampled_from(
    [*own_fields, *(f"input_{name}" for name in own_fields), "input_input_id"]
)


def test_a_reply_has_exactly_the_fields_of_the_contract() -> None:
    """
    Design section 7: the eight fields, in this order, null where nothing is to be said.
    """
    assert list(json.loads(result_line(result(3, "q"))).items()) == [
        ("id", None),
        ("text", "Q"),
        ("finish_reason", "stop"),
        (
            "usage",
            {
                "input_tokens": 7,
                "output_tokens": 2,
                "cache_read_tokens": 0,
                "cache_write_tokens": 0,
                "reasoning_tokens": 0,
            },
        ),
        ("cost_usd", 0.001),
        ("attempts", 1),
        ("latency_s", 0.25),
        ("error", None),
    ]


def test_a_failure_says_why() -> None:
    """
    A failure has no text, and an error with kind, message and status.
    """
    line = json.loads(result_line(result(3, "q", failure())))

    assert line["text"] is None
    assert line["finish_reason"] is None
    assert line["usage"] is None
    assert line["error"] == {"kind": "server", "message": "broken", "status": 500}


def test_a_refused_answer_shows_what_it_cost() -> None:
    """
    Tokens billed for a failure are in the line.
    """
    refused = Failure(kind=FailureKind.REFUSED, message="no", usage=Usage(input_tokens=9))

    assert json.loads(result_line(result(0, "q", refused)))["usage"]["input_tokens"] == 9


def test_tool_calls_are_there_only_if_there_are_any() -> None:
    """
    What the model asks to be called comes in the provider's own form.
    """
    calls = [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}]

    assert json.loads(result_line(result(0, "q", Reply(text="", tool_calls=calls))))["tool_calls"] == calls
    assert b"tool_calls" not in result_line(result(0, "q"))


@pytest.mark.parametrize(
    ("extra", "comes_back"),
    [
        ({"label": "pos", "n": [1]}, {"label": "pos", "n": [1]}),
        ({"text": "theirs"}, {"input_text": "theirs"}),
        ({"text": 1, "input_text": 2}, {"input_input_text": 1, "input_text": 2}),
        ({"error": None, "tool_calls": 0}, {"input_error": None, "input_tool_calls": 0}),
        ({"when": {1, 2}.__class__}, {"when": "<class 'set'>"}),
    ],
    ids=["as they are", "collision", "collision twice", "null and tools", "no JSON at all"],
)
def test_the_rows_own_fields_come_back(extra: dict[str, Any], comes_back: dict[str, Any]) -> None:
    """
    At top level, under their own name, or as `input_<name>` where that is a name of ours.
    """
    line = json.loads(result_line(result(request(0, row_id="a", **extra), "q")))

    assert {name: line[name] for name in list(line)[8:]} == comes_back
    assert line["text"] == "Q"


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, JSON, max_size=6))
def test_no_field_of_a_row_is_lost_or_overwrites_ours(extra: dict[str, Any]) -> None:
    """
    Whatever the row's fields are called, the line holds all of their values and all of ours.
    """
    line = json.loads(result_line(result(Request(messages=(), extra=extra), "q")))

    assert line["text"] == "Q"
    assert len(line) == 8 + len(extra)
    for name, value in extra.items():
        assert name in own_fields or line[name] == value


@settings(max_examples=60, deadline=None)
@given(st.text() | st.integers(0, 99) | st.none(), st.dictionaries(NAMES, JSON, max_size=4))
def test_an_answer_can_go_to_another_row(row_id: str | int | None, extra: dict[str, Any]) -> None:
    """
    Bound to another row, the line is the very line that row would have got.
    """
    row = request(5, row_id=row_id)
    other = msgspec.structs.replace(row, extra=extra)
    recorded = result_line(result(request(0, row_id="old", text="old", other=1), "q"))

    assert json.loads(with_row(recorded, row_id, extra)) == json.loads(result_line(result(other, "q")))


def test_a_row_without_an_id_gets_its_position() -> None:
    """
    The output names such a row by its place in the input; a row's own id stays.
    """
    assert json.loads(with_position(result_line(result(3, "q")), 3))["id"] == 3
    assert json.loads(with_position(result_line(result(request(3, row_id="a"), "q")), 3))["id"] == "a"


def test_text_that_is_no_unicode_does_not_cost_the_answer() -> None:
    """
    Lone surrogates, which JSON bytes cannot carry, are replaced.
    """
    line = json.loads(result_line(result(request(0, row_id="\ud800", tag=1), "q", reply("a\udfffb"))))

    assert (line["id"], line["text"], line["tag"]) == ("?", "a?b", 1)


def test_the_digest_of_a_row_follows_its_id_and_fields() -> None:
    """
    Two rows have the same digest if and only if what they bring along is the same.
    """
    rows = [request(0), request(0, row_id="a"), request(0, row_id=1), request(0, a=1), request(0, a=2)]

    assert len({row_digest(row) for row in rows}) == len(rows)
    assert row_digest(request(7, row_id="a")) == row_digest(request(8, row_id="a"))


def test_half_a_character_in_a_model_costs_no_line() -> None:
    """
    The rest of the journal's line is as it would be, the row's own fields included.
    """
    asked = Request(messages=(), model="m\ud800", extra={"tag": 1})
    line = json.loads(seal(answer_to(result(asked, "q", reply("fine")))))

    assert line["lane"] == "m?"
    assert line["result"] == json.loads(result_line(result(asked, "q", reply("fine"))))
