"""A socket beside the journal, over which a live run takes orders from its owner.

The rule: nobody but the owner ever reaches it, and nothing that comes in over it can block or end the run. It is made
under the journal's lock, so what a killed run left there may be replaced. Where the path is too long for a socket, or
the file system takes none, the socket lies in a private folder elsewhere and a pointer stands in its place.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import struct
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from brim.errors import ConfigError

__all__ = ["CONNECTIONS", "LONGEST_LINE", "ask", "control_path", "listening"]

LONGEST_LINE: Final = 1 << 14
"""Bytes of an order; a longer one is refused."""

CONNECTIONS: Final = 32
"""How many may talk to a run at once; one more is hung up on."""

_PATIENCE_S: Final = 10.0
"""Whoever takes longer for an order, or for reading its answer, is hung up on."""

_LONGEST_ANSWER: Final = 1 << 24
_FOLDER: Final = "brim-ctl-"


class _Pointer(msgspec.Struct, frozen=True, tag_field="file", tag="brim ctl"):
    """What stands beside the journal if the *socket* lies elsewhere."""

    socket: str


def control_path(output: Path) -> Path:
    """Where the run that writes *output* listens: beside it."""
    return output.with_name(output.name + ".ctl")


@asynccontextmanager
async def listening(
    path: Path, answer: Callable[[bytes], bytes], *, patience_s: float = _PATIENCE_S
) -> AsyncIterator[str | None]:
    """Take orders at *path* for as long as the context lasts; gives why that is not possible, or None.

    Whoever enters it holds the journal's lock.

    Args:
        path: see `control_path`.
        answer: told each line that comes in, gives the line that goes back. It must not raise.
        patience_s: seconds for a whole line, and for an answer to be read.
    """
    made: list[Path] = []
    served = _Served(answer, patience_s)
    listener: socket.socket | None = None
    try:
        listener = _open(path, made)
        server = await asyncio.start_unix_server(served.talk, sock=listener, limit=LONGEST_LINE)
    except (OSError, ConfigError) as error:
        if listener is not None:
            listener.close()
        _remove(made)
        yield str(error)
        return
    try:
        yield None
    finally:
        _remove(made)
        server.close()
        await served.aclose()


class _Served:
    """Talks to whoever connects."""

    def __init__(self, answer: Callable[[bytes], bytes], patience_s: float) -> None:
        self._answer = answer
        self._patience_s = patience_s
        self._is_over = False
        self._talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one peer's orders, one after the other, until it leaves, is too slow or talks too much."""
        is_full = self._is_over or len(self._talks) >= CONNECTIONS
        if is_full or not _is_owner(writer.get_extra_info("socket")):
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._talks[task] = writer
        task.add_done_callback(self._over)

    async def aclose(self) -> None:
        """Hang up on everybody, those included whose connection is just being made."""
        self._is_over = True
        talks = tuple(self._talks)
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # With no room in the buffer `drain` waits until all of an answer is out.
        writer.transport.set_write_buffer_limits(0)
        is_whole = True
        with suppress(OSError, TimeoutError, EOFError):  # its loss, not the run's
            while is_whole:
                async with asyncio.timeout(self._patience_s):
                    line, is_whole = await _order(reader)
                async with asyncio.timeout(self._patience_s):
                    writer.write(self._answer(line))
                    await writer.drain()

    def _over(self, task: asyncio.Task[None]) -> None:
        writer = self._talks.pop(task)  # from Python 3.13 on one that is dropped before it is closed complains
        writer.transport.abort()


async def _order(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """The next line, or what has come of one that is too long; and is it whole?"""
    try:
        return await reader.readuntil(), True
    except asyncio.LimitOverrunError:
        return await reader.read(LONGEST_LINE), False


def _open(path: Path, made: list[Path]) -> socket.socket:
    """A socket that is bound at *path*, or elsewhere with a pointer there. *made* is told what was made, in order."""
    if os.name != "posix":
        raise ConfigError("this platform has no sockets for that")
    _clear(path)
    try:
        return _bind(path, made)
    except OSError:  # too long a path, or a file system without sockets
        _remove(made)
        made.clear()
        return _bind_elsewhere(path, made)


def _bind_elsewhere(path: Path, made: list[Path]) -> socket.socket:
    import tempfile  # noqa: PLC0415 - seldom needed, and slow to load

    folder = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=_short_folder(tempfile.gettempdir())))
    made.append(folder)
    listener = _bind(folder / "socket", made)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        made.append(path)
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(_Pointer(str(folder / "socket"))) + b"\n")
    except OSError:
        listener.close()
        raise
    return listener


def _short_folder(usual: str) -> str:
    """Where a private folder may be made whose paths are short enough for a socket; the *usual* one if nowhere."""
    folders = (os.environ.get("XDG_RUNTIME_DIR", ""), usual, "/tmp")  # noqa: S108 - mkdtemp's is private
    fitting = (each for each in folders if os.access(each, os.W_OK | os.X_OK) and len(os.fsencode(each)) < 70)
    return next(fitting, usual)


def _bind(path: Path, made: list[Path]) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _private():
            listener.bind(os.fspath(path))
        made.append(path)
        path.chmod(0o600)  # a folder's default ACL outweighs the umask; nobody can connect before it listens
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def _private() -> Iterator[None]:
    """Whatever is made meanwhile is its owner's alone from the first moment."""
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)


def _clear(path: Path) -> None:
    """Remove what a killed run left at *path*. Raises `ConfigError` if something else is there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISSOCK(mode):
        path.unlink()
        return
    pointed = _pointed(path) if stat.S_ISREG(mode) else None
    if pointed is None:
        raise ConfigError(f"{path} is in the way and not from a run; move it away")
    if pointed.parent.name.startswith(_FOLDER) and pointed.is_socket():
        with suppress(OSError):
            _remove([pointed.parent, pointed])
    path.unlink()


def _pointed(path: Path) -> Path | None:
    """The socket that a pointer names; None if it is no pointer."""
    try:
        with path.open("rb") as file:
            return Path(msgspec.json.decode(file.read(LONGEST_LINE), type=_Pointer).socket)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _remove(made: list[Path]) -> None:
    """Remove what was made, the last first."""
    for path in reversed(made):
        with suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()


def _is_owner(peer: socket.socket) -> bool:
    """Is it the run's own user at the other end, or root? Where nobody can tell, the file's mode must do."""
    uid = _peer_uid(peer)
    return uid is None or uid in {0, os.geteuid()}


def _peer_uid(peer: socket.socket) -> int | None:
    if sys.platform == "linux":
        size = struct.calcsize("3i")
        _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        return int(uid)
    if sys.platform == "darwin":  # pragma: no cover - struct xucred: version, user, groups (sys/ucred.h, sys/un.h)
        _, uid = struct.unpack_from("2I", peer.getsockopt(0, 1, 76))
        return int(uid)
    return None  # pragma: no cover


def ask(path: Path, order: bytes, *, patience_s: float = _PATIENCE_S) -> bytes:
    """Send *order* to the run that listens at *path*, and wait for its answer.

    Raises:
        FileNotFoundError: there is nothing at *path*.
        ConnectionError: a run that was killed left it there.
        TimeoutError: it listens and does not answer.
        OSError: it can't be reached.
    """
    where = path if path.is_socket() else _pointed(path)
    if where is None:
        path.lstat()
        raise ConnectionRefusedError
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(patience_s)
        with _inside(where.parent):  # the name alone is short enough wherever it lies
            peer.connect(where.name)
        peer.sendall(order)
        return _line(peer)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(here)
        os.close(here)


def _line(peer: socket.socket) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = peer.recv(1 << 16)
        line += piece
        if not piece or len(line) > _LONGEST_ANSWER:
            raise ConnectionResetError
    return bytes(line)
