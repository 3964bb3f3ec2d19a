"""The trace file: a line for each wait, nothing secret in it, and never the end of a run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from brim.errors import ConfigError
from brim.events import AttemptAdmitted, AttemptEnded, Event, Hold
from brim.storage.trace import TraceFile
from brim.values import Attempt, Bound, Constraint, Gauge, GaugeSource, Reply, Request

REQUEST = Request(id="a1", position=7, messages=[{"role": "user", "content": "the secret of life"}])
ATTEMPT = Attempt(request=REQUEST, number=2, body=b"the secret of life")
WAITED = AttemptAdmitted(
    lane="openai:m",
    attempt=ATTEMPT,
    waited_s=3.500049,
    holds=(
        Hold(Bound(Constraint.CONCURRENCY, "concurrency"), 0.5),
        Hold(Bound(Constraint.REQUESTS, "requests a minute"), 3.0),
    ),
    input_tokens=11.7,
    output_tokens=256.0,
    gauge=Gauge(
        name="requests a minute",
        limit=60.0,
        used=0.98765,
        unit="requests",
        period_s=60.0,
        source=GaugeSource.STATED,
    ),
)


def test_a_line_has_all_that_explains_a_wait(tmp_path: Path) -> None:
    """
    When, who, how long, what for and how full it was; nothing of the prompt.
    """
    path = tmp_path / "trace.jsonl"
    trace = TraceFile(path, wall=lambda: 1_700_000_000.25)
    trace.write(WAITED)
    trace.close()

    assert json.loads(path.read_text()) == {
        "at": 1_700_000_000.25,
        "lane": "openai:m",
        "id": "a1",
        "position": 7,
        "attempt": 2,
        "waited_s": 3.5,
        "held_by": [
            {"constraint": "concurrency", "name": "concurrency", "seconds": 0.5},
            {"constraint": "requests", "name": "requests a minute", "seconds": 3.0},
        ],
        "input_tokens": 12,
        "output_tokens": 256,
        "limit": {
            "name": "requests a minute",
            "limit": 60.0,
            "used": 0.9877,
            "unit": "requests",
            "period_s": 60.0,
            "source": "stated",
        },
    }
    assert "secret" not in path.read_text()


def test_an_earlier_trace_is_kept(tmp_path: Path) -> None:
    """
    A run that goes on writes to the end. What was no limit has none.
    """
    path = tmp_path / "trace.jsonl"
    for _ in range(2):
        trace = TraceFile(path)
        trace.write(msgspec.structs.replace(WAITED, gauge=None))
        trace.close()

    assert [json.loads(line)["limit"] for line in path.read_text().splitlines()] == [None, None]


def test_everybody_is_told_and_the_trace_takes_its_own(tmp_path: Path) -> None:
    """
    Put before an observer it keeps back nothing, and writes only what is of waits.
    """
    heard: list[Event] = []
    path = tmp_path / "trace.jsonl"
    trace = TraceFile(path)
    tell = trace.before(heard.append)
    ended = AttemptEnded("openai:m", ATTEMPT, Reply(text=""), 0.5, None)
    tell(ended)
    tell(WAITED)
    trace.close()

    assert heard == [ended, WAITED]
    assert len(path.read_text().splitlines()) == 1


def test_one_can_look_on(tmp_path: Path) -> None:
    """
    A line is in the file a second later, when the next one comes, without the trace being closed.
    """
    clock = iter([0.0, 0.5, 1.5])
    path = tmp_path / "trace.jsonl"
    trace = TraceFile(path, wall=lambda: next(clock))
    trace.write(WAITED)
    assert path.read_text() == ""
    trace.write(WAITED)

    assert len(path.read_text().splitlines()) == 2
    trace.close()


def test_a_file_that_cannot_be_opened_is_said_at_once(tmp_path: Path) -> None:
    """
    Before anything is sent, with the reason.
    """
    with pytest.raises(ConfigError, match=r"can't write the trace .*: Is a directory; name another file"):
        TraceFile(tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
def test_a_full_disk_ends_the_trace_and_nothing_else() -> None:
    """
    Writing goes on as if nothing were, and in the end it is said.
    """
    trace = TraceFile("/dev/full", wall=iter(range(1_000_000)).__next__)
    for _ in range(3):
        trace.write(WAITED)

    with pytest.warns(UserWarning, match="the trace /dev/full is not complete: No space left on device"):
        trace.close()
