"""Start the embedded model's server as a child process, and stop it.

The child lives as long as the pipe to its standard input: closing it ends the child, and so does the end of this
process, whatever ends it. Its standard error goes to a nameless file, read only to explain a failed start.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from queue import Empty, SimpleQueue
from tempfile import TemporaryFile
from threading import Thread
from typing import IO, TYPE_CHECKING, Final, Self

import msgspec

from brim.errors import BrimError
from brim.local.models import DEFAULT, find
from brim.local.server import SLOTS

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["LocalModel", "StartFailed"]

_START_SECONDS: Final = 60.0
"""Loading takes about a second; a cold disk and a busy machine take longer."""

_STOP_SECONDS: Final = 5.0
"""The child ends some 10 ms after its input closes."""

_TAIL_LINES: Final = 15

_DECODER: Final = msgspec.json.Decoder(dict[str, str])


class StartFailed(BrimError):
    """The embedded model's server did not come up: the message holds its last words."""


class LocalModel:
    """A running embedded model; stops when its `with` block is left.

    Attributes:
        base_url: its OpenAI-compatible endpoint, on loopback; Anthropic's dialect is spoken there too.
        model: the name to ask for.
        concurrency: the most requests worth having in flight at once.
        pid: the child's process id.
    """

    def __init__(self, child: _Child, *, base_url: str, model: str) -> None:
        self._child = child
        self.base_url = base_url
        self.model = model
        self.concurrency = 4 * SLOTS
        self.pid = child.process.pid

    @classmethod
    def start(cls, name: str = DEFAULT, *, patience: float = _START_SECONDS) -> LocalModel:
        """Serve the embedded model *name*, and return once it answers.

        Args:
            name: a name out of `brim.local.models.MODELS`.
            patience: seconds the server may take to load the weights.

        Raises:
            ConfigError: no such model, or it is not installed.
            StartFailed: the server ended, or took longer than *patience*.
        """
        model = find(name)
        child = _Child(name)
        try:
            return cls(child, base_url=child.address(patience), model=model.alias)
        except BaseException:
            child.stop(patience=0)
            raise

    @classmethod
    async def start_async(cls, name: str = DEFAULT, *, patience: float = _START_SECONDS) -> LocalModel:
        """Do as `start` does without holding up the event loop; a cancelled start leaves no process."""
        model = find(name)
        child = _Child(name)
        try:
            return cls(child, base_url=await asyncio.to_thread(child.address, patience), model=model.alias)
        except BaseException:
            child.stop(patience=0)
            raise

    def stop(self) -> None:
        """End the server; takes some milliseconds. A second call does nothing."""
        self._child.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"LocalModel(base_url={self.base_url!r}, model={self.model!r})"


class _Child:
    """The server's process, and the pipes and the file that belong to it."""

    def __init__(self, name: str) -> None:
        self._log = TemporaryFile()  # noqa: SIM115 - closed by stop
        self.process = subprocess.Popen(  # noqa: S603 - our own module, by name
            # -P: a file in the working directory must not stand in for a module of the same name.
            [sys.executable, "-P", "-m", "brim.local.server", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Ctrl-C in a terminal reaches every process of the session; it must not end the server while brim
            # still waits for its last answers.
            start_new_session=True,
        )

    def address(self, patience: float) -> str:
        """Wait until the server says where it listens."""
        assert self.process.stdout is not None
        said: SimpleQueue[bytes] = SimpleQueue()
        # A thread, since a pipe can't be waited for with a time limit on every platform.
        Thread(target=_read_line, args=(self.process.stdout, said), daemon=True).start()
        try:
            line = said.get(timeout=patience)
        except Empty:
            raise StartFailed(self._explain(f"is not ready after {patience:g} s")) from None
        if not line:
            raise StartFailed(self._explain(f"ended at once, with status {self.process.wait()}"))
        return _DECODER.decode(line)["url"]

    def stop(self, *, patience: float = _STOP_SECONDS) -> None:
        """Close its input, and kill it if it still runs *patience* seconds later."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._log.close()

    def _explain(self, what: str) -> str:
        self._log.seek(0)
        tail = self._log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n  ".join([f"the embedded model's server {what}; its last words:", *(tail or ["(none)"])])


def _read_line(out: IO[bytes], said: SimpleQueue[bytes]) -> None:
    """Pass on a line of *out*; an empty one if nothing comes, or if the start was given up before it was asked for."""
    try:
        said.put(out.readline())
    except ValueError:  # closed
        said.put(b"")
