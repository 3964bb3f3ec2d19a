"""Chance without an order: what befalls a request depends on the seed, the request and its try, and on nothing else.

One `Random` for the whole run would hand its numbers out in the order of arrival, so that two clients with the same
seed would meet different answers as soon as one of them sends in another order. Here every draw is a digest of (seed,
request, try): the same request meets the same length, latency and faults whoever sends it when.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from math import exp
from statistics import NormalDist
from struct import Struct
from typing import Final

__all__ = ["Dice"]

_NORMAL: Final = NormalDist()
_UNIT: Final = 2.0**-52  # 52 bits and a half are exact in a float, so 1.0 can't come out
_WORDS: Final = Struct("<8Q")
_PLACE: Final = Struct("<QI")


@lru_cache(maxsize=64)
def _bytes(seed: int) -> bytes:
    return seed.to_bytes(16, "little", signed=True)


class Dice:
    """The numbers that one try of one request draws, in a fixed order."""

    __slots__ = ("_block", "_key", "_pool", "_seed", "_turn")

    def __init__(self, seed: int, key: bytes, turn: int) -> None:
        self._seed = seed
        self._key = key
        self._turn = turn
        self._block = 0
        self._pool: list[int] = []

    def roll(self) -> float:
        """A number evenly between 0 and 1, both excluded."""
        if not self._pool:
            # The number of the try in eight bytes and that of the block in four.
            name = self._key + _PLACE.pack(self._turn, self._block)
            self._pool = list(_WORDS.unpack(blake2b(name, key=_bytes(self._seed)).digest()))
            self._block += 1
        return ((self._pool.pop() >> 12) + 0.5) * _UNIT

    def hits(self, chance: float) -> bool:
        """Does something of this probability happen?"""
        return self.roll() < chance

    def lognormal(self, sigma: float) -> float:
        """A factor around 1 whose logarithm is normal with *sigma*."""
        return exp(sigma * _NORMAL.inv_cdf(self.roll())) if sigma else 1.0

    def pareto(self, tail: float) -> float:
        """A factor of 1 or more with the tail index *tail*."""
        return float(self.roll() ** (-1.0 / tail))
