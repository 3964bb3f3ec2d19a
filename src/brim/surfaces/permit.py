"""A turn of `brim.Limiter`: what a call takes, and how what came of it is read.

A call is told in tokens where somebody knows, and is taken to be as usual where nobody does. What comes back is asked
for its usage, its headers and its status; an exception is asked too, and passes on untouched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, Final, TypeAlias, TypedDict, Unpack

from brim.config import Limits
from brim.engine.arrivals import Arrivals
from brim.engine.limiter import Permit as EnginePermit
from brim.errors import ConfigError
from brim.policies.stated import ceilings
from brim.policies.tokens import FIRST_GUESS, Amounts, Cost, is_beyond_reason
from brim.protocols.foreign import failure_of, headers_of, look_at, usage_of
from brim.protocols.levels import LevelReader
from brim.values import Answer, Failure, FailureKind, LimitLevel, Reply, Usage

__all__ = ["Permit", "Reader", "Spend", "SpendLike", "Throttled", "Usual", "as_spend"]


class Spend(TypedDict, total=False):
    """Tokens that a call takes. What is left out is taken to be as usual; *tokens* is input and output together."""

    tokens: float
    input_tokens: float
    output_tokens: float


SpendLike: TypeAlias = float | Spend
"""What a call takes: a number is tokens, input and output together."""

Throttled: TypeAlias = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool | float | None]
"""Which exceptions say "too fast": their classes, or a function that says so, or for how many seconds to wait; None
where it can't tell."""

_LEAST_WEIGHT: Final = 0.05
"""Of the latest call in what is usual; the first ones count the same."""


class Permit:
    """The right to make one call. Tell it what you know of it; what you don't tell stays as it was reserved."""

    __slots__ = (
        "_ended_at",
        "_failure",
        "_held",
        "_is_over",
        "_known",
        "_levels",
        "_loop",
        "_reader",
        "_sent_at",
        "_used",
        "_usual",
    )

    def __init__(self, held: EnginePermit, known: Spend, reader: Reader, usual: Usual) -> None:
        self._held = held
        self._known = known
        self._reader = reader
        self._usual = usual
        self._loop = asyncio.get_running_loop()
        self._start()
        self._ended_at: float | None = None
        self._used: Amounts | None = None
        self._failure: Failure | None = None
        self._levels: Sequence[LimitLevel] = ()
        self._is_over = False

    def _start(self) -> None:
        """The call goes now."""
        self._sent_at = self._loop.time()

    def _tell_start(self, arrivals: Arrivals) -> None:
        """Tell *arrivals* how late the call went."""
        arrivals.woke(self._held, self._sent_at)
        arrivals.wrote(0.0, self._sent_at)

    def settle(self, **spent: Unpack[Spend]) -> None:
        """Say what the call took in truth, once. What is left out stays as it was reserved.

        Raises:
            RuntimeError: it was said before, or the turn is over.
            ValueError: an amount is none.
        """
        self._check_open()
        if self._used is not None:
            raise RuntimeError("this permit is settled already; say all that the call took at once")
        _check(spent)
        _, tokens, given, made = self._held.amounts
        given, made = spent.get("input_tokens", given), spent.get("output_tokens", made)
        if "tokens" in spent:
            tokens = spent["tokens"]
        elif spent:
            tokens = given + made
        self._used = (1.0, tokens, given, made)
        self._known = spent or self._known
        self._ended_at = self._loop.time()

    def saw(self, response: object) -> None:
        """Show it what came back: a response, or its headers alone. Limits and a refusal in it are learnt from.

        Raises:
            RuntimeError: the turn is over.
        """
        self._check_open()
        thing = response if look_at(response).headers else _Headers(response)
        failure, self._levels = self._reader.outcome(thing)
        self._failure = failure or self._failure
        self._ended_at = self._loop.time()

    def refused(self, retry_after: float | None = None) -> None:
        """Say that the call was refused as too fast, and for how many seconds, where nothing else shows it.

        Raises:
            RuntimeError: the turn is over.
            ValueError: that is no time.
        """
        self._check_open()
        if retry_after is not None and not _is_amount(retry_after):
            raise ValueError(f"retry_after is {retry_after!r}; it must be a number of seconds from 0 on, or None")
        self._failure = Failure(kind=FailureKind.THROTTLED, message="the call was refused", retry_after=retry_after)

    def take(self, result: object) -> None:
        """Read what can be read from a call's *result*: usage, headers, a bad status. `Limiter.call` does it.

        Raises:
            RuntimeError: the turn is over.
        """
        self._check_open()
        spent = self._reader.spent(result)
        if spent and self._used is None:
            self.settle(**spent)
        if look_at(result).headers:
            self.saw(result)

    def _check_open(self) -> None:
        if self._is_over:
            raise RuntimeError("the turn is over and what it took is counted; say what you know before `hold` is left")

    def _close(self, error: BaseException | None) -> None:
        """The call is over: tell the engine, and give the slot back."""
        self._is_over = True
        try:
            outcome = self._outcome(error)
            # What was refused took nothing, whatever was said before.
            is_refused = isinstance(outcome, Failure) and outcome.kind.is_waited_out
            if not is_refused:
                self._usual.learn(self._known)
            if outcome is not None:
                ended_at = self._loop.time() if self._ended_at is None else self._ended_at
                used = None if is_refused else self._used
                self._held.settle(Answer(outcome, self._sent_at, ended_at, self._levels), used)
        finally:
            self._held.release()

    def _lose(self) -> None:
        """Nobody will ever say how the call ended: it keeps what was reserved."""
        self._is_over = True
        self._held.release()

    def _outcome(self, error: BaseException | None) -> Reply | Failure | None:
        """How the call ended; None if nobody knows, since it was cancelled or an error of the caller's own ended it."""
        if isinstance(error, Exception):
            failure, levels = self._reader.outcome(error)
            self._levels = levels or self._levels
            self._failure = failure or self._failure
        if self._failure is not None:
            return self._failure
        if error is not None and self._ended_at is None:
            return None  # it says nothing of the far end, and nothing was seen of an answer
        return Reply(text="", usage=None if self._used is None else Usage(output_tokens=int(self._used[3])))


class Reader:
    """Reads what comes back from calls: results, responses and exceptions of any library.

    Args:
        throttled: which exceptions say "too fast", beside those that show it.
        used: what a result took; None: its usage.
        wall: seconds since the epoch.

    Raises:
        ConfigError: *throttled* or *used* can tell nothing.
    """

    def __init__(
        self,
        throttled: Throttled | None,
        used: Callable[[Any], SpendLike | None] | None,
        wall: Callable[[], float],
    ) -> None:
        if not _can_tell(throttled):
            raise ConfigError(
                f"throttled={throttled!r} should be a class of exceptions, a tuple of these, or a function that is "
                "given the exception"
            )
        if used is not None and not callable(used):
            raise ConfigError(f"used={used!r} should be a function that is given the result")
        self._throttled = throttled
        self._used = used
        self._wall = wall
        self._levels = LevelReader()

    def spent(self, result: object) -> Spend:
        """The tokens that *result* says it took; empty if it does not say."""
        if self._used is not None:
            return as_spend(self._used(result))
        usage = usage_of(result)
        if usage is None or is_beyond_reason(usage):
            return {}
        return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}

    def outcome(self, thing: object) -> tuple[Failure | None, Sequence[LimitLevel]]:
        """What a response or an exception says: is it a failure, and how are the limits?"""
        now, seen = self._wall(), look_at(thing)
        is_throttled, wait = self._judge(thing) if isinstance(thing, Exception) else (None, None)
        failure = failure_of(thing, seen, now=now, is_throttled=is_throttled, wait=wait)
        return failure, self._levels.read(seen.status or 0, seen.headers, now)

    def _judge(self, error: Exception) -> tuple[bool | None, float | None]:
        """What the user's own word is on *error*: throttled or not, and for how long."""
        known = self._throttled
        if known is None:
            return None, None
        if isinstance(known, type | tuple):
            return (True if isinstance(error, known) else None), None
        says = known(error)
        if says is None or isinstance(says, bool):
            return says, None
        if not _is_amount(says):
            raise ValueError(f"throttled gave {says!r}; it should give True, False, None, or seconds from 0 on")
        return True, float(says)


class Usual:
    """The tokens that calls take, for those of which nobody says.

    Nothing that is only taken to be so is more than *limits* ever give: a guess makes no call impossible.
    """

    __slots__ = ("_calls", "_means", "_most")

    def __init__(self, limits: Limits) -> None:
        self._means: dict[str, float] = {}
        self._calls: dict[str, int] = {}
        self._most = [
            min((most for place, most, _ in ceilings(limits) if place == each), default=float("inf"))
            for each in range(4)
        ]

    def fill(self, spend: Spend) -> Cost:
        """The cost of a call of which only *spend* is known. Raises `ValueError` for what is no amount."""
        _check(spend)
        _, most, most_given, most_made = self._most
        given = spend.get("input_tokens", min(self._part("input_tokens"), most_given))
        made = spend.get("output_tokens", min(self._part("output_tokens"), most_made))
        told = spend.get("input_tokens", 0.0), spend.get("output_tokens", 0.0)
        least = (1.0, spend.get("tokens", sum(told)), *told)
        if "tokens" in spend:
            tokens = spend["tokens"]
        elif spend:
            return Cost((1.0, max(sum(told), min(given + made, most)), given, made), least=least)
        else:
            tokens = min(self._means.get("tokens", given + made), most)
        # Neither part is more than both together.
        given = given if "input_tokens" in spend else min(given, tokens)
        made = made if "output_tokens" in spend else min(made, tokens)
        return Cost((1.0, tokens, given, made), least=least)

    def learn(self, spend: Spend) -> None:
        """A call took so much, as far as is known."""
        given, made = spend.get("input_tokens"), spend.get("output_tokens")
        both = None if given is None or made is None else given + made
        amounts = {"tokens": spend.get("tokens", both), "input_tokens": given, "output_tokens": made}
        for name, amount in amounts.items():
            if amount is not None:
                calls = self._calls[name] = self._calls.get(name, 0) + 1
                mean = self._means.get(name, 0.0)
                self._means[name] = mean + (amount - mean) * max(_LEAST_WEIGHT, 1.0 / calls)

    def _part(self, name: str) -> float:
        return self._means.get(name, min(FIRST_GUESS, self._means.get("tokens", FIRST_GUESS)))


def as_spend(cost: SpendLike | None) -> Spend:
    """*cost* by its parts; empty if it is not known."""
    if cost is None:
        return {}
    return cost if isinstance(cost, dict) else {"tokens": cost}


def _can_tell(throttled: object) -> bool:
    if isinstance(throttled, type | tuple):
        classes = throttled if isinstance(throttled, tuple) else (throttled,)
        return all(isinstance(each, type) and issubclass(each, Exception) for each in classes)
    return throttled is None or callable(throttled)


class _Headers:
    """Bare headers as a response of no status."""

    def __init__(self, headers: object) -> None:
        self.headers = headers_of(headers)


def _check(spend: Mapping[str, object]) -> None:
    for name, amount in spend.items():
        if name not in Spend.__annotations__:
            raise TypeError(f"a cost has no {name!r}; it has {', '.join(Spend.__annotations__)}")
        if not _is_amount(amount):
            raise ValueError(f"{name} is {amount!r}; it must be a number from 0 on")


def _is_amount(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and 0 <= float(value) < float("inf")
