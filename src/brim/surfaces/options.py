"""The options of the command line, each with its form and its help, said once for every command that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar, get_type_hints

import msgspec
import typer

from brim.surfaces.params import parse_params

__all__ = [
    "Api",
    "ApiSetting",
    "BaseUrl",
    "Budget",
    "Ca",
    "Concurrency",
    "Deadline",
    "FirstTimeout",
    "FormatName",
    "InPieces",
    "Inputs",
    "Itpm",
    "MaxAttempts",
    "MaxTokens",
    "Otpm",
    "Output",
    "Pairs",
    "PresetName",
    "PriceOption",
    "PromptField",
    "RetryFailed",
    "Rpd",
    "Rpm",
    "RunModel",
    "System",
    "Temperature",
    "Template",
    "Timeout",
    "Tpd",
    "Tpm",
    "Trace",
    "Windows",
    "asked_params",
    "takes",
]

F = TypeVar("F", bound=msgspec.Struct)
R = TypeVar("R")

Api: TypeAlias = Annotated[str, typer.Option(metavar="API", help="Which of OpenAI's APIs to speak: chat or responses.")]
BaseUrl: TypeAlias = Annotated[
    str | None, typer.Option(metavar="URL", help="Where the API listens, with or without /v1.")
]
System: TypeAlias = Annotated[
    str | None, typer.Option(metavar="TEXT", help="System prompt; @FILE reads it from a file.")
]
MaxTokens: TypeAlias = Annotated[int | None, typer.Option(metavar="N", min=1, help="Cap on generated tokens.")]
Temperature: TypeAlias = Annotated[
    float | None, typer.Option(metavar="X", min=0.0, help="Sampling temperature; not sent by default.")
]
Pairs: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="K=V", help="Further body field; JSON, text or @FILE.")
]
Ca: TypeAlias = Annotated[str | None, typer.Option(metavar="FILE", help="File of certificates to trust.")]


Inputs: TypeAlias = Annotated[
    list[str], typer.Argument(metavar="INPUT", help="JSONL, plain text lines, CSV or Parquet; - is stdin.")
]
Output: TypeAlias = Annotated[
    Path, typer.Option("-o", "--output", metavar="FILE", help="Where the results go, in input order.")
]
FormatName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Of the output: jsonl, csv, parquet or openai-batch; by default by its name, or jsonl."
    ),
]
RunModel: TypeAlias = Annotated[
    str | None, typer.Option(metavar="[openai:|anthropic:|local:]NAME", help="Who answers rows that name no model.")
]
ApiSetting: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="K=V", help="Setting of the API, as version=2026-10-21 or auth=bearer for Anthropic's."),
]
Rpm: TypeAlias = Annotated[float | None, typer.Option(metavar="N", help="Requests a minute you may send.")]
Tpm: TypeAlias = Annotated[
    float | None, typer.Option(metavar="N", help="Tokens a minute you may use, input and output together.")
]
Itpm: TypeAlias = Annotated[float | None, typer.Option(metavar="N", help="Input tokens a minute you may use.")]
Otpm: TypeAlias = Annotated[float | None, typer.Option(metavar="N", help="Output tokens a minute you may use.")]
Rpd: TypeAlias = Annotated[float | None, typer.Option(metavar="N", help="Requests in 24 hours you may send.")]
Tpd: TypeAlias = Annotated[float | None, typer.Option(metavar="N", help="Tokens in 24 hours you may use.")]
Windows: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="N/TIME", help="So many requests in any such time, as 40/60s.")
]
Concurrency: TypeAlias = Annotated[
    int, typer.Option(metavar="N", min=1, help="Ceiling for requests in flight, not a target.")
]
PresetName: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="PRESET", help="Limits of a provider's tier, as brim limits lists them; single flags win."),
]
Timeout: TypeAlias = Annotated[
    float | None, typer.Option(metavar="S", help="Seconds for one attempt in all; learnt by default.")
]
FirstTimeout: TypeAlias = Annotated[
    float | None,
    typer.Option(metavar="S", help="Seconds until an answer must begin; with --stream, its first token."),
]
MaxAttempts: TypeAlias = Annotated[
    int, typer.Option(metavar="N", min=1, help="Attempts per row; throttled ones don't count.")
]
Deadline: TypeAlias = Annotated[
    float | None, typer.Option(metavar="S", min=0.0, help="Seconds after which the run stops sending.")
]
Budget: TypeAlias = Annotated[
    float | None,
    typer.Option(metavar="USD", min=0.0, help="Send only what certainly keeps all costs within so many US dollars."),
]
PriceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="IN/OUT", help="US dollars for a million tokens in and out; by default the list price."),
]
Template: TypeAlias = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Prompt with {field} placeholders; @FILE reads it.")
]
PromptField: TypeAlias = Annotated[str, typer.Option(metavar="NAME", help="Which field of a row is the prompt.")]
InPieces: TypeAlias = Annotated[
    bool, typer.Option("--stream", help="Have answers come in pieces; the results are the same.")
]
Trace: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write why calls had to wait, as JSONL, to the end of this file.")
]
RetryFailed: TypeAlias = Annotated[bool, typer.Option("--retry-failed", help="Send recorded failures again.")]


def asked_params(pairs: Iterable[str] | None, temperature: float | None) -> dict[str, Any]:
    """The body fields that `--param` and `--temperature` ask for; `--param temperature=` wins."""
    params = parse_params(pairs or ())
    if temperature is not None:
        params.setdefault("temperature", temperature)
    return params


def takes(form: type[F]) -> Callable[[Callable[[typer.Context, F], R]], Callable[..., R]]:
    """Let a command take its options as one value of *form*, whose fields they are: one more is one line there.

    The command line reads them from a function's signature, so one is made of the fields.
    """
    hints = {"ctx": typer.Context, **get_type_hints(form, include_extras=True)}
    fields = {field.name: field for field in msgspec.structs.fields(form)}
    defaults = {name: field.default for name, field in fields.items() if field.default is not msgspec.NODEFAULT}

    def decorate(command: Callable[[typer.Context, F], R]) -> Callable[..., R]:
        def call(*, ctx: typer.Context, **values: Any) -> R:
            return command(ctx, form(**values))

        call.__name__, call.__doc__, call.__annotations__ = command.__name__, command.__doc__, hints
        parameters = (
            Parameter(name, Parameter.KEYWORD_ONLY, annotation=hint, default=defaults.get(name, Parameter.empty))
            for name, hint in hints.items()
        )
        call.__signature__ = Signature(list(parameters))  # type: ignore[attr-defined] # what inspect.signature looks for
        return call

    return decorate
