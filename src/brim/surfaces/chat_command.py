"""`brim chat`: its options."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated, Any

import typer

from brim.surfaces.client import Options
from brim.surfaces.params import parse_params, text_or_file

__all__ = ["chat"]


def chat(
    *,
    model: Annotated[
        str | None,
        typer.Option(metavar="[openai:|anthropic:|local:]NAME", help="Who answers.", show_default="local:smollm2"),
    ] = None,
    api: Annotated[
        str, typer.Option(metavar="API", help="Which of OpenAI's APIs to speak: chat or responses.")
    ] = "chat",
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the API listens, with or without /v1.")
    ] = None,
    system: Annotated[
        str | None, typer.Option(metavar="TEXT", help="System prompt; @FILE reads it from a file.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(metavar="N", min=1, help="Cap on generated tokens.")] = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="X", min=0.0, help="Sampling temperature; not sent by default.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Further body field; JSON, text or @FILE.")
    ] = None,
    history: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Tokens of history sent along; what fits the model by default."),
    ] = None,
    ca: Annotated[str | None, typer.Option(metavar="FILE", help="File of certificates to trust.")] = None,
) -> None:
    r"""Chat with any model, answers shown as they come; the embedded model needs no key.

    In the chat, /help lists the commands. Through a pipe every line is a message (a \ at its end goes on with the next
    line), answers go to standard output and everything else to standard error.
    Exit status: 0; through a pipe 1 if a message found no answer; 2 wrong command.
    """
    from brim.surfaces.chat import ChatSettings, chat_with  # noqa: PLC0415 - `brim --help` needs none of the chat

    params: dict[str, Any] = parse_params(param or ())
    if temperature is not None:
        params.setdefault("temperature", temperature)
    options: Options = {"base_url": base_url, "api": api, "max_tokens": max_tokens, "params": params, "ca": ca}
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
