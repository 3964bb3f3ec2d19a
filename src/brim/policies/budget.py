"""Money: what a call may cost at the very most, and one account of what was spent and what is at stake.

A call may go if what was spent, the worst case of every call under way and its own worst case stay within the cap
together; when it comes back its worst case gives way to its cost. The worst case: a token is at least a byte, so the
input is no more tokens than the body has bytes; the output is no more than the cap that the body names; each at the
dearest rate that may hold. What nothing bounds (tools that the provider runs, other models to fall back on) may not go
under a budget.

All amounts are whole nano-dollars, rounded up for each call, so that millions of them add up without drift.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import ceil
from typing import Any, Final

import msgspec

from brim.errors import ConfigError, InputError
from brim.policies.prices import Price, Rates
from brim.values import Failure, FailureKind, Outcome, Reply, Sent

__all__ = ["Account", "Bill", "nanos", "read_cap"]

_NANO: Final = 1_000_000_000
_NOISE: Final = 0.001
_ADDED: Final = 256
"""Tokens that a chat template, or a model's own preamble, puts around what is sent."""
_ADDED_FOR_TOOLS: Final = 1_024
"""The same where tools are named: Anthropic's models take up to 804 tokens to be told how to call them."""

_TEXT: Final = frozenset(
    {"text", "input_text", "output_text", "refusal", "summary_text", "thinking", "redacted_thinking", "tool_use"}
)
_ITEMS: Final = frozenset({None, "message", "function_call", "function_call_output", "reasoning"})
_OWN_TOOLS: Final = frozenset({None, "function", "custom"})
_CLIENT_TOOLS: Final = ("bash_", "text_editor_", "computer_", "memory_")
"""Tools of Anthropic's that the caller runs, as their types begin."""
_ELSEWHERE: Final = ("previous_response_id", "conversation", "prompt")
"""Fields by which a body brings along text that it does not hold."""
_BOUNDLESS: Final = ("web_search_options", "mcp_servers", "plugins", "models")
"""Fields by which a call becomes several, or one of a model with another price."""

_WENT_THROUGH: Final = frozenset({504, 524})
"""A gateway gave up waiting: what it waited for may go on, and be billed."""
_FIRST_ERROR: Final = 400


def nanos(usd: float) -> int:
    """*usd* in nano-dollars, rounded up; what floats add by themselves is no amount."""
    return ceil(usd * _NANO - _NOISE)


def read_cap(usd: float) -> int:
    """A budget in nano-dollars. Raises `ConfigError` for what is none."""
    if not 0.0 < usd < float("inf"):
        raise ConfigError(f"the budget is {usd:g} US dollars; it must be a number above 0")
    return int(Decimal(repr(usd)) * _NANO)


class Account:
    """What a run spent, and what is at stake.

    Args:
        cap: what may be spent, in nano-dollars; None sets no bound.

    Attributes:
        spent: what was spent, in nano-dollars; of that
        unsure: what was charged, at its worst, to attempts of which nobody knows what they cost.
        held: worst cases of the calls under way.
    """

    __slots__ = ("cap", "held", "spent", "unsure")

    def __init__(self, cap: int | None) -> None:
        self.cap = cap
        self.spent = 0
        self.unsure = 0
        self.held = 0

    def recall(self, spent: int, unsure: int) -> None:
        """Add what earlier processes spent."""
        self.spent += spent
        self.unsure += unsure

    def can_pay(self, worst: int) -> bool:
        """May a call go that costs *worst* at most?"""
        return self.cap is None or self.spent + self.held + worst <= self.cap

    def hold(self, worst: int) -> None:
        """Such a call goes."""
        self.held += worst

    def settle(self, worst: int, charge: int | None) -> None:
        """It is over, and cost *charge*; None if nobody knows: then it cost its worst."""
        self.held -= worst
        self.spent += worst if charge is None else charge
        self.unsure += worst if charge is None else 0

    @property
    def cap_usd(self) -> float | None:
        """The budget, in US dollars."""
        return None if self.cap is None else self.cap / _NANO

    @property
    def spent_usd(self) -> float:
        """What was spent, in US dollars."""
        return self.spent / _NANO

    @property
    def unsure_usd(self) -> float:
        """What of the spent was charged for safety, in US dollars."""
        return self.unsure / _NANO

    def broke(self, worst: int) -> Failure:
        """Why a call that may cost *worst* can't go, now that nothing is under way."""
        return Failure(
            kind=FailureKind.BUDGET,
            message=f"${self.spent_usd:,.6g} of the budget of ${self.cap_usd:,.6g} is spent, "
            f"and the next call may cost up to ${worst / _NANO:,.6g}",
            sent=Sent.NO,
        )

    def __repr__(self) -> str:
        return f"Account(cap={self.cap}, spent={self.spent}, held={self.held})"


class _Body(msgspec.Struct):
    """What of a body bears on its cost, in the spelling of every API."""

    messages: Any = ()
    input: Any = ()
    system: Any = None
    tools: Any = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None


_bodies: Final = msgspec.json.Decoder(_Body)
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Bill:
    """What calls to one model may cost, and did."""

    __slots__ = ("_price",)

    def __init__(self, price: Price) -> None:
        self._price = price

    def worst(self, body: bytes) -> int:
        """The most that a call with this *body* may cost, in nano-dollars.

        Raises:
            InputError: nothing bounds it: the message says what of it, and what to do.
        """
        try:
            asked = _bodies.decode(body)
        except msgspec.ValidationError as error:
            raise InputError(f"what it may cost can't be told: {error}; mend it, or leave the budget out") from None
        fields = _fields.decode(body)
        self._refuse_boundless(asked, fields)
        given = len(body) + (_ADDED if asked.tools is None else _ADDED_FOR_TOOLS)
        foreign = next(_foreign(asked), None) or next((name for name in _ELSEWHERE if name in fields), None)
        if foreign is not None:
            if self._price.context is None:
                raise InputError(
                    f"nobody can tell beforehand how many tokens {foreign!r} in the input takes; "
                    "leave that, or the budget, out"
                )
            given = max(given, self._price.context)
        made = max(asked.max_tokens or 0, asked.max_completion_tokens or 0, asked.max_output_tokens or 0)
        if not made:
            raise InputError("nothing bounds the answer, and so its cost; give --max-tokens, or leave the budget out")
        rates = [self._price.base, *(dearer for start, dearer in self._price.tiers if given > start)]
        return max(nanos(given * _dearest(each) + made * max(asked.n or 1, 1) * each.output) for each in rates)

    def charge(self, outcome: Outcome) -> int | None:
        """What an attempt that ended like this cost, in nano-dollars; None if it may have cost anything."""
        if outcome.usage is not None:
            return nanos(self._price.cost(outcome.usage))
        return None if isinstance(outcome, Reply) or _may_be_billed(outcome) else 0

    @staticmethod
    def _refuse_boundless(asked: _Body, fields: Mapping[str, msgspec.Raw]) -> None:
        name = next((name for name in _BOUNDLESS if name in fields), None)
        for tool in asked.tools if isinstance(asked.tools, list) else ():
            kind = tool.get("type") if isinstance(tool, dict) else None
            if kind not in _OWN_TOOLS and not str(kind).startswith(_CLIENT_TOOLS):
                name = f"tools: {kind}"
        if name is not None:
            raise InputError(f"nothing bounds what {name!r} may cost; leave that, or the budget, out")


def _may_be_billed(failure: Failure) -> bool:
    """May the provider bill it? More than `Failure.may_be_paid`: also what failed after the answer had begun."""
    if failure.may_be_paid:
        return True
    if failure.kind not in {FailureKind.SERVER, FailureKind.REFUSED}:
        return False
    return failure.status is None or failure.status < _FIRST_ERROR or failure.status in _WENT_THROUGH


def _dearest(rates: Rates) -> float:
    return max(rates.fresh, rates.cache_read, rates.cache_write)


def _foreign(asked: _Body) -> Iterator[str]:
    """The types of the parts that are no text, whose bytes say nothing of their tokens."""
    for item in (*_listed(asked.messages), *_listed(asked.input), {"content": asked.system}):
        if not isinstance(item, dict):
            continue
        if item.get("type") not in _ITEMS:
            yield str(item["type"])
        if "audio" in item:
            yield "audio"
        yield from _foreign_parts(item.get("content"))


def _foreign_parts(content: object) -> Iterator[str]:
    for part in _listed(content):
        kind = part.get("type", "text") if isinstance(part, dict) else "text"
        if kind == "tool_result":
            yield from _foreign_parts(part.get("content"))
        elif kind not in _TEXT:
            yield str(kind)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
