"""Lanes before a relay that refuses a share of all calls by chance, with a limit besides or without any."""

from __future__ import annotations

import asyncio

import pytest

from brim.config import Limits
from brim.engine.lane import Settings
from brim.protocols import WireRequest, WireResponse
from brim.simulator import FaultRule, Headers, Latency, Limit, Provider, Scenario, SimTransport
from brim.transport import Phases
from brim.transport.scripted import Answers, Scripted
from engine.support import ask, play, refusal, reply

COUNT = 3_000
RATE = 20.0


@pytest.mark.parametrize(
    ("share", "wait_s", "rate", "within_s"),
    [
        (0.1, 0.001, None, 30.0),
        (0.15, 0.001, None, 3_000.0),
        (0.1, 1.0, None, 900.0),
        (0.1, 0.001, RATE, 4.0 * COUNT / RATE),
        (0.05, 1.0, RATE, 3.0 * COUNT / RATE),
    ],
)
def test_chance_does_not_make_a_lane_sink(share: float, wait_s: float, rate: float | None, within_s: float) -> None:
    """
    Believed one by one, such refusals made a lane slower and slower: some of these took hours.
    """
    limits = [] if rate is None else [Limit(of="requests", amount=60.0 * rate, burst=rate)]
    headers = Headers(spelling="none", words="kind", waits=("seconds",) if wait_s >= 1.0 else ())
    faults = [FaultRule(kind="throttled", chance=share, seconds=wait_s)]
    scenario = Scenario(seed=1, limits=limits, headers=headers, latency=Latency(first=1.0, spread=0.3), faults=faults)
    played = play(SimTransport(Provider(scenario)), (ask(each) for each in range(COUNT)), Settings(seed=1))

    assert played.positions == list(range(COUNT))
    assert played.ended_at <= within_s


@pytest.mark.parametrize("status", [401, 402])
def test_one_dead_key_of_five_behind_a_relay_stops_nothing(status: int) -> None:
    """
    Every fifth call is denied at once, and answers take three seconds: the lane goes on at its limit, and no row fails.
    """
    calls = 0

    def far(_: WireRequest) -> Answers:
        nonlocal calls
        calls += 1
        return refusal(status, code="no_key") if calls % 5 == 0 else reply(after=3.0)

    settings = Settings(seed=1, limits=Limits(requests_per_minute=600))
    played = play(Scripted(then=far), (ask(each) for each in range(COUNT)), settings)

    assert played.positions == list(range(COUNT))
    assert all(result.text is not None for result in played.recorded)
    assert played.ended_at < 1.05 * 1.25 * COUNT / 10.0


def test_every_fifth_call_is_refused_and_the_lane_does_not_sink() -> None:
    """
    One key of five behind a relay is throttled for good. Believed one by one its refusals made the lane ask for ever.
    """
    calls = 0

    def far(_: WireRequest) -> Answers:
        nonlocal calls
        calls += 1
        return refusal(429) if calls % 5 == 0 else reply(after=3.0)

    played = play(Scripted(then=far), (ask(each) for each in range(COUNT)), Settings(seed=1))

    assert played.positions == list(range(COUNT))
    assert played.ended_at < 1_200.0


class Watched(SimTransport):
    """Remembers how long after a refusal the same request came again."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider)
        self.refused: dict[bytes, float] = {}
        self.rests: list[float] = []
        self.meanwhile = 0

    async def exchange(self, request: WireRequest, phases: Phases) -> WireResponse:
        """One exchange."""
        now = asyncio.get_running_loop().time()
        at = self.refused.pop(request.body, None)
        if at is not None:
            self.rests.append(now - at)
        self.meanwhile += any(now - each < 1.0 for each in self.refused.values())
        response = await super().exchange(request, phases)
        if response.status == 429:
            self.refused[request.body] = asyncio.get_running_loop().time()
        return response


def test_a_row_that_chance_refuses_waits_as_long_as_it_is_told() -> None:
    """
    Also where it is known to be chance, and nobody else waits.
    """
    scenario = Scenario(
        seed=1,
        headers=Headers(spelling="none", words="kind", waits=("seconds",)),
        latency=Latency(first=1.0),
        faults=[FaultRule(kind="throttled", chance=0.1, seconds=5.0)],
    )
    transport = Watched(Provider(scenario))
    play(transport, (ask(each, f"question {each}") for each in range(2_000)), Settings(seed=1))

    assert len(transport.rests) > 100
    assert min(transport.rests) >= 5.0
    assert transport.meanwhile > 200
