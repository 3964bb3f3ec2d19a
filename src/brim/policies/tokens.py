"""Tokens before they are known: what an attempt is charged when it is admitted.

Input is estimated from the bytes of the body by three classes of characters (facts sheet, section 5: within -13 % to
+23 % for English, Chinese, code and dense JSON, over for Cyrillic and Arabic). Output is the mean of what answers have
used. Both are trued up when the answer says what it cost.
"""

from __future__ import annotations

from typing import Final

from brim.values import Usage

__all__ = ["TokenCosts", "estimate_tokens"]

_PLAIN: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "
_ASCII: Final = bytes(range(128))
_PER_PLAIN: Final = 1 / 4.4
_PER_SYMBOL: Final = 1 / 1.9
_PER_OTHER_BYTE: Final = 0.8 / 3
"""0.8 tokens a character of three bytes, as nearly all of Chinese, Japanese and Korean are in UTF-8."""

_FIRST_GUESS: Final = 256.0
_WEIGHT: Final = 0.05


def estimate_tokens(text: bytes) -> float:
    """Tokens in *text*, which is UTF-8."""
    unusual = text.translate(None, _PLAIN)
    others = len(unusual.translate(None, _ASCII)) if not unusual.isascii() else 0
    symbols = len(unusual) - others
    return (len(text) - len(unusual)) * _PER_PLAIN + symbols * _PER_SYMBOL + others * _PER_OTHER_BYTE


class TokenCosts:
    """Reserves tokens for an attempt and learns from what answers used."""

    __slots__ = ("_output",)

    def __init__(self) -> None:
        self._output: float | None = None

    def reserve(self, body: bytes, max_tokens: int | None) -> float:
        """Tokens to charge for *body* before its answer is known."""
        output = _FIRST_GUESS if self._output is None else self._output
        return estimate_tokens(body) + (output if max_tokens is None else min(output, max_tokens))

    def learn(self, usage: Usage) -> None:
        """An answer used *usage*."""
        used = float(usage.output_tokens)
        self._output = used if self._output is None else self._output + (used - self._output) * _WEIGHT
