"""The best that any client could do, to measure clients against.

Four answers to "how long must this take?":

- `least_time`: a bound in closed form. By time t a limit has let through at most `start + rate * t` (continuous), or
  its allowance times the windows begun by then, so a total of C can't all be admitted before
  `(C - start) / rate`; the largest over all limits is the bound on the last admission. Changes and rivals make the rate
  piecewise constant. Latency, ramps and caps on calls at once are not in it.
- `paced`: a client that knows the limits and spreads its requests evenly: request i leaves when the steady rate has
  paid for all before it, `max over limits of (C_1 + ... + C_i-1) / rate`, and the makespan is the latest of leaving +
  latency. It never uses a burst that was saved up, so on a limit that starts full a client may be faster.
  `departures` is its plan, row by row.
- `greedy`: a client to whom the provider tells its exact state: each request, in order, leaves in the first instant in
  which it would be admitted. No client that keeps the order can admit its last request earlier. With *window* it has a
  fixed number of calls out at once, which is how hardware without limits is measured.
- `steadfast`: a client that keeps a fixed number of calls out at once whatever goes wrong, and repeats a call that
  failed in the same instant.

Costs and latencies are the provider's own, on the same seed; only for `steadfast` with the faults of that seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from math import inf
from typing import Final

import msgspec

from brim.protocols import WireRequest
from brim.simulator.buckets import SLACK
from brim.simulator.delivery import Ending
from brim.simulator.exchange import Exchange
from brim.simulator.limits import DIMENSIONS, Amounts, per_second
from brim.simulator.model import Provider
from brim.simulator.scenario import Limit, Scenario

__all__ = ["Makespan", "departures", "greedy", "least_time", "paced", "steadfast"]


class Makespan(msgspec.Struct, frozen=True):
    """How long a client took: when its last request left, and when its last answer was there."""

    last_sent: float
    ended: float


def _segments(scenario: Scenario, limit: Limit) -> list[tuple[float, float]]:
    """From when on which rate holds, as a share of the first."""
    edges = {0.0}
    edges.update(change.at for change in scenario.changes)
    edges.update(edge for rival in scenario.rivals for edge in (rival.start, rival.until) if edge < inf)
    return [(edge, _factor(scenario, limit, edge)) for edge in sorted(edges)]


def _factor(scenario: Scenario, limit: Limit, at: float) -> float:
    factor = 1.0
    for change in sorted(scenario.changes, key=lambda change: change.at):
        if change.at <= at and change.of in {"all", limit.of}:
            factor = change.factor
    rivals = sum(rival.share for rival in scenario.rivals if rival.start <= at < rival.until)
    return factor * max(0.0, 1.0 - rivals)


def _time_for(segments: Sequence[tuple[float, float]], amount: float, rate: float) -> float:
    """When *rate*, bent by *segments*, has brought *amount*."""
    for place, (start, factor) in enumerate(segments):
        end = segments[place + 1][0] if place + 1 < len(segments) else inf
        speed = rate * factor
        if speed > 0 and amount <= speed * (end - start):
            return start + max(0.0, amount) / speed
        amount -= speed * (end - start) if speed else 0.0
    return inf


def least_time(scenario: Scenario, totals: Sequence[float]) -> float:
    """Seconds before which no client can have had *totals* admitted, in the order of `DIMENSIONS`."""
    return max((_least(scenario, limit, totals[DIMENSIONS.index(limit.of)]) for limit in scenario.limits), default=0.0)


def _least(scenario: Scenario, limit: Limit, total: float) -> float:
    segments = _segments(scenario, limit)
    start = limit.capacity if limit.start == "full" else 0.0
    if limit.window != "continuous":
        # A window that has begun before second 0, and what a limit that grows lets through at once.
        start += limit.capacity * (limit.phase % limit.window_s != 0)
        factors = [factor for _, factor in segments]
        start += limit.capacity * sum(max(0.0, after - before) for before, after in pairwise(factors))
    return _time_for(segments, total - start, per_second(limit)) if total > start else 0.0


def _bare(scenario: Scenario) -> Scenario:
    """The provider without its limits and faults, to ask what calls cost and how long they take."""
    return msgspec.structs.replace(
        scenario, limits=(), faults=(), ramp=None, concurrency=None, credit_tokens=None, rivals=(), changes=()
    )


def departures(scenario: Scenario, requests: Iterable[WireRequest]) -> Iterator[tuple[float, float]]:
    """When each request leaves a client that knows the limits and paces evenly, and how long its answer takes."""
    provider = Provider(_bare(scenario))
    meters = [
        (DIMENSIONS.index(limit.of), per_second(limit), _segments(scenario, limit), limit.start == "empty")
        for limit in scenario.limits
    ]
    spent = [0.0] * len(DIMENSIONS)
    running: list[float] = []
    for request in requests:
        cost, latency = _priced(provider, request)
        leaves = max(
            (_time_for(segments, spent[of] + cost[of] * is_late, rate) for of, rate, segments, is_late in meters),
            default=0.0,
        )
        if scenario.concurrency is not None and len(running) >= scenario.concurrency:
            leaves = max(leaves, heappop(running))
        heappush(running, leaves + latency)
        spent = [before + amount for before, amount in zip(spent, cost, strict=True)]
        yield leaves, latency


def paced(scenario: Scenario, requests: Iterable[WireRequest]) -> Makespan:
    """How long the client takes that knows the limits and paces evenly."""
    last = ended = 0.0
    for leaves, latency in departures(scenario, requests):
        last, ended = max(last, leaves), max(ended, leaves + latency)
    return Makespan(last, ended)


def _priced(provider: Provider, request: WireRequest) -> tuple[Amounts, float]:
    """What a call costs in the end, and how long its answer takes on idle hardware."""
    exchange = _send(provider, request, 0.0)
    assert exchange.cost is not None, "the oracle needs requests that a provider without limits accepts"
    provider.finish(exchange, 0.0)
    cost = exchange.cost
    made = float(exchange.spent[1]) if cost.is_metered else 0.0
    _, total, inputs, outputs = (taken + later for taken, later in zip(cost.take, cost.correction, strict=True))
    return (1.0, total + made, inputs, outputs + made), exchange.delivery.end_at


def _send(provider: Provider, request: WireRequest, now: float) -> Exchange:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return provider.receive(request.url, headers, request.body, now)


def greedy(scenario: Scenario, requests: Iterable[WireRequest], *, window: int | None = None) -> Makespan:
    """How long the client takes that knows the provider's state, with at most *window* calls out at once."""
    provider = Provider(msgspec.structs.replace(scenario, faults=()))
    running: list[tuple[float, int, Exchange]] = []
    now = ended = 0.0
    for request in requests:
        now = _admitted_at(provider, request, running, window, now)
        exchange = _send(provider, request, now)
        end = exchange.delivery.end_at
        heappush(running, (end, exchange.ordinal, exchange))
        ended = max(ended, end)
    return Makespan(now, ended)


def steadfast(scenario: Scenario, requests: Iterable[WireRequest], *, slots: int, timeout: float) -> Makespan:
    """How long the client takes that has *slots* calls out at once and repeats what failed without a pause.

    No client that learns of a fault only when it has happened can do better but by luck. A call that hangs costs its
    *timeout* in seconds, any other fault what it takes to come back; a call that meets any fault counts as failed, and
    every request must be answered in the end.
    """
    provider = Provider(msgspec.structs.replace(_bare(scenario), faults=scenario.faults))
    free = [0.0] * slots
    last = ended = 0.0
    for request in requests:
        now = heappop(free)
        is_done = False
        while not is_done:
            # What befalls a call hangs on its request and its try alone, so rows may be asked one after the other.
            exchange = _send(provider, request, now)
            end = min(exchange.delivery.end_at, now + timeout)
            is_late = exchange.delivery.end is Ending.HANG or exchange.delivery.end_at > end
            last, now = max(last, now), now + timeout if is_late else end
            is_done = not (exchange.fault or exchange.refusal or is_late)
        heappush(free, now)
        ended = max(ended, now)
    return Makespan(last, ended)


def _admitted_at(
    provider: Provider, request: WireRequest, running: list[tuple[float, int, Exchange]], window: int | None, now: float
) -> float:
    """The first instant from *now* on in which *request* would be admitted."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    while True:
        while running and running[0][0] <= now:
            end, _, exchange = heappop(running)
            provider.finish(exchange, end)
        if window is not None and len(running) >= window:
            now = running[0][0]
            continue
        wait, reason = provider.ready_in(request.url, headers, request.body, now)
        if not reason:
            return now
        if reason in _UNTIL_ONE_ENDS and running:
            now = running[0][0]
        elif SLACK < wait < inf:
            now += wait
        else:
            raise ValueError(f"no client can get this request admitted: {reason}")


_UNTIL_ONE_ENDS: Final = frozenset({"too_many_at_once", "busy"})
