"""Tokens before they are known: what an attempt is charged when it is admitted, and when its answer has come.

Input is estimated from the bytes of the body by three classes of characters (facts sheet, section 5: within -13 % to
+23 % for English, Chinese, code and dense JSON, over for Cyrillic and Arabic) and calibrated by the usage that comes
back: so many tokens for each that is guessed, and as many for the wrapping of any request. Output is charged as the
provider counts it (section 2.2): OpenAI's relatives reserve the whole cap and keep it, unless their headers show
otherwise (`brim.policies.tariff`), Anthropic counts what is generated and lets the cache be read for free, so what is
likely to be read there is not reserved. What no cap bounds is reserved as the mean of the answers so far: a bucket that
may go into debt needs no more, and less would let a heavy tail run ahead. Where output counts as it is made, answers
that are waited for have their say in that mean (`brim.policies.outputs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, TypeAlias

import msgspec

from brim.values import Usage

__all__ = [
    "CHARGING",
    "FIRST_GUESS",
    "Amounts",
    "Charging",
    "Cost",
    "Spent",
    "TokenCosts",
    "estimate_tokens",
    "is_beyond_reason",
]

_PLAIN: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "
_SYMBOL: Final = b"s"
_OTHER: Final = b"o"
_CLASSES: Final = bytes(b"p"[0] if byte in _PLAIN else (_SYMBOL if byte < 128 else _OTHER)[0] for byte in range(256))
"""The class of each byte."""
_PER_PLAIN: Final = 1 / 4.4
_PER_SYMBOL: Final = 1 / 1.9
_PER_OTHER_BYTE: Final = 0.8 / 3
"""0.8 tokens a character of three bytes, as nearly all of Chinese, Japanese and Korean are in UTF-8."""

_CACHED: Final = b'"cache_control"'
"""Stands in bodies of which a part may be cached."""
FIRST_GUESS: Final = 256.0
"""Tokens of an output of which nothing is known yet."""
_WEIGHT: Final = 0.05
_SETTLED: Final = 50
"""From so many answers on each of them counts the same for the calibration of the input."""
_HITS_WEIGHT: Final = 0.2
"""Of the latest answers, when it comes to whether a cache is read: it may fill, or run out, from one to the next."""
_ALIKE: Final = 0.02
"""Prompts whose lengths differ by less than about a seventh tell no wrapping from words."""
_ALIKE_CACHED: Final = 1e-6
"""What is new behind a long prefix changes the length of the whole by little, and is all that counts."""
_MOST_OFF: Final = 4.0
"""An estimate further off than this is about something else (an image, a cached file), not about the text."""
_LEAST_OFF: Final = 1.0 / _MOST_OFF
_MOST_TOKENS: Final = 1 << 24
"""No model takes or makes as many in one call."""


class Charging(Enum):
    """How a provider counts output against a limit."""

    RESERVES_CAP = "the whole cap, when a request comes in"
    LARGER = "the larger of prompt and cap, when a request comes in"
    REFUNDED = "the whole cap, when a request comes in; what was not used is given back when it is answered"
    USED = "what was used, whenever that is counted"
    COUNTS_OUTPUT = "what is generated; cached input is free"


_KEEPING: Final = frozenset({Charging.RESERVES_CAP, Charging.LARGER})
_RESERVING: Final = _KEEPING | {Charging.REFUNDED}

Amounts: TypeAlias = tuple[float, float, float, float]
"""What an attempt takes: requests, tokens, input tokens, output tokens, always in this order."""


CHARGING: Final[Mapping[str, Charging]] = {"anthropic": Charging.COUNTS_OUTPUT}
"""By the name of the dialect; the others are OpenAI's relatives."""


class Cost(msgspec.Struct, frozen=True, gc=False):
    """What one attempt takes out of each limit.

    *guessed* is its input as it was estimated, uncalibrated; 0 if it was not. *least* is what it takes without doubt,
    where more than that was guessed by others.
    """

    amounts: Amounts
    guessed: float = 0.0
    least: Amounts | None = None


class Spent(msgspec.Struct, frozen=True, gc=False):
    """What was sent before, *ago* seconds ago."""

    ago: float
    amounts: Amounts


def estimate_tokens(text: bytes) -> float:
    """Tokens in *text*, which is UTF-8."""
    classes = text.translate(_CLASSES)
    symbols = classes.count(_SYMBOL)
    others = 0 if text.isascii() else classes.count(_OTHER)
    return (len(text) - symbols - others) * _PER_PLAIN + symbols * _PER_SYMBOL + others * _PER_OTHER_BYTE


def is_beyond_reason(usage: Usage) -> bool:
    """Can no call have used so much? Who counts -1 in 32 bits says 4,294,967,295."""
    return max(usage.input_tokens, usage.output_tokens) >= _MOST_TOKENS


def fewest_tokens(text: bytes) -> float:
    """Tokens that are in *text* at the very least: none is more than a word, but one may be an image's whole data."""
    return float(len(text.split()))


class Calibration:
    """A straight line from what was guessed to what was counted, through the answers so far, the last ones most.

    What is counted is believed to be *least* times the guess or more. Lengths whose variance is less than *alike* of
    the square of their mean tell nothing but a proportion.
    """

    __slots__ = ("_alike", "_least", "_mean", "_seen", "_slope", "_spread", "_together", "_true")

    def __init__(self, *, least: float = _LEAST_OFF, alike: float = _ALIKE) -> None:
        self._least = least
        self._alike = alike
        self._seen = 0
        self._mean = 0.0
        self._true = 0.0
        self._spread = 0.0
        self._together = 0.0
        self._slope = 1.0

    def corrected(self, guessed: float) -> float:
        """What will be counted where so much is *guessed*."""
        tokens = self._true + self._slope * (guessed - self._mean)
        return max(tokens, guessed * self._least)

    def saw(self, guessed: float, said: float) -> None:
        """*said* was counted where above 0 had been *guessed*."""
        said = min(max(said, guessed * self._least), guessed * _MOST_OFF)
        self._seen += 1
        # The first answers count most: without any the line is no more than a guess.
        weight = 1.0 / min(self._seen, _SETTLED)
        off, off_true = guessed - self._mean, said - self._true
        self._mean += weight * off
        self._true += weight * off_true
        self._spread += weight * ((1.0 - weight) * off * off - self._spread)
        self._together += weight * ((1.0 - weight) * off * off_true - self._together)
        # Where all prompts are about as long as each other, what each is off in proportion is all that can be said.
        doubt = self._alike * self._mean * self._mean
        self._slope = (self._together + doubt * self._true / self._mean) / (self._spread + doubt)


class Cached:
    """How much of an input counts where what is read from a cache is free: by those of which a part was."""

    __slots__ = ("_fresh", "_share")

    def __init__(self) -> None:
        self._share = 0.0
        self._fresh = Calibration(least=0.0, alike=_ALIKE_CACHED)

    def counted(self, guessed: float, whole: float) -> float:
        """What will count, as a mean, of *whole* tokens of which so many were *guessed*."""
        if not self._share:
            return whole
        return whole + self._share * (min(whole, self._fresh.corrected(guessed)) - whole)

    def saw(self, guessed: float, said: float, cached: float) -> None:
        """Of *said* tokens, of which so many had been *guessed*, *cached* were read from a cache."""
        if cached or self._share:
            self._share += _HITS_WEIGHT * ((1.0 if cached else 0.0) - self._share)
        if cached:
            self._fresh.saw(guessed, max(0.0, said - cached))


class TokenCosts:
    """Reserves tokens for an attempt and learns from what answers used.

    Attributes:
        charging: how the provider counts output, as far as is known.
        share: how much of what a call may make beyond what it will is reserved, where the cap is: 1 for all.
    """

    __slots__ = ("_cached", "_input", "_output", "charging", "share")

    def __init__(self, charging: Charging = Charging.RESERVES_CAP) -> None:
        self.charging = charging
        self.share = 1.0
        self._output: float | None = None
        self._input = Calibration()
        self._cached = Cached() if charging is Charging.COUNTS_OUTPUT else None

    def reserve(self, body: bytes, max_tokens: int | None) -> Cost:
        """Tokens to charge for *body* before its answer is known."""
        return self._reserve(estimate_tokens(body), max_tokens)

    def renew(self, cost: Cost, max_tokens: int | None) -> Cost:
        """What `reserve` would say now of the same body: answers may have taught more since.

        A cost that rests on no guess stays as it is.
        """
        return self._reserve(cost.guessed, max_tokens) if cost.guessed > 0.0 else cost

    def least(self, cost: Cost, body: bytes, max_tokens: int | None) -> Amounts:
        """What *body*, of which *cost* was reserved, takes without doubt: its words, and the cap where that counts."""
        if not cost.guessed:
            return cost.least or cost.amounts
        is_free = self.charging is Charging.COUNTS_OUTPUT and _CACHED in body
        given = 0.0 if is_free else fewest_tokens(body)
        made = self.share * max_tokens if max_tokens is not None and self.charging in _RESERVING else 0.0
        return (1.0, self._counted(given, made, max_tokens), given, made)

    @property
    def output(self) -> float:
        """Tokens of an answer, as a mean."""
        return FIRST_GUESS if self._output is None else self._output

    def _reserve(self, guessed: float, max_tokens: int | None) -> Cost:
        output = self.output
        if max_tokens is not None:
            output = min(output, float(max_tokens))
            if self.charging in _RESERVING:
                output += self.share * (max_tokens - output)
        given = self._input.corrected(guessed)
        if self._cached is not None:
            given = self._cached.counted(guessed, given)
        return Cost((1.0, self._counted(given, output, max_tokens), given, output), guessed)

    def _counted(self, given: float, output: float, max_tokens: int | None) -> float:
        is_larger = self.charging is Charging.LARGER and max_tokens is not None
        return max(given, output) if is_larger else given + output

    def true_up(self, cost: Cost, max_tokens: int | None, usage: Usage) -> Amounts:
        """What the attempt that reserved *cost* is charged now that its *usage* is known; learn from it."""
        made, said = float(usage.output_tokens), usage.input_tokens
        output, guessed = self._output, cost.guessed
        self._output = made if output is None else output + (made - output) * _WEIGHT
        if guessed > 0.0 and said > 0:
            self._input.saw(guessed, float(said))
            if self._cached is not None:
                self._cached.saw(guessed, float(said), float(usage.cache_read_tokens))
        if self.charging is Charging.COUNTS_OUTPUT:
            said = max(0, said - usage.cache_read_tokens)
        elif self.charging in _KEEPING and max_tokens is not None and max_tokens > made:
            made += self.share * (max_tokens - made)
        given = float(said)
        return (1.0, self._counted(given, made, max_tokens), given, made)
