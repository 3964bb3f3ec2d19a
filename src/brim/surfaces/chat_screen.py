"""What a chat shows: answers on standard output, everything else on standard error.

In a terminal an answer is drawn as Markdown while it comes, and what stands beside it is dimmed. Elsewhere an answer
is written as it comes, byte for byte, since a program may read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, Protocol, Self, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from brim.surfaces.chat_markdown import Blocks, Prose, clean
from brim.surfaces.screen import Screen

__all__ = ["Answering", "ChatScreen"]

_PER_SECOND: Final = 12
_THEME: Final = Theme({"markdown.code": "cyan"})
"""Rich's own paints code on black, which is a bar on a light terminal."""

_WIDEST: Final = 100
"""Columns beyond which text is hard to read."""


class Answering(Protocol):
    """An answer that is being shown."""

    def text(self, piece: str) -> None:
        """Go on with the answer."""

    def reasoning(self, piece: str) -> None:
        """Go on with what the model thinks."""


class ChatScreen:
    """Shows a chat.

    Args:
        stdout: where answers go.
        stderr: where everything else goes.
    """

    def __init__(self, *, stdout: TextIO, stderr: TextIO) -> None:
        self._stdout = stdout
        self._out = Console(file=stdout, highlight=False, markup=False, emoji=False, theme=_THEME)
        self._screen = Screen(stderr)
        self._err = self._screen.console()
        # Not console.is_terminal: FORCE_COLOR makes that true of a file, where nothing can be drawn over.
        self._can_draw = stdout.isatty() and not self._out.is_dumb_terminal
        self._beside = self._err

    def note(self, text: str) -> None:
        """Say something about the chat."""
        self._say(Text(clean(text), "dim"))

    def error(self, text: str) -> None:
        """Say what went wrong."""
        self._say(Text.assemble(("error: ", "bold red"), clean(text)))

    def tell(self, text: str) -> None:
        """Answer a command."""
        self._say(Text(clean(text)))

    def table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Answer a command with two columns."""
        if not self._err.is_terminal:
            width = max(len(left) for left, _ in rows)
            self.tell("\n".join(f"{left:<{width}}  {right}" for left, right in rows))
            return
        table = Table.grid(padding=(0, 2))
        for left, right in rows:
            table.add_row(Text(left), Text(right))
        self._err.print(table)

    def busy(self, doing: str) -> AbstractContextManager[object]:
        """Show that something takes a while, where that can be undone."""
        return self._err.status(Text(doing, "dim")) if self._screen.isatty() else nullcontext()

    @contextmanager
    def answer(self) -> Iterator[Answering]:
        """Show an answer inside a `with` block."""
        if not self._can_draw:
            yield from _written(_Written(self._stdout, self._err))
            return
        with _Drawn(self._out) as drawn:
            # What is said meanwhile must go through the console that knows where the cursor is.
            self._beside = self._out if self._screen.isatty() else self._err
            try:
                yield drawn
            finally:
                self._beside = self._err

    def _say(self, text: Text) -> None:
        # A file's lines are not for us to break.
        self._beside.print(text, soft_wrap=not self._beside.is_terminal)


def _written(answer: _Written) -> Iterator[_Written]:
    try:
        yield answer
    finally:
        answer.close()


class _Written:
    """An answer as plain text. What the model thinks goes to standard error."""

    def __init__(self, stdout: TextIO, err: Console) -> None:
        self._stdout = stdout
        self._err = err
        self._is_thinking = False
        self._last = ""

    def text(self, piece: str) -> None:
        self._end_thinking()
        self._last = piece[-1:] or self._last
        self._stdout.write(piece)
        self._stdout.flush()

    def reasoning(self, piece: str) -> None:
        self._is_thinking = True
        self._err.print(Text(clean(piece), "dim"), end="", soft_wrap=True)

    def close(self) -> None:
        self._end_thinking()
        if self._last not in {"", "\n"}:
            self._stdout.write("\n")
            self._stdout.flush()

    def _end_thinking(self) -> None:
        if self._is_thinking:
            self._err.print()
        self._is_thinking = False


class _Drawn:
    """An answer drawn in a terminal, by a thread that refreshes its open block; a spinner until there is one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._blocks = Blocks()
        self._is_thinking = False
        self._is_first = True
        self._spinner: Spinner | None = Spinner("line" if console.options.ascii_only else "dots", style="dim")
        self._live = Live(
            self,
            console=console,
            refresh_per_second=_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._console.print()
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._spinner = None
        self._print(self._blocks.close())
        self._live.stop()
        self._console.print()

    def text(self, piece: str) -> None:
        self._grow(piece, is_thinking=False)

    def reasoning(self, piece: str) -> None:
        self._grow(piece, is_thinking=True)

    def _grow(self, piece: str, *, is_thinking: bool) -> None:
        if is_thinking is not self._is_thinking:
            self._print(self._blocks.close())
            self._is_thinking = is_thinking
        for block in self._blocks.feed(clean(piece)):
            self._print(block)

    def _print(self, block: str) -> None:
        """Draw a finished block for good."""
        if not block.strip():
            return
        if not self._is_first:
            self._console.print()
        self._is_first = False
        self._console.print(_Lines(self._render(block)))

    def _render(self, block: str) -> list[list[Segment]]:
        """The lines of *block*, without the blank ones around it."""
        console = self._console
        shown = Text(block.strip(), "dim italic") if self._is_thinking else Prose(block)
        options = console.options.update(width=min(_WIDEST, console.width), height=None)
        lines = console.render_lines(shown, options, pad=False)
        filled = [number for number, line in enumerate(lines) if any(part.text.strip() for part in line)]
        return lines[filled[0] : filled[-1] + 1] if filled else []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The block that is open, as much of its end as the screen holds."""
        room = max(1, console.height - 3)
        block = self._blocks.tail(room)
        if not block.strip():
            if self._is_first and self._spinner is not None:
                yield self._spinner
            return
        if not self._is_first:
            yield Text()
        yield _Lines(self._render(block)[-room:])


class _Lines:
    """Lines that were rendered before."""

    def __init__(self, lines: list[list[Segment]]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines:
            yield from line
            yield Segment.line()
