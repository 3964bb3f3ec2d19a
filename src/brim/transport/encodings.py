"""Undoing the encoding of a body. One that was not asked for is undone too, where it is gzip: some gateways pack all.

A gzip stream that does not reach its end is a broken answer, not a short one.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from typing import Final

from brim.transport import TransportError
from brim.transport.target import Target
from brim.values import Sent

__all__ = ["Unpacker", "unpacked"]

_GZIP: Final = 31  # zlib's word for a stream with gzip's header
_GZIP_NAMES: Final = frozenset({"gzip", "x-gzip"})
_PLAIN: Final = frozenset({"identity", ""})
_CUT: Final = "that ends in the middle of its gzip stream"
_NO_GZIP: Final = "that is no gzip stream, although its header says so"


def unpacked(body: bytes, headers: Mapping[str, str], target: Target) -> bytes:
    """The whole *body* as its *headers* say it is to be read. Raises `TransportError` if it can't be."""
    encoding = headers.get("content-encoding", "").lower()
    if not body or encoding in _PLAIN:
        return body
    problem = f"in the encoding {encoding[:40]!r}, which was not asked for"
    if encoding in _GZIP_NAMES:
        try:
            return gzip.decompress(body)
        except EOFError:
            problem = _CUT
        except (OSError, zlib.error):
            problem = _NO_GZIP
    raise _unreadable(problem, target)


class Unpacker:
    """Undoes the encoding of a body that comes in pieces."""

    def __init__(self, headers: Mapping[str, str], target: Target) -> None:
        is_packed = headers.get("content-encoding", "").lower() not in _PLAIN
        self._stream = zlib.decompressobj(wbits=_GZIP) if is_packed else None
        self._target = target

    def feed(self, piece: bytes) -> bytes:
        """What *piece* adds to the body, perhaps nothing yet."""
        if self._stream is None:
            return piece
        try:
            return self._stream.decompress(piece)
        except zlib.error:
            pass
        raise _unreadable(_NO_GZIP, self._target)

    def end(self) -> None:
        """No piece comes after this. Raises `TransportError` if one is missing."""
        if self._stream is not None and not self._stream.eof:
            raise _unreadable(_CUT, self._target)


def _unreadable(problem: str, target: Target) -> TransportError:
    return TransportError(f"{target} sent a body {problem}", sent=Sent.YES, is_malformed=True)
