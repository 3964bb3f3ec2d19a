"""The command line: arguments to one call. A command holds no logic of its own.

Progress and messages go to standard error; standard output is data.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import brim
from brim.config import Limits, Timeouts
from brim.errors import BrimError
from brim.surfaces.client import Options, run_loop
from brim.surfaces.params import parse_params, text_or_file

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Push any number of LLM calls through rate-limited APIs at the full speed the limits allow, and lose none.",
)


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        app()
    except BrimError as error:
        print(f"brim: {error}", file=sys.stderr)  # noqa: T201 - the one place where a command's error is said
        sys.exit(2)


def _version(asked: bool) -> None:  # noqa: FBT001 - the shape of a typer callback
    if asked:
        typer.echo(f"brim {brim.__version__}")
        raise typer.Exit


@app.callback()
def _all(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


@app.command()
def run(  # noqa: PLR0917 - each is an option of the command line
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="JSONL, or plain text lines; - is stdin.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the results go, as JSONL in input order.")],
    model: Annotated[str | None, typer.Option(help="[openai:|anthropic:|local:]NAME")] = None,
    api: Annotated[str, typer.Option(help="Which of OpenAI's APIs to speak: chat or responses.")] = "chat",
    base_url: Annotated[str | None, typer.Option(help="Where the API listens, with or without /v1.")] = None,
    system: Annotated[str | None, typer.Option(help="System prompt; @FILE reads it from a file.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Cap on generated tokens.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="Sampling temperature; not sent by default.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Further body field; JSON, text or @FILE.")
    ] = None,
    rpm: Annotated[float | None, typer.Option(help="Requests a minute you may send.")] = None,
    tpm: Annotated[float | None, typer.Option(help="Tokens a minute you may use, input and output together.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Ceiling for requests in flight, not a target.")] = 1_000,
    timeout: Annotated[float | None, typer.Option(help="Seconds for one attempt in all; learnt by default.")] = None,
    max_attempts: Annotated[int, typer.Option(min=1, help="Attempts per row; throttled ones don't count.")] = 5,
    deadline: Annotated[float | None, typer.Option(min=0.0, help="Seconds after which the run stops sending.")] = None,
    template: Annotated[str | None, typer.Option(help="Prompt with {field} placeholders; @FILE reads it.")] = None,
    prompt_field: Annotated[str, typer.Option(help="Which field of a row is the prompt.")] = "prompt",
    ca: Annotated[str | None, typer.Option(help="File of certificates to trust.")] = None,
    *,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Send recorded failures again.")] = False,
) -> None:
    """Turn a file of prompts into a file of answers.

    Run the same command again to go on after whatever stopped it: answered rows are never sent twice.
    Exit status: 0 all answered, 1 some failed, 2 wrong command or input, 3 parked, 130 interrupted.
    """
    from brim.storage.rows import RowShape  # noqa: PLC0415 - `brim --help` needs none of the run
    from brim.surfaces.bulk import Job, carry_out  # noqa: PLC0415

    params: dict[str, Any] = parse_params(param or ())
    if temperature is not None:
        params.setdefault("temperature", temperature)
    options: Options = {
        "base_url": base_url,
        "api": api,
        "system": text_or_file(system),
        "max_tokens": max_tokens,
        "params": params,
        "limits": Limits(requests_per_minute=rpm, tokens_per_minute=tpm, concurrency=concurrency),
        "timeouts": Timeouts(total=timeout),
        "max_attempts": max_attempts,
        "ca": ca,
    }
    shape = RowShape(prompt_field=prompt_field, template=text_or_file(template))
    job = Job(
        inputs=inputs,
        output=output,
        model=model,
        options=options,
        shape=shape,
        deadline_s=deadline,
        retry_failed=retry_failed,
    )
    raise typer.Exit(run_loop(carry_out(job)))
