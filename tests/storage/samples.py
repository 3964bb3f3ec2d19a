"""Requests, results and journals that the storage tests share."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any

from brim.storage import Journal, export
from brim.values import Failure, FailureKind, Outcome, Reply, Request, Result, Usage

SETTINGS = {"model": "m", "params": {"temperature": 0.2}}


def fingerprint(question: str) -> bytes:
    return blake2b(question.encode(), digest_size=16).digest()


def request(position: int, *, row_id: str | int | None = None, **extra: Any) -> Request:
    return Request(position=position, messages=(), id=row_id, extra=extra)


def reply(text: str = "fine") -> Reply:
    return Reply(text=text, usage=Usage(input_tokens=7, output_tokens=2), model="m-1", request_id="req-1")


def failure(kind: FailureKind = FailureKind.SERVER) -> Failure:
    return Failure(kind=kind, message="broken", status=500)


def result(of: Request | int, question: str, outcome: Outcome | None = None) -> Result:
    return Result(
        request=request(of) if isinstance(of, int) else of,
        outcome=reply(question.upper()) if outcome is None else outcome,
        attempts=1,
        latency_s=0.25,
        started_at=1_000.0,
        cost_usd=0.001,
        fingerprint=fingerprint(question),
    )


def open_journal(path: Path, *, retry_failed: bool = False, **settings: Any) -> Journal:
    """A journal without a thread, so that nothing happens but what the test does."""
    return Journal.open(
        path, settings=settings or SETTINGS, input_name="in.jsonl", retry_failed=retry_failed, sync_every_s=None
    )


def exported(source: Journal | Path, directory: Path) -> list[dict[str, Any]]:
    output = directory / "exported.jsonl"
    summary = export(source, output)
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert summary.rows == summary.replies + summary.failures == len(lines)
    return lines
