"""Whole lanes before a provider that refuses: told, shown, told nothing, and where refusals count."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from brim.config import Limits
from brim.engine.lane import Settings
from brim.protocols import WireRequest
from brim.simulator import Capacity, Headers, Latency, Limit, Provider, Scenario, SimTransport
from brim.transport.scripted import Answers, Scripted
from engine.support import Played, ask, play, refusal, reply

RATE = 10.0
COUNT = 3_000


def carry(scenario: Scenario, limits: Limits | None = None) -> tuple[Played, Provider, float]:
    """Carry the requests; the last value is the share that was refused."""
    provider = Provider(scenario)
    requests = (ask(position, f"question {position}") for position in range(COUNT))
    played = play(SimTransport(provider), requests, Settings(limits=limits or Limits(), seed=1))
    assert played.positions == list(range(COUNT))
    return played, provider, provider.tally.refused.total() / COUNT


def limited(
    *,
    spelling: str,
    span: float = 60.0,
    counts: bool = False,
    waits: tuple[str, ...] = ("seconds",),
    words: Literal["limit", "kind"] = "kind",
) -> Scenario:
    return Scenario(
        limits=[Limit(of="requests", amount=RATE * 60, burst=RATE * span)],
        headers=Headers(spelling=spelling, waits=waits, words=words),  # type: ignore[arg-type] # literals of the callers below
        latency=Latency(first=2.0, spread=0.3),
        refusals_count=counts,
    )


def test_told_the_limit_fills_it_without_a_refusal() -> None:
    """
    Even pacing, one hundredth above the ideal at most.
    """
    played, _, refused = carry(limited(spelling="none", span=1.0), Limits(requests_per_minute=RATE * 60))

    assert played.ended_at <= 1.01 * (COUNT / RATE + 2.0) + 3.0
    assert refused == 0.0


def test_shown_the_limit_uses_the_burst_too() -> None:
    """
    With a minute's burst in hand a run of five minutes takes one minute less.
    """
    played, _, refused = carry(limited(spelling="openai"))

    assert played.ended_at <= 0.87 * COUNT / RATE
    assert refused <= 0.005


@pytest.mark.parametrize("waits", [("seconds",), ()])
@pytest.mark.parametrize("counts", [False, True])
def test_told_nothing_finds_the_rate(waits: tuple[str, ...], *, counts: bool) -> None:
    """
    Refusals alone teach it, whether they count against the limit or not, whether they name a wait or not.
    """
    played, _, refused = carry(limited(spelling="none", span=5.0, counts=counts, waits=waits))

    assert played.ended_at <= 1.1 * COUNT / RATE
    assert refused <= 0.03


@pytest.mark.parametrize("counts", [False, True])
def test_a_limit_that_refusals_name_need_not_be_found(*, counts: bool) -> None:
    """
    No headers, but the words of the first refusal: it is kept from then on.
    """
    played, _, refused = carry(limited(spelling="none", span=5.0, counts=counts, words="limit"))

    assert played.ended_at <= 1.025 * COUNT / RATE
    assert refused <= 0.01


def test_a_refusal_that_shows_the_limit_lets_more_go_at_once() -> None:
    """
    Although nothing comes home for half a minute: a limit that is known needs no answers to be filled.
    """
    scenario = Scenario(limits=[Limit(of="requests", amount=180.0, burst=5.0)], latency=Latency(first=30.0))
    requests = (ask(position) for position in range(300))
    played = play(SimTransport(Provider(scenario)), requests, Settings(seed=1))

    assert played.ended_at <= 300 / 3.0 + 31.0


@pytest.mark.parametrize("phase", [0.0, 25.0])
def test_a_weighted_window_that_headers_show_holds_no_stated_rate_back(phase: float) -> None:
    """
    Less comes back while the window before is the first one, and headers seem to show that somebody takes a part.
    """
    limit = Limit(of="requests", amount=600.0, window="weighted", phase=phase)
    scenario = Scenario(limits=[limit], headers=Headers(spelling="openai"), latency=Latency(first=0.5, spread=0.3))
    _, _, refused = played = carry(scenario, Limits(requests_per_minute=600))

    assert played[0].ended_at <= 1.01 * (COUNT / RATE + 0.5)
    assert refused == 0.0


def test_a_bucket_of_one_call_that_headers_show_is_filled() -> None:
    """
    It never shows anything left, and refuses what comes a moment too early: once is enough to keep further apart.
    """
    headers = Headers(spelling="azure", waits=("seconds",))
    latency = Latency(first=4.0, spread=0.3, refusal=0.05)
    provider = Provider(
        Scenario(limits=[Limit(of="requests", amount=120.0, burst=1.0)], headers=headers, latency=latency)
    )
    played = play(SimTransport(provider), (ask(position) for position in range(600)), Settings(seed=1))

    assert played.ended_at <= 1.02 * 600 / 2.0 + 6.0
    assert provider.tally.refused.total() <= 10


@pytest.mark.parametrize("seed", [2, 4, 6])
def test_a_rate_that_waits_seem_to_tell_is_left_again(seed: int) -> None:
    """
    Where the first refusals find a fraction of a call in the bucket their waits promise up to ten times the rate; what
    is refused then is no stray.
    """
    scenario = Scenario(
        limits=[Limit(of="requests", amount=3_000, burst=20)],
        refusals_count=True,
        latency=Latency(first=0.25, spread=0.3, refusal=0.003),
        headers=Headers(spelling="none", words="kind"),
        seed=seed,
    )
    requests = (ask(position, f"{position:08} hi") for position in range(900))
    played = play(SimTransport(Provider(scenario)), requests, Settings(seed=seed))

    assert played.ended_at <= 1.3 * 900 / 50.0


@pytest.mark.parametrize(("words", "slowest", "most"), [("kind", 1.25, 0.05), ("limit", 1.1, 0.02)])
def test_finds_a_cap_on_calls_at_once(words: Literal["limit", "kind"], slowest: float, most: float) -> None:
    """
    A provider that limits nothing but concurrency is kept busy, sooner still where refusals say that they are for that.
    """
    headers = Headers(spelling="none", waits=(), words=words)
    played, _, refused = carry(Scenario(concurrency=40, latency=Latency(first=2.0), headers=headers))

    assert played.ended_at <= slowest * COUNT * 2.0 / 40
    assert refused <= most


def test_fills_hardware_without_limits() -> None:
    """
    A server of one's own that saturates at 24 calls, and is slower in all with more, is filled, and not flooded.

    A ramp that triples ends soon after, and a tenth more than fill it remain.
    """
    scenario = Scenario(
        vendor="vllm", seed=2, capacity=Capacity(knee=24, power=1.2), latency=Latency(first=1.0, spread=0.2)
    )
    played, provider, refused = carry(scenario)

    assert played.ended_at <= 1.06 * COUNT * 1.02 / 24
    assert provider.tally.peak <= 5 * 24
    assert refused == 0.0


@pytest.mark.parametrize("slots", [1, 4])
def test_nothing_that_waits_for_its_turn_is_sent_twice(slots: int) -> None:
    """
    A server that works on few at a time and lets the others wait for minutes is asked for each answer once.
    """
    provider = Provider(Scenario(vendor="llamacpp", capacity=Capacity(slots=slots), latency=Latency(first=20.0)))
    played = play(SimTransport(provider), (ask(position) for position in range(300)), Settings(seed=1))

    assert played.positions == list(range(300))
    assert provider.tally.arrived == 300
    assert played.ended_at == pytest.approx(300 * 20.0 / slots, rel=0.01)
    assert provider.tally.peak <= 200


@pytest.mark.parametrize("second", [10.5, 13.0])
def test_a_limit_a_second_beside_headers_that_show_plenty_costs_next_to_nothing(second: float) -> None:
    """
    The minute is shown as all but unused, and the second refuses what the minute would let through at once.

    What is shown comes back all the same: no burst is tried again and again, and no refusal halves the pace for long.
    """
    scenario = limited(spelling="openai")
    hidden = Limit(of="requests", amount=second * 60, window="sliding", span=1.0)
    played, _, refused = carry(msgspec.structs.replace(scenario, limits=[*scenario.limits, hidden]))

    assert played.ended_at <= 1.045 * COUNT / RATE
    assert refused <= 0.003


def test_where_what_is_shown_sets_no_pace_after_all_not_everything_goes_at_once() -> None:
    """
    A refusal shows a limit of 18, and the answers after it that this is a day's: no rate holds calls back then.
    """
    shown = {"x-ratelimit-limit-requests": "18"}

    def far(request: WireRequest) -> Answers:
        number = len(far_end.requests)
        if number == 8:
            headers = shown | {"x-ratelimit-remaining-requests": "0", "retry-after": "30"}
            return msgspec.structs.replace(refusal(429), headers=headers)
        headers = shown | {"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "12h"}
        return msgspec.structs.replace(reply(after=8.0), headers=headers)

    far_end = Scripted(then=far)
    played = play(far_end, (ask(each) for each in range(300)), Settings(seed=1))

    assert played.positions == list(range(300))
    assert sum(30.0 < at < 32.0 for at in far_end.sent_at) < 40


def said(tokens: tuple[int, int], headers: dict[str, str]) -> Answers:
    return msgspec.structs.replace(reply(after=1.0, tokens=tokens), headers=headers)


SHOWN = {"x-ratelimit-limit-tokens": "60000", "x-ratelimit-remaining-tokens": "50000"}


STATED: list[tuple[Limits, dict[str, str]]] = [
    (Limits(tokens_per_minute=60_000), {}),
    (Limits(input_tokens_per_minute=60_000, output_tokens_per_minute=60_000), {}),
    (Limits(tokens_per_day=400_000), {}),
]
UNSTATED: list[tuple[Limits, dict[str, str]]] = [(Limits(), SHOWN), (Limits(), {})]
ABSURD = [(2**32 - 1, 5), (10, 2**32 - 1), (2**40, 2**40)]
MUCH = [(5_000_000, 5), (10, 5_000_000)]
"""As much as that may be, but not where so much less is stated for a whole minute or day."""


@pytest.mark.parametrize(
    ("odd", "known"),
    [(odd, known) for odd in ABSURD for known in STATED + UNSTATED]
    + [(odd, known) for odd in MUCH for known in STATED],
)
def test_an_answer_that_says_it_used_what_none_can_costs_no_time(
    odd: tuple[int, int], known: tuple[Limits, dict[str, str]]
) -> None:
    """
    What a call took by the words of a relay that counts wrongly is not waited for, be it years.
    """
    limits, headers = known
    count = 0

    def answer(_: WireRequest) -> Answers:
        nonlocal count
        count += 1
        return said(odd if count == 5 else (10, 5), headers)

    played = play(Scripted(then=answer), (ask(each) for each in range(300)), Settings(limits=limits, seed=1))

    assert len(played.recorded) == 300
    assert played.ended_at < 120.0


def test_what_a_call_may_have_used_is_paid_for() -> None:
    """
    Twice what is stated for a minute is much and can be: two minutes go by.
    """
    answers = iter([(120_000, 5)])

    def answer(_: WireRequest) -> Answers:
        return reply(after=1.0, tokens=next(answers, (10, 5)))

    limits = Limits(input_tokens_per_minute=60_000, concurrency=1)
    played = play(Scripted(then=answer), (ask(each) for each in range(10)), Settings(limits=limits, seed=1))

    assert 110.0 < played.ended_at < 140.0
