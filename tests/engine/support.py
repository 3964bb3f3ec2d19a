"""One lane over a scripted far end, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

import msgspec

from brim.config import Endpoint
from brim.engine.budget import Till
from brim.engine.lane import Lane, Settings
from brim.engine.ledger import Ledger
from brim.engine.path import Prepared, fulfil
from brim.engine.run import Run
from brim.events import Event
from brim.protocols import Dialect
from brim.protocols.openai import OpenAIChat
from brim.simulator.clock import run_virtual
from brim.transport import Transport
from brim.transport.scripted import Answers
from brim.values import Reply, Request, Result

ENDPOINT = Endpoint(dialect="openai", base_url="http://127.0.0.1:1", model="m")


def reply(text: str = "ok", *, after: float = 0.0, tokens: tuple[int, int] = (10, 5)) -> Answers:
    """An answer with *text*, *after* seconds; *tokens* are input and output."""
    body = {
        "id": "r",
        "model": "m",
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]},
    }
    return Answers(body=msgspec.json.encode(body), after=after)


def refusal(status: int, *, code: str | None = None, retry_after: float | None = None, after: float = 0.0) -> Answers:
    """An error answer."""
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    body = {"error": {"message": "no", "type": code, "code": code}}
    return Answers(status=status, headers=headers, body=msgspec.json.encode(body), after=after)


def ask(position: int = 0, text: str = "ping", model: str | None = None) -> Request:
    return Request(position=position, messages=[{"role": "user", "content": text}], model=model)


def open_lane(
    transport: Transport,
    settings: Settings | None = None,
    *,
    emit: Callable[[Event], None] = lambda _: None,
    dialect: Dialect | None = None,
    model: str = "m",
    ledger: Ledger | None = None,
    till: Till | None = None,
    price: Callable[[Reply], float | None] = lambda _: 0.25,
    began_at: float = 1_000.0,
) -> Lane:
    return Lane(
        endpoint=ENDPOINT,
        model=model,
        dialect=dialect or OpenAIChat(base_url=ENDPOINT.base_url),
        transport=transport,
        settings=settings or Settings(seed=1),
        price=price,
        emit=emit,
        wall=lambda: began_at + asyncio.get_running_loop().time(),
        ledger=ledger,
        till=till,
    )


class Played:
    """What came of a run."""

    def __init__(self) -> None:
        self.recorded: list[Result] = []
        self.left: list[Result] = []
        self.events: list[Event] = []
        self.ended_at = 0.0

    @property
    def positions(self) -> list[int]:
        return sorted(result.request.position for result in self.recorded)


def play_one(transport: Transport, settings: Settings | None = None) -> Result:
    """One request to its result."""

    async def main() -> Result:
        lane = open_lane(transport, settings)
        return await fulfil(lane.prepare(ask()), lane.path)

    return run_virtual(main())


def play(
    transport: Transport,
    requests: Iterable[Request],
    settings: Settings | None = None,
    *,
    meanwhile: Callable[[Run, Played], None] | None = None,
) -> Played:
    """Carry *requests* to their results; lanes appear as they name models. *meanwhile* is called at the start."""
    played = Played()

    async def main() -> None:
        lanes: dict[str, Lane] = {}

        async def source() -> AsyncIterator[tuple[Lane, Prepared]]:
            for request in requests:
                model = request.model or "m"
                if model not in lanes:
                    lanes[model] = open_lane(transport, settings, emit=played.events.append, model=model)
                yield lanes[model], lanes[model].prepare(request)

        run = Run(record=played.recorded.extend, leave=played.left.append)
        if meanwhile is not None:
            meanwhile(run, played)
        await run.carry(source())
        played.ended_at = asyncio.get_running_loop().time()
        for lane in lanes.values():
            assert lane.limiter.in_flight == 0, "permits out = permits back"
            assert lane.alive == 0

    run_virtual(main())
    return played
