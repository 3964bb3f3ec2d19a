"""What an answer costs: the published price of a model, compiled once into a few numbers.

The prices are those that the genai-prices package carries, offline: nothing here ever asks the network. They are
list prices for ordinary (not batch) calls and may be out of date, so a cost is an estimate. What has no known price
is `None`, never a guess.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Final

import msgspec

from brim.errors import ConfigError

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

    from brim.values import Usage

__all__ = ["FREE", "LIST_PRICE", "Price", "Rates", "parse_price", "price_of"]

_PER: Final = Decimal(1_000_000)
_MOST: Final = 1.0
"""Dollars for one token: more is a slip of the pen."""

_UNSEEN: Final = (
    "requests_kcount",
    "output_reasoning_mtok",
    "output_citation_mtok",
    "input_mchars",
    "input_text_messages_kcount",
)
"""Things that some models bill by and `Usage` does not tell: tokens alone would come out too cheap."""


class Rates(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """US dollars per token."""

    fresh: float
    cache_read: float
    cache_write: float
    output: float


class Price(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The price of one model.

    Attributes:
        base: what holds for the shortest inputs.
        tiers: for longer inputs, longest first: rates for the *whole* call once its input exceeds so many tokens.
        context: tokens that the model can take in and give out together; None if unknown.
    """

    base: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()
    context: int | None = None

    def cost(self, usage: Usage) -> float:
        """The price of one answer in US dollars. Price each answer by itself: tiers make sums meaningless."""
        total, read, write = usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens
        rates = self.base
        for start, dearer in self.tiers:
            if total > start:
                rates = dearer
                break
        fresh = total - read - write
        fresh = max(fresh, 0)
        return (
            fresh * rates.fresh
            + read * rates.cache_read
            + write * rates.cache_write
            + usage.output_tokens * rates.output
        )


LIST_PRICE: Final = "list price"
"""What costs are told at where the user states no price."""
FREE: Final = Price(base=Rates(fresh=0.0, cache_read=0.0, cache_write=0.0, output=0.0))
"""A model that runs on this machine."""


@cache
def price_of(model: str, provider: str) -> Price | None:
    """Compile the price of *model* at *provider*; None if it is not known.

    The first call loads the price list, which takes about a second.

    Args:
        model: the name used in requests.
        provider: genai-prices' name of the provider ("openai", "anthropic"), or the endpoint's base URL. At a URL that
            is no known provider's (a relay, this machine) nothing has a known price.
    """
    # Loading takes longer than all of `brim --help`.
    from genai_prices import Usage as Counted  # noqa: PLC0415
    from genai_prices import calc_price  # noqa: PLC0415

    nothing = Counted(input_tokens=0, output_tokens=0)
    try:
        if "://" in provider:
            found = calc_price(nothing, model, provider_api_url=provider)
        else:
            found = calc_price(nothing, model, provider_id=provider)
    except LookupError:
        return None
    return _compile(found.model_price, found.model.context_window)


def parse_price(text: str) -> Price:
    """Read a price as people write it, `IN/OUT`: US dollars for a million tokens in and out. Cached input costs IN.

    Raises:
        ConfigError: it is written otherwise.
    """
    given, slash, made = text.partition("/")
    try:
        fresh, output = (float(Decimal(word.strip()) / _PER) for word in (given, made))
    except InvalidOperation:
        slash, fresh, output = "", 0.0, 0.0
    if not slash or not 0.0 <= fresh < _MOST or not 0.0 <= output < _MOST:
        raise ConfigError(f"price {text!r} should look like 0.25/2: US dollars for a million tokens in, and out")
    return Price(base=Rates(fresh=fresh, cache_read=fresh, cache_write=fresh, output=output))


def _compile(listed: ModelPrice, context: int | None) -> Price | None:
    if listed.input_mtok is None or any(getattr(listed, key) is not None for key in _UNSEEN):
        return None
    priced = (listed.input_mtok, listed.cache_read_mtok, listed.cache_write_mtok, listed.output_mtok)
    starts = {tier.start for price in priced for tier in getattr(price, "tiers", ())}
    return Price(
        base=_rates(listed, tokens=0),
        tiers=tuple((start, _rates(listed, tokens=start + 1)) for start in sorted(starts, reverse=True)),
        context=context,
    )


def _rates(listed: ModelPrice, *, tokens: int) -> Rates:
    """The rates that hold for an input of so many *tokens*."""

    def rate(key: str, default: float) -> float:
        price = getattr(listed, key)
        if price is None:
            return default
        if not isinstance(price, Decimal):
            reached = [tier.price for tier in price.tiers if tokens > tier.start]
            price = reached[-1] if reached else price.base
        return float(price / _PER)

    fresh = rate("input_mtok", 0.0)
    return Rates(
        fresh=fresh,
        # Where the list has no price for cached input, it is billed like any other.
        cache_read=rate("cache_read_mtok", fresh),
        cache_write=rate("cache_write_mtok", fresh),
        output=rate("output_mtok", 0.0),
    )
