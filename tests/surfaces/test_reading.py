"""Several models in one input: no lane waits until another has had its rows, and each row goes once, in order."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import brim
from brim.config import Limits
from brim.engine.run import READ_AHEAD
from brim.protocols import WireRequest
from brim.simulator.clock import run_virtual
from brim.storage.rows import RowShape
from brim.surfaces.bulk import Exit, Job, carry_out
from brim.transport.scripted import Answers, Scripted
from engine.support import reply

A_LOT = 3 * READ_AHEAD // 2
SLOW = {"openai:slow": Limits(requests_per_minute=60)}


def asked(request: WireRequest) -> tuple[str, str]:
    """The model and the prompt."""
    body = msgspec.json.decode(request.body)
    return body["model"], body["messages"][-1]["content"]


def echo(request: WireRequest) -> Answers:
    model, prompt = asked(request)
    return reply(f"{model}: {prompt}")


def by_model(count: int) -> list[str]:
    """All rows of one model, then all of the other."""
    return ["slow"] * count + ["fast"] * count


def interleaved(count: int) -> list[str]:
    return ["slow", "fast"] * count


def mostly_slow_at_first(count: int) -> list[str]:
    return [*["slow", "slow", "slow", "fast"] * (count // 3), *["fast"] * (count - count // 3)]


class Tray:
    """An input of rows that name their models, and runs over it."""

    def __init__(self, folder: Path) -> None:
        self.input, self.output = folder / "in.jsonl", folder / "out.jsonl"

    def write(self, models: list[str]) -> None:
        lines = (json.dumps({"prompt": f"p{at}", "model": model}) + "\n" for at, model in enumerate(models))
        self.input.write_text("".join(lines))

    def run(
        self,
        far: Callable[[WireRequest], Answers] = echo,
        *,
        deadline_s: float | None = None,
        lanes: dict[str, Limits | str] | None = None,
    ) -> tuple[Exit, Scripted]:
        far_end = Scripted(then=far)
        job = Job(
            inputs=[str(self.input)],
            output=self.output,
            model="m",
            shape=RowShape(),
            deadline_s=deadline_s,
            options={
                "transport": far_end,
                "base_url": "http://127.0.0.1:1",
                "environ": {},
                "seed": 1,
                "lanes": {} if lanes is None else lanes,
            },
        )
        return asyncio.run(carry_out(job)), far_end

    @property
    def texts(self) -> list[str]:
        return [json.loads(line)["text"] for line in self.output.read_text().splitlines()]


@pytest.fixture
def tray(tmp_path: Path) -> Tray:
    return Tray(tmp_path)


@pytest.mark.parametrize("order", [by_model, interleaved, mostly_slow_at_first])
def test_each_lane_is_done_as_if_it_were_alone(order: Callable[[int], list[str]]) -> None:
    """
    However the rows of two models are mixed, each model's are done when its own limit lets them.
    """
    models = order(3 * READ_AHEAD)
    rows = [brim.Request(messages=[{"role": "user", "content": "x"}], model=model) for model in models]
    limits = {"slow": Limits(requests_per_minute=300), "fast": Limits(requests_per_minute=600)}
    done_at: dict[str, float] = {}

    async def main() -> None:
        loop = asyncio.get_running_loop()
        far_end = Scripted(then=lambda _: reply(after=1.0))
        async with brim.Client(
            None, transport=far_end, base_url="http://127.0.0.1:1", environ={}, lanes=limits, seed=1
        ) as client:
            async for result in client.complete_each(rows):
                assert result.text is not None
                done_at[str(result.request.model)] = loop.time()

    run_virtual(main())

    counts = Counter(models)
    assert done_at["slow"] < 1.02 * counts["slow"] * 60.0 / 300.0
    assert done_at["fast"] < 1.02 * counts["fast"] * 60.0 / 600.0


def test_a_file_sorted_by_model_is_sent_to_both_at_once(tray: Tray) -> None:
    """
    A model with one call a second, and all of its rows first: the other's are done at once all the same.
    """
    tray.write(by_model(2 * A_LOT))

    status, far_end = tray.run(deadline_s=3.0, lanes=dict(SLOW))

    assert status is Exit.PARKED
    assert Counter(asked(request)[0] for request in far_end.requests)["fast"] == 2 * A_LOT
    assert all(text.startswith("fast") for text in tray.texts[5:])


@pytest.mark.parametrize("order", [by_model, interleaved, mostly_slow_at_first])
def test_each_row_goes_once_and_in_the_order_of_its_lane(tray: Tray, order: Callable[[int], list[str]]) -> None:
    """
    Rows that were left for later are read again: none is lost, none is sent twice, and none overtakes another.
    """
    models = order(2 * A_LOT)
    tray.write(models)

    status, far_end = tray.run(lanes={"slow": Limits(concurrency=40), "fast": Limits(concurrency=400)})

    assert status is Exit.ANSWERED
    assert tray.texts == [f"{model}: p{at}" for at, model in enumerate(models)]
    for lane in ("slow", "fast"):
        sent = [prompt for model, prompt in map(asked, far_end.requests) if model == lane]
        assert sent == [f"p{at}" for at, model in enumerate(models) if model == lane]


def test_what_a_stop_leaves_is_done_by_the_next_run(tray: Tray) -> None:
    """
    A run that is stopped while a lane is behind, and the next: no row is sent twice, and none is missing.
    """
    models = [*by_model(A_LOT), "slow", "fast"]
    tray.write(models)

    _, first = tray.run(deadline_s=1.0, lanes=dict(SLOW))
    status, second = tray.run()

    assert status is Exit.ANSWERED
    assert tray.texts == [f"{model}: p{at}" for at, model in enumerate(models)]
    assert len(first.requests) + len(second.requests) == len(models)


def test_the_journal_is_cut_to_a_shorter_input(tray: Tray) -> None:
    """
    Rows that are left for later count as rows of the input.
    """
    tray.write(by_model(A_LOT))
    tray.run()
    tray.write(by_model(A_LOT)[:-1])

    status, far_end = tray.run()

    assert status is Exit.ANSWERED
    assert not far_end.requests
    assert len(tray.texts) == 2 * A_LOT - 1


def test_an_input_that_is_replaced_meanwhile_ends_the_run(tray: Tray) -> None:
    """
    Rows of another file must not take the places of those that were left for later.
    """
    tray.write(by_model(2 * A_LOT))

    def replaced(request: WireRequest) -> Answers:
        if asked(request)[0] == "fast":
            other = tray.input.with_suffix(".new")
            other.write_text('{"prompt": "other", "model": "slow"}\n')
            other.replace(tray.input)
        return echo(request)

    tray.write([*by_model(A_LOT), *["slow"] * A_LOT, *interleaved(A_LOT)])

    with pytest.raises(brim.InputError, match="was replaced while it was read"):
        tray.run(replaced)
