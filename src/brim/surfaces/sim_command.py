"""`brim sim`: the provider simulator on a loopback port, for testing any client against."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, Final, TypeVar, get_args

import msgspec
import typer

from brim.errors import ConfigError
from brim.simulator import (
    ERRORS,
    FAULTS,
    FaultRule,
    Headers,
    Latency,
    Lengths,
    Limit,
    Scenario,
    all_faults,
    load_scenario,
    scenario_names,
)
from brim.simulator.library import scenario_text
from brim.simulator.scenario import Dimension, Spelling
from brim.simulator.server import serve
from brim.surfaces.loops import run_loop

__all__ = ["sim"]

Part = TypeVar("Part", Scenario, Latency, Lengths, Headers)


def sim(
    *,
    scenario: Annotated[
        str, typer.Option(help="A ready-made scenario, or a TOML file.", metavar="NAME|FILE.toml", show_default=True)
    ] = "plain",
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 0,
    seed: Annotated[int | None, typer.Option(help="What chance starts from.")] = None,
    rpm: Annotated[float | None, typer.Option(help="Requests a minute, in place of the scenario's.")] = None,
    tpm: Annotated[float | None, typer.Option(help="Tokens a minute, in place of the scenario's.")] = None,
    itpm: Annotated[float | None, typer.Option(help="Input tokens a minute, in place of the scenario's.")] = None,
    otpm: Annotated[float | None, typer.Option(help="Output tokens a minute, in place of the scenario's.")] = None,
    rpd: Annotated[float | None, typer.Option(help="Requests a day, in place of the scenario's.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Calls at once; one more is a 429.")] = None,
    latency: Annotated[float | None, typer.Option(min=0, help="Seconds until the first token.")] = None,
    per_token: Annotated[float | None, typer.Option(min=0, help="Seconds for each further output token.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Output tokens of an answer (the median).")] = None,
    headers: Annotated[
        str | None, typer.Option(help=f"Spelling of the headers about limits: {', '.join(get_args(Spelling))}.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="What goes wrong and how often, e.g. reset=0.01; may be repeated.", metavar="KIND=CHANCE"),
    ] = None,
    list_scenarios: Annotated[bool, typer.Option("--list", help="List the ready-made scenarios and exit.")] = False,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="List every fault and error and exit.")] = False,
    show: Annotated[
        str | None, typer.Option(help="Print the file of a ready-made scenario and exit.", metavar="NAME")
    ] = None,
) -> None:
    """Serve a simulated LLM provider on this machine: rate limits, faults and lies included.

    Speaks OpenAI Chat Completions, Responses and Embeddings and Anthropic Messages, streaming too. Prints
    {"url": ..., "scenario": ...} on one line when it is ready; GET /stats shows what it counted; Ctrl-C stops it.
    """
    if list_scenarios or list_faults or show:
        sys.stdout.write(_listing(faults=list_faults, show=show))
        return
    limits = _limits(rpm=rpm, tpm=tpm, itpm=itpm, otpm=otpm, rpd=rpd)
    chosen = _changed(load_scenario(scenario), limits, fault or ())
    chosen = _set(chosen, seed=seed, concurrency=concurrency)
    chosen = _set(chosen, latency=_set(chosen.latency, first=latency, per_token=per_token))
    chosen = _set(chosen, lengths=_set(chosen.lengths, tokens=tokens))
    chosen = _set(chosen, headers=_set(chosen.headers, spelling=_spelling(headers)))
    stats = run_loop(_run(chosen, host, port))
    typer.echo(json.dumps(stats, indent=2), err=True)


def _listing(*, faults: bool, show: str | None) -> str:
    if show:
        return scenario_text(show)
    if faults:
        return "".join(f"{kind:<22} {_about(kind)}\n" for kind in all_faults())
    return "".join(f"{name:<18} {load_scenario(name).about}\n" for name in scenario_names())


def _about(kind: str) -> str:
    if kind in FAULTS:
        return FAULTS[kind].about
    return f"an error answer, at OpenAI {ERRORS[kind].status}" if kind in ERRORS else "a 200 answer that is none"


def _limits(**amounts: float | None) -> list[Limit]:
    return [
        Limit(of=of, amount=amount, per=per)
        for name, (of, per) in _FLAGS.items()
        if (amount := amounts[name]) is not None
    ]


_FLAGS: Final[dict[str, tuple[Dimension, Any]]] = {
    "rpm": ("requests", "minute"),
    "tpm": ("tokens", "minute"),
    "itpm": ("input", "minute"),
    "otpm": ("output", "minute"),
    "rpd": ("requests", "day"),
}


def _changed(scenario: Scenario, limits: Sequence[Limit], faults: Sequence[str]) -> Scenario:
    """The scenario with limits of the same dimension and period replaced, and further faults put first."""
    replaced = {(limit.of, limit.per) for limit in limits}
    kept = [limit for limit in scenario.limits if (limit.of, limit.per) not in replaced]
    rules = [_rule(text) for text in faults]
    return msgspec.structs.replace(scenario, limits=[*kept, *limits], faults=[*rules, *scenario.faults])


def _rule(text: str) -> FaultRule:
    kind, _, chance = text.partition("=")
    try:
        rule = FaultRule(kind=kind, chance=float(chance or 1))
    except ValueError:
        raise ConfigError(f"--fault {text!r} has no number behind '='; write e.g. --fault reset=0.01") from None
    if kind not in all_faults():
        raise ConfigError(f"--fault {text!r} names no fault; `brim sim --list-faults` shows all of them")
    return rule


def _set(part: Part, **fields: object) -> Part:
    """The part of a scenario with the fields that were given; None was not."""
    given = {name: value for name, value in fields.items() if value is not None}
    return msgspec.structs.replace(part, **given)


def _spelling(headers: str | None) -> str | None:
    if headers is not None and headers not in get_args(Spelling):
        raise ConfigError(f"--headers {headers!r} is none of {', '.join(get_args(Spelling))}")
    return headers


async def _run(scenario: Scenario, host: str, port: int) -> dict[str, Any]:
    until = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends the loop instead
            loop.add_signal_handler(number, until.set)

    def ready(url: str) -> None:
        typer.echo(json.dumps({"url": url, "scenario": scenario.name}))
        sys.stdout.flush()

    return await serve(scenario, host=host, port=port, on_ready=ready, until=until)
