"""A test kit: the simulated provider for your own tests, in process or over HTTP.

Over HTTP, for any client in any library (the official SDKs included):

    with brim.testing.serve("tier1") as provider:
        client = openai.OpenAI(base_url=provider.base_url + "/v1", api_key="any")
        ...
        assert provider.tally.paid_twice == 0

In process and in no time at all, for brim's own client and for clients that can call an ASGI application:

    provider = brim.testing.Provider(brim.testing.load_scenario("flaky"))
    brim.testing.run_virtual(main(brim.testing.SimTransport(provider)))  # brim.Client(..., transport=...)
    brim.testing.run_virtual(main(brim.testing.SimApp(provider)))        # httpx.ASGITransport(app=...)

docs/how-to/test-with-the-simulator.md shows both, and how to steer single calls.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from brim.errors import ConfigError
from brim.simulator import (
    Ask,
    Capacity,
    Change,
    Deadlock,
    FaultRule,
    Headers,
    Latency,
    Lengths,
    Limit,
    Makespan,
    Provider,
    Ramp,
    Rival,
    Scenario,
    SimApp,
    SimServer,
    SimTransport,
    Tally,
    VirtualLoop,
    all_faults,
    answer_to,
    greedy,
    least_time,
    load_scenario,
    paced,
    read_scenario,
    run_virtual,
    scenario_names,
    steadfast,
)

__all__ = [
    "Ask",
    "Capacity",
    "Change",
    "Deadlock",
    "FaultRule",
    "Headers",
    "Latency",
    "Lengths",
    "Limit",
    "Makespan",
    "Provider",
    "Ramp",
    "Rival",
    "Scenario",
    "ServedProvider",
    "SimApp",
    "SimTransport",
    "Tally",
    "VirtualLoop",
    "all_faults",
    "answer_to",
    "greedy",
    "least_time",
    "load_scenario",
    "paced",
    "read_scenario",
    "run_virtual",
    "scenario_names",
    "serve",
    "steadfast",
]

T = TypeVar("T")


class ServedProvider:
    """A provider that listens on a loopback port, served by a thread of its own.

    Attributes:
        base_url: where it listens, without `/v1`: Anthropic's clients want it so, OpenAI's with `/v1` behind.
    """

    def __init__(self, server: SimServer, loop: asyncio.AbstractEventLoop) -> None:
        self.base_url = server.url
        self._server = server
        self._loop = loop

    def stats(self) -> dict[str, Any]:
        """What was counted so far, as `/stats` shows it."""
        return self._ask(self._server.stats)

    @property
    def tally(self) -> Tally:
        """The provider's book-keeping, everything that is due by now included."""
        self._ask(self._server.stats)
        return self._server.provider.tally

    def _ask(self, question: Callable[[], T]) -> T:
        """Call *question* in the server's thread, between two of its events."""

        async def answer() -> T:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result()


@contextmanager
def serve(
    scenario: Scenario | str = "plain",
    *,
    port: int = 0,
    choose: Callable[[Ask, int], str | None] | None = None,
    say: Callable[[Ask], str | None] | None = None,
) -> Iterator[ServedProvider]:
    """Serve a provider on a loopback port as long as the context lasts.

    Args:
        scenario: a scenario, the name of a ready-made one, or the path of a TOML file.
        port: the port; 0 takes a free one.
        choose: told each request and the number of its try, from 1, names the fault that befalls it, or None. Called
            in the server's thread.
        say: told each request, gives the words of its answer, or None for the scenario's own.

    Raises:
        ConfigError: there is no such scenario, it is wrong, or the port is taken.
    """
    server = SimServer(load_scenario(scenario) if isinstance(scenario, str) else scenario, choose=choose, say=say)
    ready: Future[asyncio.AbstractEventLoop] = Future()
    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_host(server, port, ready, stop)), name="brim-sim")
    thread.start()
    loop = ready.result()
    try:
        yield ServedProvider(server, loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _host(server: SimServer, port: int, ready: Future[asyncio.AbstractEventLoop], stop: asyncio.Event) -> None:
    """Serve in this thread until *stop*; *ready* is told the loop, or why there is none."""
    try:
        await server.start(port=port)
    except ConfigError as error:
        ready.set_exception(error)
        return
    ready.set_result(asyncio.get_running_loop())
    await stop.wait()
    await server.aclose()
