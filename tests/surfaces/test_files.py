"""A process with few files to open runs slower, and loses nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from brim.surfaces.files import most_connections
from brim.testing import Latency, Scenario, serve

RUN = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
import brim
from brim.surfaces.files import most_connections
from brim.surfaces.loops import run_loop
from brim.events import AttemptEnded

async def main():
    seen, events = most_connections(), []
    async with brim.Client("openai:m", base_url=sys.argv[3], on_event=events.append) as client:
        results = [result async for result in client.complete_each(f"row {n}" for n in range(600))]
    retried = [each for each in events if isinstance(each, AttemptEnded) and each.retry_in is not None]
    return seen, sum(result.text is not None for result in results), len(retried)

print(*run_loop(main()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
@pytest.mark.parametrize(("soft", "hard", "most"), [(80, 160, 96), (100, 2_000, 1_936)])
def test_open_files_are_enough(soft: int, hard: int, most: int) -> None:
    """The limit is lifted as far as the system lets it be, and no more calls are at once than it allows."""
    with serve(Scenario(latency=Latency(first=0.1))) as provider:
        command = [sys.executable, "-c", RUN, str(soft), str(hard), provider.base_url]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout.split() == [str(most), "600", "0"], done.stderr


def test_there_is_always_room_for_one() -> None:
    """However few files there are, one call is tried."""
    most = most_connections()
    assert most is None or most >= 1
