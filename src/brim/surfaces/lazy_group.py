"""Commands that are imported when they are asked for, so that a run does not pay for the others."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

__all__ = ["LazyGroup"]

_ELSEWHERE: Final[Mapping[str, str]] = {
    "chat": "brim.surfaces.chat_command",
    "ctl": "brim.surfaces.ctl_command",
    "limits": "brim.surfaces.limits_command",
    "sim": "brim.surfaces.sim_command",
}
"""The module of each command, which is a function of the command's name there."""


class LazyGroup(TyperGroup):
    """The program: the commands it is given, then those that lie elsewhere."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands, in the order of the help."""
        return [*(name for name in super().list_commands(ctx) if name not in _ELSEWHERE), *_ELSEWHERE]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None if there is none."""
        if cmd_name not in self.commands and cmd_name in _ELSEWHERE:
            alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
            alone.command(cmd_name)(getattr(import_module(_ELSEWHERE[cmd_name]), cmd_name))
            self.add_command(typer.main.get_command(alone), cmd_name)
        return super().get_command(ctx, cmd_name)
