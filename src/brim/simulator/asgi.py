"""The provider as an ASGI application: for HTTP clients that can call one in process, on virtual time too.

`httpx.AsyncClient(transport=httpx.ASGITransport(app=...))` and everything built on it, the official SDKs among them,
meet the provider so without a socket. ASGI has no resets and no cuts: where the connection would break, the
application raises `ConnectionResetError`, which comes through httpx as it is. A hang hangs; cancel it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from brim.simulator.clock import LoopClock
from brim.simulator.delivery import Delivery, Ending
from brim.simulator.exchange import Exchange
from brim.simulator.model import Provider
from brim.simulator.scenario import Scenario

__all__ = ["SimApp"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class SimApp:
    """An ASGI application that is a simulated provider.

    Args:
        provider: the provider, or the scenario of a new one.
    """

    def __init__(self, provider: Provider | Scenario) -> None:
        self.provider = Provider(provider) if isinstance(provider, Scenario) else provider
        self._clock = LoopClock()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request. Raises `ConnectionError` where a connection would break."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the simulator speaks HTTP alone, not {scope['type']}")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        exchange = self.provider.receive(scope["path"], headers, await _body(receive), self._clock.now())
        try:
            await self._carry(exchange, send)
        except ConnectionError:
            self._finish(exchange)
            raise
        except BaseException:
            self.provider.abandon(exchange, self._clock.now())
            raise
        self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        self.provider.finish(exchange, max(self._clock.now(), exchange.delivery.end_at))

    async def _carry(self, exchange: Exchange, send: Send) -> None:
        delivery = exchange.delivery
        if delivery.head_at is not None and delivery.raw is None:
            await self._clock.until(delivery.head_at)
            lines = self.provider.head(exchange, self._clock.now())
            encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in lines]
            await send({"type": "http.response.start", "status": delivery.status, "headers": encoded})
        for at, piece in delivery.pieces:
            await self._clock.until(at)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._clock.until(delivery.end_at)
        await self._end(delivery)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _end(self, delivery: Delivery) -> None:
        if delivery.end in _NEVER:
            await self._clock.for_ever()
        if delivery.raw is not None or not delivery.looks_whole:
            raise ConnectionResetError(f"the simulated connection broke: {delivery.end.value}")


_NEVER: Final = frozenset({Ending.HANG, Ending.UNREACHABLE})


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
