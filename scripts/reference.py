"""Writes docs/reference/cli.md from the command line itself, so that the page can't say anything else.

    python scripts/reference.py            write the page
    python scripts/reference.py --print    show it instead

`tests/test_docs.py` fails when the page is stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from brim.surfaces.cli import app

__all__ = ["PAGE", "commands", "render"]

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"

_INTRO: Final = """\
# The command line

This page is made by `scripts/reference.py` from the command line itself: run it after a change, don't edit the page.
Progress and messages go to standard error; standard output is data.
The how-to pages show the options at work: see the [index](../index.md).
"""

_KINDS: Final = {str: "text", int: "whole number", float: "number", bool: "", Path: "file"}
_ESCAPES: Final = re.compile(r"\\([\[\]])")  # rich's markup in a help text


def commands() -> dict[str, Any]:
    """Every command by its name as one types it, the program itself first."""
    program: Any = typer.main.get_command(app)
    below = getattr(program, "commands", {})
    return {"brim": program, **{f"brim {name}": command for name, command in below.items() if not command.hidden}}


def render() -> str:
    """The whole page."""
    return "\n".join([_INTRO, *(_section(name, command) for name, command in commands().items())])


def _section(name: str, command: Any) -> str:
    lines = [f"## {name}", "", _plain(command.help), ""]
    rows = [_row(param) for param in command.params if not getattr(param, "hidden", False)]
    lines += ["| name | value | default | meaning |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(param: Any) -> str:
    default = "required" if param.required else _default(param.default)
    cells = (_names(param), ", ".join(_value(param)), default, param.help or "")
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _names(param: Any) -> str:
    if param.param_type_name == "argument":
        more = "" if param.nargs == 1 else "..."
        return f"`{param.metavar or param.name.upper()}{more}`"
    return ", ".join(f"`{option}`" for option in sorted(param.opts, key=len))


def _value(param: Any) -> Iterator[str]:
    kind = param.type_descriptor.annotation
    if param.param_type_name != "argument":
        named = param.metavar or next((word for known, word in _KINDS.items() if known is kind), "text")
        if named:
            yield named
    if param.min is not None or param.max is not None:
        yield _range(param.min, param.max)
    if param.multiple:
        yield "may be repeated"


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f"from {low:g}"
    return f"up to {high:g}" if low is None else f"{low:g} to {high:g}"


def _default(value: object) -> str:
    return "" if value is None or value is False else f"`{value}`"


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|").replace("<", "&lt;")


def _plain(text: str) -> str:
    return _ESCAPES.sub(r"\1", text).strip()


if __name__ == "__main__":
    if "--print" in sys.argv[1:]:
        print(render(), end="")
    else:
        PAGE.write_text(render(), encoding="utf-8")
        print(f"wrote {PAGE.name}")
