"""The command line: arguments to one call. A command holds no logic of its own.

Progress and messages go to standard error; standard output is data.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from brim.config import Limits, Timeouts
from brim.errors import BrimError
from brim.surfaces.chat_command import chat
from brim.surfaces.client import Options
from brim.surfaces.ctl_command import ctl
from brim.surfaces.loops import run_loop
from brim.surfaces.options import (
    Api,
    ApiSetting,
    BaseUrl,
    Ca,
    Concurrency,
    Deadline,
    FirstTimeout,
    InPieces,
    Inputs,
    Itpm,
    MaxAttempts,
    MaxTokens,
    Otpm,
    Output,
    Pairs,
    PromptField,
    RetryFailed,
    Rpd,
    Rpm,
    RunModel,
    System,
    Temperature,
    Template,
    Timeout,
    Tpd,
    Tpm,
    Trace,
    Windows,
    asked_params,
)
from brim.surfaces.params import parse_settings, parse_window, text_or_file
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
    inputs: Inputs,
    output: Output,
    model: RunModel = None,
    api: Api = "chat",
    api_setting: ApiSetting = None,
    base_url: BaseUrl = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    param: Pairs = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    itpm: Itpm = None,
    otpm: Otpm = None,
    rpd: Rpd = None,
    tpd: Tpd = None,
    limit: Windows = None,
    concurrency: Concurrency = 1_000,
    timeout: Timeout = None,
    first_timeout: FirstTimeout = None,
    max_attempts: MaxAttempts = 5,
    deadline: Deadline = None,
    template: Template = None,
    prompt_field: PromptField = "prompt",
    ca: Ca = None,
    trace: Trace = None,
    *,
    stream: InPieces = False,
    retry_failed: RetryFailed = False,
) -> None:
    """Turn a file of prompts into a file of answers.

    Run the same command again to go on after whatever stopped it: answered rows are never sent twice.
    Exit status: 0 all answered, 1 some failed, 2 wrong command or input, 3 parked, 130 interrupted.
    """
    from brim.storage.rows import RowShape  # noqa: PLC0415 - `brim --help` needs none of the run
    from brim.surfaces.bulk import Exit, Job, carry_out  # noqa: PLC0415

    options: Options = {
        "base_url": base_url,
        "api": api,
        "api_settings": parse_settings(api_setting or ()),
        "system": text_or_file(system),
        "max_tokens": max_tokens,
        "params": asked_params(param, temperature),
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
        "trace": trace or False,
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
app.command("ctl")(ctl)
app.command("sim")(sim)
