"""The public test kit, and the examples of its documentation, run as they stand."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import httpx2
import openai
import pytest

import brim
import brim.testing
from brim.simulator import Latency, Provider, Scenario, SimApp, SimTransport, answer_to, load_scenario, run_virtual
from brim.testing import serve

PAGES = Path(__file__).parents[2] / "docs"
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOW_TO = PAGES / "how-to" / "test-with-the-simulator.md"


def test_the_examples_of_the_page_work(tmp_path: Path) -> None:
    """
    Each block of the how-to page is a test file, and all of them pass.
    """
    codes = CODE.findall(HOW_TO.read_text())
    for number, code in enumerate(codes):
        (tmp_path / f"test_example_{number}.py").write_text(code)
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", os.devnull, "--rootdir", str(tmp_path)]

    assert len(codes) == 5
    assert pytest.main([*options, str(tmp_path)]) == 0


def test_every_public_name_is_documented() -> None:
    """
    The reference page names everything that the kit gives out, every fault and every error.
    """
    page = (PAGES / "reference" / "simulator.md").read_text()

    assert [name for name in brim.testing.__all__ if f"`{name}" not in page] == []
    assert [kind for kind in brim.testing.all_faults() if f"`{kind}`" not in page] == []
    assert [name for name in brim.testing.scenario_names() if f"`{name}`" not in page] == []


def test_every_field_of_a_scenario_is_documented() -> None:
    """
    The reference page names every field of every part of a scenario.
    """
    page = (PAGES / "reference" / "simulator.md").read_text()
    parts = [getattr(brim.testing, name) for name in brim.testing.__all__]
    structs = [part for part in parts if hasattr(part, "__struct_fields__") and part.__module__.endswith("scenario")]

    assert len(structs) == 10
    missing = [
        f"{struct.__name__}.{name}"
        for struct in structs
        for name in struct.__struct_fields__
        if f"`{name}`" not in page
    ]
    assert missing == []


async def ask_openai(app: SimApp, text: str) -> tuple[str | None, float]:
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app))
    async with openai.AsyncOpenAI(base_url="http://sim/v1", api_key="k", http_client=http) as client:
        answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content, asyncio.get_running_loop().time()


def test_the_openai_sdk_on_virtual_time() -> None:
    """
    Through ASGI the SDK meets the provider in process, its own retries and waits included, in no time.
    """
    app = SimApp(Scenario(latency=Latency(first=30.0)))

    text, took = run_virtual(ask_openai(app, "[[sim:fault=throttled]] [[sim:times=2]] [[sim:seconds=9]]"))

    assert text is not None
    assert text.startswith(answer_to("[[sim:fault=throttled]] [[sim:times=2]] [[sim:seconds=9]]"))
    assert app.provider.tally.faults == {"throttled": 2}
    assert 2 * 9 * 0.7 <= took - 9 <= 2 * 9 * 1.3 + 30


@pytest.mark.parametrize("kind", ["reset", "truncated", "not_http", "refused"])
def test_broken_connections_through_asgi(kind: str) -> None:
    """
    Where a connection would break the application raises, and its error comes through the client as it is.
    """
    app = SimApp(load_scenario("instant"))

    with pytest.raises(ConnectionResetError):
        run_virtual(ask_openai(app, f"[[sim:fault={kind}]]"))
    assert app.provider.tally.running == 0


def test_hangs_through_asgi_are_abandoned() -> None:
    """
    A hang hangs until it is cancelled, and the provider is told.
    """
    app = SimApp(load_scenario("instant"))

    async def main() -> None:
        async with asyncio.timeout(60):
            await ask_openai(app, "[[sim:fault=hang]]")

    with pytest.raises(TimeoutError):
        run_virtual(main())
    assert app.provider.tally.abandoned == 1


def test_other_kinds_of_asgi_are_refused() -> None:
    """
    There is no lifespan and no web socket here.
    """

    async def main() -> None:
        await SimApp(Scenario())({"type": "lifespan"}, lambda: asyncio.sleep(0, {}), lambda _: asyncio.sleep(0))

    with pytest.raises(NotImplementedError, match="not lifespan"):
        asyncio.run(main())


def test_brims_own_client_against_the_provider() -> None:
    """
    The whole engine runs on it unchanged: a thousand rows through a limit, none lost, none mixed up, none paid twice.
    """
    scenario = load_scenario("rival")
    transport = SimTransport(Provider(scenario))
    prompts = [f"row {number}" for number in range(1_000)]

    async def main() -> dict[int, str | None]:
        async with brim.Client("openai:m", base_url="http://127.0.0.1:1", transport=transport, seed=1) as client:
            return {result.request.position: result.text async for result in client.complete_each(prompts)}

    texts = run_virtual(main())

    assert len(texts) == 1_000
    assert all((texts[number] or "").startswith(answer_to(prompt)) for number, prompt in enumerate(prompts))
    assert transport.provider.tally.paid_twice == 0


def test_serving_within_a_running_loop() -> None:
    """
    An asynchronous test can serve as well as a synchronous one.
    """

    async def main() -> int:
        with serve("instant") as provider:
            async with httpx2.AsyncClient() as client:
                await client.get(provider.base_url + "/health")
            return int(provider.stats()["arrived"])

    assert asyncio.run(main()) == 0
