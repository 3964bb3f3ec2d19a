"""Random providers: everything about one follows from its seed, so that a figure can be looked at again.

The seeds 1..200 are those to work with; 10001..10050 are held out and looked at only when nothing is left to decide.
Those mix every trait with every other. The seeds 301..400 (held out: 10301..10350) are providers as one would write
them down: a bucket of a whole minute that is full at first, windows on a clock of their own, a log of the last minute,
limits enforced by the second; waits in whole seconds or none; most of them steady. The seeds 1001..1050 (held out:
11001..11025) show no headers, but the text of a refusal names the limit, as OpenAI's and Anthropic's do; else they mix
every trait. In all other worlds a refusal says no more than whether it was for requests or tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log
from random import Random
from typing import Final, Literal, TypeAlias

import msgspec

from brim.config import Limits, Window
from brim.simulator import Capacity, Change, FaultRule, Headers, Latency, Lengths, Limit, Ramp, Rival, Scenario
from brim.values import Request

__all__ = [
    "FIXED_SEEDS",
    "HELD_OUT_SEEDS",
    "PLAIN_HELD_OUT_SEEDS",
    "PLAIN_SEEDS",
    "WORDS_HELD_OUT_SEEDS",
    "WORDS_SEEDS",
    "World",
    "make",
]

FIXED_SEEDS: Final = range(1, 201)
HELD_OUT_SEEDS: Final = range(10_001, 10_051)
PLAIN_SEEDS: Final = range(301, 401)
PLAIN_HELD_OUT_SEEDS: Final = range(10_301, 10_351)
WORDS_SEEDS: Final = range(1_001, 1_051)
WORDS_HELD_OUT_SEEDS: Final = range(11_001, 11_026)
_IS_PLAIN: Final = range(301, 1_000)
_HAS_WORDS: Final = range(1_001, 2_000)

Told: TypeAlias = Literal["told", "headers", "lies", "blind", "words", "stray", "calls", "ramp", "hosted"]
_SHARES: Final[dict[Told, int]] = {
    "told": 24, "headers": 26, "lies": 8, "blind": 22, "stray": 4, "calls": 5, "ramp": 3, "hosted": 8,
}  # fmt: skip
_MOST_IN_FLIGHT: Final = 600
_MOST_REQUESTS: Final = 2_500
_CHARS: Final = 4


@dataclass(frozen=True)
class World:
    """One provider, what the client is told of it, and the work."""

    seed: int
    kind: Told
    label: str
    dialect: str
    scenario: Scenario
    limits: Limits
    requests: list[Request]


@dataclass(frozen=True)
class _Binding:
    """What binds: a dimension, its rate a second, and how it is enforced."""

    of: str
    rate: float
    span: float
    window: str
    burst: float | None


def make(seed: int) -> World:
    """The provider of *seed*."""
    rng = Random(seed)
    if seed % 10_000 in _IS_PLAIN:
        return _plain(seed, rng)
    kind = rng.choices(list(_SHARES), weights=list(_SHARES.values()))[0]
    if seed % 10_000 in _HAS_WORDS:
        kind = "words"
    if kind == "hosted":
        return _hosted(seed, rng)
    of = rng.choices(["requests", "tokens", "anthropic"], weights=[5, 3, 2])[0]
    if kind in {"calls", "ramp"}:
        of = "requests"
    rate = _log_uniform(rng, 0.5, 20.0)
    latency, lengths = _answers(rng, rate, of)
    duration = rng.uniform(240, 600)
    count = _MOST_REQUESTS if kind == "calls" else min(_MOST_REQUESTS, max(120, ceil(rate * duration)))
    requests = _requests(rng, count, of)
    binding = _enforced(rng, of, rate, requests)
    limits, limits_told = _limits(of, binding, requests)
    ends = len(requests) / rate
    scenario = Scenario(
        name=f"seed {seed}",
        vendor="openai",
        seed=seed,
        limits=limits,
        changes=_changes(rng, kind, ends),
        rivals=_rivals(rng, kind, ends),
        charging=_charging(rng, of),
        refusals_count=rng.random() < 0.4,
        latency=latency,
        lengths=lengths,
        headers=_headers(rng, kind, of),
        faults=[FaultRule(kind="throttled", chance=0.03, seconds=0.001)] if kind == "stray" else [],
    )
    if kind == "calls":
        scenario = msgspec.structs.replace(scenario, limits=(), concurrency=max(4, ceil(rate * latency.first)))
    if kind == "ramp":
        scenario = msgspec.structs.replace(scenario, ramp=Ramp(floor=max(60.0, rate * 20), growth=0.5, per=60.0))
    label = f"{of} {rate:.3g}/s {binding.window} {binding.span:.3g} s"
    label += ", halved" * bool(scenario.changes) + ", rival" * bool(scenario.rivals)
    told = limits_told if kind == "told" else Limits()
    dialect = "anthropic" if of == "anthropic" else "openai"
    return World(seed, kind, label, dialect, scenario, told, requests)


_PLAIN_FORMS: Final = {
    "minute bucket": 5, "small bucket": 3, "second window": 3, "second bucket": 2, "minute window": 3, "minute log": 3,
}  # fmt: skip
"""How a plain provider enforces its limit, and how often each is drawn."""


def _plain(seed: int, rng: Random) -> World:
    """A provider as one would write it down."""
    kind: Told = rng.choices(["told", "headers", "blind"], weights=[3, 4, 4])[0]  # type: ignore[assignment] # choices of literals
    of = rng.choices(["requests", "tokens", "anthropic"], weights=[5, 3, 2])[0]
    form = rng.choices(list(_PLAIN_FORMS), weights=list(_PLAIN_FORMS.values()))[0]
    if of != "requests" and form.startswith("s"):
        form = "minute bucket"
    rate = float(ceil(_log_uniform(rng, 1.0, 40.0)))
    mean = _log_uniform(rng, 0.1, min(60.0, _MOST_IN_FLIGHT / rate))
    spread = rng.choice([0.0, 0.3, 0.6])
    lengths = Lengths(shape="lognormal", tokens=100, spread=0.8) if of != "requests" else Lengths(tokens=50)
    latency = Latency(first=mean, spread=spread, refusal=min(mean, rng.choice([0.0, 0.05, 0.3])))
    count = min(3_000, ceil(rate * rng.uniform(200, 900)))
    requests = _requests(rng, count, of)
    costs = _costs(of, requests)
    per_second = ceil(rate * sum(costs) / len(costs) * 60) / 60
    least = max(costs) * 1.2 / per_second
    dimension = {"anthropic": "input"}.get(of, of)
    binding = _plain_binding(rng, form, dimension, per_second, least)
    limits, limits_told = _limits(of, binding, requests)
    if form == "minute log" and kind == "told" and of == "requests":
        limits_told = Limits(windows=(Window(requests=round(per_second * 60), seconds=60.0),))
    if binding.window == "fixed":
        limits = [msgspec.structs.replace(limit, phase=rng.uniform(0, 60)) for limit in limits]
    waits = rng.choice([("seconds",), ("seconds",), ("float",), ()])
    coarse = "anthropic" if of == "anthropic" else rng.choice(["openai", "azure", "azure"])
    changes = _changes(rng, kind, len(requests) / rate) if rng.random() < 0.5 else []
    holds = binding.rate * binding.span if binding.burst is None else binding.burst
    if any(change.factor * holds < min(costs) for change in changes):
        changes = []  # it would never let anything through again
    scenario = Scenario(
        name=f"seed {seed}",
        vendor="openai",
        seed=seed,
        limits=limits,
        changes=changes,
        charging="anthropic" if of == "anthropic" else "openai-sum",
        refusals_count=rng.random() < 0.3,
        latency=latency,
        lengths=lengths,
        headers=Headers(spelling=coarse if kind == "headers" else "none", waits=waits, words="kind"),  # type: ignore[arg-type] # made of literals
    )
    label = f"{of} {rate:.3g}/s {binding.window} {binding.span:.3g} s" + ", halved" * bool(scenario.changes)
    told = limits_told if kind == "told" else Limits()
    return World(seed, kind, label, "anthropic" if of == "anthropic" else "openai", scenario, told, requests)


def _plain_binding(rng: Random, form: str, dimension: str, per_second: float, least: float) -> _Binding:
    if form == "minute bucket":
        return _Binding(dimension, per_second, 60.0, "continuous", None)
    if form == "small bucket":
        return _Binding(dimension, per_second, 60.0, "continuous", float(rng.choice([1, 2, 5, 10])))
    if form.startswith("second"):
        return _Binding(dimension, per_second, 1.0, "fixed" if form == "second window" else "continuous", None)
    return _Binding(
        dimension, per_second, max(60.0, ceil(least)), "fixed" if form == "minute window" else "sliding", None
    )


def _hosted(seed: int, rng: Random) -> World:
    """A server of one's own: nothing is refused, everything takes longer."""
    slots = ceil(_log_uniform(rng, 4, 128))
    each = _log_uniform(rng, 0.5, 8.0)
    capacity = Capacity(slots=slots) if rng.random() < 0.6 else Capacity(knee=float(slots), power=rng.uniform(1.0, 1.3))
    lengths = Lengths(shape="lognormal", tokens=100, spread=rng.uniform(0.1, 0.7))
    scenario = Scenario(
        name=f"seed {seed}",
        vendor="vllm",
        seed=seed,
        capacity=capacity,
        latency=Latency(first=each * 0.3, per_token=each * 0.7 / 120, spread=0.1),
        lengths=lengths,
    )
    requests = _requests(rng, min(_MOST_REQUESTS, max(600, slots * 25)), "requests")
    label = f"{'slots' if capacity.slots else 'knee'} {slots}, {each:.2g} s"
    return World(seed, "hosted", label, "openai", scenario, Limits(), requests)


def _log_uniform(rng: Random, low: float, high: float) -> float:
    return exp(rng.uniform(log(low), log(high)))


def _answers(rng: Random, rate: float, of: str) -> tuple[Latency, Lengths]:
    most = min(60.0, _MOST_IN_FLIGHT / rate)
    mean = _log_uniform(rng, 0.1, most)
    heavy = of != "requests" or rng.random() < 0.5
    lengths = (
        Lengths(shape="pareto", tokens=60, tail=rng.uniform(1.5, 3.0), most=2_000) if heavy else Lengths(tokens=50)
    )
    if heavy and rng.random() < 0.5:
        return Latency(first=mean * 0.3, per_token=mean * 0.7 / 150), lengths
    return Latency(first=mean, spread=rng.choice([0.0, 0.3]), refusal=min(mean, rng.choice([0.0, 0.05]))), lengths


def _requests(rng: Random, count: int, of: str) -> list[Request]:
    heavy = of != "requests"
    caps = rng.choice([64, 256]) if of == "tokens" else 400
    requests = []
    for position in range(count):
        tokens = min(3_000, int(50 * rng.paretovariate(1.6))) if heavy else 20
        text = f"{position:08}" + " word" * (tokens * _CHARS // 5)
        cap = caps if of == "tokens" else (2_000 if of == "anthropic" else None)
        requests.append(Request(position=position, messages=[{"role": "user", "content": text}], max_tokens=cap))
    return requests


def _costs(of: str, requests: list[Request]) -> list[float]:
    """About what each request costs in the dimension that binds."""
    if of == "requests":
        return [1.0] * len(requests)
    inputs = [len(request.messages[0]["content"]) / _CHARS + 7 for request in requests]
    if of == "anthropic":
        return inputs
    return [tokens + (request.max_tokens or 0) for tokens, request in zip(inputs, requests, strict=True)]


def _enforced(rng: Random, of: str, rate: float, requests: list[Request]) -> _Binding:
    costs = _costs(of, requests)
    per_second = rate * sum(costs) / len(costs)
    least = max(costs) * 2.4 / per_second  # even when halved, the largest request must fit
    form = rng.choices(["bucket", "second", "fixed1", "fixed10", "fixed60", "sliding60"], weights=[8, 2, 1, 1, 2, 1])[0]
    dimension = {"anthropic": "input"}.get(of, of)
    if form == "bucket":
        burst = max(least, _log_uniform(rng, 0.5, 60.0)) * per_second
        return _Binding(dimension, per_second, 60.0, "continuous", max(1.0, burst))
    if form == "sliding60":
        return _Binding(dimension, per_second, max(60.0, least), "sliding", None)
    span = {"second": 1.0, "fixed1": 1.0, "fixed10": 10.0, "fixed60": 60.0}[form]
    span = max(span, ceil(least))
    if of == "requests":
        per_second = max(1, round(per_second * span)) / span  # whole requests, so that nobody rounds
    return _Binding(dimension, per_second, span, "continuous" if form == "second" else "fixed", None)


def _limits(of: str, binding: _Binding, requests: list[Request]) -> tuple[list[Limit], Limits]:
    amount = binding.rate * 60
    span = None if binding.burst is not None else binding.span
    main = Limit(of=binding.of, amount=amount, span=span, window=binding.window, burst=binding.burst)  # type: ignore[arg-type] # made of the literals above
    if of == "requests":
        return [main], Limits(requests_per_minute=amount)
    costs = _costs(of, requests)
    per_request = sum(costs) / len(costs)
    rpm = ceil(amount / per_request * 3) + 60
    if of == "tokens":
        return [Limit(of="requests", amount=rpm), main], Limits(requests_per_minute=rpm, tokens_per_minute=amount)
    outputs = rpm * 400.0
    told = Limits(requests_per_minute=rpm, input_tokens_per_minute=amount, output_tokens_per_minute=outputs)
    return [Limit(of="requests", amount=rpm), main, Limit(of="output", amount=outputs)], told


def _charging(rng: Random, of: str) -> str:
    return "anthropic" if of == "anthropic" else rng.choice(["openai-sum", "azure"])


def _changes(rng: Random, kind: str, ends: float) -> list[Change]:
    if kind in {"told", "ramp", "calls"} or rng.random() > 0.3:
        return []
    first, second = (0.5, 1.0) if rng.random() < 0.6 else (2.0, 1.0)
    return [Change(at=ends * 0.35, factor=first), Change(at=ends * 0.7, factor=second)]


def _rivals(rng: Random, kind: str, ends: float) -> list[Rival]:
    if kind not in {"headers", "blind", "words"} or rng.random() > 0.15:
        return []
    return [Rival(share=0.5, start=ends * 0.3, until=ends * 0.8)]


def _headers(rng: Random, kind: str, of: str) -> Headers:
    waits = rng.choice([("seconds", "text"), ("seconds",), ("float",), ("ms",), ()])
    if kind == "words":
        return Headers(spelling="none", waits=waits)
    if kind in {"told", "blind", "calls", "ramp", "stray"}:
        silent = kind == "stray" or (kind == "blind" and rng.random() < 0.3)
        return Headers(spelling="none", waits=() if silent else waits, words="kind")
    spelling = "anthropic" if of == "anthropic" else rng.choice(["openai", "openai", "azure", "litellm"])
    lag = rng.choice([0.0, 0.0, 2.0])
    lie = "none"
    if kind == "lies":
        lag, lie = rng.choice([(15.0, "none"), (0.0, "double"), (0.0, "full"), (0.0, "unknown"), (0.0, "past")])
    when = rng.choice(["admission", "admission", "answer"])
    return Headers(spelling=spelling, lag=lag, lie=lie, waits=waits, when=when, words="kind")  # type: ignore[arg-type] # made of literals
