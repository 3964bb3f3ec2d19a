"""Which transport carries an exchange: our own goes straight, aiohttp goes through proxies."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from brim.protocols import WireRequest, WireResponse
from brim.transport import Phases, Stream, Transport
from brim.transport.h1 import H1Transport
from brim.transport.proxies import proxy_for

__all__ = ["Routes"]


class Routes:
    """A `brim.transport.Transport` that chooses another for every URL, once, by the proxy that stands before it.

    Args:
        ca: a PEM file of the certificate authorities to trust, see `brim.transport.tls`.
        environ: the environment variables that name proxies and certificates, see `brim.transport.proxies`.

    Raises:
        ConfigError: the certificates can't be read; at the first exchange with a host: its proxy can't be used.
    """

    def __init__(self, *, ca: str | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self._ca = ca
        self._environ = environ
        self._straight = H1Transport(ca=ca, environ=environ)
        self._proxied: Transport | None = None
        self._by_url: dict[str, Transport] = {}

    def exchange(self, request: WireRequest, phases: Phases) -> Coroutine[Any, Any, WireResponse]:
        """See `brim.transport.Transport.exchange`."""
        return (self._by_url.get(request.url) or self._choose(request.url)).exchange(request, phases)

    def open(self, request: WireRequest, phases: Phases) -> AbstractAsyncContextManager[Stream]:
        """See `brim.transport.Transport.open`."""
        return (self._by_url.get(request.url) or self._choose(request.url)).open(request, phases)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._straight.aclose()
        if self._proxied is not None:
            await self._proxied.aclose()

    def _choose(self, url: str) -> Transport:
        transport: Transport = self._straight
        if proxy_for(url, self._environ) is not None:
            transport = self._through_proxies()
        self._by_url[url] = transport
        return transport

    def _through_proxies(self) -> Transport:
        if self._proxied is None:
            from brim.transport.http import HttpTransport  # noqa: PLC0415 - takes 0.1 s that most runs can spare

            self._proxied = HttpTransport(ca=self._ca, environ=self._environ)
        return self._proxied
