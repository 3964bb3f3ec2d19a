"""The how-to page on adding a dialect does what it says: its file, its line and its corpus are run."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from random import Random
from types import ModuleType

import msgspec
import pytest

from brim.protocols import Dialect, WireResponse, registry
from brim.values import Failure, FailureKind, Reply, Request
from protocols.cases import CASES, Case

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-dialect.md"
MODULE = "brim.protocols.ollama"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def load(name: str, source: str, folder: Path) -> ModuleType:
    file = folder / f"{name.rpartition('.')[2]}.py"
    file.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def dialect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dialect:
    """The page's dialect, found through a registry with the page's line in it."""
    source = Path(registry.__file__).read_text(encoding="utf-8")
    table = re.search(r"^_DIALECTS: .*\{\n", source, re.MULTILINE)
    assert table is not None
    line = next(block for block in blocks("text") if block.startswith("    ("))
    changed = source.replace("\n__all__", f"\nfrom {MODULE} import OllamaChat\n\n__all__", 1)
    changed = changed.replace(table[0], table[0] + line)
    for name in (MODULE, "registry_of_the_page"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    load(MODULE, blocks("python")[0], tmp_path)
    found: Dialect = load("registry_of_the_page", changed, tmp_path).find_dialect("ollama", base_url=None)
    return found


def corpus() -> list[Case]:
    lines = next(block for block in blocks("text") if block.startswith("{")).splitlines()
    return [msgspec.json.decode(line, type=Case) for line in lines]


def answer(case: Case) -> WireResponse:
    return WireResponse(status=case.status, headers=case.headers, body=case.wire_body, received_at=0.0)


def test_the_page_asks(dialect: Dialect) -> None:
    """
    The dialect of the page posts the messages to the right place, its cap under the provider's own name.
    """
    ask = [{"role": "user", "content": "ping"}]

    assert dialect.url("http://localhost:11434/v1/") == "http://localhost:11434/api/chat"
    assert msgspec.json.decode(dialect.encode(Request(messages=ask, max_tokens=5), model="m")) == {
        "model": "m",
        "messages": ask,
        "stream": False,
        "options": {"num_predict": 5},
    }
    assert dialect.headers("k-1")["authorization"] == "Bearer k-1"


def test_the_page_reads(dialect: Dialect) -> None:
    """
    The page's two corpus lines mean what they say.
    """
    good, busy = corpus()
    reply, failed = dialect.decode(answer(good)), dialect.decode(answer(busy))

    assert isinstance(reply, Reply)
    assert good.expect["text"] == reply.text
    assert good.expect["usage"]["input_tokens"] == getattr(reply.usage, "input_tokens", None)
    assert isinstance(failed, Failure)
    assert FailureKind(busy.expect["kind"]) is failed.kind
    assert (busy.expect["retry_after"], busy.expect["message"]) == (failed.retry_after, failed.message)


def test_the_page_never_raises(dialect: Dialect) -> None:
    """
    The page's decoder keeps the rule it teaches, on the whole corpus cut at any byte.
    """
    chance = Random(7)
    for case in [*CASES, *corpus()]:
        body = case.wire_body[: chance.randrange(len(case.wire_body) + 1)]
        for status in (200, case.status):
            outcome = dialect.decode(WireResponse(status=status, headers=case.headers, body=body, received_at=0.0))

            assert isinstance(outcome, (Reply, Failure))
