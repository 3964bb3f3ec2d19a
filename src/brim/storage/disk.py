"""What a file must be told so that its bytes last: a lock, sync in groups, sync of its directory.

The rule: nobody waits for the disk but `close`. A failed sync is kept and raised at the next line, since the kernel
reports it once and may drop the bytes.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Final

from brim.errors import JournalError

__all__ = ["GROUP", "Syncer", "advice", "sync", "sync_directory", "try_lock"]

GROUP: Final = 256
"""So many lines are synced without waiting for the time to be up."""

_ADVICE: Final = {
    errno.ENOSPC: "the disk is full: make room, then run the same command again to go on",
    errno.EDQUOT: "your disk quota is used up: make room, then run the same command again to go on",
    errno.EFBIG: "the file has reached the size limit (ulimit -f, or the file system's): raise it, then run the same "
    "command again to go on",
    errno.EIO: "the disk reports an error: check it, then run the same command again to go on",
    errno.EROFS: "the file system is read-only: choose an -o elsewhere",
    errno.EACCES: "permission is denied: choose an -o where you may write",
}

if sys.platform == "win32":  # pragma: no cover - best effort there
    import msvcrt

    _FAR_AWAY: Final = 1 << 62  # where the lock hinders no reader

    def try_lock(fd: int) -> bool:
        """Take the lock of the file for as long as it is open; False if someone else has it."""
        os.lseek(fd, _FAR_AWAY, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def sync_directory(directory: Path) -> None:
        """A directory can't be synced here."""
else:
    import fcntl

    def try_lock(fd: int) -> bool:
        """Take the lock of the file for as long as it is open; False if someone else has it."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def sync_directory(directory: Path) -> None:
        """Make the names in *directory* last."""
        fd = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def sync(fd: int) -> None:
    """Make the bytes of a file last."""
    if sys.platform == "darwin":  # pragma: no cover - fsync stops at the drive's cache there
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    elif sys.platform == "win32":  # pragma: no cover
        os.fsync(fd)
    else:
        os.fdatasync(fd)


def advice(error: OSError) -> str:
    """What went wrong on disk and what to do."""
    return _ADVICE.get(
        error.errno or 0, f"{error.strerror or error}; mend that, then run the same command again to go on"
    )


class Syncer:
    """Syncs a file in a thread: *every_s* seconds after its first unsynced line, or once `GROUP` lines wait.

    Args:
        fd: the file.
        every_s: None for no thread: only `close` syncs.
    """

    def __init__(self, fd: int, *, every_s: float | None) -> None:
        self._fd = fd
        self._written = 0  # only the writer's thread changes it
        self._synced = 0  # only the syncing thread changes it
        self._dirty = Event()
        self._full = Event()
        self._stopping = False
        self._error: OSError | None = None
        self._thread: Thread | None = None
        if every_s is not None:
            self._thread = Thread(target=self._run, args=(every_s,), name="brim-journal-sync", daemon=True)
            self._thread.start()

    def note(self, lines: int = 1) -> None:
        """So many lines were written."""
        before = self._written - self._synced
        self._written += lines
        if before <= 0:
            self._dirty.set()
        if before < GROUP <= before + lines:
            self._full.set()

    def check(self) -> None:
        """Raise `JournalError` if a sync has failed."""
        if self._error is not None:
            raise JournalError(f"the last results may not last on disk: {advice(self._error)}") from self._error

    def close(self) -> None:
        """Sync what is left and end the thread. Raises `JournalError` if a sync has failed."""
        self._stopping = True
        if self._thread is not None:
            self._dirty.set()
            self._full.set()
            self._thread.join()
        self._sync()
        self.check()

    def _run(self, every_s: float) -> None:
        while not self._stopping:
            self._dirty.wait()
            if self._written - self._synced < GROUP:
                self._full.wait(every_s)
            self._full.clear()
            self._dirty.clear()
            self._sync()

    def _sync(self) -> None:
        goal = self._written
        if goal > self._synced and self._error is None:
            try:
                sync(self._fd)
            except OSError as error:
                self._error = error
        self._synced = goal
        if self._written > goal:  # the writer saw the old count, so it did not wake us
            self._dirty.set()
