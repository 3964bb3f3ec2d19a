"""The house stands: layers import only leftward, in no circle, and each stays away from what is not its business."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"

# Left to right; a module may import from its own layer and from those before it.
LAYERS = ("values", "protocols", "policies", "transport", "engine", "storage", "local", "surfaces")
FIRST_LAYER = {"values", "events", "errors", "config"}

# What only one place may know.
ONLY_IN = {
    "aiohttp": {"brim.transport.http"},
    "httptools": {"brim.transport.h1_connection"},
    "aiohappyeyeballs": {"brim.transport.sockets"},
    "typer": {"brim.surfaces"},
    "rich": {"brim.surfaces"},
    "xllamacpp": {"brim.local.server"},
    "genai_prices": {"brim.policies.prices"},
    "pyarrow": {"brim.storage.columnar"},
    "uvloop": {"brim.surfaces.loops"},
}

# The pure layers: told `now`, bytes in and values out.
PURE = {"values", "protocols", "policies"}
IMPURE_MODULES = {
    "asyncio",
    "time",
    "socket",
    "ssl",
    "threading",
    "subprocess",
    "aiohttp",
    "httptools",
    "aiohappyeyeballs",
}

# Stands on values and wire types alone, so that an error can't cancel itself out.
SIMULATOR_MAY = {"values", "errors", "protocols", "transport", "simulator"}
SIMULATOR_MAY_NOT = {"brim.protocols.openai", "brim.protocols.anthropic", "brim.protocols.classify"}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def imports(path: Path) -> Iterator[str]:
    """The absolute names that a file imports; of ours, down to the module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def place(module: str) -> str:
    """The layer or side building that *module* belongs to."""
    parts = module.split(".")
    if len(parts) == 1:
        return "surfaces"
    return "values" if parts[1] in FIRST_LAYER else parts[1]


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_left(module: str) -> None:
    """
    No module imports from a layer to its right.
    """
    here = place(module)
    if here not in LAYERS:
        return
    for name in imports(MODULES[module]):
        if name.startswith("brim") and name != "brim" and place(name) in LAYERS:
            assert LAYERS.index(place(name)) <= LAYERS.index(here), f"{module} imports {name}"


def test_no_import_cycles() -> None:
    """
    The imports form no circle (static_order raises on one).
    """
    graph = {module: {name for name in imports(path) if name in MODULES} for module, path in MODULES.items()}

    assert set(TopologicalSorter(graph).static_order()) >= set(MODULES)


@pytest.mark.parametrize("module", [name for name in MODULES if place(name) in PURE])
def test_pure_layers_know_no_clock_and_no_socket(module: str) -> None:
    """
    Values, dialects and policies are told the time and touch no I/O.
    """
    assert not {name.split(".")[0] for name in imports(MODULES[module])} & IMPURE_MODULES


@pytest.mark.parametrize("module", MODULES)
def test_each_library_has_its_place(module: str) -> None:
    """
    Foreign libraries with a job of their own are known in one place.
    """
    for name in imports(MODULES[module]):
        places = ONLY_IN.get(name.split(".")[0])
        assert places is None or any(module.startswith(place) for place in places), f"{module} imports {name}"


@pytest.mark.parametrize("module", [name for name in MODULES if place(name) == "simulator"])
def test_the_simulator_shares_no_code_with_what_it_tests(module: str) -> None:
    """
    The far end knows values and wire types, and none of our own decoding, deciding or limiting.
    """
    for name in imports(MODULES[module]):
        if name.startswith("brim"):
            assert place(name) in SIMULATOR_MAY, f"{module} imports {name}"
            assert not any(name.startswith(part) for part in SIMULATOR_MAY_NOT), f"{module} imports {name}"
