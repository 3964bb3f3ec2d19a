"""Streams that a scripted far end plays, and lanes that read them in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from brim.config import Timeouts
from brim.engine.lane import Settings
from brim.policies.retry import Backoff
from brim.surfaces.client import Client, Options
from brim.transport import Transport
from brim.transport.scripted import Breaks, Hangs, Streams

T = TypeVar("T")

DONE = b"data: [DONE]\n\n"
QUICK = Backoff(first_s=0.0)


def data(value: object) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def said(text: str | None = "", *, finish: str | None = None, **delta: object) -> bytes:
    return data({"id": "r", "choices": [{"index": 0, "delta": {"content": text, **delta}, "finish_reason": finish}]})


USAGE = data({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}})
ENDING = said(finish="stop") + USAGE + DONE
FAULT = data({"error": {"message": "the engine died", "code": 500}})


def words(
    *texts: str, every: float = 1.0, ending: bytes = ENDING, last: float = 0.0, end: Breaks | Hangs | None = None
) -> Streams:
    """A stream of *texts*, one *every* so many seconds, whose *ending* comes with the last one."""
    chunks = [said(text) for text in texts]
    return Streams(chunks=[(every, chunk) for chunk in [*chunks[:-1], chunks[-1] + ending]], last=last, end=end)


def options(transport: Transport, timeouts: Timeouts | None = None) -> Options:
    return {
        "transport": transport,
        "base_url": "http://127.0.0.1:1",
        "environ": {},
        "seed": 1,
        "timeouts": timeouts or Timeouts(),
    }


def streamed(timeouts: Timeouts | None = None, **settings: object) -> Settings:
    return Settings(stream=True, seed=1, backoff=QUICK, timeouts=timeouts or Timeouts(), **settings)  # type: ignore[arg-type] # by name


async def with_client(
    transport: Transport, main: Callable[[Client], Awaitable[T]], timeouts: Timeouts | None = None
) -> T:
    """Run *main* with a client; afterwards no permit is out."""
    async with Client("m", **options(transport, timeouts)) as client:
        result = await main(client)
        await asyncio.sleep(0)
        for lane in client._lanes.values():
            assert lane.limiter.in_flight == 0, "permits out = permits back"
    return result
