"""The command line: arguments to one call. A command holds no logic of its own.

Progress and messages go to standard error; standard output is data.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from brim import __version__
from brim.errors import BrimError
from brim.surfaces.lazy_group import LazyGroup
from brim.surfaces.options import takes
from brim.surfaces.run_options import RunOptions, job_of

__all__ = ["app", "main"]

app = typer.Typer(
    cls=LazyGroup,
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
        typer.echo(f"brim {__version__}")
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
@takes(RunOptions)
def run(ctx: typer.Context, asked: RunOptions) -> None:
    """Turn a file of prompts into a file of answers.

    Run the same command again to go on after whatever stopped it: answered rows are never sent twice.
    Exit status: 0 all answered, 1 some failed, 2 wrong command or input, 3 parked, 130 interrupted.
    """
    from brim.surfaces.bulk import Exit, carry_out_alone  # noqa: PLC0415 - `brim --help` needs none of the run

    job = job_of(ctx, asked)
    try:
        status = carry_out_alone(job)
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
    *,
    output_format: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="NAME", help="jsonl, csv, parquet or openai-batch; by default by FILE's name."
        ),
    ] = None,
) -> None:
    """Write what a journal holds, in the order of the input, at any time: during a run or after one."""
    from brim.storage.export import export as write  # noqa: PLC0415 - `brim --help` needs none of it
    from brim.storage.formats import form_of  # noqa: PLC0415

    path = None if output == "-" else Path(output)
    write(journal, path or sys.stdout.buffer, form_of(path, output_format))
