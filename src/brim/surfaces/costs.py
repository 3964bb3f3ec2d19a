"""What calls cost, and the budget that caps it, as the settings of a client say.

A price that the user states holds; else the list price, which is known at the provider's own address only: what a relay
or an own server costs nobody can know. A model that brim serves itself costs nothing. The rule: under a budget no call
goes whose cost is not known and bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from brim.engine.budget import Purse, Till
from brim.errors import ConfigError, InputError
from brim.policies.budget import Account, Bill, read_cap
from brim.policies.prices import FREE, LIST_PRICE, Price, parse_price
from brim.surfaces.lane_limits import of_lane

if TYPE_CHECKING:
    from brim.storage.use import Ledger

__all__ = ["Costs"]


class Costs:
    """The price of every lane, and the run's money.

    Args:
        budget_usd: what may be spent; None caps nothing.
        price: of all lanes that have none of their own, as the user states it; see `parse_price`.
        prices: of single models, by name, with or without the word before the colon.
        listed: the list price of a model; None where it is not known.
        prefix: the word before the colon.
        default: the model of whoever names none.
        is_own: does brim serve the models itself?

    Attributes:
        purse: the money; None without a budget.

    Raises:
        ConfigError: a price can't be read, or the budget is none.
    """

    def __init__(
        self,
        *,
        budget_usd: float | None,
        price: str | None,
        prices: Mapping[str, str],
        listed: Callable[[str], Price | None],
        prefix: str,
        default: str | None,
        is_own: bool,
    ) -> None:
        self.purse = None if budget_usd is None else Purse(Account(read_cap(budget_usd)))
        self._general = None if price is None else parse_price(price)
        self._prices = {name: parse_price(text) for name, text in prices.items()}
        self._listed = listed
        self._prefix = prefix
        self._default = default
        self._is_own = is_own

    @property
    def basis(self) -> str:
        """At which prices costs are told, in words."""
        if self._general is not None:
            return "the stated price"
        return "stated and list prices" if self._prices else LIST_PRICE

    def price(self, model: str | None) -> Price | None:
        """What calls to *model* cost, or to the default; None if nobody knows."""
        name = model or self._default
        if name is None:
            return None
        return of_lane(self._prices, f"{self._prefix}:{name}") or self._general or self._listed(name)

    def till(self, model: str, ledger: Ledger | None) -> Till | None:
        """The money as the lane of *model* knows it; None where nothing caps it.

        Raises:
            ConfigError: there is a budget, and no price.
        """
        if self.purse is None:
            return None
        price = self.price(model) or (FREE if self._is_own else None)
        if price is None:
            raise ConfigError(
                f"no price is known for {self._prefix}:{model}, so no budget can be kept; say with --price IN/OUT what "
                "a million tokens cost in US dollars, in and out, or leave the budget out"
            )
        return None if price is FREE else Till(self.purse, Bill(price), ledger)

    def check(self, body: bytes) -> None:
        """Raise `ConfigError` if not even the cost of a plain call can be bounded, whose *body* this is."""
        if self.purse is not None and not self._is_own:
            try:
                Bill(FREE).worst(body)
            except InputError as error:
                raise ConfigError(f"the budget can't be kept: {error}") from None
