"""What the tests of `brim.Limiter` share."""

from __future__ import annotations

import asyncio


def now() -> float:
    return asyncio.get_running_loop().time()


async def at() -> float:
    return now()


class TooFast(Exception):
    """What a far end of the user's own says."""


class Response:
    """A response as HTTP clients hand it out."""

    def __init__(self, status: int = 200, **headers: str) -> None:
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Refused(Exception):
    """An exception that carries a response, as the official SDKs' do."""

    def __init__(self, status: int = 429, body: object = None, **headers: str) -> None:
        super().__init__("rate limit reached")
        self.response = Response(status, **headers)
        self.body = body


async def refuse(error: Exception) -> None:
    raise error
