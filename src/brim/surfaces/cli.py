"""The command line: arguments to one call. A command holds no logic of its own.

Progress and messages go to standard error; standard output is data.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from brim.config import Limits, Timeouts
from brim.errors import BrimError
from brim.surfaces.chat_command import chat
from brim.surfaces.client import Options, run_loop
from brim.surfaces.params import parse_params, parse_settings, parse_window, text_or_file
from brim.surfaces.sim_command import sim

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # [openai:] is no markup
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
        typer.echo(f"brim {version('brim')}")
        raise typer.Exit


@app.callback()
def _all(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


@app.command()
def run(  # noqa: PLR0917 - each is an option of the command line
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="JSONL, or plain text lines; - is stdin.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where the results go, as JSONL in input order.")
    ],
    model: Annotated[
        str | None, typer.Option(metavar="[openai:|anthropic:|local:]NAME", help="Who answers rows that name no model.")
    ] = None,
    api: Annotated[
        str, typer.Option(metavar="API", help="Which of OpenAI's APIs to speak: chat or responses.")
    ] = "chat",
    api_setting: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="Setting of the API, as version=2026-10-21 or auth=bearer for Anthropic's."),
    ] = None,
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
    rpm: Annotated[float | None, typer.Option(metavar="N", help="Requests a minute you may send.")] = None,
    tpm: Annotated[
        float | None, typer.Option(metavar="N", help="Tokens a minute you may use, input and output together.")
    ] = None,
    itpm: Annotated[float | None, typer.Option(metavar="N", help="Input tokens a minute you may use.")] = None,
    otpm: Annotated[float | None, typer.Option(metavar="N", help="Output tokens a minute you may use.")] = None,
    rpd: Annotated[float | None, typer.Option(metavar="N", help="Requests in 24 hours you may send.")] = None,
    tpd: Annotated[float | None, typer.Option(metavar="N", help="Tokens in 24 hours you may use.")] = None,
    limit: Annotated[
        list[str] | None, typer.Option(metavar="N/TIME", help="So many requests in any such time, as 40/60s.")
    ] = None,
    concurrency: Annotated[
        int, typer.Option(metavar="N", min=1, help="Ceiling for requests in flight, not a target.")
    ] = 1_000,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds for one attempt in all; learnt by default.")
    ] = None,
    first_timeout: Annotated[
        float | None,
        typer.Option(metavar="S", help="Seconds until an answer must begin; with --stream, its first token."),
    ] = None,
    max_attempts: Annotated[
        int, typer.Option(metavar="N", min=1, help="Attempts per row; throttled ones don't count.")
    ] = 5,
    deadline: Annotated[
        float | None, typer.Option(metavar="S", min=0.0, help="Seconds after which the run stops sending.")
    ] = None,
    template: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Prompt with {field} placeholders; @FILE reads it.")
    ] = None,
    prompt_field: Annotated[str, typer.Option(metavar="NAME", help="Which field of a row is the prompt.")] = "prompt",
    ca: Annotated[str | None, typer.Option(metavar="FILE", help="File of certificates to trust.")] = None,
    *,
    stream: Annotated[
        bool, typer.Option("--stream", help="Have answers come in pieces; the results are the same.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Send recorded failures again.")] = False,
) -> None:
    """Turn a file of prompts into a file of answers.

    Run the same command again to go on after whatever stopped it: answered rows are never sent twice.
    Exit status: 0 all answered, 1 some failed, 2 wrong command or input, 3 parked, 130 interrupted.
    """
    from brim.storage.rows import RowShape  # noqa: PLC0415 - `brim --help` needs none of the run
    from brim.surfaces.bulk import Exit, Job, carry_out  # noqa: PLC0415

    params: dict[str, Any] = parse_params(param or ())
    if temperature is not None:
        params.setdefault("temperature", temperature)
    options: Options = {
        "base_url": base_url,
        "api": api,
        "api_settings": parse_settings(api_setting or ()),
        "system": text_or_file(system),
        "max_tokens": max_tokens,
        "params": params,
        "limits": Limits(
            requests_per_minute=rpm,
            tokens_per_minute=tpm,
            input_tokens_per_minute=itpm,
            output_tokens_per_minute=otpm,
            requests_per_day=rpd,
            tokens_per_day=tpd,
            windows=tuple(parse_window(each) for each in limit or ()),
            concurrency=concurrency,
        ),
        "timeouts": Timeouts(first=first_timeout, total=timeout),
        "max_attempts": max_attempts,
        "stream": stream,
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
    try:
        status = run_loop(carry_out(job))
    except KeyboardInterrupt:  # before the run could take interrupts itself
        status = Exit.INTERRUPTED
    raise typer.Exit(status)


@app.command()
def export(
    journal: Annotated[
        Path, typer.Argument(metavar="JOURNAL", help="A journal, as OUTPUT.journal beside the output of a run.")
    ],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="Where the results go; - is standard output.")
    ] = "-",
) -> None:
    """Write what a journal holds, in the order of the input, at any time: during a run or after one."""
    from brim.storage.export import export as write  # noqa: PLC0415 - `brim --help` needs none of it

    write(journal, sys.stdout.buffer if output == "-" else Path(output))


app.command("chat")(chat)
app.command("sim")(sim)
