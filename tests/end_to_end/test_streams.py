"""Streams against the simulated provider: every fault on virtual time, and real sockets over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import brim
from brim import testing
from brim.config import Timeouts
from brim.surfaces.cli import app
from brim.surfaces.client import Options

APIS = [("openai:m", "chat"), ("openai:m", "responses"), ("anthropic:m", "chat")]
FAULTS = (
    "stream_cut", "stream_reset", "stream_hang", "stream_error", "stream_error_done",
    "hang", "hang_after_headers", "reset", "reset_after_headers", "close", "refused", "lost",
    "truncated", "truncated_chunked", "truncated_silent", "garbage", "html", "empty_body", "bad_chunk", "not_http",
    "gzip", "gzip_cut", "wrong_type", "slow_drip", "blank_lines", "dribble", "huge_header",
    "server_error", "unavailable", "throttled", "error_in_200", "no_usage",
)  # fmt: skip


TOKENS = 24


def whole_answer(prompt: str) -> str:
    return testing.answer_to(prompt, TOKENS)


class Streamed:
    """What came of prompts sent as streams on virtual time."""

    def __init__(self, world: testing.Scenario, rows: int, *, model: str, api: str) -> None:
        transport = testing.SimTransport(testing.Provider(world))
        options: Options = {
            "transport": transport,
            "base_url": "http://127.0.0.1:1",
            "environ": {},
            "seed": 1,
            "stream": True,
            "api": api,
            "max_attempts": 50,
            "timeouts": Timeouts(first=20.0, silence=10.0, total=60.0),
        }

        async def main() -> list[brim.Result]:
            async with brim.Client(model, **options) as client:
                return [result async for result in client.complete_each(f"prompt {n}" for n in range(rows))]

        self.results = sorted(testing.run_virtual(main()), key=lambda result: result.request.position)

    @property
    def wrong(self) -> list[brim.Result]:
        """The rows that have not the whole answer to their own prompt."""
        return [
            result
            for number, result in enumerate(self.results)
            if result.request.position != number or result.text != whole_answer(f"prompt {number}")
        ]


def world(faults: dict[str, float], *, seed: int = 1) -> testing.Scenario:
    return testing.Scenario(
        seed=seed,
        latency=testing.Latency(first=0.5, per_token=0.05),
        lengths=testing.Lengths(tokens=TOKENS),
        headers=testing.Headers(spelling="none", waits=()),
        faults=[testing.FaultRule(kind=kind, chance=chance) for kind, chance in faults.items()],
    )


@pytest.mark.parametrize(("model", "api"), APIS)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_costs_no_row(fault: str, model: str, api: str) -> None:
    """
    One call in three meets the fault, and every row ends with the whole answer to its own prompt.
    """
    played = Streamed(world({fault: 0.3}), 20, model=model, api=api)

    assert len(played.results) == 20
    assert played.wrong == []


@pytest.mark.parametrize(("model", "api"), APIS)
def test_all_faults_at_once(model: str, api: str) -> None:
    """
    A hundred rows through everything mixed.
    """
    played = Streamed(world(dict.fromkeys(FAULTS, 0.015)), 100, model=model, api=api)

    assert len(played.results) == 100
    assert played.wrong == []


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    faults=st.dictionaries(st.sampled_from(FAULTS), st.floats(0.01, 0.15), max_size=4),
    seed=st.integers(0, 1_000),
    api=st.sampled_from(APIS),
)
def test_any_mix_of_faults(faults: dict[str, float], seed: int, api: tuple[str, str]) -> None:
    """
    Whatever the mix: every row right, none lost, none doubled.
    """
    played = Streamed(world(faults, seed=seed), 20, model=api[0], api=api[1])

    assert len(played.results) == 20
    assert played.wrong == []


@pytest.mark.parametrize(("model", "api"), APIS)
def test_a_stream_over_http(model: str, api: str) -> None:
    """
    Pieces, text and usage over real sockets, again and again, and an early leave that frees the connection.
    """
    prompt = "tell me"
    quick = testing.Scenario(latency=testing.Latency(first=0.01), lengths=testing.Lengths(tokens=TOKENS))

    async def main(base_url: str) -> None:
        options: Options = {"base_url": base_url, "environ": {}, "api": api}
        async with brim.Client(model, **options) as client:
            for _ in range(3):
                stream = client.stream(prompt)
                pieces = [piece.text async for piece in stream]
                assert len(pieces) > 3
                assert "".join(pieces) == stream.reply.text == whole_answer(prompt)
                assert stream.reply.usage is not None
                async with client.stream(prompt) as left:
                    await anext(left)

    with testing.serve(quick) as provider:
        asyncio.run(main(provider.base_url))


def test_the_command_streams(tmp_path: Path) -> None:
    """
    `brim run --stream --first-timeout` asks for streams and writes the answers.
    """
    (tmp_path / "in.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    asked = []

    def say(ask: testing.Ask) -> str:
        asked.append(ask.is_stream)
        return f"re: {ask.text}"

    with testing.serve("plain", say=say) as provider:
        command = ["run", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl"), "--model", "m"]
        told = [*command, "--base-url", provider.base_url, "--stream", "--first-timeout"]
        done = CliRunner().invoke(app, [*told, "30"], catch_exceptions=False)
        with pytest.raises(brim.ConfigError, match="timeout first is"):
            CliRunner().invoke(app, [*told, "0"], catch_exceptions=False)

    rows = [json.loads(line)["text"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert (done.exit_code, rows, asked) == (0, ["re: a", "re: b"], [True, True])
