"""A client over a simulated provider, on virtual time."""

from __future__ import annotations

import asyncio

import brim
from brim import testing
from brim.events import Event
from brim.surfaces.client import Options

MIX = {
    "hang": 0.02,
    "hang_after_headers": 0.01,
    "server_error": 0.04,
    "unavailable": 0.02,
    "reset": 0.02,
    "truncated": 0.01,
    "garbage": 0.01,
    "throttled": 0.03,
}


def scenario(faults: dict[str, float], *, seed: int = 1, first: float = 1.0, refusal: float = 0.0) -> testing.Scenario:
    return testing.Scenario(
        seed=seed,
        latency=testing.Latency(first=first, refusal=refusal),
        headers=testing.Headers(spelling="none", waits=()),
        faults=[testing.FaultRule(kind=kind, chance=chance) for kind, chance in faults.items()],
    )


class Played:
    """What came of prompts sent through a client, and when."""

    def __init__(
        self, world: testing.Scenario, rows: int, *, model: str = "openai:m", api: str = "chat", **more: object
    ) -> None:
        self.transport = testing.SimTransport(testing.Provider(world))
        options: Options = {"transport": self.transport, "base_url": "http://127.0.0.1:1", "environ": {}, "seed": 1}
        options["api"] = api
        options.update(more)  # type: ignore[typeddict-item] # a test's own settings, by name
        self.results: list[brim.Result] = []
        self.events: list[tuple[float, Event]] = []

        async def main() -> float:
            loop = asyncio.get_running_loop()
            options["on_event"] = lambda event: self.events.append((loop.time(), event))
            async with brim.Client(model, **options) as client:
                async for result in client.complete_each(f"prompt {n}" for n in range(rows)):
                    self.results.append(result)
            return loop.time()

        self.seconds = testing.run_virtual(main())
        self.results.sort(key=lambda result: result.request.position)

    @property
    def failures(self) -> list[str]:
        return [result.failure.message for result in self.results if result.failure is not None]

    @property
    def is_right(self) -> bool:
        """Has every row the answer to its own prompt, once?"""
        rows = [result.request.position for result in self.results]
        return rows == list(range(len(rows))) and all(
            (result.text or "").startswith(testing.answer_to(f"prompt {result.request.position}"))
            for result in self.results
        )
