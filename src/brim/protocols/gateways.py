"""The limits that gateways show in front of an API: the IETF draft in all its versions, Kong's names, and plain ones.

- draft-ietf-httpapi-ratelimit-headers, to 06 and 07: `RateLimit-Limit`, `-Remaining`, `-Reset` (seconds), with the
  window in `RateLimit-Policy: 100;w=60` or after the limit itself (`100, 100;w=60`); then in one field, `limit=100,
  remaining=50, reset=30`. express-rate-limit writes these as `draft-6` and `draft-7`.
- from 08 on: `RateLimit: "default";r=50;t=30` and `RateLimit-Policy: "default";q=100;w=60`.
- Kong's rate-limiting plugins: `X-RateLimit-Limit-Minute`, `X-RateLimit-Remaining-Minute`, and so for other units.
- the same behind what is counted: `x-ratelimit-limit-tokens-minute`, `-requests-day` (Cerebras), `-req-minute`
  (Mistral), `-tokens-per-minute` (DigitalOcean), with `-input-tokens` and `-output-tokens` likewise.
- plain `X-RateLimit-Limit`, `-Remaining`, `-Reset` (seconds, or a time since the epoch): OpenRouter, Express, others.

All others count requests. A window that is not named is unknown: whoever believes a level has to find it out.
Sources: datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers, docs.konghq.com/hub/kong-inc/rate-limiting,
the change log of express-rate-limit 6.10 and 7.5; inference-docs.cerebras.ai/support/rate-limits,
docs.digitalocean.com/products/inference/reference/quota-specific-response-headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from brim.protocols.shapes import amount, reset
from brim.values import Dimension, LimitLevel

__all__ = ["gateway_levels"]

_UNITS: Final[Mapping[str, float]] = {"second": 1.0, "minute": 60.0, "hour": 3_600.0, "day": 86_400.0}
_PER_UNIT: Final = tuple(
    (f"x-ratelimit-limit-{unit}", f"x-ratelimit-remaining-{unit}", seconds) for unit, seconds in _UNITS.items()
)
_COUNTED: Final[Mapping[str, Dimension]] = {
    "requests": Dimension.REQUESTS,
    "req": Dimension.REQUESTS,
    "tokens": Dimension.TOKENS,
    "input-tokens": Dimension.INPUT_TOKENS,
    "output-tokens": Dimension.OUTPUT_TOKENS,
}
_OF_UNIT: Final[Mapping[str, tuple[Dimension, float, str]]] = {
    f"x-ratelimit-{part}-{word}-{per}{unit}": (dimension, seconds, f"{word}-{per}{unit}")
    for word, dimension in _COUNTED.items()
    for unit, seconds in _UNITS.items()
    for per in ("", "per-")
    for part in ("limit", "remaining")
}
"""What each name of a limit that says what it counts, and for how long, is about, and how the name ends."""
_PLAIN: Final = ("ratelimit", "x-ratelimit")
_NAMES: Final = frozenset(
    {"ratelimit"}
    | {f"{prefix}-{part}" for prefix in _PLAIN for part in ("limit", "remaining")}
    | {name for names in _PER_UNIT for name in names[:2]}
)
_PAIR: Final = re.compile(r'([a-z]+)\s*=\s*"?([^",;\s]*)', re.ASCII)


def gateway_levels(headers: Mapping[str, str], now: float) -> Sequence[LimitLevel]:
    """The limits that a gateway shows in *headers* (lower-case names); *now* in seconds since the epoch."""
    counted = _counted(headers, now)
    if _NAMES.isdisjoint(headers):
        return counted
    levels: dict[float | None, LimitLevel] = {}
    for level in (*_structured(headers), *_plain(headers, now), *_per_unit(headers)):
        if level.limit is not None or level.remaining is not None:
            levels.setdefault(level.period_s, level)
    named = [level for period, level in levels.items() if period is not None]
    # Kong shows its tightest limit under the plain names too, and no window with it.
    return [*(named or levels.values()), *counted]


def _counted(headers: Mapping[str, str], now: float) -> Sequence[LimitLevel]:
    """The limits whose names say what is counted and for how long."""
    levels = []
    for dimension, seconds, name in sorted({_OF_UNIT[name] for name in _OF_UNIT.keys() & headers.keys()}):
        limit, left = (amount(headers.get(f"x-ratelimit-{part}-{name}")) for part in ("limit", "remaining"))
        until = headers.get(f"x-ratelimit-reset-{name}")
        if limit is not None or left is not None:
            levels.append(LimitLevel(dimension, limit, left, None if until is None else reset(until, now), seconds))
    return levels


def _level(limit: str | None, left: str | None, reset_in: float | None, period: float | None) -> LimitLevel:
    return LimitLevel(Dimension.REQUESTS, amount(limit), amount(left), reset_in, period)


def _per_unit(headers: Mapping[str, str]) -> Iterator[LimitLevel]:
    for limit, remaining, seconds in _PER_UNIT:
        yield _level(headers.get(limit), headers.get(remaining), None, seconds)


def _plain(headers: Mapping[str, str], now: float) -> Iterator[LimitLevel]:
    for prefix in _PLAIN:
        limits = headers.get(f"{prefix}-limit", "")
        limit, _, inline = limits.partition(",")
        policies = _items(headers.get(f"{prefix}-policy", "") or inline)
        windows = [fields.get("w") for name, fields in policies if amount(name) == amount(limit)]
        until = headers.get(f"{prefix}-reset")
        reset_in = None if until is None else reset(until, now)
        yield _level(limit, headers.get(f"{prefix}-remaining"), reset_in, _window(windows[0] if windows else None))


def _structured(headers: Mapping[str, str]) -> Iterator[LimitLevel]:
    written = headers.get("ratelimit")
    if written is None:
        return
    policies = _items(headers.get("ratelimit-policy", ""))
    if "remaining" in written:
        fields = dict(_PAIR.findall(written))
        windows = [policy.get("w") for name, policy in policies if amount(name) == amount(fields.get("limit"))]
        window = _window(windows[0] if windows else None)
        yield _level(fields.get("limit"), fields.get("remaining"), amount(fields.get("reset")), window)
        return
    named = dict(policies)
    for name, fields in _items(written):
        policy = named.get(name, {})
        if policy.get("qu", "requests") == "requests":
            yield _level(policy.get("q"), fields.get("r"), amount(fields.get("t")), _window(policy.get("w")))


def _items(written: str) -> list[tuple[str, dict[str, str]]]:
    """The members of a list, each with its parameters."""
    items = []
    for item in written.split(","):
        name, _, parameters = item.partition(";")
        items.append((name.strip().strip('"'), dict(_PAIR.findall(parameters))))
    return items


def _window(written: str | None) -> float | None:
    return amount(written) or None
