"""Chance without an order: what befalls a request depends on the seed, the request and its try, and on nothing else.

One `Random` for the whole run would hand its numbers out in the order of arrival, so that two clients with the same
seed would meet different answers as soon as one of them sends in another order. Here every draw is a digest of (seed,
request, try): the same request meets the same length, latency and faults whoever sends it when.
"""

from __future__ import annotations

from hashlib import blake2b
from math import exp
from statistics import NormalDist
from typing import Final

__all__ = ["Dice"]

_NORMAL: Final = NormalDist()
_UNIT: Final = 2.0**-52  # 52 bits and a half are exact in a float, so 1.0 can't come out


class Dice:
    """The numbers that one try of one request draws, in a fixed order."""

    __slots__ = ("_block", "_key", "_left", "_pool", "_seed")

    def __init__(self, seed: int, key: bytes, turn: int) -> None:
        self._seed = seed.to_bytes(16, "little", signed=True)
        self._key = key + turn.to_bytes(8, "little")
        self._block = 0
        self._pool = b""
        self._left = 0

    def roll(self) -> float:
        """A number evenly between 0 and 1, both excluded."""
        if not self._left:
            block = self._block.to_bytes(4, "little")
            self._pool = blake2b(self._key + block, key=self._seed).digest()
            self._block += 1
            self._left = 8
        self._left -= 1
        word = self._pool[self._left * 8 : self._left * 8 + 8]
        return ((int.from_bytes(word, "little") >> 12) + 0.5) * _UNIT

    def hits(self, chance: float) -> bool:
        """Does something of this probability happen?"""
        return self.roll() < chance

    def lognormal(self, sigma: float) -> float:
        """A factor around 1 whose logarithm is normal with *sigma*."""
        return exp(sigma * _NORMAL.inv_cdf(self.roll())) if sigma else 1.0

    def pareto(self, tail: float) -> float:
        """A factor of 1 or more with the tail index *tail*."""
        return float(self.roll() ** (-1.0 / tail))
