"""Lanes before limits as people write them down, told nothing: few calls a minute, logs of a minute, whole seconds.

And limits of tokens where calls say that they may make far more than they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import pytest

from brim.config import Limits
from brim.engine.lane import Settings
from brim.simulator import Change, Headers, Latency, Lengths, Limit, Provider, Scenario, SimTransport
from brim.values import Request
from engine.support import ask, play


@dataclass(frozen=True)
class World:
    """One limit, and how its refusals speak."""

    rate: float
    limit: Limit
    waits: Sequence[str] = ()
    spelling: str = "none"
    latency: float = 2.0
    seconds: float = 600.0
    seed: int = 1
    factor: float | None = None
    counts: bool = False

    def plays(self) -> tuple[float, float, float]:
        """Times as long as even pacing takes; and of the last three quarters how full and how much refused."""
        ended_at, log = self.run()
        accepted = [at for at, what in log if what == "accept"]
        since, until = accepted[-1] / 4, accepted[-1]
        admitted = sum(since < at <= until for at in accepted)
        refused = sum(since < at <= until for at, what in log if what == "refuse")
        fill = admitted / (until - since) / self.rate
        return ended_at / (self.seconds + self.latency), fill, refused / admitted

    def run(self) -> tuple[float, list[tuple[float, str]]]:
        """When the run ended; and of each call when it came and what became of it.

        So many times the limit is stated, if *factor* is.
        """
        stated = None if self.factor is None else 60.0 * self.rate * self.factor
        settings = Settings(seed=self.seed, limits=Limits(requests_per_minute=stated))
        headers = Headers(spelling=self.spelling, words="kind", waits=self.waits)  # type: ignore[arg-type]
        latency = Latency(first=self.latency, spread=0.4)
        scenario = Scenario(
            seed=self.seed, limits=[self.limit], headers=headers, latency=latency, refusals_count=self.counts
        )
        provider = Provider(scenario, keeps_log=True)
        count = int(self.rate * self.seconds)
        played = play(SimTransport(provider), (ask(each) for each in range(count)), settings)
        assert played.positions == list(range(count))
        return played.ended_at, [(entry[0], entry[1]) for entry in provider.log]


def requests(rate: float, **enforced: object) -> Limit:
    """So many a second, *enforced* as it is said."""
    return Limit(of="requests", amount=60.0 * rate, **enforced)  # type: ignore[arg-type]


@pytest.mark.parametrize("waits", [(), ("float",)], ids=["no wait", "exact waits"])
def test_a_few_calls_a_minute_one_at_a_time_are_found_and_kept_to(waits: Sequence[str]) -> None:
    """
    Eighteen a minute, never two at once. For as long as a run took a fifth was refused and a fifth left unused: a pace
    that grows by the second is far beyond such a limit before the next call goes.
    """
    _, fill, refused = World(0.3, requests(0.3, burst=1), waits, seconds=1_500.0).plays()

    assert fill >= 0.95
    assert refused <= 0.03


@pytest.mark.parametrize(
    ("limit", "waits"),
    [
        (requests(0.3, window="sliding"), ()),
        (requests(0.3, window="sliding"), ("float",)),
        (requests(1.0, window="sliding"), ("float",)),
        (requests(4.0, window="sliding", span=10.0), ()),
        (requests(4.0, window="sliding"), ("float",)),
    ],
    ids=["18 a minute", "18 a minute, exact waits", "60 a minute, exact waits", "40 in ten", "240 a minute"],
)
def test_a_log_is_filled_to_the_last_call(limit: Limit, waits: Sequence[str]) -> None:
    """
    A window that slides allows a whole number of calls. One too few was allowed, and the next held a step too long.
    """
    _, fill, refused = World(limit.rate, limit, waits, latency=0.3, seconds=1_500.0).plays()

    assert fill >= 0.96
    assert refused <= 0.013


@pytest.mark.parametrize(
    "limit",
    [
        requests(20.0, window="sliding"),
        requests(20.0, window="sliding", span=30.0),
        requests(20.0, window="sliding", span=15.0),
    ],
    ids=["a minute", "half a minute", "a quarter"],
)
def test_a_log_that_names_whole_seconds_is_not_forgotten_when_it_is_full_again(limit: Limit) -> None:
    """
    It lets through what went a span ago, which is little where the run was still gathering speed, and refuses again.
    Taken for a bucket after that, such a log cost two or three times what it had to.
    """
    ratio, _, refused = World(20.0, limit, ("seconds",), seconds=120.0).plays()

    assert ratio <= 1.1
    assert refused <= 0.01


@pytest.mark.parametrize("rate", [4.0, 20.0])
def test_a_log_of_ten_seconds_is_not_taken_for_one_of_five(rate: float) -> None:
    """
    No wait is named, and its block is seen for a few seconds only. One of five seconds would have had room by then.
    """
    ratio, _, refused = World(rate, requests(rate, window="sliding", span=10.0), latency=0.3, seconds=120.0).plays()

    assert ratio <= 1.15
    assert refused <= 0.01


@pytest.mark.parametrize(("rate", "latency"), [(0.3, 12.0), (1.0, 4.0)])
def test_a_bucket_of_one_call_is_no_cap_on_calls_at_once(rate: float, latency: float) -> None:
    """
    Of the first volley it lets one through. Taken for a cap of one, it was asked once in the time of an answer: a run
    of 36 calls took six minutes instead of two.
    """
    worlds = [World(rate, requests(rate, burst=1), latency=latency, seconds=121.0, seed=seed) for seed in range(1, 5)]

    assert max(world.plays()[0] for world in worlds) <= 1.8


@pytest.mark.parametrize(("rate", "span"), [(0.2, 60.0), (1.0, 10.0)], ids=["12 a minute", "10 in ten seconds"])
def test_a_small_log_that_headers_show_is_filled(rate: float, span: float) -> None:
    """
    One call of so few was always left alone; and with twelve a minute it took many minutes to see that they slide.
    """
    world = World(rate, requests(rate, window="sliding", span=span), spelling="openai", seconds=1_000.0)

    _, fill, refused = world.plays()

    assert fill >= 0.89
    assert refused <= 0.01


@pytest.mark.parametrize(("rate", "latency"), [(8.0, 0.5), (8.0, 1.0), (30.0, 0.2)])
@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_a_limit_a_second_under_names_that_mean_a_minute_is_known_at_once(
    window: str, rate: float, latency: float
) -> None:
    """
    Of the first volley one is refused, and shows what the limit is. It was thought to be a minute's for half a minute.
    """
    limit = Limit(of="requests", amount=rate, per="second", window=window)  # type: ignore[arg-type]

    ratio, _, refused = World(rate, limit, spelling="openai", latency=latency, seconds=45.0).plays()

    assert ratio <= 1.2
    assert refused <= 0.01


@pytest.mark.parametrize(
    ("factor", "spelling"), [(1.3, "none"), (3.0, "openai")], ids=["a third too high", "three times what is shown"]
)
def test_a_limit_that_is_stated_too_high_is_found_to_be_lower(factor: float, spelling: str) -> None:
    """
    A tier is taken for another: whole seconds' waits would take a third of the time for as long as the run takes.
    """
    world = World(20.0, requests(20.0, burst=10), ("seconds",), spelling, latency=0.5, seconds=300.0, factor=factor)

    _, fill, refused = world.plays()

    assert fill >= 0.95
    assert refused <= 0.01


@pytest.mark.parametrize("waits", [(), ("seconds",)], ids=["no wait", "whole seconds"])
@pytest.mark.parametrize("latency", [0.5, 12.0])
def test_a_bucket_that_others_had_emptied_is_a_limit_all_the_same(waits: Sequence[str], latency: float) -> None:
    """
    A run that begins right after another one is refused at first, and then more gets through than in that moment: that
    passed for chance, which a limit goes on refusing for as long as a run takes: a fifth of the calls, and more.
    """
    limit = requests(0.3, start="empty")
    plays = [World(0.3, limit, waits, latency=latency, seconds=400.0, seed=seed).plays() for seed in (1, 2, 3)]
    ratio, fill, refused = (mean(each) for each in zip(*plays, strict=True))
    assert ratio < 1.03
    assert fill > 0.95
    assert refused < 0.12


@pytest.mark.parametrize("latency", [0.5, 12.0])
def test_a_dash_into_a_limit_ends_after_a_few(latency: float) -> None:
    """
    Each refusal names how long to wait, so that every second call gets through: a fifth of all was refused.
    """
    worlds = [World(0.3, requests(0.3), ("seconds",), latency=latency, seconds=400.0, seed=seed) for seed in (1, 2, 3)]
    _, fill, refused = (mean(each) for each in zip(*(world.plays() for world in worlds), strict=True))
    assert fill > 0.97
    assert refused < 0.12


def test_a_row_that_comes_last_before_each_refusal_costs_nothing_of_what_is_known() -> None:
    """
    Refused calls count, and one row was refused each time that the pace was too high, as no other. What others had
    taught was forgotten then, and nine went at once.
    """
    ratio, fill, refused = World(0.3, requests(0.3), ("float",), latency=0.5, seconds=400.0, counts=True).plays()
    assert ratio < 1.05
    assert fill > 0.85
    assert refused < 0.15


def test_a_cap_beside_a_rate_never_sets_a_lane_free() -> None:
    """
    Three calls at once, and four a second. While a number of calls was tried, whatever the rate said, a refusal took
    away the bound above: the rate was infinite, and hundreds were refused in a second.
    """
    refused = []
    for seed in range(1, 9):
        headers = Headers(spelling="none", words="kind", waits=("seconds",))
        latency = Latency(first=0.5, spread=0.3, refusal=0.05)
        scenario = Scenario(seed=seed, limits=[requests(4.0)], concurrency=3, headers=headers, latency=latency)
        provider = Provider(scenario)
        play(SimTransport(provider), (ask(each) for each in range(1_600)), Settings(seed=seed))
        refused.append(provider.tally.refused.total())
    assert max(refused) < 0.1 * 1_600


@pytest.mark.parametrize("rate", [1.0, 4.0])
@pytest.mark.parametrize("latency", [0.5, 12.0])
def test_a_window_that_counts_on_in_the_next_one_is_no_days(rate: float, latency: float) -> None:
    """
    Its resets are two minutes away, and passed for those of a limit per day, which sets no pace: nothing held calls
    back but what refusals taught, half of them were refused, and a run took twice as long.
    """
    limit = requests(rate, window="weighted")
    plays = [World(rate, limit, (), "openai", latency, 400.0, seed).plays() for seed in (1, 2, 3)]
    ratio, fill, refused = (mean(each) for each in zip(*plays, strict=True))
    assert ratio < 1.25
    assert fill > 0.8
    assert refused < 0.01


@pytest.mark.parametrize(
    ("rate", "latency", "waits", "most"),
    [(40.0, 2.0, (), 1.3), (40.0, 2.0, ("seconds",), 1.16), (10.0, 0.1, (), 1.12)],
    ids=["no wait", "whole seconds", "quick"],
)
def test_a_log_of_ten_seconds_is_known_by_its_first_block(
    rate: float, latency: float, waits: Sequence[str], most: float
) -> None:
    """
    Who begins slowly sees a trickle come back when the first block is over, and took it for the rate; and each block
    was asked about eight seconds later, although it was known by then when the window has room.
    """
    limit = requests(rate, window="sliding", span=10.0)
    plays = [World(rate, limit, waits, latency=latency, seconds=60.0, seed=seed).plays() for seed in (1, 2)]
    ratio, fill, refused = (mean(each) for each in zip(*plays, strict=True))
    assert ratio < most
    assert fill > 0.8
    assert refused < 0.02


@pytest.mark.parametrize("window", ["sliding", "fixed"])
@pytest.mark.parametrize("rate", [1.0, 4.0])
def test_calls_that_are_refused_at_once_are_no_part_of_what_a_window_allows(window: str, rate: float) -> None:
    """
    A run right after another one: nothing gets through at first. The eight that were sent at once passed for what a
    minute allows, all the same: the pace was made for that, and a run took more than twice as long.
    """
    limit = requests(rate, window=window, start="empty", phase=0.0 if window == "sliding" else 17.0)
    ratio, fill, _ = World(rate, limit, latency=3.0, seconds=300.0).plays()

    assert ratio < 1.5
    assert fill > 0.8


@pytest.mark.parametrize("enforced", [{}, {"window": "fixed", "phase": 17.0}, {"window": "sliding"}], ids=str)
@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_a_cap_far_beyond_what_is_used_holds_no_call_back_that_headers_speak_for(
    enforced: dict[str, object], rate: float
) -> None:
    """
    `max_tokens` of 4,000 in a script, prompts of 200 tokens, and a server that counts what is used. The first calls
    show it at once. They were not looked at, and few more went: at two or three a minute a limit stays nearly full,
    which hides what it counts, so a run took up to eight times as long.
    """
    seconds, prompt = 300.0, "word " * 160
    count = int(rate * seconds)
    limit = Limit(of="tokens", amount=60.0 * rate * 207.0, **enforced)  # type: ignore[arg-type]
    scenario = Scenario(
        seed=1,
        limits=[limit],
        charging="gemini",
        latency=Latency(first=3.0, spread=0.3),
        lengths=Lengths(shape="lognormal", tokens=20),
        headers=Headers(spelling="openai", words="kind"),
    )
    messages = [{"role": "user", "content": prompt}]
    asked = [Request(position=each, messages=messages, max_tokens=4_000) for each in range(count)]
    played = play(SimTransport(Provider(scenario)), asked, Settings(seed=1))

    assert played.ended_at < 1.5 * seconds


@pytest.mark.parametrize("window", ["fixed", "sliding", "weighted"])
def test_few_run_into_the_end_of_a_window_that_nobody_states(window: str) -> None:
    """
    Refusals are back at once, while a lane still gathers speed. A wide one let a hundred and more go in one instant,
    of which a tenth of all calls was refused.
    """
    _, log = World(10.0, requests(10.0, window=window), ("seconds",), latency=1.0, seconds=100.0).run()

    assert sum(what == "refuse" for _, what in log) <= 15


@pytest.mark.parametrize("waits", [(), ("seconds",)], ids=["no wait", "whole seconds"])
@pytest.mark.parametrize("span", [1.0, 10.0])
@pytest.mark.parametrize("rate", [12.0, 40.0])
def test_a_stated_rate_that_is_looked_at_each_second_is_never_refused(
    rate: float, span: float, waits: Sequence[str]
) -> None:
    """
    A burst of a tenth of a second, at the beginning or when a lane opened again, was too much for a second and for ten,
    and each refusal closed the lane for a second: a run took up to a seventh longer.
    """
    limit = requests(rate, window="sliding", span=span)
    ratio, fill, refused = World(rate, limit, waits, latency=0.6, seconds=90.0, factor=1.0).plays()

    assert ratio <= 1.01
    assert fill >= 0.99
    assert not refused


@pytest.mark.parametrize(("burst", "spelling"), [(600.0, "openai"), (100.0, "openai"), (100.0, "anthropic")])
def test_the_end_of_a_run_leaves_nothing_of_a_bucket_that_headers_show(burst: float, spelling: str) -> None:
    """
    Four seconds' worth were left alone to the last call, also of a run of a minute and a half.
    """
    world = World(10.0, requests(10.0, burst=burst), ("seconds",), spelling=spelling, latency=1.0, seconds=150.0)
    _, log = world.run()

    went = [at for at, what in log if what == "accept"]
    assert went[-1] <= 1.01 * (len(went) - burst) / world.rate
    assert all(what != "refuse" for _, what in log)


def test_a_reserve_that_is_used_up_comes_back_before_the_end() -> None:
    """
    A limit is halved on the way. Near the end what is kept is used up; before, it grows again where it is not whole, or
    each call that comes just too early is refused.
    """
    headers = Headers(spelling="azure", words="kind", waits=("float",))
    scenario = Scenario(
        seed=110_296,
        limits=[requests(0.7, burst=7.5)],
        changes=[Change(at=94.0, factor=0.5), Change(at=188.0, factor=1.0)],
        headers=headers,
        latency=Latency(first=0.83),
        refusals_count=True,
    )
    provider = Provider(scenario)
    play(SimTransport(provider), (ask(each) for each in range(188)), Settings(seed=110_296))
    assert provider.tally.refused.total() <= 4
