"""`brim ctl`: its options, and the way to the run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from brim.errors import ConfigError
from brim.surfaces.control_socket import ask, control_path
from brim.surfaces.ctl_view import after, view
from brim.surfaces.orders import Drain, Order, Pause, Refused, Resume, Retune, Show, Status, read_answer, write
from brim.surfaces.params import LIMIT_FLAGS, parse_window

__all__ = ["ctl"]


class Word(StrEnum):
    """The orders, as one types them."""

    STATUS = "status"
    SET = "set"
    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"


_JOURNAL: Final = ".journal"
_NONE: Final = "none"
_FLAGS: Final = {**LIMIT_FLAGS, "budget_usd": "--budget"}
"""The field of `Retune` behind each option that changes something."""


def _limit(what: str) -> Any:
    return typer.Option(metavar="N|none", help=f"set: {what}; none takes it back.")


def ctl(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="What the run writes: its -o, or its journal.")],
    order: Annotated[Word, typer.Argument(metavar="ORDER", help="status, set, pause, resume or drain.")] = Word.STATUS,
    *,
    lane: Annotated[
        str | None, typer.Option(metavar="NAME", help="set, pause, resume: this lane, or model, alone.")
    ] = None,
    concurrency: Annotated[str | None, _limit("calls at once")] = None,
    rpm: Annotated[str | None, _limit("requests a minute")] = None,
    tpm: Annotated[str | None, _limit("tokens a minute")] = None,
    itpm: Annotated[str | None, _limit("input tokens a minute")] = None,
    otpm: Annotated[str | None, _limit("output tokens a minute")] = None,
    rpd: Annotated[str | None, _limit("requests in 24 hours")] = None,
    tpd: Annotated[str | None, _limit("tokens in 24 hours")] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="USD|none", help="set: US dollars the run may spend in all; none caps nothing."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="N/TIME|none", help="set: these windows in place of those there are, or none."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the state as JSON.")] = False,
) -> None:
    """Look at a live run, or change it, from another terminal.

    set changes the limits that it names and no other; pause sends nothing until resume; drain ends the run as the first
    Ctrl-C does, but with exit status 3. The same command goes on with what is left.
    """
    amounts = {"--concurrency": concurrency, "--rpm": rpm, "--tpm": tpm, "--itpm": itpm, "--otpm": otpm}
    amounts |= {"--rpd": rpd, "--tpd": tpd, "--budget": budget}
    changed = _changed(amounts, limit or ())
    status = _told(output, _order(order, lane, changed))
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(status)).decode() + "\n")
    else:
        sys.stdout.write(view(status) if order is Word.STATUS else after(status))


def _changed(amounts: dict[str, str | None], windows: Sequence[str]) -> dict[str, Any]:
    """The fields of `Retune` that the options name. Raises `ConfigError` for what is no limit."""
    fields = {flag: field for field, flag in _FLAGS.items()}
    changed: dict[str, Any] = {fields[flag]: _amount(flag, text) for flag, text in amounts.items() if text is not None}
    if windows:
        changed["windows"] = None if [*windows] == [_NONE] else tuple(parse_window(each) for each in windows)
    return changed


def _amount(flag: str, text: str) -> float | None:
    if text == _NONE:
        return None
    is_whole = flag == "--concurrency"
    with suppress(ValueError, OverflowError):
        amount = int(text) if is_whole else float(text)
        if 0 < amount <= sys.maxsize:
            return amount
    raise ConfigError(f"{flag} {text!r} should be {'a whole' if is_whole else 'a'} number above 0, or none")


def _order(word: Word, lane: str | None, changed: dict[str, Any]) -> Order:
    """The order that the command line gives. Raises `ConfigError` for options that don't fit together."""
    if changed and word is not Word.SET:
        flags = ", ".join(_FLAGS[name] for name in changed)
        raise ConfigError(f"{flags} would change limits, so the order is set, not {word}")
    if lane is not None and word in {Word.STATUS, Word.DRAIN}:
        raise ConfigError(f"{word} is for the whole run; leave --lane out")
    if word is Word.SET:
        if not changed:
            raise ConfigError(f"set changes nothing without one of {', '.join(_FLAGS.values())}")
        return Retune(lane=lane, **changed)
    return _ORDERS[word](lane)


_ORDERS: Final[dict[Word, Callable[[str | None], Order]]] = {
    Word.STATUS: lambda _: Show(),
    Word.PAUSE: lambda lane: Pause(lane=lane),
    Word.RESUME: lambda lane: Resume(lane=lane),
    Word.DRAIN: lambda _: Drain(),
}


def _told(output: Path, order: Order) -> Status:
    """The run's answer to *order*. Raises `ConfigError` if there is no run, or it refuses."""
    output = _output(output)
    try:
        answer = read_answer(ask(control_path(output), write(order)))
    except FileNotFoundError:
        raise ConfigError(_nobody(output)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ConfigError(f"what listens at {control_path(output)} is not this version's brim run") from None
    except OSError as error:
        raise ConfigError(_unreached(output, error)) from None
    if isinstance(answer, Refused):
        raise ConfigError(answer.message)
    return answer


def _output(named: Path) -> Path:
    """The output of the run that is meant: *named* is that, or its journal."""
    beside = named.with_name(named.name.removesuffix(_JOURNAL))
    return named if named.suffix != _JOURNAL or os.path.lexists(control_path(named)) else beside


def _nobody(output: Path) -> str:
    journal = output.with_name(output.name + _JOURNAL)
    if journal.exists():
        return f"no run listens at {output}; its journal is there, so the command that began it goes on with it"
    return f"no run listens at {output}, and there is no journal beside it; name what brim run has as its -o"


def _unreached(output: Path, error: OSError) -> str:
    said = next(text for kind, text in _UNREACHED.items() if isinstance(error, kind))
    return f"the run at {output} {said}"


_UNREACHED: Final[dict[type[OSError], str]] = {
    ConnectionRefusedError: "was killed; the command that began it goes on with it",
    PermissionError: "belongs to another user",
    TimeoutError: "does not answer; it may be busy, so try again",
    ConnectionError: "hung up: it is just ending, too many ask at once, or it belongs to another user",
    OSError: "can't be reached over its socket",
}
