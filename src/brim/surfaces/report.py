"""What a run came to, in a few lines on standard error when it is over.

The summary is a value first, for machines too, and lines second. It names what to do next wherever there is anything
left to do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO, TypeAlias

import msgspec

from brim.surfaces.screen import Screen, counted, duration, money, one_line, point, reason
from brim.surfaces.tally import Tally
from brim.values import Failure, FailureKind

if TYPE_CHECKING:
    from brim.policies.budget import Account

__all__ = ["FailureCount", "Spending", "Summary", "print_report", "summarize"]

_TRUNCATED_SHARE: Final = 0.01
"""Share of cut answers from which on the cap is worth a word."""

_WORTH_A_WORD: Final = 0.01
_MOST_LANES: Final = 10

_REMEDY: Final = {
    FailureKind.QUOTA: "add credit or raise the spending limit",
    FailureKind.DENIED: "check the API key, its permissions and the region",
    FailureKind.BUDGET: "raise --budget",
    FailureKind.UNKNOWN_MODEL: "name a model that this endpoint serves",
    FailureKind.SAME_FAULT: "correct the parameters or the input",
}
"""What to do about a lane that stopped, before the same command is run again."""
_DAY_IS_OVER: Final = "wait until the daily limit is reset"


Words: TypeAlias = list[tuple[str, str]]
"""Text in pieces, each with the style that it has in a terminal."""


class FailureCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows failed in one way; *example* is the first message, None if all of them are an earlier run's."""

    kind: FailureKind
    count: int
    example: str | None


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """A budget in US dollars: *cap_usd*, what is *spent_usd*, and what of that is charged for safety, *unsure_usd*."""

    cap_usd: float | None
    spent_usd: float
    unsure_usd: float

    @classmethod
    def of(cls, account: Account) -> Spending:
        """The budget at this moment."""
        return cls(cap_usd=account.cap_usd, spent_usd=account.spent_usd, unsure_usd=account.unsure_usd)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run, in numbers; `msgspec.to_builtins` makes a dict of it.

    Attributes:
        success_rate: answered rows among those with a result, 0 to 1; None if there are none.
        earlier: rows, among all, that an earlier run had recorded.
        requests_per_minute, input_tokens_per_minute, output_tokens_per_minute: averages over the whole run.
        cost_usd: price of this run's answers; None if no price is known.
        price_basis: at which prices, in words.
        budget: the cap and what is spent of it; None without one.
        at: when these are the numbers, in seconds since the epoch.
        parked: by lane, why it stopped.
        opens_at: by lane that stopped, when it may be asked again, in seconds since the epoch, where somebody says so.
        bound: by lane, what held it up for which share of the time, 0 to 1, the largest first.
        The others are as in `Tally`.
    """

    total: int | None
    answered: int
    failed: int
    untouched: int
    earlier: int
    success_rate: float | None
    seconds: float
    attempts: int
    retried: int
    throttled: int
    perhaps_paid: int
    truncated: int
    requests_per_minute: float
    input_tokens: int
    output_tokens: int
    input_tokens_per_minute: float
    output_tokens_per_minute: float
    cost_usd: float | None
    price_basis: str
    budget: Spending | None
    failures: list[FailureCount]
    at: float
    parked: dict[str, Failure]
    opens_at: dict[str, float]
    bound: dict[str, dict[str, float]]


def summarize(tally: Tally) -> Summary:
    """The numbers of *tally* at this moment."""
    seconds = tally.elapsed_s
    per_minute = 60 / seconds if seconds > 0 else 0.0
    return Summary(
        total=tally.total,
        answered=tally.answered,
        failed=tally.failed,
        untouched=tally.untouched,
        earlier=tally.earlier,
        success_rate=tally.answered / tally.ended if tally.ended else None,
        seconds=seconds,
        attempts=tally.attempts,
        retried=tally.retried,
        throttled=tally.throttled,
        perhaps_paid=tally.perhaps_paid,
        truncated=tally.truncated,
        requests_per_minute=tally.attempts * per_minute,
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        input_tokens_per_minute=tally.input_tokens * per_minute,
        output_tokens_per_minute=tally.output_tokens * per_minute,
        cost_usd=tally.cost_usd,
        price_basis=tally.price_basis,
        budget=None if tally.account is None else Spending.of(tally.account),
        failures=[
            FailureCount(kind=kind, count=count, example=tally.examples.get(kind))
            for kind, count in sorted(tally.failed_by_kind.items(), key=lambda item: -item[1])
            if count
        ],
        at=tally.wall(),
        parked=dict(tally.parked),
        opens_at=dict(tally.opens_at),
        bound={lane: _shares(seconds) for lane, seconds in tally.bound_s.items()},
    )


def _shares(seconds: dict[str, float]) -> dict[str, float]:
    total = sum(seconds.values())
    return {name: each / total for name, each in sorted(seconds.items(), key=lambda item: -item[1])}


def print_report(tally: Tally, *, output: Path, rows: int, stderr: TextIO | None = None) -> None:
    """Show what *tally* came to, and that *output* now holds so many *rows*."""
    lines = _lines(summarize(tally), f"{output} ({counted(rows, 'row')})")
    screen = Screen(stderr or sys.stderr)
    if screen.is_plain or not screen.console().is_terminal:
        screen.write("".join(f"brim: {label}: {''.join(text for text, _ in words)}\n" for label, words in lines))
        screen.flush()
        return
    _draw(lines, screen)


def _draw(lines: list[tuple[str, Words]], screen: Screen) -> None:
    from rich.table import Table  # noqa: PLC0415 - a tenth of a second that plain lines can do without
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, words in lines:
        table.add_row(label, Text.assemble(*words))
    screen.console().print(table)


def _lines(summary: Summary, output: str) -> list[tuple[str, Words]]:
    """The report: a label and words for each line."""
    lines = [
        ("rows", _rows(summary)),
        ("requests", _requests(summary)),
        ("tokens", _tokens(summary)),
        *_budget(summary),
        *_bound(summary),
        *(("failed", _failure(failure)) for failure in summary.failures),
        *(("stopped", _stopped(summary, lane, why)) for lane, why in summary.parked.items()),
        ("output", [(output, "")]),
    ]
    if summary.answered and summary.truncated / summary.answered > _TRUNCATED_SHARE:
        lines.append(("hint", _truncated(summary)))
    if summary.untouched:
        lines.append(("next", _next(summary)))
    return lines


def _rows(summary: Summary) -> Words:
    all_well = summary.failed == summary.untouched == 0
    words = [(f"{summary.answered:,} answered", "bold green" if all_well else "bold")]
    if summary.success_rate is not None:
        words.append((f" ({_percent(summary.success_rate)})", ""))
    words.append((f", {summary.failed:,} failed", "bold red" if summary.failed else ""))
    if summary.untouched:
        words.append((f", {summary.untouched:,} untouched", "bold yellow"))
    if summary.earlier:
        words.append((f", {summary.earlier:,} of them from an earlier run", ""))
    return [*words, (f", in {duration(summary.seconds)}", "")]


def _requests(summary: Summary) -> Words:
    words = [
        (f"{summary.attempts:,} sent ({summary.requests_per_minute:,.0f}/min)", ""),
        (f", {summary.retried:,} retried, {summary.throttled:,} throttled", ""),
    ]
    if summary.perhaps_paid:
        words.append((f", {summary.perhaps_paid:,} brought nothing and may be billed", "yellow"))
    return words


def _tokens(summary: Summary) -> Words:
    words = [
        (f"{summary.input_tokens:,} in ({summary.input_tokens_per_minute:,.0f}/min)", ""),
        (f", {summary.output_tokens:,} out ({summary.output_tokens_per_minute:,.0f}/min)", ""),
    ]
    if summary.cost_usd is not None:
        words.append((f", {money(summary.cost_usd)} at {summary.price_basis}", "green"))
    return words


def _budget(summary: Summary) -> list[tuple[str, Words]]:
    spending = summary.budget
    if spending is None:
        return []
    cap = "" if spending.cap_usd is None else f" of {money(spending.cap_usd)}"
    words = [(f"{money(spending.spent_usd)}{cap} spent, earlier runs included", "green")]
    if spending.unsure_usd:
        words.append((f", {money(spending.unsure_usd)} of it for calls that may not be billed", "yellow"))
    return [("budget", words)]


def _bound(summary: Summary) -> list[tuple[str, Words]]:
    """What held up each lane; what did so for next to no time is left out."""
    lines = []
    for lane, shares in list(summary.bound.items())[:_MOST_LANES]:
        parts = [f"{name} {_percent(share)}" for name, share in shares.items() if share >= _WORTH_A_WORD]
        prefix = f"{one_line(lane)}: " if len(summary.bound) > 1 else ""
        lines.append(("bound by", [(prefix + ", ".join(parts), "")]))
    return lines


def _failure(failure: FailureCount) -> Words:
    rest = f": {one_line(failure.example)}" if failure.example else " (in an earlier run)"
    return [(f"{failure.count:,} {failure.kind}", "red"), (rest, "")]


def _truncated(summary: Summary) -> Words:
    share = _percent(summary.truncated / summary.answered)
    return [(f"{counted(summary.truncated, 'answer')} ({share}) cut by the token cap: raise --max-tokens", "yellow")]


def _stopped(summary: Summary, lane: str, why: Failure) -> Words:
    until = f" until {point(summary.opens_at[lane], summary.at)}" if lane in summary.opens_at else ""
    return [(f"{one_line(lane)}{until}: {reason(why)}", "yellow")]


def _next(summary: Summary) -> Words:
    remedies = {_REMEDY[why.kind]: None for why in summary.parked.values() if why.kind in _REMEDY}
    if summary.opens_at:
        remedies[f"wait until {point(max(summary.opens_at.values()), summary.at)}"] = None
    elif any(why.kind is FailureKind.DAILY for why in summary.parked.values()):
        remedies[_DAY_IS_OVER] = None
    steps = [*remedies, "run the same command again: it goes on with the untouched rows"]
    return [(", then ".join(steps), "bold")]


def _percent(share: float) -> str:
    """A share that reads 100 % only if it is: 0.99996 is 99.9 %."""
    return "100 %" if share == 1 else f"{min(share * 100, 99.9):.1f} %"
