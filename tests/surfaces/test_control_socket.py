"""The socket of a live run: its owner's alone, where it can be found, and harmless whatever comes in over it."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from brim.surfaces.control_socket import CONNECTIONS, LONGEST_LINE, ask, control_path, listening

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a coroutine on either event loop."""

    def run(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main)

    return run


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose paths are short enough for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


def shout(line: bytes) -> bytes:
    return line.upper()


@asynccontextmanager
async def open_at(path: Path, patience_s: float = 10.0) -> AsyncIterator[None]:
    async with listening(path, shout, patience_s=patience_s) as obstacle:
        assert obstacle is None
        yield


async def asked(path: Path, line: bytes = b"hello\n") -> bytes:
    return await asyncio.to_thread(ask, path, line)


def test_it_lies_beside_the_output() -> None:
    """
    `out.jsonl` has `out.jsonl.ctl`.
    """
    assert control_path(Path("deep/out.jsonl")) == Path("deep/out.jsonl.ctl")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_is_its_owners_alone_and_goes_with_the_run(folder: Path, run: Callable[..., None], umask: int) -> None:
    """
    Mode 0600 whatever the umask, which is left as it was; gone at the end.
    """
    path = folder / "out.ctl"

    async def main() -> None:
        async with open_at(path):
            assert stat.S_ISSOCK(path.lstat().st_mode)
            assert stat.S_IMODE(path.lstat().st_mode) == 0o600
            assert await asked(path) == b"HELLO\n"

    before = os.umask(umask)
    try:
        run(main())
    finally:
        assert os.umask(before) == umask
    assert not list(folder.iterdir())


def test_replaces_what_a_killed_run_left(folder: Path, run: Callable[..., None]) -> None:
    """
    A socket that nobody listens on is made anew.
    """
    path = folder / "out.ctl"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    with pytest.raises(ConnectionRefusedError):
        ask(path, b"hello\n")

    async def main() -> None:
        async with open_at(path):
            assert await asked(path) == b"HELLO\n"

    run(main())


@pytest.mark.parametrize(
    "make",
    [
        Path.mkdir,
        lambda path: path.write_text("precious"),
        lambda path: path.write_bytes(b'{"file": "\xff"}'),
        lambda path: path.symlink_to("x"),
    ],
)
def test_never_removes_what_is_not_its_own(
    folder: Path, run: Callable[..., None], make: Callable[[Path], object]
) -> None:
    """
    A file, a folder or a link in its place stays, and the reason is given.
    """
    path = folder / "out.ctl"
    make(path)
    before = path.lstat()

    async def main() -> None:
        async with listening(path, shout) as obstacle:
            assert obstacle is not None
            assert "is in the way" in obstacle

    run(main())
    assert path.lstat() == before


def test_too_long_a_path_has_a_pointer(folder: Path, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The socket lies in a private folder elsewhere, is found through the pointer, and both are gone at the end.
    """
    short = folder / "run"
    short.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    path = folder / ("n" * 90) / ("m" * 90 + ".ctl")
    path.parent.mkdir()

    async def main() -> None:
        async with open_at(path):
            (private,) = short.iterdir()
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
            assert stat.S_IMODE((private / "socket").stat().st_mode) == 0o600
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert await asked(path) == b"HELLO\n"
        assert not list(short.iterdir())
        assert not path.exists()

    run(main())


def test_replaces_a_pointer_that_a_killed_run_left(
    folder: Path, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The old pointer and the old folder go, a new one comes.
    """
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    path = folder / ("m" * 120 + ".ctl")
    old = folder / "brim-ctl-old"
    old.mkdir()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(old / "socket"))
    path.write_text(f'{{"file": "brim ctl", "socket": "{old}/socket"}}')

    async def main() -> None:
        async with open_at(path):
            assert await asked(path) == b"HELLO\n"

    run(main())
    assert not list(folder.iterdir())


def test_a_forged_pointer_removes_nothing_of_others(
    folder: Path, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What a pointer names is removed only if it looks like ours.
    """
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    path = folder / ("m" * 120 + ".ctl")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(folder / "other"))
    path.write_text(f'{{"file": "brim ctl", "socket": "{folder}/other"}}')

    async def main() -> None:
        async with open_at(path):
            pass

    run(main())
    assert [each.name for each in folder.iterdir()] == ["other"]


def test_is_found_from_afar_by_a_path_too_long_for_a_socket(
    folder: Path, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A run in a deep folder binds a short relative name; who asks from elsewhere gives the whole path.
    """
    deep = folder / ("n" * 120)
    deep.mkdir()
    here = Path.cwd()

    async def main() -> None:
        async with open_at(Path("out.ctl")):
            assert (deep / "out.ctl").is_socket()
            monkeypatch.chdir(here)
            assert await asked(deep / "out.ctl") == b"HELLO\n"
            monkeypatch.chdir(deep)

    monkeypatch.chdir(deep)
    run(main())


def test_one_connection_may_ask_again_and_again(folder: Path, run: Callable[..., None]) -> None:
    """
    Each line has its answer, also those that came at once.
    """

    async def main() -> None:
        async with open_at(folder / "s"):
            reader, writer = await asyncio.open_unix_connection(folder / "s")
            writer.write(b"a\nb\nc")
            assert await reader.readline() == b"A\n"
            assert await reader.readline() == b"B\n"
            writer.write(b"d\n")
            assert await reader.readline() == b"CD\n"
            writer.close()

    run(main())


def all_of(peer: socket.socket) -> int:
    """How many bytes come until the run hangs up."""
    count = 0
    while piece := peer.recv(1 << 16):
        count += len(piece)
    return count


async def gone(reader: asyncio.StreamReader) -> bool:
    """Wait until the run has hung up."""
    with suppress(ConnectionError):
        while await reader.read(1 << 16):
            pass
    return True


async def hostile(path: Path, data: bytes) -> bytes:
    """Send *data*, then nothing more; what comes back until the run hangs up."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(data)
        writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("data", "answer"), [(b"", b""), (b"half a line", b""), (b"\xff\x00\n", b"\xff\x00\n"), (b"a\nhalf", b"A\n")]
)
def test_half_a_line_is_no_order(folder: Path, run: Callable[..., None], data: bytes, answer: bytes) -> None:
    """
    Only a whole line is answered; whoever leaves in the middle leaves.
    """

    async def main() -> None:
        async with open_at(folder / "s"):
            assert await hostile(folder / "s", data) == answer
            assert await asked(folder / "s") == b"HELLO\n"

    run(main())


def test_a_huge_line_is_never_held(folder: Path, run: Callable[..., None]) -> None:
    """
    It is answered once, as what has come of it, and hung up on; no more than about two lines of it are read.
    """
    seen: list[int] = []

    def count(line: bytes) -> bytes:
        seen.append(len(line))
        return b"no\n"

    async def main() -> None:
        async with listening(folder / "s", count):
            reader, writer = await asyncio.open_unix_connection(folder / "s")
            writer.write(b"x" * (1 << 22))
            assert await gone(reader)
            writer.transport.abort()
            assert await asked(folder / "s") == b"no\n"

    run(main())
    assert len(seen) == 2
    assert seen[0] <= 4 * LONGEST_LINE


def test_the_silent_and_those_that_do_not_read_are_hung_up_on(folder: Path, run: Callable[..., None]) -> None:
    """
    Each has so many seconds for its line, and for its answer; others are answered meanwhile.
    """
    big = b"y" * (1 << 22) + b"\n"

    async def main() -> None:
        async with listening(folder / "s", lambda line: big if line == b"big\n" else line, patience_s=0.2):
            with socket.socket(socket.AF_UNIX) as slow:
                slow.connect(str(folder / "s"))
                slow.sendall(b"big\n")
                assert await asked(folder / "s") == b"hello\n"
                silent, writer = await asyncio.open_unix_connection(folder / "s")
                assert await silent.read() == b""
                writer.close()
                assert await asyncio.to_thread(all_of, slow) < len(big)

    run(main())


def test_many_may_ask_and_too_many_are_hung_up_on(folder: Path, run: Callable[..., None]) -> None:
    """
    As many as stated talk at once; one more is hung up on, and is welcome when another has left.
    """

    async def main() -> None:
        async with open_at(folder / "s"):
            talks = [await asyncio.open_unix_connection(folder / "s") for _ in range(CONNECTIONS)]
            for reader, writer in talks:
                writer.write(b"hi\n")
                assert await reader.readline() == b"HI\n"
            with pytest.raises(ConnectionError):
                await asked(folder / "s")
            for _, writer in talks:
                writer.close()
                await writer.wait_closed()
            for _ in range(100):
                if await hostile(folder / "s", b"hi\n") == b"HI\n":
                    return
            raise AssertionError("nobody is welcome any more")

    run(main())


def test_the_end_of_the_run_ends_every_talk(folder: Path, run: Callable[..., None]) -> None:
    """
    Who is connected when the run is over is hung up on; the run waits for nobody.
    """

    async def main() -> None:
        async with open_at(folder / "s"):
            reader, writer = await asyncio.open_unix_connection(folder / "s")
            writer.write(b"half")
            idle, other = await asyncio.open_unix_connection(folder / "s")
            other.write(b"whole\n")
            assert await idle.readline() == b"WHOLE\n"
        assert await gone(reader)
        assert await gone(idle)
        writer.close()
        other.close()

    run(main())


def test_nothing_there_and_no_socket(folder: Path) -> None:
    """
    Whoever asks is told what it is: nothing, or no run.
    """
    with pytest.raises(FileNotFoundError):
        ask(folder / "s", b"x\n")
    (folder / "s").write_text("text")
    with pytest.raises(ConnectionRefusedError):
        ask(folder / "s", b"x\n")
