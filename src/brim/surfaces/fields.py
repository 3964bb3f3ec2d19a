"""Short pieces of text, laid out as the width of a terminal allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

__all__ = ["Fields"]

_GAP: Final = "  "


class Fields:
    """Short pieces of text, side by side, as many to a line as fit; a piece is never torn in two."""

    def __init__(self, pieces: list[Text]) -> None:
        self._pieces = pieces

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines(options.max_width):
            line.truncate(options.max_width, overflow="ellipsis")
            yield line

    def _lines(self, width: int) -> Iterator[Text]:
        line = Text()
        for piece in self._pieces:
            if line and line.cell_len + len(_GAP) + piece.cell_len > width:
                yield line
                line = Text()
            line = Text.assemble(line, _GAP, piece) if line else piece.copy()
        if line:
            yield line
