"""Server-sent events out of bytes that are cut anywhere, as every provider streams its answers.

An event is handed out the moment its blank line is here, however the bytes before it were cut: nothing waits for more.
The rules are those of the HTML standard, section 9.2.6: lines end with a line feed, a carriage return or both; a line
that starts with a colon is a comment; one blank after a field's colon is no part of its value; the data lines of one
event are joined. Other clients give up at lines of 64 or 512 KiB; here only what no provider ever sends is too long.
"""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["LONGEST_EVENT", "EventParser", "ServerEvent"]

LONGEST_EVENT: Final = 16 * 1024 * 1024
"""Bytes that one line, or the data of one event, may have."""


class ServerEvent(msgspec.Struct, frozen=True, gc=False):
    """One event: its name, empty where it has none, and its data."""

    name: bytes
    data: bytes


class EventParser:
    """Cuts a stream into events.

    Attributes:
        is_overrun: did a line or an event come that is longer than any can be? Nothing is read any more then.
    """

    __slots__ = ("_data", "_name", "_size", "_skips_newline", "_waiting", "_waiting_size", "is_overrun")

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._skips_newline = False
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0
        self.is_overrun = False

    def feed(self, data: bytes) -> list[ServerEvent]:
        """Take the next bytes and give the events that are whole now."""
        if self._skips_newline and data:
            data = data.removeprefix(b"\n")  # the second half of an ending that was cut
            self._skips_newline = False
        if b"\n" not in data and b"\r" not in data:
            self._keep(data)
            return []
        lines = b"".join([*self._waiting, data]).splitlines(keepends=True)
        rest = b"" if data.endswith((b"\n", b"\r")) else lines.pop()
        self._waiting, self._waiting_size = [], 0
        self._skips_newline = data.endswith(b"\r")
        events = []
        for line in lines:
            event = None if self.is_overrun else self._line(line.rstrip(b"\r\n"))
            if event is not None:
                events.append(event)
        self._keep(rest)
        return events

    def finish(self) -> list[ServerEvent]:
        """Give the event that the end of the stream left without its blank line, if there is one."""
        return [*self.feed(b"\n"), *self.feed(b"\n")]

    def _keep(self, data: bytes) -> None:
        """Hold the beginning of a line until its end comes."""
        self._waiting_size += len(data)
        if self._waiting_size > LONGEST_EVENT:
            self.is_overrun = True
        if self.is_overrun:
            self._waiting = []
        elif data:
            self._waiting.append(data)

    def _line(self, line: bytes) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        self._size += len(line)
        if self._size > LONGEST_EVENT:
            self.is_overrun = True
        elif field == b"data":
            self._data.append(value.removeprefix(b" "))
        elif field == b"event":
            self._name = value.removeprefix(b" ")
        return None

    def _dispatch(self) -> ServerEvent | None:
        name, data = self._name, self._data
        self._name, self._data, self._size = b"", [], 0
        return ServerEvent(name, data[0] if len(data) == 1 else b"\n".join(data)) if data else None
