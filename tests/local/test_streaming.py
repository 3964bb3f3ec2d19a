"""The embedded model streams over all three protocols: a real server, real tokens, real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from brim.config import Timeouts
from brim.local import LocalModel
from brim.surfaces.client import Client, Options

APIS = [("openai", "chat"), ("openai", "responses"), ("anthropic", "chat")]
QUESTION = "Count: one, two, three,"


@pytest.fixture(scope="module")
def model() -> Iterator[LocalModel]:
    with LocalModel.start() as running:
        yield running


def options(model: LocalModel, api: str, **more: object) -> Options:
    return {
        "base_url": model.base_url,
        "api": api,
        "environ": {},
        "params": {"temperature": 0},
        "max_tokens": 6,
        "timeouts": Timeouts(total=60.0),
        **more,  # type: ignore[typeddict-item] # a test's own settings, by name
    }


@pytest.mark.parametrize(("dialect", "api"), APIS)
def test_streams_what_it_would_have_said(model: LocalModel, dialect: str, api: str) -> None:
    """
    Several pieces, together the very text of the plain answer, with usage; so again and again over its connections.
    """

    async def main() -> None:
        async with Client(f"{dialect}:{model.model}", **options(model, api)) as client:
            plain = await client.complete(QUESTION)
            for _ in range(3):
                stream = client.stream(QUESTION)
                pieces = [piece.text async for piece in stream]
                assert len(pieces) > 3
                assert "".join(pieces) == stream.reply.text == plain.text
                assert stream.reply.usage is not None
                assert stream.reply.usage.output_tokens == 6
                assert stream.result.attempts == 1, "it closes a stream's connection, which must cost no retry"

    asyncio.run(main())


@pytest.mark.parametrize(("dialect", "api"), APIS)
def test_leaving_early_frees_its_slot(model: LocalModel, dialect: str, api: str) -> None:
    """
    More endless answers than it has slots are begun and left: the next question is answered all the same.
    """

    async def main() -> None:
        async with Client(f"{dialect}:{model.model}", **options(model, api, max_tokens=1_500)) as client:
            for _ in range(6):
                async with client.stream("Tell me a very long story.") as stream:
                    await anext(stream)
        async with Client(f"{dialect}:{model.model}", **options(model, api)) as client:
            assert (await client.complete(QUESTION)).text

    asyncio.run(main())


def test_bulk_answers_come_in_pieces(model: LocalModel) -> None:
    """
    Many rows with `stream` on: one attempt each, the same texts as without.
    """

    async def texts(**more: object) -> list[str | None]:
        async with Client(model.model, **options(model, "chat", **more)) as client:
            results = [result async for result in client.complete_each([QUESTION] * 8)]
        assert {result.attempts for result in results} == {1}
        return [result.text for result in results]

    assert asyncio.run(texts(stream=True)) == asyncio.run(texts())
