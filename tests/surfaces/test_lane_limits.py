"""Limits laid over each other: flags, a lane's own, a lane's preset, the general ones, the general preset."""

from __future__ import annotations

import itertools

import msgspec
import pytest

import brim
from brim.config import Limits, Window
from brim.errors import ConfigError
from brim.simulator import Headers, Limit, Provider, Scenario, SimTransport, run_virtual
from brim.surfaces.figures import Figures
from brim.surfaces.lane_limits import LaneLimits, Stated, limits_of
from brim.transport.scripted import Scripted
from engine.support import reply

LANE = "anthropic:claude-opus-5"
LAYERS = {
    "general preset": 50.0,  # anthropic-build1
    "general figure": 2.0,
    "lane's preset": 1_000.0,  # anthropic-start
    "lane's figure": 4.0,
    "flag": 5.0,
}


def stacked(layers: set[str]) -> LaneLimits:
    def rpm(layer: str) -> Figures:
        return Figures(rpm=LAYERS[layer]) if layer in layers else Figures()

    return LaneLimits(
        general=Stated(
            preset="anthropic-build1" if "general preset" in layers else None, figures=rpm("general figure")
        ),
        lanes={
            "claude-opus-5": Stated(
                preset="anthropic-start" if "lane's preset" in layers else None, figures=rpm("lane's figure")
            )
        },
        flags=rpm("flag"),
    )


@pytest.mark.parametrize(
    "layers", [set(some) for count in range(6) for some in itertools.combinations(LAYERS, count)], ids="+".join
)
def test_the_nearest_layer_wins(layers: set[str]) -> None:
    """
    Of any layers that state a limit the last of the list counts; where none does it is left open.
    """
    winner = max(layers, key=list(LAYERS).index, default=None)

    assert stacked(layers).of(LANE).requests_per_minute == (LAYERS[winner] if winner else None)


def test_what_a_layer_leaves_open_shows_the_one_below() -> None:
    """
    Each figure by itself: windows, calls at once and tokens of different layers stand side by side.
    """
    limits = LaneLimits(
        general=Stated(preset="anthropic-build1", figures=Figures(concurrency=7)),
        lanes={LANE: Stated(figures=Figures(limit=["4/1s"]))},
        flags=Figures(otpm=9.0),
    )

    assert limits.of(LANE) == Limits(
        requests_per_minute=50,
        tokens_per_minute=50_000,
        tokens_per_day=1_000_000,
        concurrency=7,
        windows=(Window(requests=4, seconds=1.0),),
        output_tokens_per_minute=9.0,
    )
    assert limits.of("anthropic:other").windows == ()


def test_a_lane_with_a_preset_of_its_own_takes_nothing_from_the_general_one() -> None:
    """
    Two tiers are never mixed; the figures that were stated for all lanes still hold where the preset is silent.
    """
    limits = LaneLimits(
        general=Stated(preset="anthropic-build1", figures=Figures(concurrency=7)),
        lanes={"claude-opus-5": Stated(preset="anthropic-start")},
    )

    assert limits.of(LANE) == Limits(
        requests_per_minute=1_000,
        input_tokens_per_minute=2_000_000,
        output_tokens_per_minute=400_000,
        concurrency=7,
    )


def test_an_unknown_preset_is_refused_before_any_lane_opens() -> None:
    """
    Wherever its name stands.
    """
    for wrong in (
        lambda: Stated(preset="nope"),
        lambda: limits_of("nope", {}),
        lambda: limits_of(Limits(), {"m": "nope"}),
    ):
        with pytest.raises(ConfigError, match="there is no preset 'nope'"):
            wrong()


# Through the client


def lane_of(model: str, **options: object) -> Limits:
    """The limits with which a client opens the lane of *model*."""
    given: list[Limits] = []

    async def main() -> None:
        settings = {"base_url": "http://127.0.0.1:1", "environ": {}, "transport": Scripted(reply()), **options}
        async with brim.Client(model, **settings) as client:  # type: ignore[arg-type] # a test's own settings, by name
            given.append(client._limits(client._endpoint.model or ""))

    run_virtual(main())
    return given[0]


def test_a_client_takes_limits_a_preset_or_a_function() -> None:
    """
    And lanes of their own in the place of those.
    """
    ten = Limits(requests_per_minute=10)

    assert lane_of("m") == Limits()
    assert lane_of("m", limits=ten) == ten
    assert lane_of("deepseek-flash", limits="deepseek") == Limits(concurrency=2_500)
    assert lane_of("m", limits=lambda lane: Limits(concurrency=len(lane))) == Limits(concurrency=len("openai:m"))
    assert lane_of("m", limits="deepseek", lanes={"m": ten}) == ten
    assert lane_of("m", limits=Limits(), lanes={"openai:m": "anthropic-free"}).requests_per_minute == 5
    assert lane_of("anthropic:m", lanes={"openai:m": ten}) == Limits()


def test_a_preset_without_figures_for_the_model_is_said_before_anything_is_sent() -> None:
    """
    Entering the client raises, and names preset and model.
    """
    far_end = Scripted()
    with pytest.raises(ConfigError, match=r"'deepseek' has no figures for the model 'm'"):
        lane_of("m", limits="deepseek", transport=far_end)

    assert far_end.requests == []


def test_a_row_whose_model_the_preset_does_not_know_fails_alone() -> None:
    """
    It says which model and which preset; the others are answered.
    """
    other = brim.Request(messages=[{"role": "user", "content": "hi"}], model="unheard-of")
    far_end = Scripted(then=reply("pong"))
    results = brim.complete_many(
        ["ping", other],
        model="deepseek-flash",
        limits="deepseek",
        transport=far_end,
        base_url="http://127.0.0.1:1",
        environ={},
    )

    assert results[0].text == "pong"
    assert results[1].failure is not None
    assert results[1].failure.kind is brim.FailureKind.INVALID
    assert "'deepseek' has no figures for the model 'unheard-of'" in results[1].failure.message


FIFTY = Scenario(limits=[Limit(of="requests", amount=50, burst=1)], headers=Headers(spelling="none"))


def refusals(count: int, scenario: Scenario = FIFTY, **options: object) -> tuple[int, float]:
    """How many of *count* requests a provider refuses, and when it was all over."""
    provider = Provider(scenario)

    async def main() -> float:
        transport = SimTransport(provider)
        settings = {"base_url": "http://127.0.0.1:1", "environ": {}, "transport": transport, "seed": 1, **options}
        async with brim.Client("anthropic:sim", **settings) as client:  # type: ignore[arg-type] # a test's own settings, by name
            results = [result async for result in client.complete_each(f"{n}" for n in range(count))]
        assert all(result.text for result in results)
        return transport.now()

    ended = run_virtual(main())
    return provider.tally.refused.total(), ended


def test_the_rate_of_a_preset_truly_paces() -> None:
    """
    Told by name that it is Build 1, a provider that grants 50 a minute one by one refuses nothing, and is used to the
    full; told nothing, it refuses.
    """
    refused, ended = refusals(200, limits="anthropic-build1")

    assert refused == 0
    assert 199 * 1.2 <= ended <= 199 * 1.2 * 1.01 + 5.0
    assert refusals(200)[0] > 0


def test_each_lane_is_paced_by_its_own_limits() -> None:
    """
    Build 1 lets 50 a minute go to any model, and the lane that has limits of its own 300: both at once, at full speed.
    """
    count = {"small": 101, "large": 601}
    far_end = Scripted(then=reply("ok", after=0.5))
    prompts = [
        brim.Request(messages=[{"role": "user", "content": f"{n}"}], model=model)
        for model in count
        for n in range(count[model])
    ]

    async def main() -> int:
        async with brim.Client(
            base_url="http://127.0.0.1:1",
            environ={},
            transport=far_end,
            limits="anthropic-build1",
            lanes={"large": Limits(requests_per_minute=300)},
            seed=1,
        ) as client:
            return len([result async for result in client.complete_each(prompts)])

    assert run_virtual(main()) == 702
    sent: dict[str, list[float]] = {model: [] for model in count}
    for body, at in zip(far_end.bodies, far_end.sent_at, strict=True):
        sent[msgspec.json.decode(body)["model"]].append(at)
    assert sent["small"][-1] - sent["small"][0] == pytest.approx(100 * 1.2, rel=0.01)
    assert sent["large"][-1] - sent["large"][0] == pytest.approx(600 * 0.2, rel=0.01)


def test_a_preset_that_promises_too_much_is_corrected_by_the_headers() -> None:
    """
    Told 1,000 a minute, shown 300: nothing is refused, and the 300 are used to the full.
    """
    scenario = Scenario(limits=[Limit(of="requests", amount=300, burst=10)], headers=Headers(spelling="anthropic"))
    refused, ended = refusals(1_000, scenario, limits="anthropic-build2")

    assert refused == 0
    assert ended <= 200.0 * 1.01
