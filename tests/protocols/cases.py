"""The corpus of answers in corpus/*.jsonl, read. Each line is one case; its *source* is where its shape comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import settings

from brim.protocols import WireResponse
from brim.protocols.registry import find_dialect
from brim.values import Outcome

CORPUS = Path(__file__).parent / "corpus"
RECEIVED_AT = 1_763_800_000.0  # 2025-11-22T08:26:40Z; waits in the corpus that are points in time count from here
FIXED = settings(deadline=None, derandomize=True)
"""Of every property test here: the same examples on every machine, however slow it is."""

DIALECTS = {
    "openai": find_dialect("openai", base_url=None),
    "anthropic": find_dialect("anthropic", base_url=None),
    "responses": find_dialect("openai", base_url=None, api="responses"),
}


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One answer and what it means. *source* is its section in the facts on protocols; *text* is a body as it came."""

    name: str
    dialect: str
    provider: str
    source: str
    status: int
    headers: dict[str, str]
    expect: dict[str, Any]
    body: Any = None
    text: str | None = None

    @property
    def wire_body(self) -> bytes:
        return msgspec.json.encode(self.body) if self.text is None else self.text.encode()

    def decode(self) -> Outcome:
        response = WireResponse(status=self.status, headers=self.headers, body=self.wire_body, received_at=RECEIVED_AT)
        return DIALECTS[self.dialect].decode(response)


def load() -> list[Case]:
    files = sorted(CORPUS.glob("*.jsonl"))
    return [msgspec.json.decode(line, type=Case) for file in files for line in file.read_bytes().splitlines()]


CASES = load()
