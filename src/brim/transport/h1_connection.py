"""One HTTP/1.1 connection: bytes out, bytes in, one exchange after the other.

httptools reads the framing; what it does not do is done here: provisional answers are passed over, a body without a
length ends with the connection, a head has a size it may not exceed, and what comes beside an answer ends the
connection. Every byte is seen, so that what was sent, and whether an answer had begun, is known and not guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from brim.transport import Phase, Phases, TransportError
from brim.transport.target import Target, break_at, not_http
from brim.values import Sent

__all__ = ["Connection"]

_HEAD_BYTES: Final = 256 * 1024
_MOST_WAITING: Final = 256 * 1024
"""Of a stream that nobody reads, so many bytes are taken before the far end has to wait."""
_MOST_UNSENT: Final = 64 * 1024
_NAMES: dict[bytes, str] = {}
_MOST_NAMES: Final = 1_000
_SWITCHING: Final = 101
_FINAL: Final = 200


class Connection(asyncio.Protocol):
    """A connection to *target*; *on_lost* is told when it ends, however it ends."""

    def __init__(self, target: Target, on_lost: Callable[[Connection], None]) -> None:
        self._target = target
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        # What aiohttp, and so most clients of relays, let pass.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._waiter: asyncio.Future[None] | None = None
        self._phases: Phases | None = None
        self._is_congested = False
        self._is_held_up = False
        self._is_stream = False
        self.is_over = False
        self._forget()

    def _forget(self) -> None:
        """The next exchange begins."""
        self._phase = Phase.CONNECTED
        self._fields: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._head_bytes = 0
        self._keeps = False
        self._is_whole = False
        self._is_spoilt = False
        self._failure: TransportError | None = None
        self.status = 0
        self.headers: Mapping[str, str] = {}

    # An exchange

    def send(self, head: bytes, body: bytes, phases: Phases, *, is_stream: bool = False) -> None:
        """Begin an exchange: write the request, and say how far that got."""
        transport = self._transport
        assert transport is not None, "a connection is used once it stands"
        self._forget()
        self._phases = phases
        self._is_stream = is_stream
        phases.reached(Phase.CONNECTED)
        transport.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        if not self._is_congested:
            self._phase = Phase.SENT
            phases.reached(Phase.SENT)

    async def whole(self) -> bytes:
        """The whole body. Raises `TransportError` if the exchange breaks."""
        while not self._is_whole and self._failure is None:
            await self._news()
        self._raise_failure()
        pieces = self._pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def begun(self) -> None:
        """Wait for the head. Raises `TransportError` if none comes."""
        while self._phase < Phase.ANSWERING and self._failure is None:
            await self._news()
        if self._phase < Phase.ANSWERING:
            self._raise_failure()

    async def piece(self) -> bytes:
        """What has come of the body since the last look, at least a byte; none at its end.

        Raises `TransportError` if it breaks, after all that came before.
        """
        while not self._pieces and not self._is_whole and self._failure is None:
            await self._news()
        if not self._pieces:
            self._raise_failure()
            return b""
        piece = b"".join(self._pieces)
        self._pieces.clear()
        self._waiting = 0
        if self._is_held_up and self._transport is not None:
            self._is_held_up = False
            self._transport.resume_reading()
        return piece

    @property
    def is_reusable(self) -> bool:
        """Is the exchange over, all of it, and the connection good for another?"""
        is_clear = not (self._is_spoilt or self._is_congested or self._is_held_up or self.is_closing)
        return self._is_whole and self._keeps and is_clear

    @property
    def is_closing(self) -> bool:
        """Is this connection at its end?"""
        return self._transport is None or self._transport.is_closing()

    def rest(self) -> None:
        """No exchange for now: whatever comes, ends the connection."""
        self._phases = None

    def abort(self) -> None:
        """Close at once, whatever is still unsent."""
        if self._transport is not None:
            self._transport.abort()

    async def _news(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _raise_failure(self) -> None:
        # Not kept, since what is raised holds this frame, and this frame the connection.
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = stream = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        # Low is 0, so that SENT is told when all of a large request is out, not when there is room again.
        stream.set_write_buffer_limits(high=_MOST_UNSENT, low=0)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._ended(exc)
        self._transport = None
        self.is_over = True
        self._on_lost(self)

    def eof_received(self) -> None:
        """See `asyncio.Protocol`."""
        self._ended(None)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_congested = True

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_congested = False
        if self._phases is not None and self._phase is Phase.CONNECTED:
            self._phase = Phase.SENT
            self._phases.reached(Phase.SENT)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        phases = self._phases
        if phases is None or self._is_whole or self._failure is not None:
            self._is_spoilt = True
            self.abort()
            return
        if not self._read(data) or (self._phase < Phase.ANSWERING and not self._has_head(len(data))):
            return
        self._phase = Phase.ANSWERING
        if self._is_stream:
            self._hold_up(len(data))
        else:
            phases.reached(Phase.ANSWERING)
            if not self._is_whole:
                return
        self._wake()

    def _read(self, data: bytes) -> bool:
        """Let httptools have *data*. Returns whether it is HTTP."""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._is_whole = self._is_spoilt = True
        except HttpParserError as error:
            if not self._is_whole:  # nothing after a whole answer can take it back
                self._fail_framing(str(error))
                return False
            self._is_spoilt = True
        return True

    def _has_head(self, come: int) -> bool:
        """Is the head of the answer here, now that *come* more bytes are?"""
        self._head_bytes += come
        is_here = self.status >= _FINAL or self._is_whole
        if self._head_bytes > _HEAD_BYTES:
            size = sum(len(name) + len(value) for name, value in self._fields) if is_here else self._head_bytes
            if size > _HEAD_BYTES:
                self._fail_framing("its head is too long")
                return False
        return is_here

    def _hold_up(self, come: int) -> None:
        """Have the far end wait if what has come of a stream is not read."""
        self._waiting += come
        if self._waiting > _MOST_WAITING and not self._is_held_up and self._transport is not None:
            self._is_held_up = True
            self._transport.pause_reading()

    def _ended(self, error: Exception | None) -> None:
        """Nothing more will come."""
        self._is_spoilt = True
        if self._is_whole or self._failure is not None or self._phases is None:
            return
        if error is None and self._phase is Phase.ANSWERING and not self._has_length:
            self._is_whole = True
        else:
            phase = Phase.ANSWERING if self._head_bytes else self._phase
            self._failure = TransportError(break_at(phase, error, self._target), sent=phase.sent)
        self._wake()

    def _fail_framing(self, rule: str) -> None:
        self._failure = TransportError(not_http(rule, self._target), sent=Sent.YES, is_malformed=True)
        self.abort()
        self._wake()

    @property
    def _has_length(self) -> bool:
        return "content-length" in self.headers or "transfer-encoding" in self.headers

    # What httptools tells

    def on_message_begin(self) -> None:
        """An answer, or something beside one."""
        if self._is_whole:
            self._is_spoilt = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which nobody asked for."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is here, perhaps a provisional one."""
        if not self._is_whole:
            self.status = self._parser.get_status_code()
            self.headers = {_NAMES.get(name) or _lower(name): value.decode("latin-1") for name, value in self._fields}

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if not self._is_whole:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole, unless it was a provisional one."""
        if _SWITCHING != self.status < _FINAL:
            self._fields.clear()
            return
        self._is_whole = True
        self._keeps = self._parser.should_keep_alive()


def _lower(name: bytes) -> str:
    """*name* in lower case; the same few come with every answer."""
    lower = name.decode("latin-1").lower()
    if len(_NAMES) < _MOST_NAMES:
        _NAMES[name] = lower
    return lower
