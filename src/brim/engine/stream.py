"""Answers that are handed out while they come.

`StreamSend` stands where `Send` stands and has its shape: the same request and the same rules, read piece by piece. It
stops reading at the last event, so that a server which forgets to end its stream costs nothing. `WhileUnheard` keeps an
answer honest: it is sent again only as long as nobody has seen any of it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from brim.engine.path import answer_of, broken
from brim.protocols import Piece, WireRequest
from brim.protocols.levels import LevelReader
from brim.transport import TransportError
from brim.values import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from brim.engine.clocks import Clocks, Watch
    from brim.policies.retry import RetryPolicy, Tries
    from brim.protocols import StreamingDialect, StreamReader
    from brim.transport import Stream, Transport
    from brim.values import Answer, Attempt, Outcome

__all__ = ["StreamSend", "WhileUnheard"]

_LINGER_S: Final = 0.05
"""How long the end of a body may trail behind the last event. It mostly comes with it, and makes the connection
reusable; a server that never sends it must not hold up an answer that is here."""


class StreamSend(msgspec.Struct, frozen=True, kw_only=True):
    """Send one attempt and read its answer piece by piece under its clocks.

    *on_piece* is told every piece that has something to show, the moment it comes; it must not block.
    """

    dialect: StreamingDialect
    transport: Transport
    url: str
    headers: Mapping[str, str]
    clocks: Clocks
    on_piece: Callable[[Piece], None]
    levels: LevelReader = msgspec.field(default_factory=LevelReader)

    async def __call__(self, attempt: Attempt) -> Answer:
        """Encode, exchange, decode."""
        wire = WireRequest(url=self.url, headers=self.headers, body=self.dialect.streamed(attempt.body))
        outcome: Outcome | None = None
        with self.clocks.watch(is_stream=True) as watch:
            try:
                async with self.transport.open(wire, watch) as stream:
                    outcome = await self._read(stream, watch)
                    if isinstance(outcome, Reply):
                        await _linger(stream)
            except TransportError as error:
                outcome = outcome or broken(error)
        return answer_of(outcome, watch, self.clocks)

    async def _read(self, stream: Stream, watch: Watch) -> Outcome:
        reader = self.dialect.reader(status=stream.status, headers=stream.headers)
        has_text = await self._hand_out(stream, reader, watch)
        outcome = reader.close(stream.received_at)
        watch.levels = self.levels.read(stream.status, stream.headers, stream.received_at)
        if isinstance(outcome, Reply) and outcome.text and not has_text:
            self.on_piece(Piece(outcome.text))  # the server ignored the wish for a stream
        return outcome

    async def _hand_out(self, stream: Stream, reader: StreamReader, watch: Watch) -> bool:
        """Read up to the last event, and tell every piece. Returns whether there was any text."""
        has_text = False
        while not reader.is_complete and (data := await stream.read()):
            for piece in reader.feed(data):
                watch.heard()
                if piece.text or piece.reasoning:
                    self.on_piece(piece)
                    has_text = has_text or bool(piece.text)
        return has_text

    def __repr__(self) -> str:
        return f"StreamSend({self.dialect.name} to {self.url})"


async def _linger(stream: Stream) -> None:
    """Wait a moment for the end of the body, so that the connection can serve another exchange."""
    with suppress(TransportError, TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while await stream.read():
                pass


class WhileUnheard(msgspec.Struct, frozen=True):
    """Retry as *inner* says, as long as the pieces that came can be taken back.

    Attributes:
        inner: the lane's own policy.
        take_back: forgets the pieces nobody has taken yet. Returns whether that were all of them.
    """

    inner: RetryPolicy
    take_back: Callable[[], bool]

    def next_delay(self, outcome: Outcome, tries: Tries) -> float | None:
        """Seconds until the next attempt, or None to stop."""
        delay = self.inner.next_delay(outcome, tries)
        return delay if delay is None or self.take_back() else None
