"""The options of `brim run`, and what becomes of them.

A flag beats the settings file, which beats a preset, which beats the default. An option is one field of `RunOptions`;
the settings file takes it under the same name without a further word.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec
import typer

from brim.config import Timeouts
from brim.policies.retry import MAX_ATTEMPTS
from brim.surfaces.client import Options
from brim.surfaces.figures import FIGURES, Figures
from brim.surfaces.lane_limits import LaneLimits, Stated
from brim.surfaces.options import (
    Api,
    ApiSetting,
    BaseUrl,
    Budget,
    Ca,
    Concurrency,
    Deadline,
    FirstTimeout,
    FormatName,
    InPieces,
    Inputs,
    Itpm,
    MaxAttempts,
    MaxTokens,
    Otpm,
    Output,
    Pairs,
    PresetName,
    PriceOption,
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
from brim.surfaces.params import files_among, parse_settings, text_or_file
from brim.surfaces.settings_file import SettingsFile, read_settings

if TYPE_CHECKING:
    from brim.surfaces.bulk import Job

__all__ = ["RunOptions", "job_of"]


def _load(ctx: typer.Context, path: Path | None) -> Path | None:
    """Lay the settings file under the flags, before any other option is looked at."""
    if path is not None:
        ctx.obj = read_settings(path, RunOptions)
        ctx.default_map = dict(ctx.obj.values)
    return path


Config: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", is_eager=True, callback=_load, help="TOML file with these options and with limits by model."
    ),
]


class RunOptions(msgspec.Struct, kw_only=True):
    """The options of `brim run`, in the order of its help."""

    inputs: Inputs
    output: Output
    model: RunModel = None
    api: Api = "chat"
    api_setting: ApiSetting = None
    base_url: BaseUrl = None
    system: System = None
    max_tokens: MaxTokens = None
    temperature: Temperature = None
    param: Pairs = None
    rpm: Rpm = None
    tpm: Tpm = None
    itpm: Itpm = None
    otpm: Otpm = None
    rpd: Rpd = None
    tpd: Tpd = None
    limit: Windows = None
    limits: PresetName = None
    concurrency: Concurrency = 1_000
    timeout: Timeout = None
    first_timeout: FirstTimeout = None
    max_attempts: MaxAttempts = MAX_ATTEMPTS
    deadline: Deadline = None
    budget: Budget = None
    price: PriceOption = None
    template: Template = None
    prompt_field: PromptField = "prompt"
    format: FormatName = None
    ca: Ca = None
    trace: Trace = None
    stream: InPieces = False
    retry_failed: RetryFailed = False
    config: Config = None


def job_of(ctx: typer.Context, asked: RunOptions) -> Job:
    """The job that the command line *ctx* asks for.

    Raises:
        ConfigError: an option can't be read.
    """
    from brim.storage.rows import RowShape  # noqa: PLC0415 - `brim --help` needs none of the run
    from brim.surfaces.bulk import Job  # noqa: PLC0415

    flags, file = _flags(ctx, asked), _file(ctx)
    options: Options = {
        "base_url": asked.base_url,
        "api": asked.api,
        "api_settings": {**file.tables.get("api_setting", {}), **parse_settings(asked.api_setting or ())},
        "system": text_or_file(asked.system),
        "max_tokens": asked.max_tokens,
        "params": _params(flags, file),
        "limits": _limits(flags, file).simplest,
        "budget_usd": asked.budget,
        "price": asked.price,
        "prices": {} if "price" in flags else file.prices,
        "timeouts": Timeouts(first=asked.first_timeout, total=asked.timeout),
        "max_attempts": asked.max_attempts,
        "stream": asked.stream,
        "ca": asked.ca,
        "trace": asked.trace or False,
    }
    return Job(
        inputs=asked.inputs,
        output=asked.output,
        model=asked.model,
        options=options,
        shape=RowShape(prompt_field=asked.prompt_field, template=text_or_file(asked.template)),
        deadline_s=asked.deadline,
        retry_failed=asked.retry_failed,
        format=asked.format,
        sources=_sources(asked),
    )


def _sources(asked: RunOptions) -> list[Path]:
    """The files that are read beside the inputs."""
    values = (pair.partition("=")[2] for pair in asked.param or ())
    files = [Path(name) for name in (asked.config, asked.ca) if name is not None]
    return files + files_among((asked.system, asked.template, *values))


def _flags(ctx: typer.Context, asked: RunOptions) -> dict[str, Any]:
    """What stands on the command line itself."""
    sources = {name: ctx.get_parameter_source(name) for name in asked.__struct_fields__}
    typed = (name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE")
    return {name: getattr(asked, name) for name in typed}


def _file(ctx: typer.Context) -> SettingsFile:
    return ctx.obj if isinstance(ctx.obj, SettingsFile) else SettingsFile()


def _params(flags: dict[str, Any], file: SettingsFile) -> dict[str, Any]:
    """The body fields: a flag of either kind beats the file, and `param` beats `temperature` where both say it."""
    written = {"temperature": file.values["temperature"]} if "temperature" in file.values else {}
    return {
        **written,
        **file.tables.get("param", {}),
        **asked_params(flags.get("param"), flags.get("temperature")),
    }


def _limits(flags: dict[str, Any], file: SettingsFile) -> LaneLimits:
    """The limits of each lane; a preset that a flag names takes the place of every preset of the file."""
    typed = Figures(**{name: flags[name] for name in FIGURES if name in flags})
    typed.limits("--")
    lanes = file.lanes
    if "limits" in flags:
        lanes = {name: Stated(figures=lane.figures) for name, lane in lanes.items()}
    return LaneLimits(
        general=Stated(preset=flags.get("limits", file.values.get("limits")), figures=file.figures),
        lanes=lanes,
        flags=typed,
    )
