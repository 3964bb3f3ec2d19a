"""The provider as an HTTP server on loopback: `brim sim`, and the far end of end-to-end tests.

Speaks OpenAI Chat Completions, Responses and Embeddings and Anthropic Messages under any prefix (`/v1`, Azure's
`/openai/deployments/x`), both ways of counting tokens, the list of models, and `/stats`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from time import time
from typing import Any, Final

from brim.errors import ConfigError
from brim.simulator.connection import Connection
from brim.simulator.luck import Choose
from brim.simulator.making import Say
from brim.simulator.model import Provider
from brim.simulator.oracle import least_time
from brim.simulator.scenario import Scenario
from brim.simulator.wire_openai import models_body

__all__ = ["SimServer", "serve"]

_SOME_MODELS: Final = ("sim-small", "sim-large")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class SimServer:
    """A provider that listens.

    Args:
        scenario: what the provider is like.
        choose: names the fault of a call, before the scenario's own rules.
        say: gives the words of an answer.
    """

    def __init__(self, scenario: Scenario, *, choose: Choose | None = None, say: Say | None = None) -> None:
        self.scenario = scenario
        self.url = ""
        self._choose = choose
        self._say = say
        self._alive: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and say where: the URL without `/v1`. Port 0 takes a free one.

        Raises:
            ConfigError: the host is not this machine's loopback, or the port is taken.
        """
        if host not in _LOOPBACK:
            raise ConfigError(f"host {host!r} is not loopback; the simulator checks no keys and stays on this machine")
        loop = asyncio.get_running_loop()
        self._zero = loop.time()
        self.provider = Provider(self.scenario, epoch=time(), choose=self._choose, say=self._say)
        try:
            self._server = await loop.create_server(self._connect, host, port, backlog=4_096)
        except OSError as error:
            raise ConfigError(f"can't listen on {host}:{port}: {error.strerror}; try --port 0") from None
        bound = self._server.sockets[0].getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
        return self.url

    def _connect(self) -> Connection:
        return Connection(self.provider, self.now, self._page, self._alive)

    def now(self) -> float:
        """Seconds since the server began to listen."""
        return asyncio.get_running_loop().time() - self._zero

    def stats(self) -> dict[str, Any]:
        """What was counted so far, and how long the ideal client would have needed for what was accepted."""
        now = self.now()
        snapshot = self.provider.snapshot(now)
        snapshot["oracle_s"] = least_time(self.scenario, self.provider.tally.taken)
        return snapshot

    def _page(self, path: str) -> bytes | None:
        bare = path.partition("?")[0].rstrip("/")
        if bare.endswith("/models"):
            return models_body(self.scenario.models or _SOME_MODELS, int(self.provider.epoch))
        page = _PAGES.get(bare)
        return json.dumps(page(self), indent=2).encode() + b"\n" if page else None

    async def aclose(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._alive):
            connection.abort()
        await self._server.wait_closed()
        # An aborted connection is told so on the loop's next turn.
        await asyncio.sleep(0)
        self._server = None


_PAGES: Final[dict[str, Callable[[SimServer], Any]]] = {
    "/stats": SimServer.stats,
    "/health": lambda _: {"status": "ok"},
    "": lambda server: {"scenario": server.scenario.name, "about": server.scenario.about, "stats": "/stats"},
}


async def serve(
    scenario: Scenario,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    on_ready: Callable[[str], None],
    until: asyncio.Event,
) -> dict[str, Any]:
    """Serve *scenario* until *until* is set, and return what was counted. *on_ready* is told the URL."""
    server = SimServer(scenario)
    on_ready(await server.start(host, port))
    try:
        await until.wait()
        return server.stats()
    finally:
        await server.aclose()
