"""Finding a far end and connecting to it: addresses, sockets and their options."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Final, TypeAlias

import aiohappyeyeballs

__all__ = ["Addresses", "connected", "new_socket"]

_Address: TypeAlias = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]

_KNOWN_FOR_S: Final = 10.0
_NEXT_FAMILY_AFTER_S: Final = 0.25  # RFC 8305, section 8


class Addresses:
    """The addresses of hosts, asked for once by however many want to know, and kept for ten seconds."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, asyncio.Task[list[_Address]]]] = {}

    async def of(self, host: str, port: int) -> list[_Address]:
        """Every address of *host*. Raises `socket.gaierror` if it has none."""
        if (literal := _literal(host, port)) is not None:
            return [literal]
        loop = asyncio.get_running_loop()
        asked_at, asking = self._known.get((host, port), (0.0, None))
        if asking is None or loop.time() - asked_at > _KNOWN_FOR_S:
            asking = loop.create_task(_ask(host, port))
            self._known[host, port] = loop.time(), asking
        try:
            return await asyncio.shield(asking)
        except OSError:
            self.forget(host, port)
            raise

    def forget(self, host: str, port: int) -> None:
        """Ask anew next time: the far end may have moved."""
        self._known.pop((host, port), None)

    def close(self) -> None:
        """Wait for nothing more."""
        for _, asking in self._known.values():
            asking.cancel()
        self._known.clear()


async def _ask(host: str, port: int) -> list[_Address]:
    found: list[_Address] = list(await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return found


def _literal(host: str, port: int) -> _Address | None:
    """The address that *host* already is."""
    try:
        version = ip_address(host).version
    except ValueError:
        return None
    if version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)
    bare, _, scope = host.partition("%")
    index = 0
    with suppress(OSError):
        index = socket.if_nametoindex(scope) if scope else 0
    return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (bare, port, 0, index)


async def connected(addresses: list[_Address]) -> socket.socket:
    """A socket that is connected to one of *addresses*: the next is tried before the last has failed (RFC 8305)."""
    return await aiohappyeyeballs.start_connection(
        list(addresses), happy_eyeballs_delay=_NEXT_FAMILY_AFTER_S, socket_factory=new_socket
    )


def new_socket(address: _Address) -> socket.socket:
    """A socket on which a far end that vanished is noticed, and no small packet waits for company."""
    family, kind, proto, _, _ = address
    sock = socket.socket(family, kind, proto)
    for level, option, value in _OPTIONS:
        sock.setsockopt(level, option, value)
    return sock


_OPTIONS: Final = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    # What the platform has of these; macOS calls the first one TCP_KEEPALIVE.
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))
        if hasattr(socket, name)
    ),
)
