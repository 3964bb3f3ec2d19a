"""What a provider looks at before it counts anything: the path, the key, the size, the words, the model.

And its prompt cache, which only changes what a call costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from math import ceil
from typing import Final

from brim.simulator.asks import Api, Ask, BadAsk, read, route
from brim.simulator.scenario import Scenario

__all__ = ["PromptCache", "check", "check_room"]

_SMALLEST_PREFIX: Final = 1_024
"""Tokens below which nothing is cached (OpenAI's figure; Anthropic's is 512 to 4,096 by model)."""


def check(scenario: Scenario, path: str, headers: Mapping[str, str], body: bytes) -> Ask:
    """Read a request as far as it can be without counting. *headers* has lower-case names. Raises `BadAsk`."""
    api = route(path)
    if api is None:
        raise BadAsk(path, kind="not_found")
    if scenario.keys and _key(headers) not in scenario.keys:
        raise BadAsk("", kind="bad_key")
    if len(body) > scenario.max_body:
        raise BadAsk("", kind="body_too_large")
    ask = read(api, body, version=headers.get("anthropic-version"))
    if scenario.models and ask.model not in scenario.models:
        raise BadAsk("", kind="unknown_model", param="model", model=ask.model)
    return ask


def _key(headers: Mapping[str, str]) -> str | None:
    """The key, wherever it stands; where there are two, `x-api-key` wins as at Anthropic."""
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return headers.get("x-api-key") or headers.get("api-key") or bearer or None


def check_room(scenario: Scenario, ask: Ask, input_tokens: int) -> int | None:
    """The most tokens an answer may have, None for no bound. Raises `BadAsk` if the context window is too small.

    OpenAI refuses what might not fit; Anthropic accepts it and cuts the answer at the window's end.
    """
    if scenario.context is None:
        return ask.cap
    left = scenario.context - input_tokens
    wanted = 0 if ask.api is Api.MESSAGES or ask.cap is None else ask.cap
    if left < max(1, wanted):
        raise BadAsk("", kind="context_too_long", param="messages", model=ask.model)
    return left if ask.cap is None else min(left, ask.cap)


class PromptCache:
    """Which prefixes are cached, and from when. A prefix can be read once the first answer that wrote it has begun."""

    def __init__(self, tokens_per_char: float) -> None:
        self._tokens_per_char = tokens_per_char
        self._warm_at: dict[bytes, float] = {}

    def look(self, ask: Ask, now: float) -> tuple[int, int]:
        """Tokens of *ask* that are read from the cache, and tokens that its answer writes to it."""
        if len(ask.prefix) * self._tokens_per_char < _SMALLEST_PREFIX:
            return 0, 0
        tokens = ceil(len(ask.prefix) * self._tokens_per_char)
        warm_at = self._warm_at.get(_digest(ask))
        return (tokens, 0) if warm_at is not None and warm_at <= now else (0, tokens)

    def write(self, ask: Ask, at: float) -> None:
        """The answer to *ask* begins *at*."""
        name = _digest(ask)
        self._warm_at[name] = min(at, self._warm_at.get(name, at))


def _digest(ask: Ask) -> bytes:
    return blake2b(f"{ask.model}\0{ask.prefix}".encode("utf-8", "replace"), digest_size=16).digest()
