"""The main job over a scripted far end: files in, files out, going on after whatever stopped it."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from brim.config import Limits
from brim.errors import ConfigError, InputError, JournalError
from brim.protocols import WireRequest
from brim.storage.rows import RowShape
from brim.surfaces.bulk import Exit, Job, carry_out, journal_path
from brim.surfaces.client import Options
from brim.transport.scripted import Answers, Scripted, Step
from engine.support import refusal, reply


def prompt_of(request: WireRequest) -> str:
    text = msgspec.json.decode(request.body)["messages"][-1]["content"]
    assert isinstance(text, str)
    return text


def echo(request: WireRequest) -> Answers:
    return reply(f"re: {prompt_of(request)}")


class Desk:
    """A folder with an input, and runs over it."""

    def __init__(self, folder: Path) -> None:
        self.input = folder / "in.jsonl"
        self.output = folder / "out.jsonl"

    def write(self, *prompts: str, **extra: object) -> None:
        lines = [json.dumps({"id": f"id-{prompt}", "prompt": prompt, **extra}) for prompt in prompts]
        self.input.write_text("".join(f"{line}\n" for line in lines))

    def run(
        self, far: Step | Callable[[WireRequest], Step] = echo, *, stdin: bytes | None = None, **job: Any
    ) -> tuple[Exit, Scripted]:
        far_end = Scripted(then=far)
        options: Options = {"transport": far_end, "base_url": "http://127.0.0.1:1", "environ": {}, "seed": 1}
        options.update(job.pop("options", {}))
        settings = {"model": "m", "shape": RowShape(), "inputs": [str(self.input)], "output": self.output, **job}
        status = asyncio.run(carry_out(Job(options=options, **settings), stdin=io.BytesIO(stdin or b"")))
        return status, far_end

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    @property
    def texts(self) -> list[str | None]:
        return [row["text"] for row in self.rows]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_file_of_prompts_becomes_a_file_of_answers(desk: Desk) -> None:
    """
    One line for each row, in the order of the input, its id and its own fields given back.
    """
    desk.write("a", "b", "c", label="x")

    status, _ = desk.run()

    assert status is Exit.ANSWERED
    assert desk.texts == ["re: a", "re: b", "re: c"]
    assert desk.rows[1] | {"latency_s": 0.0} == {
        "id": "id-b",
        "text": "re: b",
        "finish_reason": "stop",
        "usage": {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_tokens": 0,
            "cache_write_tokens": 0,
            "reasoning_tokens": 0,
        },
        "cost_usd": None,
        "attempts": 1,
        "latency_s": 0.0,
        "error": None,
        "label": "x",
    }


def test_the_same_command_sends_nothing_twice(desk: Desk) -> None:
    """
    A finished run that is repeated sends nothing and writes the same output.
    """
    desk.write("a", "b", "c")
    desk.run()
    before = desk.output.read_bytes()

    status, far_end = desk.run()

    assert status is Exit.ANSWERED
    assert not far_end.requests
    assert desk.output.read_bytes() == before


def test_an_edited_input_runs_only_what_is_new(desk: Desk) -> None:
    """
    Reordered, extended and edited: only rows that were never answered are sent.
    """
    desk.write("a", "b", "c")
    desk.run()
    desk.write("c", "new", "a", "b")

    _, far_end = desk.run()

    assert [prompt_of(request) for request in far_end.requests] == ["new"]
    assert desk.texts == ["re: c", "re: new", "re: a", "re: b"]


def test_other_parameters_are_refused_with_their_names(desk: Desk) -> None:
    """
    A journal takes the answers of one set of parameters; nothing is sent and nothing lost.
    """
    desk.write("a")
    desk.run(options={"params": {"temperature": 0}})

    with pytest.raises(JournalError, match="temperature"):
        desk.run(options={"params": {"temperature": 1}})
    assert desk.texts == ["re: a"]


def test_a_failed_row_is_a_line_and_status_one(desk: Desk) -> None:
    """
    A row that fails for good is in the output with its reason, the others are answered.
    """
    desk.write("good", "bad", "fine")

    status, _ = desk.run(lambda request: refusal(400) if prompt_of(request) == "bad" else echo(request))

    assert status is Exit.SOME_FAILED
    assert desk.texts == ["re: good", None, "re: fine"]
    assert desk.rows[1]["error"] == {"kind": "invalid", "message": "no", "status": 400}


def test_failed_rows_are_sent_again_only_when_asked(desk: Desk) -> None:
    """
    A recorded failure stands, until `--retry-failed`.
    """
    desk.write("good", "bad")
    desk.run(lambda request: refusal(400) if prompt_of(request) == "bad" else echo(request))

    status, far_end = desk.run()
    assert (status, len(far_end.requests)) == (Exit.SOME_FAILED, 0)

    status, far_end = desk.run(retry_failed=True)
    assert (status, len(far_end.requests)) == (Exit.ANSWERED, 1)
    assert desk.texts == ["re: good", "re: bad"]


def test_rows_that_cannot_be_read_fail_alone(desk: Desk) -> None:
    """
    Not JSON, no prompt, a wrong type: each is a line that says file, line and field.
    """
    desk.input.write_text('{"prompt": "a"}\nnot json\n{"promt": "b"}\n{"prompt": 7}\n\n{"prompt": "c"}\n')

    status, far_end = desk.run()

    assert status is Exit.SOME_FAILED
    assert len(far_end.requests) == 2
    assert desk.texts == ["re: a", None, None, None, "re: c"]
    messages = [row["error"]["message"] for row in desk.rows[1:4]]
    assert [f"line {number}" in message for number, message in zip((2, 3, 4), messages, strict=True)] == [True] * 3
    assert "'prompt'" in messages[1]


@pytest.mark.parametrize(
    ("far", "status"),
    [
        (refusal(429, code="insufficient_quota"), Exit.PARKED),
        (refusal(401, code="invalid_api_key"), Exit.PARKED),
        (refusal(404, code="model_not_found"), Exit.WRONG),
    ],
)
def test_a_parked_lane_leaves_its_rows_and_the_next_run_goes_on(desk: Desk, far: Answers, status: Exit) -> None:
    """
    Out of credit, bad key, unknown model: a handful of calls, no row touched; run again and all are answered.
    """
    desk.write(*(f"p{number}" for number in range(200)))

    first, far_end = desk.run(far)
    assert first is status
    assert len(far_end.requests) <= 8
    assert desk.rows == []

    again, _ = desk.run()
    assert again is Exit.ANSWERED
    assert desk.texts == [f"re: p{number}" for number in range(200)]


def test_a_mistake_in_the_command_stops_after_the_first_rows(desk: Desk) -> None:
    """
    When the first rows are all refused in the same way the run stops, says so, and exits with 2.
    """
    desk.write(*(f"p{number}" for number in range(1_000)))

    status, far_end = desk.run(refusal(400, code="unknown_parameter"))

    assert status is Exit.WRONG
    assert len(far_end.requests) <= 60
    assert {row["error"]["kind"] for row in desk.rows} == {"invalid"}


def test_bad_rows_among_good_ones_cost_one_call_each(desk: Desk) -> None:
    """
    Sixty permanently bad rows among a thousand: one call each, and every other row is answered.
    """
    desk.write(*(f"{'bad' if number % 17 == 3 else 'good'} {number}" for number in range(1_000)))

    status, far_end = desk.run(lambda request: refusal(400) if prompt_of(request).startswith("bad") else echo(request))

    assert status is Exit.SOME_FAILED
    assert len(far_end.requests) == 1_000
    assert sum(text is None for text in desk.texts) == sum(number % 17 == 3 for number in range(1_000))


def test_a_deadline_parks_the_run(desk: Desk) -> None:
    """
    When time is up nothing more is sent, what is on the wire comes home, and the next run does the rest.
    """
    desk.write(*(f"p{number}" for number in range(50)))

    status, far_end = desk.run(lambda request: reply(f"re: {prompt_of(request)}", after=0.2), deadline_s=0.05)

    assert status is Exit.PARKED
    assert len(desk.rows) == len(far_end.requests) == 8
    assert desk.run()[0] is Exit.ANSWERED
    assert len(desk.rows) == 50


def test_a_run_that_is_stopped_before_its_first_row_is_not_finished(desk: Desk) -> None:
    """
    Rows may still come from a silent pipe, so the status is that of a run to go on with.
    """
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb"):
        options: Options = {"transport": Scripted(), "base_url": "http://127.0.0.1:1", "environ": {}}
        job = Job(options=options, model="m", shape=RowShape(), inputs=["-"], output=desk.output, deadline_s=0.05)

        assert asyncio.run(carry_out(job, stdin=pipe)) is Exit.PARKED


def test_an_interrupt_drains_and_the_next_run_goes_on(desk: Desk) -> None:
    """
    The first interrupt lets what is on the wire come home, leaves the rest, and exits with 130.
    """
    desk.write(*(f"p{number}" for number in range(50)))

    def far(request: WireRequest) -> Step:
        if prompt_of(request) == "p7":
            asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), 2)
        return reply("ok", after=0.2)

    status, far_end = desk.run(far)

    assert status is Exit.INTERRUPTED
    assert len(desk.rows) == len(far_end.requests) == 8
    assert desk.run()[0] is Exit.ANSWERED


def test_reads_standard_input(desk: Desk) -> None:
    """
    `-` is stdin; rows come from several inputs one after the other.
    """
    desk.write("a")

    status, _ = desk.run(inputs=["-", str(desk.input)], stdin=b'{"prompt": "x"}\n{"prompt": "y"}\n')

    assert status is Exit.ANSWERED
    assert desk.texts == ["re: x", "re: y", "re: a"]


def test_a_missing_input_is_said_before_anything_is_made(desk: Desk) -> None:
    """
    No journal, no output, no request.
    """
    with pytest.raises(InputError, match=r"in\.jsonl does not exist"):
        desk.run()

    assert not list(desk.input.parent.iterdir())


def test_never_writes_over_what_is_not_its_own(desk: Desk) -> None:
    """
    An output without a journal, an output that is the input, an output that is a folder: refused, nothing lost.
    """
    desk.write("a")
    desk.output.write_text("precious\n")
    with pytest.raises(ConfigError, match="has no journal beside it"):
        desk.run()
    assert desk.output.read_text() == "precious\n"

    with pytest.raises(ConfigError, match="is an input too"):
        desk.run(output=desk.input)
    with pytest.raises(ConfigError, match="is a folder"):
        desk.run(output=desk.input.parent)


def test_makes_the_folder_of_its_output(desk: Desk) -> None:
    """
    `-o results/out.jsonl` needs no mkdir.
    """
    desk.write("a")
    output = desk.output.parent / "deep" / "er" / "out.jsonl"

    assert desk.run(output=output)[0] is Exit.ANSWERED
    assert output.exists()
    assert journal_path(output).exists()


def test_the_key_is_written_nowhere(desk: Desk) -> None:
    """
    Neither journal nor output nor anything on screen holds the key, even when the server echoes it.
    """
    key = "sk-secret-0123456789abcdef"
    desk.write("a", "b")
    far = Answers(status=400, body=json.dumps({"error": {"message": f"bad request with key {key}"}}).encode())

    desk.run(far, options={"api_key": key, "base_url": "https://relay.example"})

    for file in desk.output.parent.iterdir():
        assert key not in file.read_text()


def test_a_limit_a_day_outlives_the_process(desk: Desk) -> None:
    """
    What a run sent yesterday evening is gone this morning too: the next one parks and sends nothing.
    """
    desk.write("a", "b")
    desk.run(options={"limits": Limits(requests_per_day=2)})
    desk.write("a", "b", "c")

    status, far_end = desk.run(options={"limits": Limits(requests_per_day=2)})

    assert status is Exit.PARKED
    assert not far_end.requests

    status, far_end = desk.run(options={"limits": Limits(requests_per_day=3)})

    assert status is Exit.ANSWERED
    assert len(far_end.requests) == 1


def test_attempts_are_marked_only_where_a_limit_is_stated(desk: Desk) -> None:
    """
    A mark costs a line for each attempt, so it is written where somebody may have to read it.
    """
    desk.write("a", "b")
    desk.run()
    assert b'"line":"sent"' not in journal_path(desk.output).read_bytes()

    desk.write("a", "b", "c")
    desk.run(options={"limits": Limits(tokens_per_minute=6_000)})
    assert journal_path(desk.output).read_bytes().count(b'"line":"sent"') == 1
