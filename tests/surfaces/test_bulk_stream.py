"""Runs with `--stream`: the same results, the same journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from brim.protocols import WireRequest
from brim.surfaces.bulk import Exit
from brim.transport.scripted import Answers, Streams
from engine.streams import words
from surfaces.test_bulk import Desk, prompt_of


def answer(request: WireRequest) -> Streams | Answers:
    """Answer as asked: streamed or plain."""
    text = f"re: {prompt_of(request)}"
    if msgspec.json.decode(request.body).get("stream"):
        return words(text[:3], text[3:], every=0.0)
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return Answers(body=msgspec.json.encode({"id": "r", **body, "usage": usage}))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"latency_s": 0.0} for row in rows]


def test_a_streamed_run_writes_the_same_output(desk: Desk, tmp_path: Path) -> None:
    """
    Whether answers come in pieces is nobody's business after the run.
    """
    other = Desk(tmp_path / "other")
    other.input.parent.mkdir()
    for each in (desk, other):
        each.write("a", "b", "c")

    status, far_end = desk.run(answer, options={"stream": True})
    other.run(answer)

    assert status is Exit.ANSWERED
    assert all(b'"stream":true' in body for body in far_end.bodies)
    assert without_times(desk.rows) == without_times(other.rows)


@pytest.mark.parametrize("first", [True, False])
def test_a_run_goes_on_with_or_without_it(desk: Desk, *, first: bool) -> None:
    """
    What was answered in one way is not sent again in the other.
    """
    desk.write("a", "b")
    desk.run(answer, options={"stream": first})
    desk.write("a", "b", "c")

    status, far_end = desk.run(answer, options={"stream": not first})

    assert status is Exit.ANSWERED
    assert [prompt_of(request) for request in far_end.requests] == ["c"]
    assert desk.texts == ["re: a", "re: b", "re: c"]
