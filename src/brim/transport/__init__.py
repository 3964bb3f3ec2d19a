"""The way to the far end, behind one small interface, so that another HTTP client can stand beside the first.

A transport moves bytes and reports how far it got. It has no clock of its own, decides nothing and retries nothing: the
engine watches the phases, owns every timer, and cancels the exchange when one runs out. Cancelling an exchange must end
it at once and close its connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from enum import IntEnum
from typing import Protocol

from brim.protocols import WireRequest, WireResponse
from brim.values import Sent

__all__ = ["Phase", "Phases", "Stream", "Transport", "TransportError"]


class Phase(IntEnum):
    """How far an exchange has come."""

    CONNECTING = 0
    """No connection yet: nothing was sent."""
    CONNECTED = 1
    """A connection stands, TLS included; the request is about to be written."""
    SENT = 2
    """The whole request was handed to the operating system."""
    ANSWERING = 3
    """The status line and headers have come, or a further piece of the body."""
    DONE = 4
    """The whole answer is here."""

    @property
    def sent(self) -> Sent:
        """Whether the provider may have the request, if the exchange ended now."""
        return _SENT_BY_PHASE[self]


_SENT_BY_PHASE = (Sent.NO, Sent.MAYBE, Sent.MAYBE, Sent.YES, Sent.YES)


class Phases(Protocol):
    """Who is told how far an exchange has come. Calls are synchronous and cheap."""

    def reached(self, phase: Phase) -> None:
        """The exchange reached *phase*. ANSWERING is told again for every further piece."""


class TransportError(Exception):
    """The exchange broke. Translated from the HTTP client's own errors in one place; never holds a header.

    Attributes:
        sent: may the provider have received the request?
        is_malformed: did the far end break HTTP itself, rather than the connection?
    """

    def __init__(self, message: str, *, sent: Sent, is_malformed: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.is_malformed = is_malformed


class Stream(Protocol):
    """An answer whose head is here and whose body comes in pieces."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case."""

    @property
    def received_at(self) -> float:
        """When the head came, in seconds since the epoch."""

    async def read(self) -> bytes:
        """The next bytes as soon as there are any, decoded; none at the end. Raises `TransportError` on a break."""


class Transport(Protocol):
    """Carries one request to the far end and its answer back."""

    async def exchange(self, request: WireRequest, phases: Phases) -> WireResponse:
        """Send *request* once and read the whole answer. Raises `TransportError` if the exchange breaks."""

    def open(self, request: WireRequest, phases: Phases) -> AbstractAsyncContextManager[Stream]:
        """Send *request* once and read the answer as it comes. Raises `TransportError` on entering, and from `read`.

        Leaving the context before the end of the answer closes the connection at once.
        """

    async def aclose(self) -> None:
        """Close every connection."""
