"""`brim chat`: its options."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated

import typer

from brim.surfaces.client import Options
from brim.surfaces.options import Api, BaseUrl, Ca, MaxTokens, Pairs, System, Temperature, asked_params
from brim.surfaces.params import text_or_file

__all__ = ["chat"]


def chat(
    *,
    model: Annotated[
        str | None,
        typer.Option(metavar="[openai:|anthropic:|local:]NAME", help="Who answers.", show_default="local:smollm2"),
    ] = None,
    api: Api = "chat",
    base_url: BaseUrl = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    param: Pairs = None,
    history: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Tokens of history sent along; what fits the model by default."),
    ] = None,
    ca: Ca = None,
) -> None:
    r"""Chat with any model, answers shown as they come; the embedded model needs no key.

    In the chat, /help lists the commands. Through a pipe every line is a message (a \ at its end goes on with the next
    line), answers go to standard output and everything else to standard error.
    Exit status: 0; through a pipe 1 if a message found no answer; 2 wrong command.
    """
    from brim.surfaces.chat import ChatSettings, chat_with  # noqa: PLC0415 - `brim --help` needs none of the chat

    options: Options = {
        "base_url": base_url,
        "api": api,
        "max_tokens": max_tokens,
        "params": asked_params(param, temperature),
        "ca": ca,
    }
    settings = ChatSettings(model=model, options=options, system=text_or_file(system), history=history)
    try:
        status: int = asyncio.run(chat_with(settings))
    except KeyboardInterrupt:
        status = 130
    except asyncio.CancelledError:
        status = 143
    except BrokenPipeError:
        # Whoever read the answers has gone; what Python would flush at exit has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    raise typer.Exit(status)
