"""Requests for the simulator, and what comes back, without a socket."""

from __future__ import annotations

from typing import Any

import msgspec

from brim.protocols import WireRequest
from brim.simulator import Latency, Provider, Scenario
from brim.simulator.exchange import Exchange
from brim.transport import Phase

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
MESSAGES = "/v1/messages"
HEADERS = {"authorization": "Bearer k", "anthropic-version": "2023-06-01"}
AT_ONCE = Latency(first=0.0)


def chat(text: str, **more: object) -> bytes:
    return msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": text}], **more})


def message(text: str, **more: object) -> bytes:
    return chat(text, **{"max_tokens": 100, **more})


def response(text: str, **more: object) -> bytes:
    return msgspec.json.encode({"model": "m", "input": text, **more})


BODY = {CHAT: chat, RESPONSES: response, MESSAGES: message}


def send(provider: Provider, text: str = "ping", now: float = 0.0, *, path: str = CHAT, **more: object) -> Exchange:
    return provider.receive(path, HEADERS, BODY[path](text, **more), now)


def wire(text: str = "ping", *, path: str = CHAT, **more: object) -> WireRequest:
    return WireRequest(url=f"http://127.0.0.1:1{path}", headers=HEADERS, body=BODY[path](text, **more))


def head(provider: Provider, exchange: Exchange, now: float = 0.0) -> dict[str, str]:
    return dict(provider.head(exchange, now))


def read(exchange: Exchange) -> Any:
    """The body of an answer, decoded."""
    return msgspec.json.decode(exchange.delivery.body)


def events(exchange: Exchange) -> list[tuple[str, Any]]:
    """A stream's events: name (empty if it has none) and data, decoded unless it is [DONE]."""
    found = []
    for frame in exchange.delivery.body.decode().split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in frame.split("\n"))
        data = lines["data"]
        found.append((lines.get("event", ""), data if data == "[DONE]" else msgspec.json.decode(data)))
    return found


def provider_of(**fields: Any) -> Provider:
    return Provider(Scenario(**{"latency": AT_ONCE, **fields}), keeps_log=True)


class Phases:
    """Remembers how far an exchange came."""

    def __init__(self) -> None:
        self.seen: list[Phase] = []

    def reached(self, phase: Phase) -> None:
        self.seen.append(phase)
