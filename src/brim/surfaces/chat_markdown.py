"""An answer in Markdown, drawn while it still grows.

A growing answer is split into blocks (paragraphs, lists, fenced code): what is finished is drawn once and for all, and
only the block that is still open is drawn again and again. So the screen never flickers and scrolls as usual, however
long the answer.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Heading, Markdown

__all__ = ["Blocks", "Prose", "clean"]

_CONTROLS: Final = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
"""What could steer the terminal."""

_FENCE: Final = re.compile(r"(\s*)(`{3,}(?=[^`]*$)|~{3,})(.*)")

_PARSER: Final = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])


def clean(text: str) -> str:
    """*text* without the characters that could steer a terminal."""
    return text.translate(_CONTROLS)


class _Title(Heading):
    """A heading that stands where the text begins."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        yield self.text


class Prose(Markdown):
    """Markdown as models write it: a line break is one, HTML is shown as it stands, and links show where they lead."""

    elements: ClassVar = {**Markdown.elements, "heading_open": _Title}

    def __init__(self, text: str) -> None:
        # The palette of the terminal itself, which suits its background whatever that is.
        super().__init__("", code_theme="ansi_dark", hyperlinks=False)
        self.parsed = _PARSER.parse(text)
        for token in self.parsed:
            for inner in token.children or ():
                if inner.type == "softbreak":
                    inner.type = "hardbreak"


class Blocks:
    """Splits growing Markdown where a blank line ends a block, and around fenced code.

    Not every blank line ends one: inside fenced code it does not, nor before an indented line, which goes on with a
    list's item.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._rest = ""
        self._fence: str | None = None
        self._opening = 0
        self._after_blank = False

    def feed(self, piece: str) -> list[str]:
        """Take *piece* and return the blocks that are finished now."""
        *lines, self._rest = (self._rest + piece).split("\n")
        done = [block for line in lines if (block := self._take(line))]
        if self._rest and self._is_boundary(self._rest):
            done.append(self._cut())
        return done

    def close(self) -> str:
        """End the text: returns its last block, empty if there is none."""
        if self._rest:
            self._lines.append(self._rest)
            self._rest = ""
        return self._cut()

    def tail(self, lines: int) -> str:
        """The last *lines* of the block that is open; cut code keeps its opening."""
        all_lines = [*self._lines, self._rest]  # a copy, since the screen's thread asks while the answer grows
        shown = all_lines[-lines:]
        if self._fence is not None and self._opening < len(all_lines) - len(shown):
            shown.insert(0, all_lines[self._opening])
        return "\n".join(shown)

    def _take(self, line: str) -> str:
        """Take a whole line and return the block that it ends, if any."""
        done = self._cut() if self._is_boundary(line) else ""
        self._after_blank = not line.strip()
        if self._lines or not self._after_blank:
            self._lines.append(line)
        has_closed = self._follow_fence(line)
        return self._cut() if has_closed and self._opening == 0 else done

    def _is_boundary(self, line: str) -> bool:
        """Does *line* begin a new block?"""
        if not self._lines or self._fence is not None or not line or line[0].isspace():
            return False
        return self._after_blank or _FENCE.match(line) is not None

    def _follow_fence(self, line: str) -> bool:
        """Keep track of fenced code. Returns whether *line* closed it."""
        match = _FENCE.match(line)
        if match is None:
            return False
        if self._fence is None:
            self._fence, self._opening = match[2], len(self._lines) - 1
        elif match[2].startswith(self._fence) and not match[3].strip():
            self._fence = None
            return True
        return False

    def _cut(self) -> str:
        block = "\n".join(self._lines).rstrip()
        self._lines.clear()
        self._fence, self._after_blank = None, False
        return block
