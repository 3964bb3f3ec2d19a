"""What earlier processes sent, rebuilt from the journal, so that limits go on where they were.

Two kinds of line tell it: a *sent* mark, written before each attempt while limits are stated, and a *result*, which
tells what its attempts took in truth. Where a row has marks, these count, trued up by its result; attempts without a
result were in flight when the process died and keep what was reserved for them. Where it has none, its result alone
counts, all of its attempts as if sent with the last. Nothing is kept per row but for what is in flight: the use of each
lane is summed by the second for two minutes and by the minute before that. A third kind, *closed*, tells that the
server wanted nothing at all for a while: what is left of that is waited for, or asked about where it is hours.

Times are the wall clock's, which may have been set. Lines come nearly in the order of time, so one that lies far before
what was seen shows a clock set back: what came before it is taken to have just happened. So is what lies in the future.
A clock set forward looks like time that has passed, and nothing in the file can tell the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from brim.config import Limits
from brim.engine.learner import STALL_SECONDS
from brim.policies.tokens import Amounts, Spent, is_beyond_reason
from brim.storage.journal import Journal
from brim.storage.lines import Charged, Closed, Head, Line, Sent, Taken, read_taken
from brim.storage.results import to_millis
from brim.values import Attempt, Usage

__all__ = ["DAY_S", "Book", "Ledger", "are_stated", "reach_of"]

DAY_S: Final = 86_400.0
"""As long as that what was sent may count whatever is stated."""
_LONGEST_S: Final = 366 * DAY_S
"""A server that closes for longer is asked again all the same."""
_RATES: Final = tuple(name for name in Limits.__struct_fields__ if "_per_" in name)
_FINE_S: Final = 120
_MINUTE: Final = 60
_FOLD_AT: Final = 3 * _FINE_S
_SET_BACK_S: Final = 3_600.0
"""Lines may be out of order by as long as an attempt lasts."""

_Bins: TypeAlias = dict[int, list[float]]


def are_stated(limits: Limits) -> bool:
    """Is any limit stated but concurrency?"""
    return bool(limits.windows) or any(getattr(limits, name) is not None for name in _RATES)


def reach_of(limits: Limits) -> float:
    """How long what was sent may count, in seconds: at least a day, since a day's limit may be stated later on."""
    return max([DAY_S, *(window.seconds for window in limits.windows)])


class Book:
    """The use of each lane, read line by line; give its `read` to `Journal.open`.

    Args:
        now: seconds since the epoch.
        reach_s: how far back use matters.
        is_cache_free: does what was read from a cache count for nothing?
    """

    def __init__(self, *, now: float, reach_s: float, is_cache_free: bool = False) -> None:
        self._is_cache_free = is_cache_free
        self._begin = now - reach_s
        self._reach = reach_s
        self._newest = float("-inf")
        self._lanes: dict[str | None, _Use] = {}
        self._open: dict[int, list[Sent]] = {}
        self._closed: dict[str, Closed] = {}

    def read(self, line: Line, raw: bytes) -> None:
        """Take one line of the journal; *raw* is all of it."""
        if isinstance(line, Sent) and line.at > self._begin:
            self._note(line.at)
            self._open.setdefault(line.position, []).append(line)
            self._add(line.lane, line.at, (1.0, *line.amounts))
        elif isinstance(line, Head) and line.at > self._begin:
            self._ended(read_taken(raw))
        elif isinstance(line, Closed):
            self._closed[line.lane] = line

    def is_closed(self, model: str, now: float) -> bool:
        """Did the server want nothing sent to *model* for hours, which are not over?"""
        closed = self._closed.get(model)
        return closed is not None and closed.until - closed.at > STALL_SECONDS and now < closed.until

    def opens_in(self, model: str, now: float) -> float:
        """The seconds that are left of a shorter wait, by a clock that may have been set back meanwhile; or 0."""
        closed = self._closed.get(model)
        if closed is None or closed.until - closed.at > STALL_SECONDS:
            return 0.0
        return max(0.0, closed.until - max(now, closed.at))

    def spent(self, lanes: Sequence[str | None], now: float) -> list[Spent]:
        """What was sent in *lanes*, in the order of time. The lane of rows that named no model is None."""
        ahead = max(0.0, self._newest - now)
        sums: dict[float, list[float]] = {}
        for lane in lanes:
            for at, amounts in self._lanes[lane].ends() if lane in self._lanes else ():
                _increase(sums.setdefault(min(at - ahead, now), [0.0] * 4), amounts)
        return [Spent(now - at, (each[0], each[1], each[2], each[3])) for at, each in sorted(sums.items())]

    def _ended(self, result: Taken) -> None:
        marks = self._open.pop(result.position, None)
        if marks is None:
            self._add_unmarked(result)
            return
        usage = result.result.usage
        if usage is not None and not is_beyond_reason(usage):
            self._correct(marks[-1], self._given(usage), usage.output_tokens)
        for mark in marks[-1 - result.throttles : -1]:
            self._correct(msgspec.structs.replace(mark, keeps=False), 0, 0)  # what is refused takes no tokens

    def _add_unmarked(self, result: Taken) -> None:
        count, usage, lane = result.result.attempts, result.result.usage, result.lane
        requests = count + result.throttles
        if not requests:
            return
        self._note(result.at)
        each: tuple[float, float, float] = (0.0, 0.0, 0.0)
        if usage is not None and not is_beyond_reason(usage):
            given = self._given(usage)
            each = (given + usage.output_tokens, given, usage.output_tokens)
        elif lane in self._lanes:
            each = self._lanes[lane].mean()
        self._add(lane, result.at, (float(requests), count * each[0], count * each[1], count * each[2]))

    def _given(self, usage: Usage) -> int:
        """The input that counts."""
        return max(0, usage.input_tokens - usage.cache_read_tokens) if self._is_cache_free else usage.input_tokens

    def _correct(self, mark: Sent, given: int, made: float) -> None:
        """The attempt of *mark* took so many input and output tokens."""
        tokens, held_given, held_made = mark.amounts
        made = max(made, held_made) if mark.keeps else made
        self._add(mark.lane, mark.at, (0.0, given + made - tokens, given - held_given, made - held_made))

    def _add(self, lane: str | None, at: float, amounts: Amounts) -> None:
        if lane not in self._lanes:
            self._lanes[lane] = _Use()
        self._lanes[lane].add(at, amounts, newest=self._newest, oldest=self._newest - self._reach)

    def _note(self, at: float) -> None:
        """Keep the time up, and see whether the clock was set back."""
        if at < self._newest - _SET_BACK_S:
            self._shift(at - self._newest)
        self._newest = max(self._newest, at)

    def _shift(self, seconds: float) -> None:
        self._newest += seconds
        for use in self._lanes.values():
            use.shift(seconds)
        for position, marks in self._open.items():
            self._open[position] = [msgspec.structs.replace(mark, at=mark.at + seconds) for mark in marks]


class Ledger:
    """What a run's lanes remember and write down: see `brim.engine.ledger.Ledger`.

    Args:
        journal: where attempts are marked.
        book: what earlier processes sent.
        default: the model of rows that name none.
        marks: attempts are marked whatever limits are stated.

    Attributes:
        marks: are attempts marked?
    """

    def __init__(self, journal: Journal, book: Book, *, default: str | None, marks: bool = False) -> None:
        self._journal = journal
        self._book = book
        self._default = default
        self.marks = marks

    def stated(self, limits: Limits) -> None:
        """Mark attempts from now on if *limits* state any: only then, or under a budget, need anybody know."""
        self.marks = self.marks or are_stated(limits)

    def spent(self, model: str, now: float) -> Sequence[Spent]:
        """What was sent to *model* before."""
        return self._book.spent((model, None) if model == self._default else (model,), now)

    def sent(self, attempt: Attempt, amounts: Amounts, at: float, *, keeps: bool, worst: int = 0) -> None:
        """Write down that *attempt* goes."""
        self._journal.mark(attempt.request, amounts, at, keeps=keeps, worst=worst)

    def charged(self, attempt: Attempt, nanos: int) -> None:
        """Write down what *attempt*, which has ended, is charged."""
        self._journal.note(Charged(position=attempt.request.position, nanos=nanos))

    def is_closed(self, model: str, now: float) -> bool:
        """Did the server say to send *model* nothing for hours, which are not over?"""
        return self._book.is_closed(model, now)

    def opens_in(self, model: str, now: float) -> float:
        """For how many seconds more it said so, if it is no matter of hours."""
        return self._book.opens_in(model, now)

    def closed(self, model: str, at: float, seconds: float) -> None:
        """Write down that nothing is to be sent to *model* for so many *seconds*."""
        until = at + min(seconds, _LONGEST_S)
        self._journal.note(Closed(lane=model, at=to_millis(at), until=to_millis(until)))


class _Use:
    """One lane's use: bins by the second, and older ones by the minute."""

    __slots__ = ("_minutes", "_seconds", "_sums")

    def __init__(self) -> None:
        self._sums = [0.0] * 4
        self._seconds: _Bins = {}
        self._minutes: _Bins = {}

    def add(self, at: float, amounts: Sequence[float], *, newest: float, oldest: float) -> None:
        _increase(self._sums, amounts)
        second = int(at)
        sums = self._seconds.get(second)
        if sums is not None:
            _increase(sums, amounts)
        elif second >= newest - _FINE_S:
            self._seconds[second] = [*amounts]
        else:
            _increase(self._minutes.setdefault(second // _MINUTE, [0.0] * 4), amounts)
        if len(self._seconds) > _FOLD_AT:
            self._fold(int(newest) - _FINE_S)
            for minute in [each for each in self._minutes if (each + 1) * _MINUTE < oldest]:
                del self._minutes[minute]

    def _fold(self, before: int) -> None:
        for second in [each for each in self._seconds if each < before]:
            _increase(self._minutes.setdefault(second // _MINUTE, [0.0] * 4), self._seconds.pop(second))

    def ends(self) -> list[tuple[float, list[float]]]:
        """Each bin with its end: as if all of it had come last."""
        minutes = [((minute + 1.0) * _MINUTE, amounts) for minute, amounts in self._minutes.items()]
        return minutes + [(second + 1.0, amounts) for second, amounts in self._seconds.items()]

    def mean(self) -> tuple[float, float, float]:
        """Tokens, input and output tokens of an attempt."""
        requests, tokens, given, made = self._sums
        share = 1.0 / max(requests, 1.0)
        return (tokens * share, given * share, made * share)

    def shift(self, seconds: float) -> None:
        self._fold(1 << 62)
        minutes, self._minutes = self._minutes, {}
        for minute, amounts in minutes.items():
            _increase(self._minutes.setdefault(int(minute * _MINUTE + seconds) // _MINUTE + 1, [0.0] * 4), amounts)


def _increase(sums: list[float], amounts: Sequence[float]) -> None:
    requests, tokens, given, made = amounts
    sums[0] += requests
    sums[1] += tokens
    sums[2] += given
    sums[3] += made
