"""Reading an answer that comes in pieces.

A stream is folded into the body that the plain answer would have been, and the dialect reads that: one set of rules
says what an answer means, however it travelled. What only a stream can do wrong is decided here: it may break off
without its last event, which is no answer however complete the text looks; it may hold an error, which stays one though
a proper end follows; and it may be no stream at all, since servers ignore what they don't know. Sections 1.4 and 1.5 of
the facts on protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from brim.protocols import Piece, WireResponse
from brim.protocols.classify import failure
from brim.protocols.faults import read_fault
from brim.protocols.reading import is_success, read
from brim.protocols.sse import LONGEST_EVENT, EventParser, ServerEvent
from brim.values import Outcome

__all__ = ["EventReader", "Fold", "ask_for_stream"]

T = TypeVar("T")

_DONE: Final = b"[DONE]"
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"
# How a line of an event stream may begin: comment, data, event, retry, id.
_FIRST_BYTES: Final = b":deri"
_MEBIBYTE: Final = 1024 * 1024
_CUT: Final = "the stream ended before its last event: the answer was cut off"
_UNREADABLE: Final = "the stream holds an event that can't be read"


class Fold(Protocol[T]):
    """What the events of one API add up to. Told every event that can be read and speaks of no error."""

    @property
    def decoder(self) -> msgspec.json.Decoder[T]:
        """Reads the data of an event; every field loosely typed."""

    @property
    def is_complete(self) -> bool:
        """Has the event come that ends an answer?"""

    def add(self, name: str, event: T) -> Piece | None:
        """Take one event. Gives a piece, an empty one for a part that is no text, or None for no part of the answer."""

    def knows(self, event: T) -> bool:
        """Has the event the marks of this API? One without may be an error in a foreign shape."""

    def done(self) -> None:
        """Take `[DONE]`."""

    def body(self) -> bytes:
        """The body of the plain answer."""


class EventReader(Generic[T]):
    """The `StreamReader` of any API that streams server-sent events.

    Args:
        fold: adds the events up.
        decode: the dialect's own reading of a plain body.
        status: of the answer.
        headers: of the answer, names in lower case.
    """

    def __init__(
        self,
        fold: Fold[T],
        *,
        decode: Callable[[WireResponse], Outcome],
        status: int,
        headers: Mapping[str, str],
    ) -> None:
        self._fold = fold
        self._decode = decode
        self._status = status
        self._headers = headers
        self._parser = EventParser()
        self._is_plain = None if is_success(status) else True
        self._plain: list[bytes] = []
        self._fault: bytes | None = None
        self._defect = ""

    @property
    def is_complete(self) -> bool:
        """Is everything here that decides the outcome? The rest of the stream need not be read."""
        return self._fold.is_complete or self._fault is not None or bool(self._defect)

    def feed(self, data: bytes) -> Sequence[Piece]:
        """Take the next bytes, cut anywhere, and give the pieces that are whole now. Never raises."""
        if self._is_plain is None:
            data = data.lstrip(_BLANK)
            if not data:
                return ()
            self._is_plain = data[0] not in _FIRST_BYTES  # the content type can't be trusted
        if self._is_plain:
            self._plain.append(data)
            return ()
        return self._take(self._parser.feed(data))

    def close(self, received_at: float) -> Outcome:
        """Nothing more comes: say what it was. *received_at* is seconds since the epoch. Never raises."""
        if self._is_plain is not False:
            return self._decode(self._response(b"".join(self._plain), received_at))
        defect = self._defect
        self._take(self._parser.finish())
        if self._fault is not None:
            return failure(self._response(self._fault, received_at))
        if not self._fold.is_complete:
            return failure(self._response(b"", received_at), message=defect or _CUT)
        try:
            body = self._fold.body()
        except (ValueError, TypeError, RecursionError):
            return failure(self._response(b"", received_at), message=_UNREADABLE)
        return self._decode(self._response(body, received_at))

    def _take(self, events: Sequence[ServerEvent]) -> list[Piece]:
        pieces = [piece for event in events if (piece := self._add(event)) is not None]
        if self._parser.is_overrun and not self.is_complete:
            self._defect = f"the stream holds an event of more than {LONGEST_EVENT // _MEBIBYTE} MiB"
        return pieces

    def _add(self, event: ServerEvent) -> Piece | None:
        data = event.data.strip()
        if self.is_complete or not data:
            return None
        if data == _DONE:
            self._fold.done()
        elif data[0] in b"{[":  # words are somebody's keep-alive
            return self._read(event.name, data)
        return None

    def _read(self, name: bytes, data: bytes) -> Piece | None:
        event = read(self._fold.decoder, data)
        # JSON writes a quote within a string with a backslash, so these bytes are a name or a whole value.
        may_be_error = event is None or b'"error"' in data or name == b"error" or not self._fold.knows(event)
        if may_be_error and read_fault(data).is_error:
            self._fault = data
        elif event is None:
            self._defect = _UNREADABLE
        else:
            return self._fold.add(name.decode("utf-8", "replace"), event)
        return None

    def _response(self, body: bytes, received_at: float) -> WireResponse:
        return WireResponse(status=self._status, headers=self._headers, body=body, received_at=received_at)


def ask_for_stream(body: bytes, fields: bytes = b'"stream":true') -> bytes:
    """Splice *fields* into an encoded body. A request's own parameters never hold a `stream`, see `params_to_send`."""
    return body[:-1] + b"," + fields + b"}"
