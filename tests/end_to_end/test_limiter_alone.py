"""`brim.Limiter` around the official SDK's own calls, over real HTTP, against the simulated provider."""

from __future__ import annotations

import asyncio

import openai
from openai.types.chat import ChatCompletion

import brim
from brim.simulator import Headers, Latency, Limit, Scenario
from brim.testing import ServedProvider, serve

COUNT = 45


def limited(*, spelling: str = "none", burst: float = 1.0) -> Scenario:
    """Twenty requests a second."""
    return Scenario(
        limits=[Limit(of="requests", amount=1_200, burst=burst)],
        headers=Headers(spelling=spelling),  # type: ignore[arg-type] # literals of the callers below
        latency=Latency(first=0.02),
    )


def ask_all(provider: ServedProvider, limiter: brim.Limiter) -> list[ChatCompletion]:
    """Ask through *limiter*, again where that was refused: the program's own retrying, with no wait of its own."""

    async def main() -> list[ChatCompletion]:
        base_url = provider.base_url + "/v1"
        async with openai.AsyncOpenAI(base_url=base_url, api_key="k", max_retries=0, timeout=10) as client:

            @limiter.limit(cost=200)
            async def ask(text: str) -> ChatCompletion:
                return await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": text}], max_completion_tokens=50
                )

            async def ask_on(text: str) -> ChatCompletion:
                while True:
                    try:
                        return await ask(text)
                    except openai.RateLimitError:
                        continue

            return await asyncio.gather(*(ask_on(f"question {number}") for number in range(COUNT)))

    return asyncio.run(main())


def test_told_the_limit_nothing_is_refused() -> None:
    """
    Every call is answered, in the time that the limit takes, without one 429.
    """
    with serve(limited(burst=4.0)) as provider:
        answers = ask_all(provider, brim.Limiter(requests="1100/min", tokens="1M/min"))

        assert len({answer.id for answer in answers}) == COUNT
        assert provider.tally.refused.total() == 0


def test_told_nothing_it_learns_from_refusals() -> None:
    """
    A 429 of the SDK pauses all other calls for as long as its `retry-after` says, so refusals stay few.
    """
    with serve(limited(burst=20.0)) as provider:
        answers = ask_all(provider, brim.Limiter(seed=1))

        assert len({answer.id for answer in answers}) == COUNT
        assert 0 < provider.tally.refused.total() < COUNT


def test_shown_the_limit_it_follows_the_headers() -> None:
    """
    The SDK's raw responses carry the limit's level: shown to the permit, they keep calls from being refused.
    """
    limiter = brim.Limiter(seed=1)

    async def main(base_url: str) -> int:
        refused = 0
        async with openai.AsyncOpenAI(base_url=base_url, api_key="k", max_retries=0, timeout=10) as client:

            async def ask(number: int) -> None:
                nonlocal refused
                try:
                    raw = await limiter.call(
                        client.chat.completions.with_raw_response.create,
                        model="m",
                        messages=[{"role": "user", "content": f"question {number}"}],
                        cost=100,
                    )
                    assert raw.parse().choices
                except openai.RateLimitError:
                    refused += 1

            await asyncio.gather(*(ask(number) for number in range(COUNT)))
        return refused

    with serve(limited(spelling="openai", burst=20.0)) as provider:
        assert asyncio.run(main(provider.base_url + "/v1")) <= 2
