"""Where each recorded result lies in the journal: arrays of numbers, nothing per row in Python objects.

An *entry* is the number of a result, in the order of the file. A row costs 12 bytes while it is recorded, and 20 where
a journal was read back: its offset and three bits of state (8), its entry by position (4), the first 32 bits of its
fingerprint (4) and, once a row is looked up that is not at its old place, its place in the order of fingerprints (4).
32 bits are few, so whoever looks up compares the whole fingerprint with the line; at 10 million rows that is one
needless look at a line in 400. The rule: an entry answers at most one row of a run.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from brim.storage.lines import REPLY, Bind, End, Head, Line, read_line

__all__ = ["Index", "ignore", "key_of"]

_NONE: Final = 0xFFFF_FFFF
_TAKEN: Final = 1
_FAILED: Final = 2
_REPLACED: Final = 4
_STATE_BITS: Final = 3
_PARTS: Final = 64
_LONG: Final = 32


def key_of(fingerprint: str) -> int:
    """The part of a fingerprint (as hexadecimal digits) that the index keeps."""
    return int(fingerprint[:8] or "0", 16)


def ignore(_line: Line, _raw: bytes) -> None:
    """Nobody wants to hear the lines."""


class Index:
    """Entries by position, for export, and by fingerprint, for resuming.

    Args:
        retry_failed: look over recorded failures, so that their rows run again.

    Attributes:
        bad_lines: damaged lines met by `load`; what they recorded is unknown.
    """

    def __init__(self, *, retry_failed: bool = False) -> None:
        self.bad_lines = 0
        self._blocking = _TAKEN | _REPLACED | (_FAILED if retry_failed else 0)
        self._lines = array("Q")  # the offset, then the state in the lowest bits: so they stay sorted by offset
        self._entry_at = array("I")
        self._keys = array("I")  # of the entries that were read back; those of this run are never looked up
        self._order: array[int] | None = None
        self._ends: dict[int, int] = {}

    def __len__(self) -> int:
        """How many positions have a result."""
        return len(self._entry_at) - self._entry_at.count(_NONE)

    @property
    def has_replies(self) -> bool:
        """Is any of the results an answer?"""
        return any(not line & _FAILED for line in self._lines)

    @property
    def is_resumed(self) -> bool:
        """Was any entry read back?"""
        return bool(self._keys)

    @property
    def end(self) -> int:
        """One more than the last position that may have a result."""
        return len(self._entry_at)

    def load(self, stream: BinaryIO, *, start: int, hear: Callable[[Line, bytes], None] = ignore) -> int:
        """Read back all lines from the offset *start* on; the offset where the last whole one ends.

        *hear* is told each of them.
        """
        stream.seek(start)
        offset = start
        for raw in stream:
            if raw[-1:] != b"\n":
                break
            line = read_line(raw)
            if line is None:
                self.bad_lines += 1
            else:
                self._replay(line, offset)
                hear(line, raw)
            offset += len(raw)
        return offset

    def add(self, position: int, offset: int) -> None:
        """The line at *offset*, the last of the file, answers *position*."""
        entry = len(self._lines)
        self._lines.append(offset << _STATE_BITS)
        if position < len(self._entry_at):  # as rows end nearly in order, this is where most belong
            self._entry_at[position] = entry
        else:
            self._bind(position, entry)

    def move(self, position: int, entry: int) -> None:
        """*entry* answers *position*."""
        self._bind(position, entry)

    def drop(self, position: int) -> None:
        """Nothing recorded answers *position*."""
        if position < len(self._entry_at):
            self._entry_at[position] = _NONE

    def trim(self, rows: int) -> None:
        """Nothing recorded answers a position from *rows* on."""
        del self._entry_at[rows:]

    def offset(self, entry: int) -> int:
        """Where the line of *entry* begins."""
        return self._lines[entry] >> _STATE_BITS

    def at(self, position: int) -> int | None:
        """The entry that answers *position*."""
        entry = self._entry_at[position] if position < len(self._entry_at) else _NONE
        return None if entry == _NONE else entry

    def take(self, entry: int) -> None:
        """*entry* has its row in this run: it is no candidate for another."""
        self._lines[entry] |= _TAKEN

    def replace(self, entry: int) -> None:
        """Another entry stands for *entry* from now on: it answers no position."""
        self._lines[entry] |= _REPLACED

    def candidates(self, key: int, *, position: int) -> Iterator[int]:
        """Entries of *key* free to answer *position*: the one there first, then the others from the last.

        From the last: where many rows ask the same, each keeps its own answer and a gap is filled from the end.
        """
        held = self.at(position)
        if held is not None and self._is_free(held) and self._keys[held] == key:
            yield held
        order = self._sorted()
        for place in range(self._end_of(key) - 1, -1, -1):
            if self._keys[order[place]] != key:
                return
            if order[place] != held and self._is_free(order[place]):
                yield order[place]

    def stands(self, position: int, key: int) -> bool:
        """Does what answers *position* go on doing so, though the row found nothing of its own to claim?

        Yes for a failure to the same question, until the row has run again, and for a result of this very run.
        """
        held = self.at(position)
        if held is None or held >= len(self._keys):
            return held is not None
        return bool(self._lines[held] & self._blocking & _FAILED) and self._keys[held] == key

    def answered(self) -> Iterator[tuple[int, int]]:
        """Each position that has a result, in order, with the offset of its line."""
        seen = bytearray(len(self._lines))
        for position, entry in enumerate(self._entry_at):
            if entry != _NONE and not seen[entry] and not self._lines[entry] & _REPLACED:
                seen[entry] = 1
                yield position, self.offset(entry)

    def _is_free(self, entry: int) -> bool:
        return entry < len(self._keys) and not self._lines[entry] & self._blocking

    def _end_of(self, key: int) -> int:
        """Where the entries of *key* end in the order, leaving out the taken ones at their end."""
        order = self._sorted()
        start = end = self._ends.get(key, -1)
        if end < 0:
            start = end = bisect_right(order, key, key=self._keys.__getitem__)
        while end > 0 and self._keys[order[end - 1]] == key and not self._is_free(order[end - 1]):
            end -= 1
        if start - end > _LONG:
            self._ends[key] = end
        return end

    def _bind(self, position: int, entry: int) -> None:
        gap = position + 1 - len(self._entry_at)
        if gap == 1:
            self._entry_at.append(entry)
            return
        if gap > 1:
            self._entry_at.frombytes(b"\xff" * (gap * self._entry_at.itemsize))
        self._entry_at[position] = entry

    def _replay(self, line: Line, offset: int) -> None:
        match line:
            case Head():
                self._replay_result(line, offset)
            case Bind():
                self._replay_bind(line, offset)
            case End(rows=rows):
                self.trim(rows)

    def _replay_result(self, line: Head, offset: int) -> None:
        key = key_of(line.fingerprint)
        held = self.at(line.position)
        if held is not None and self._lines[held] & _FAILED and self._keys[held] == key:
            self.replace(held)  # it was run again, and must not come back for another row that asks the same
        self._remember(line.position, offset, key, 0 if line.outcome == REPLY else _FAILED)

    def _replay_bind(self, line: Bind, offset: int) -> None:
        if line.offset is None:
            self.drop(line.position)
            return
        entry = bisect_left(self._lines, line.offset << _STATE_BITS)
        if entry == len(self._lines) or self.offset(entry) != line.offset:
            return  # it points to a damaged line
        if line.row is None:
            self.move(line.position, entry)
            return
        self._remember(line.position, offset, self._keys[entry], self._lines[entry] & _FAILED)
        self.replace(entry)

    def _remember(self, position: int, offset: int, key: int, state: int) -> None:
        self._keys.append(key)
        self.add(position, offset)
        self._lines[-1] |= state

    def _sorted(self) -> array[int]:
        """The entries that were read back by key, then by number."""
        if self._order is None:
            import numpy as np  # noqa: PLC0415 - a tenth of a second that only a resumed run need spend

            self._order = array("I")
            keys = np.frombuffer(self._keys, dtype=np.uint32)
            # part by part, because sorting all at once would need 16 bytes a row for a moment
            for part in range(_PARTS):
                low, high = (part << 32) // _PARTS, (part + 1 << 32) // _PARTS
                within = keys >= low
                within &= keys < high
                chosen = np.flatnonzero(within).astype(np.uint32)
                self._order.frombytes(chosen[np.argsort(keys[chosen], kind="stable")].tobytes())
        return self._order
