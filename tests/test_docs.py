"""The documentation says what is so: nothing in it is missing, stale, broken or never tried."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import msgspec
import pytest

import brim
import brim.testing
from brim.storage.lines import Answer, Bind, Charged, End, Header, Sent
from brim.storage.results import own_fields
from brim.surfaces.bulk import Exit
from brim.values import FailureKind, FinishReason
from test_architecture import LAYERS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").glob("*.md")])
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"

BLOCK = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)

# Pages whose blocks run in a test of their own, and one whose blocks are the English README's.
RUN_ELSEWHERE = {"add-a-dialect.md", "test-with-the-simulator.md", "simulator.md", CHINESE.name}


def page_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path, *languages: str) -> list[str]:
    return [code for language, code in BLOCK.findall(read(path)) if language in languages]


def prose(path: Path) -> str:
    """A page without its blocks of code."""
    return BLOCK.sub("", read(path))


def slug(heading: str) -> str:
    """The anchor that renderers give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def section(path: Path, name: str) -> str:
    """What stands under the heading *name*, up to the next heading of its rank."""
    found = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", read(path), re.DOTALL | re.MULTILINE)
    assert found is not None, f"{page_name(path)} has no section {name!r}"
    return found[1]


def load_reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REFERENCE = load_reference()
COMMANDS: dict[str, Any] = REFERENCE.commands()


# Reference


@pytest.mark.parametrize("path", REFERENCE.PAGES, ids=page_name)
def test_generated_reference_is_current(path: Path) -> None:
    """
    The pages that scripts/reference.py makes are what it writes today.
    """
    assert read(path) == REFERENCE.PAGES[path](), "run .venv/bin/python scripts/reference.py"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_explains_itself(name: str) -> None:
    """
    Each command and each of its options has a help text, and stands on the page.
    """
    command = COMMANDS[name]
    page = section(REFERENCE.PAGE, name)

    assert command.help
    for param in command.params:
        assert param.help, f"{name} {param.opts} has no help"
        shown = param.opts if param.param_type_name == "option" else [param.metavar or param.name.upper()]
        assert all(f"`{option}" in page for option in shown)


@pytest.mark.parametrize("name", brim.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    """
    docs/reference/library.md has every public name with all of its fields.
    """
    library = DOCS / "reference" / "library.md"
    public = getattr(brim, name)
    if inspect.isclass(public) and issubclass(public, BaseException):
        assert f"| `{name}` |" in section(library, "Exceptions")
        return
    text = section(library, name)

    assert [field for field in fields_of(public) if f"`{field}`" not in text and f"`await {field}(" not in text] == []


def fields_of(public: object) -> Iterator[str]:
    """What users reach of a public name: fields, properties and methods of our own."""
    if not inspect.isclass(public) or issubclass(public, FailureKind | FinishReason):
        return
    if issubclass(public, msgspec.Struct):
        yield from public.__struct_fields__
    if issubclass(public, dict):
        yield from public.__annotations__
        return
    for name, member in vars(public).items():
        if not name.startswith("_") and isinstance(member, property):
            yield name


@pytest.mark.parametrize("method", [name for name in vars(brim.Client) if not name.startswith("_")])
def test_every_method_of_the_client_is_documented(method: str) -> None:
    """
    The client's public methods stand in its section.
    """
    assert re.search(rf"`(await )?{method}\(", section(DOCS / "reference" / "library.md", "Client"))


def test_every_kind_of_failure_is_documented() -> None:
    """
    Kinds, their fates, reasons to finish and exit statuses are all explained, and no others.
    """
    kinds = set(re.findall(r"^\| `(\w+)` \|", read(DOCS / "reference" / "failure-kinds.md"), re.MULTILINE))
    handled = section(DOCS / "how-to" / "handle-failures.md", "What becomes of each kind")
    reasons = section(DOCS / "reference" / "library.md", "FinishReason")

    assert kinds == set(FailureKind)
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", handled, re.MULTILINE)))) == set(FailureKind)
    assert all(f"`{reason}`" in reasons for reason in FinishReason)


@pytest.mark.parametrize("path", [ENGLISH, CHINESE, DOCS / "how-to" / "handle-failures.md"], ids=page_name)
def test_every_exit_status_is_documented(path: Path) -> None:
    """
    Each table of exit statuses has all of them and no other.
    """
    assert [int(status) for status in re.findall(r"^\| (\d+) \|", read(path), re.MULTILINE)] == list(Exit)


def test_every_field_of_the_files_is_documented() -> None:
    """
    The output's fields and those of the journal's lines are all explained.
    """
    page = DOCS / "reference" / "output.md"
    output, journal = section(page, "The output"), section(page, "The journal")
    lines = [name for line in (Header, Answer, Sent, Charged, Bind, End) for name in get_type_hints(line)]
    names = [name for name in lines if not name.startswith("_")]

    assert [name for name in (*own_fields, *brim.Usage.__struct_fields__) if f"| `{name}` |" not in output] == []
    assert [name for name in names if f"`{name}`" not in journal] == []


def test_every_dependency_is_explained() -> None:
    """
    Each package that pyproject.toml names has its row, and no other has.
    """
    project = tomllib.loads(read(ROOT / "pyproject.toml"))
    named = [
        *project["project"]["dependencies"],
        *(name for extra in project["project"]["optional-dependencies"].values() for name in extra),
        *(name for group in project["dependency-groups"].values() for name in group),
    ]
    wanted = {re.split(r"[\s<>=!~;\[]", name)[0] for name in named}
    rows = re.findall(r"^\| ([^|]+) \|", read(DOCS / "explanation" / "dependencies.md"), re.MULTILINE)

    assert {name for row in rows for name in row.split(", ")} - {"package"} == wanted


def test_the_layers_are_drawn_as_they_are() -> None:
    """
    The architecture page shows the layers of the architecture test, in their order.
    """
    assert " -> ".join(LAYERS) in read(DOCS / "explanation" / "architecture.md")


# Pages


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_internal_links_resolve(path: Path) -> None:
    """
    Every link to a file of ours leads to one, and to a heading of it where it names one.
    """
    for link in LINK.findall(prose(path)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path

        assert target.is_file(), f"{link} leads nowhere"
        if anchor:
            assert anchor in [slug(title) for _, title in HEADING.findall(prose(target))], f"{link} names no heading"


def test_every_page_is_found_from_the_index() -> None:
    """
    docs/index.md links to each page of docs/.
    """
    index = DOCS / "index.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in LINK.findall(prose(index))}

    assert [page_name(page) for page in DOCS.rglob("*.md") if page != index and page.resolve() not in linked] == []


def test_the_readme_is_short_and_its_two_commands_come_first() -> None:
    """
    At most 110 lines, and the first block of code is the newcomer's two commands.
    """
    _, code = BLOCK.findall(read(ENGLISH))[0]
    first = [line.split("#")[0].strip() for line in code.splitlines()]

    assert len(read(ENGLISH).splitlines()) <= 110
    assert first == ["make demo", "make test"]
    assert read(ENGLISH).index("make demo") < read(ENGLISH).index("\n## ")


def test_both_readmes_say_the_same() -> None:
    """
    The Chinese README has the English one's headings, code, list items, tables, links and names, one for one.
    """

    def shape(path: Path) -> dict[str, object]:
        text = prose(path)
        other = {page_name(ENGLISH): "the other one", page_name(CHINESE): "the other one"}
        return {
            "headings": [len(rank) for rank, _ in HEADING.findall(text)],
            "code": [re.sub(r"\s*# .*$", "", code, flags=re.MULTILINE) for _, code in BLOCK.findall(read(path))],
            "items": len(re.findall(r"^- ", text, re.MULTILINE)),
            "rows": len(re.findall(r"^\|", text, re.MULTILINE)),
            "links": [other.get(link, link) for link in LINK.findall(text)],
            "names": sorted(re.findall(r"`([^`]+)`", text)),
        }

    assert shape(CHINESE) == shape(ENGLISH)


# Code


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_python_blocks_compile(path: Path) -> None:
    """
    Every block of Python on every page is Python.
    """
    for code in blocks(path, "python", "py"):
        compile(code, page_name(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize(
    "path", [page for page in PAGES if page.name not in RUN_ELSEWHERE and blocks(page, "python")], ids=page_name
)
def test_python_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The blocks of a page that are marked `python` run one after the other, as they stand, against a simulated provider.
    """
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    with brim.testing.serve("instant") as provider:
        for variable in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
            monkeypatch.setenv(variable, provider.base_url)
        for code in blocks(path, "python"):
            compiled = compile(code, page_name(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            waiting = eval(compiled, names)  # noqa: S307 - our own pages
            if inspect.iscoroutine(waiting):
                asyncio.run(waiting)

        assert provider.tally.answered > 0


def shell_lines(path: Path) -> Iterator[list[str]]:
    """The lines of a page's shell blocks that call brim, in words."""
    for code in blocks(path, "sh"):
        for line in code.replace("\\\n", " ").splitlines():
            if re.search(r"\bbrim [a-z]", line):
                yield shlex.split(line, comments=True)


def calls(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Every call of brim on a page: the command's name and the words behind it."""
    for words in shell_lines(path):
        for at, word in enumerate(words):
            if word.removeprefix(".venv/bin/") == "brim":
                yield f"brim {words[at + 1]}", words[at + 2 :]


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_commands_shown_are_real(path: Path) -> None:
    """
    Every call of brim that a page shows is of a command there is, with options that it has.
    """
    for name, words in calls(path):
        assert name in COMMANDS, f"there is no {name}"
        known = {option for param in COMMANDS[name].params for option in param.opts} | {"--help"}
        options = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}

        assert options <= known, f"{name} has no {options - known}"


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_targets_and_scripts_shown_are_real(path: Path) -> None:
    """
    Every `make` target and every script that a page shows is there.
    """
    targets = re.findall(r"^([a-z]+):", read(ROOT / "Makefile"), re.MULTILINE)
    for name in re.findall(r"`?make ([a-z]+)`", read(path)):
        assert name in targets
    for script in re.findall(r"\b((?:scripts|benchmarks|examples|src|tests)/[\w./-]+\.\w+)", read(path)):
        assert (ROOT / script).exists() or script in read(DOCS / "how-to" / "add-a-dialect.md"), (
            f"{script} is not there"
        )


# Hygiene

SKIPPED = {"results", "dist", "__pycache__", "build"}
REGISTRIES = re.compile(r"pypi\.org|python[h]osted|registry\.(?:npm|yarn)|npm[j]s|crates\.io|proxy\.golang")
MACHINE = re.compile(r"(?<![\w.])/(?:home|Users|root|work)/\w")


def tracked() -> Iterator[Path]:
    """The project's own files: neither hidden ones (but those of the gate) nor what is made."""
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts)
        if path.is_file() and not hidden and SKIPPED.isdisjoint(parts) and path.suffix != ".pyc":
            yield path


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    """
    The project can be built from any mirror and on any machine: no file names a package registry or someone's folder.
    """
    found = {}
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace")
        if (hit := REGISTRIES.search(text) or MACHINE.search(text)) is not None:
            found[page_name(path)] = hit[0]

    assert found == {}
