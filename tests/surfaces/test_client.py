"""The library's entry: one call, many calls, each as it finishes; defaults, lanes and failures as values."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

import brim
from brim.errors import ConfigError
from brim.events import AttemptAdmitted, AttemptEnded, Event, LaneState, RequestEnded
from brim.protocols import WireRequest
from brim.simulator.clock import run_virtual
from brim.surfaces.client import Options
from brim.transport.scripted import Answers, Scripted
from engine.support import refusal, reply

URL = "http://127.0.0.1:1"


def options(far_end: Scripted, **more: object) -> Options:
    return {"transport": far_end, "base_url": URL, "environ": {}, "seed": 1, **more}  # type: ignore[typeddict-item] # a test's own settings, by name


def echo(request: WireRequest) -> Answers:
    body = msgspec.json.decode(request.body)
    return reply(f"{body['model']}: {body['messages'][-1]['content']}", after=1.0)


def sent(far_end: Scripted, at: int = 0) -> dict[str, object]:
    body = msgspec.json.decode(far_end.bodies[at])
    assert isinstance(body, dict)
    return body


def test_one_call() -> None:
    """
    `complete` gives the reply itself.
    """
    answer = brim.complete("ping", model="m", **options(Scripted(reply("pong"))))

    assert answer.text == "pong"
    assert answer.usage == brim.Usage(input_tokens=10, output_tokens=5)


def test_one_call_that_fails_raises_its_failure() -> None:
    """
    A failed single call raises `CallFailed` that holds the failure.
    """
    with pytest.raises(brim.CallFailed, match="invalid: no") as raised:
        brim.complete("ping", model="m", **options(Scripted(refusal(400))))

    assert raised.value.failure.kind is brim.FailureKind.INVALID
    assert raised.value.failure.status == 400


def test_many_calls_in_their_order_failures_as_values() -> None:
    """
    One result each, in the order of the prompts, None for the text of a failed one.
    """
    far_end = Scripted(
        then=lambda request: refusal(400) if b"bad" in request.body else reply("ok" if b"ping" in request.body else "?")
    )
    results = brim.complete_many(["ping", "bad", "ping"], model="m", **options(far_end))

    assert [result.text for result in results] == ["ok", None, "ok"]
    assert [result.request.position for result in results] == [0, 1, 2]
    failure = results[1].failure
    assert failure is not None
    assert failure.kind is brim.FailureKind.INVALID


def test_works_inside_a_running_loop() -> None:
    """
    In a notebook a loop runs already: the synchronous calls work all the same.
    """

    async def notebook() -> str:
        return brim.complete("ping", model="m", **options(Scripted(reply("pong")))).text

    assert asyncio.run(notebook()) == "pong"


def test_each_result_as_it_finishes() -> None:
    """
    A slow first answer does not hold up a fast second one.
    """
    far_end = Scripted(
        then=lambda request: reply("slow", after=9.0) if b"first" in request.body else reply("fast", after=1.0)
    )

    async def main() -> list[tuple[float, str | None]]:
        loop = asyncio.get_running_loop()
        async with brim.Client("m", **options(far_end)) as client:
            return [(loop.time(), result.text) async for result in client.complete_each(["first", "second"])]

    assert run_virtual(main()) == [(1.0, "fast"), (9.0, "slow")]


def test_takes_any_iterable_and_reads_no_faster_than_results_are_taken() -> None:
    """
    An endless source is read as results are taken, and leaving the loop ends everything.
    """
    read = 0

    async def endless() -> AsyncIterator[str]:
        nonlocal read
        while True:
            read += 1
            yield f"prompt {read}"

    far_end = Scripted(then=echo)

    async def main() -> int:
        taken = 0
        async with brim.Client("m", **options(far_end)) as client:
            stream = client.complete_each(endless())
            async for _ in stream:
                taken += 1
                if taken == 10:
                    await asyncio.sleep(500.0)  # a slow consumer
                    break
            await stream.aclose()  # type: ignore[attr-defined] # an async generator
        return taken

    assert run_virtual(main()) == 10
    assert read < 5_000
    assert far_end.under_way == 0


def test_what_the_source_raises_comes_out_as_it_is() -> None:
    """
    An error of the user's own iterable is theirs to see.
    """

    def source() -> Iterator[str]:
        yield "ping"
        raise LookupError("theirs")

    with pytest.raises(LookupError, match="theirs"):
        brim.complete_many(source(), model="m", **options(Scripted(then=echo)))


def test_a_prompt_that_is_none_fails_alone() -> None:
    """
    A wrong object among the prompts is one failed result that says what it is.
    """
    results = brim.complete_many(["ping", 17, []], model="m", **options(Scripted(then=echo)))  # type: ignore[list-item] # the mistake under test

    assert results[0].text == "m: ping"
    failures = [result.failure for result in results[1:]]
    assert [failure.message for failure in failures if failure] == [
        "prompt 1 is of type int; it must be a str, a list of messages or a brim.Request",
        "prompt 2 is of type list; it must be a str, a list of messages or a brim.Request",
    ]


def test_defaults_fill_in_what_a_request_leaves_out() -> None:
    """
    System prompt, cap and parameters of the client go where the request brings none.
    """
    far_end = Scripted(then=echo)
    defaults = options(far_end, system="Be brief.", max_tokens=9, params={"temperature": 0, "top_p": 1})
    own = brim.Request(
        messages=[{"role": "system", "content": "Be long."}, {"role": "user", "content": "hi"}],
        max_tokens=99,
        params={"temperature": 1},
        model="other",
    )
    brim.complete_many(["ping", own], model="m", **defaults)

    assert sent(far_end, 0) == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "ping"}],
        "max_tokens": 9,
        "temperature": 0,
        "top_p": 1,
    }
    assert sent(far_end, 1) == {
        "model": "other",
        "messages": list(own.messages),
        "max_tokens": 99,
        "temperature": 1,
        "top_p": 1,
    }


def test_a_request_without_any_model_fails_alone() -> None:
    """
    Neither the request nor the client names a model: that request fails and says so.
    """
    named = brim.Request(messages=[{"role": "user", "content": "hi"}], model="m")
    results = brim.complete_many(["ping", named], **options(Scripted(then=echo)))

    assert results[1].text == "m: hi"
    assert results[0].failure is not None
    assert results[0].failure.message.startswith("the request names no model and there is no default")


def test_observers_are_told() -> None:
    """
    `on_event` hears of each attempt and each end.
    """
    events: list[Event] = []
    brim.complete("ping", model="m", **options(Scripted(reply()), on_event=events.append))

    assert [type(event) for event in events] == [AttemptEnded, RequestEnded]


def test_what_waits_for_a_parked_lane_is_a_failure_that_says_why() -> None:
    """
    Out of credit: a library's caller gets every request back, untouched, with the reason.
    """
    far_end = Scripted(then=refusal(429, code="insufficient_quota"))
    results = brim.complete_many(["ping"] * 200, model="m", **options(far_end))

    assert len(results) == 200
    assert all(result.is_untouched for result in results)
    assert {result.failure.kind for result in results if result.failure} == {brim.FailureKind.QUOTA}
    assert len(far_end.requests) <= 8


def test_a_trace_tells_why_calls_waited(tmp_path: Path) -> None:
    """
    With `trace` the reasons go to a file and to the observer, with True to the observer alone, and never the key.
    """

    async def main(settings: Options) -> None:
        async with brim.Client("m", **settings) as client:
            async for _ in client.complete_each(["ping"] * 4):
                pass

    for trace in (tmp_path / "trace.jsonl", True):
        events: list[Event] = []
        limits = brim.Limits(requests_per_minute=60)
        far_end = Scripted(then=reply())
        run_virtual(main(options(far_end, on_event=events.append, trace=trace, limits=limits, api_key="sk-1")))
        waits = [event for event in events if isinstance(event, AttemptAdmitted)]
        assert len(waits) == 3
        assert all(event.holds[0].bound.name == "requests a minute" for event in waits)

    written = (tmp_path / "trace.jsonl").read_text()
    assert len(written.splitlines()) == 3
    assert "sk-1" not in written
    assert "ping" not in written


def test_an_observer_hears_what_binds() -> None:
    """
    While there is work `on_event` is told the state of each lane four times a second, single calls included.
    """
    events: list[Event] = []

    async def main() -> None:
        far_end = Scripted(then=reply(after=0.6))
        async with brim.Client("m", **options(far_end, on_event=events.append)) as client:
            await client.complete("ping")
            await asyncio.sleep(5.0)

    run_virtual(main())
    states = [event for event in events if isinstance(event, LaneState)]
    assert [(state.lane, state.in_flight, state.waiting) for state in states] == [("openai:m", 1, 0)] * 2


@pytest.mark.parametrize(
    ("name", "hint"),
    [("max_atempts", "did you mean max_attempts "), ("rpm", "limits=brim.Limits(...)"), ("x", "brim.Options lists")],
)
def test_an_option_that_is_none_is_said(name: str, hint: str) -> None:
    """
    A misspelt option is an error before anything is sent, and not passed over in silence.
    """
    with pytest.raises(ConfigError, match=re.escape(hint)) as raised:
        brim.complete("ping", model="openai:m", **{name: 3})  # type: ignore[arg-type]
    assert repr(name) in str(raised.value)
