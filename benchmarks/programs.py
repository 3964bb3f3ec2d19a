"""The programs that are compared: each reads prompts from a JSONL file and writes answers to another.

Run as `python benchmarks/programs.py NAME WORK`, where WORK is a `Work` as JSON; prints its CPU seconds, wall seconds
and peak memory as JSON. Each is written as its users write it, and none has more than `Work.in_flight` requests in
flight.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MODEL = "stub"
LATE_S = 0.2
"""What the oracle catches up with at once: less than any burst of `limit_cases.py`."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a program is to do.

    Attributes:
        source: JSONL with `prompt` and, if answers are capped, `max_tokens`.
        output: JSONL with `text`, one line for each row; null where there is no answer.
        url: the provider, without `/v1`.
        ca: a file of certificates to trust.
        in_flight: requests at once.
        retries: how often the official SDK may retry; None for its default.
        flags: further flags of `brim run`.
        begin: when the oracle begins, in seconds since the epoch.
        leaves: for each row the seconds after *begin* at which the oracle sends it.
    """

    source: str
    output: str
    url: str
    ca: str = ""
    in_flight: int = 256
    retries: int | None = None
    flags: Sequence[str] = ()
    begin: float = 0.0
    leaves: Sequence[float] = ()


def command(name: str, work: Work) -> list[str]:
    """The command that runs a program."""
    return [sys.executable, __file__, name, json.dumps(asdict(work))]


def environment() -> dict[str, str]:
    """What the programs find in their environment."""
    environ = {**os.environ, "OPENAI_API_KEY": "none"}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling every module anew is no part of a call
    return environ


def rows(work: Work) -> list[dict[str, Any]]:
    """All rows of the source."""
    return [json.loads(line) for line in Path(work.source).read_text().splitlines()]


def write(work: Work, texts: list[str | None]) -> None:
    """One line for each answer."""
    with Path(work.output).open("w") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)


def body(row: dict[str, Any]) -> dict[str, Any]:
    """A chat request."""
    cap = {"max_tokens": row["max_tokens"]} if "max_tokens" in row else {}
    return {"model": MODEL, "messages": [{"role": "user", "content": row["prompt"]}], **cap}


def context(ca: str) -> ssl.SSLContext | bool:
    """Trust *ca*, if one is given."""
    return ssl.create_default_context(cafile=ca) if ca else True


async def bare(work: Work) -> None:
    """The loop that people write by hand: aiohttp and gather, nothing else."""
    import aiohttp  # noqa: PLC0415 - each program pays for its own imports only

    connector = aiohttp.TCPConnector(limit=work.in_flight, ssl=context(work.ca))
    headers = {"Authorization": "Bearer none"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one(row: dict[str, Any]) -> str:
            async with session.post(f"{work.url}/v1/chat/completions", json=body(row)) as response:
                answer = await response.json()
                text: str = answer["choices"][0]["message"]["content"]
                return text

        texts = await asyncio.gather(*(one(row) for row in rows(work)))
    write(work, list(texts))


async def recipe(work: Work) -> None:
    """The common recipe: aiohttp, a semaphore, tenacity and a progress counter."""
    import aiohttp  # noqa: PLC0415
    from tenacity import retry, stop_after_attempt, wait_random_exponential  # noqa: PLC0415

    done = 0
    semaphore = asyncio.Semaphore(work.in_flight)

    @retry(
        wait=wait_random_exponential(min=1, max=60),
        stop=stop_after_attempt(20),
        retry_error_callback=lambda _: None,
    )
    async def one(row: dict[str, Any], session: aiohttp.ClientSession) -> str:
        nonlocal done
        async with semaphore:
            headers = {"Authorization": "Bearer none"}
            async with session.post(f"{work.url}/v1/chat/completions", headers=headers, json=body(row)) as response:
                answer = await response.json()
                done += 1
                if done % 1_000 == 0:
                    print(f"Done runs {done}.", file=sys.stderr)
                text: str = answer["choices"][0]["message"]["content"]
                return text

    connector = aiohttp.TCPConnector(limit=0, ssl=context(work.ca))
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as session:
        texts = await asyncio.gather(*(one(row, session) for row in rows(work)))
    write(work, list(texts))


async def sdk(work: Work) -> None:
    """The official SDK, its own retries on, under a semaphore."""
    if work.ca:
        os.environ["SSL_CERT_FILE"] = work.ca
    import openai  # noqa: PLC0415

    semaphore = asyncio.Semaphore(work.in_flight)
    retries = openai.DEFAULT_MAX_RETRIES if work.retries is None else work.retries
    async with openai.AsyncOpenAI(api_key="none", base_url=f"{work.url}/v1", max_retries=retries) as client:

        async def one(row: dict[str, Any]) -> str | None:
            async with semaphore:
                try:
                    answer = await client.chat.completions.create(**body(row))
                except openai.OpenAIError:
                    return None
                return answer.choices[0].message.content

        texts = await asyncio.gather(*(one(row) for row in rows(work)))
    write(work, list(texts))


async def oracle(work: Work) -> None:
    """One who knows the limit: rows leave by the plan, all later ones later if one is late by more than a burst."""
    import aiohttp  # noqa: PLC0415

    semaphore = asyncio.Semaphore(work.in_flight)
    headers = {"Authorization": "Bearer none"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:

        async def one(row: dict[str, Any]) -> str:
            async with semaphore:
                while True:
                    async with session.post(f"{work.url}/v1/chat/completions", json=body(row)) as response:
                        answer = await response.json()
                        if response.status == 200:
                            text: str = answer["choices"][0]["message"]["content"]
                            return text
                        pause = float(response.headers.get("retry-after", 0.5))
                    await asyncio.sleep(pause)

        calls = []
        begin = work.begin
        for row, leaves in zip(rows(work), work.leaves, strict=True):
            await asyncio.sleep(begin + leaves - time.time())
            begin = max(begin, time.time() - leaves - LATE_S)
            calls.append(asyncio.create_task(one(row)))
        texts = await asyncio.gather(*calls)
    write(work, list(texts))


def brim(work: Work) -> None:
    """Ours, as the command line runs it: limiter, retries, progress and journal on."""
    from brim.surfaces.cli import app  # noqa: PLC0415

    trust = ["--ca", work.ca] if work.ca else []
    command = ["run", work.source, "-o", work.output, "--model", MODEL, "--base-url", work.url, *trust, *work.flags]
    app(command, standalone_mode=False)


def brim_alone(work: Work) -> None:
    """Ours with a transport that answers at once: what is left is brim's own share."""
    from stub import BODY  # noqa: PLC0415

    from brim.config import Limits  # noqa: PLC0415
    from brim.protocols import WireRequest, WireResponse  # noqa: PLC0415
    from brim.storage.rows import RowShape  # noqa: PLC0415
    from brim.surfaces.bulk import Job, carry_out_alone  # noqa: PLC0415
    from brim.transport import Phase, Phases  # noqa: PLC0415

    headers = {"content-type": "application/json", "x-request-id": "req_1"}

    on_the_way = (Phase.CONNECTED, Phase.SENT, Phase.ANSWERING, Phase.DONE)

    class Instant:
        async def exchange(self, _request: WireRequest, phases: Phases) -> WireResponse:
            await asyncio.sleep(0)
            for phase in on_the_way:
                phases.reached(phase)
            return WireResponse(status=200, headers=headers, body=BODY, received_at=0.0)

        async def aclose(self) -> None:
            pass

    carry_out_alone(
        Job(
            inputs=[work.source],
            output=Path(work.output),
            model=MODEL,
            options={"base_url": work.url, "transport": Instant(), "limits": Limits(concurrency=work.in_flight)},
            shape=RowShape(),
        )
    )


PROGRAMS = {"bare": bare, "recipe": recipe, "sdk": sdk, "oracle": oracle, "brim": brim, "brim_alone": brim_alone}


if __name__ == "__main__":
    name, given = sys.argv[1:]
    started = time.perf_counter()
    program = PROGRAMS[name](Work(**json.loads(given)))
    if program is not None:
        asyncio.run(program)
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "cpu": used.ru_utime + used.ru_stime,
        "wall": time.perf_counter() - started,
        "peak_mb": used.ru_maxrss / 1024,
    }
    print(json.dumps(figures))
