"""The programs that are compared: each reads prompts from a JSONL file and writes answers to another.

Run as `python benchmarks/programs.py NAME INPUT OUTPUT BASE_URL CA`; prints its CPU seconds, wall seconds and peak
memory as JSON. Each is written as its users write it; none may have more than 256 requests in flight.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import ssl
import sys
import time
from pathlib import Path
from typing import Any

IN_FLIGHT = 256
MODEL = "stub"


def rows(path: str) -> list[dict[str, Any]]:
    """All rows of a JSONL file."""
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def write(path: str, texts: list[str | None]) -> None:
    """One line for each answer."""
    with Path(path).open("w") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)


def body(prompt: str) -> dict[str, Any]:
    """A chat request."""
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}]}


def context(ca: str) -> ssl.SSLContext | bool:
    """Trust *ca*, if one is given."""
    return ssl.create_default_context(cafile=ca) if ca else True


async def bare(source: str, output: str, url: str, ca: str) -> None:
    """The loop that people write by hand: aiohttp and gather, nothing else."""
    import aiohttp  # noqa: PLC0415 - each program pays for its own imports only

    connector = aiohttp.TCPConnector(limit=IN_FLIGHT, ssl=context(ca))
    headers = {"Authorization": "Bearer none"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one(prompt: str) -> str:
            async with session.post(f"{url}/v1/chat/completions", json=body(prompt)) as response:
                answer = await response.json()
                text: str = answer["choices"][0]["message"]["content"]
                return text

        texts = await asyncio.gather(*(one(row["prompt"]) for row in rows(source)))
    write(output, list(texts))


async def recipe(source: str, output: str, url: str, ca: str) -> None:
    """The common recipe: aiohttp, a semaphore, tenacity and a progress counter."""
    import aiohttp  # noqa: PLC0415
    from tenacity import retry, stop_after_attempt, wait_random_exponential  # noqa: PLC0415

    done = 0
    semaphore = asyncio.Semaphore(IN_FLIGHT)

    @retry(
        wait=wait_random_exponential(min=1, max=60),
        stop=stop_after_attempt(20),
        retry_error_callback=lambda _: None,
    )
    async def one(prompt: str, session: aiohttp.ClientSession) -> str:
        nonlocal done
        async with semaphore:
            headers = {"Authorization": "Bearer none"}
            async with session.post(f"{url}/v1/chat/completions", headers=headers, json=body(prompt)) as response:
                answer = await response.json()
                done += 1
                if done % 1_000 == 0:
                    print(f"Done runs {done}.", file=sys.stderr)
                text: str = answer["choices"][0]["message"]["content"]
                return text

    connector = aiohttp.TCPConnector(limit=0, ssl=context(ca))
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as session:
        texts = await asyncio.gather(*(one(row["prompt"], session) for row in rows(source)))
    write(output, list(texts))


async def sdk(source: str, output: str, url: str, ca: str) -> None:
    """The official SDK, its own retries on, under a semaphore."""
    if ca:
        os.environ["SSL_CERT_FILE"] = ca
    import openai  # noqa: PLC0415

    semaphore = asyncio.Semaphore(IN_FLIGHT)
    async with openai.AsyncOpenAI(api_key="none", base_url=f"{url}/v1") as client:

        async def one(prompt: str) -> str | None:
            async with semaphore:
                answer = await client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": prompt}]
                )
                return answer.choices[0].message.content

        texts = await asyncio.gather(*(one(row["prompt"]) for row in rows(source)))
    write(output, list(texts))


def brim(source: str, output: str, url: str, ca: str) -> None:
    """Ours, as the command line runs it: limiter, retries, progress and journal on."""
    from brim.surfaces.cli import app  # noqa: PLC0415

    trust = ["--ca", ca] if ca else []
    command = ["run", source, "-o", output, "--model", MODEL, "--base-url", url, *trust]
    app([*command, "--concurrency", str(IN_FLIGHT)], standalone_mode=False)


def brim_alone(source: str, output: str, url: str, _ca: str) -> None:
    """Ours with a transport that answers at once: what is left is brim's own share."""
    from stub import BODY  # noqa: PLC0415

    from brim.config import Limits  # noqa: PLC0415
    from brim.protocols import WireRequest, WireResponse  # noqa: PLC0415
    from brim.storage.rows import RowShape  # noqa: PLC0415
    from brim.surfaces.bulk import Job, carry_out  # noqa: PLC0415
    from brim.surfaces.loops import run_loop  # noqa: PLC0415
    from brim.transport import Phase, Phases  # noqa: PLC0415

    headers = {"content-type": "application/json", "x-request-id": "req_1"}

    class Instant:
        async def exchange(self, _request: WireRequest, phases: Phases) -> WireResponse:
            await asyncio.sleep(0)
            for phase in (Phase.CONNECTED, Phase.SENT, Phase.ANSWERING, Phase.DONE):
                phases.reached(phase)
            return WireResponse(status=200, headers=headers, body=BODY, received_at=0.0)

        async def aclose(self) -> None:
            pass

    run_loop(
        carry_out(
            Job(
                inputs=[source],
                output=Path(output),
                model=MODEL,
                options={"base_url": url, "transport": Instant(), "limits": Limits(concurrency=IN_FLIGHT)},
                shape=RowShape(),
            )
        )
    )


PROGRAMS = {"bare": bare, "recipe": recipe, "sdk": sdk, "brim": brim, "brim_alone": brim_alone}


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    started = time.perf_counter()
    program = PROGRAMS[name](*arguments)
    if program is not None:
        asyncio.run(program)
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "cpu": used.ru_utime + used.ru_stime,
        "wall": time.perf_counter() - started,
        "peak_mb": used.ru_maxrss / 1024,
    }
    print(json.dumps(figures))
