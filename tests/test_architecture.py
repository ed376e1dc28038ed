"""Rules of the code base that no linter at hand can state."""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "ai" / "starlake"
COMPATIBILITY = LIBRARY / "dagster" / "_compat"
SOURCES = sorted(LIBRARY.rglob("*.py"))
SAMPLE_SOURCES = sorted((ROOT / "samples").rglob("*.py"))


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and name_of(node.func).endswith("import_module"):
            yield from ((node.lineno, str(arg.value)) for arg in node.args if isinstance(arg, ast.Constant))


def name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def is_private_to_dagster(module: str) -> bool:
    distribution, *rest = module.split(".")
    return distribution.startswith("dagster") and any(part.startswith("_") for part in rest)


def private_dagster_imports(tree: ast.AST) -> list[tuple[int, str]]:
    return sorted({found for found in imported_modules(tree) if is_private_to_dagster(found[1])})


def printing_lines(tree: ast.AST) -> list[int]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if name_of(call.func) in {"print", "pprint", "pprint.pprint"}]


@dataclass(frozen=True)
class Facts:
    """Facts about a module. A module is parsed once: there are many."""

    private_imports: list[tuple[int, str]]
    prints: list[int]
    classes: list[tuple[str, int]]


@functools.cache
def facts(path: Path) -> Facts:
    tree = ast.parse(path.read_text("utf-8"))
    classes = [(node.name, node.lineno) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return Facts(private_dagster_imports(tree), printing_lines(tree), classes)


@pytest.mark.parametrize(
    "source",
    [
        "import dagster._core.events",
        "from dagster._core import events",
        "from dagster import _utils",
        "def f():\n    from dagster_shared._model import x",
        "import importlib\nimportlib.import_module('dagster._core')",
    ],
)
def test_the_search_for_private_imports_finds_every_form(source: str) -> None:
    assert private_dagster_imports(ast.parse(source))


def test_public_imports_of_dagster_are_not_taken_for_private() -> None:
    public = "from dagster import op, In\nimport dagster as _dagster\nfrom a import _b"
    assert not private_dagster_imports(ast.parse(public))


def test_dagsters_private_modules_are_imported_in_one_package_only() -> None:
    found = {
        str(path.relative_to(ROOT)): facts(path).private_imports
        for path in [*SOURCES, *SAMPLE_SOURCES]
        if COMPATIBILITY not in path.parents
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_no_library_module_prints() -> None:
    assert printing_lines(ast.parse("import pprint\nprint(1)\npprint.pprint(2)")) == [2, 3]
    found = {str(path.relative_to(ROOT)): facts(path).prints for path in SOURCES}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_the_namespace_packages_stay_open_to_other_distributions() -> None:
    assert SOURCES
    assert not (ROOT / "ai" / "__init__.py").exists()
    assert not (LIBRARY / "__init__.py").exists()


def test_every_part_of_the_library_has_its_doors_and_ships_its_types() -> None:
    configuration = (ROOT / "pyproject.toml").read_text("utf-8").partition("[tool.importlinter]")[2]
    parts = {path.relative_to(LIBRARY).parts[0] for path in SOURCES}
    assert "common" in parts
    assert {part for part in parts if f"ai.starlake.{part}" not in configuration} == set()
    assert {part for part in parts if not (LIBRARY / part / "py.typed").exists()} == set()


DISTRIBUTIONS = {"ai.starlake": LIBRARY, "starlake_gcp_emulator": ROOT / "packages/starlake-gcp-emulator/src"}
MOST_FILES = 16
"""Files of a package that a stranger still reads through."""

SAME_ROLE: dict[str, str] = {
    "backend.py": "each service of remote compute has its implementation of RemoteBackend in one",
}
"""File names that packages side by side may share, and what the files have in common."""


def repeated(names: Iterable[tuple[str, object]]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    for name, place in names:
        places[name].append(str(place))
    return {name: found for name, found in places.items() if len(found) > 1}


def modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if path.name not in ("__init__.py", "__main__.py")]


def classes(path: Path) -> Iterator[tuple[str, object]]:
    return ((name, f"{path}:{line}") for name, line in facts(path).classes)


def circle(imports: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the modules of a circle of imports; empty when there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("folder", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_no_two_classes_have_one_name(folder: Path) -> None:
    found = repeated(item for path in modules(folder) for item in classes(path))
    assert found == {}


@pytest.mark.parametrize("folder", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_no_two_unrelated_modules_have_one_file_name(folder: Path) -> None:
    found = repeated((path.name, path.relative_to(ROOT)) for path in modules(folder))
    assert {name: places for name, places in found.items() if name not in SAME_ROLE} == {}


@pytest.mark.parametrize("folder", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_no_package_has_more_files_than_a_stranger_reads(folder: Path) -> None:
    sizes = Counter(path.parent.relative_to(ROOT).as_posix() for path in folder.rglob("*.py"))
    assert {package: size for package, size in sizes.items() if size > MOST_FILES} == {}


def test_a_circle_is_found_however_long_it_is() -> None:
    assert circle({"a": ["b"], "b": ["c"], "c": []}) == []
    assert set(circle({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})) == {"a", "b", "c"}


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    """Imports within functions, and those for types only, count too: who reads one module has to read the others."""
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > len(DISTRIBUTIONS)
    assert circle(imports) == []


ARCHITECTURE = (ROOT / "docs/architecture.md").read_text("utf-8")
MOST_STOPS = 12


def test_every_place_on_the_page_of_the_architecture_exists() -> None:
    named = set(re.findall(r"`((?:ai|packages|samples|tests)/[\w./-]*)`", ARCHITECTURE))
    assert len(named) > len(DISTRIBUTIONS)
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_room_and_every_door_is_on_the_page_of_the_architecture() -> None:
    doors = re.findall(
        r'^name = "(.*)"$', (ROOT / "pyproject.toml").read_text("utf-8").partition("importlinter]")[2], re.M
    )
    assert doors
    assert [door for door in doors if f"| {door} |" not in ARCHITECTURE] == []
    rooms = {path.relative_to(LIBRARY).parts[0] for path in SOURCES}
    assert {room for room in rooms if f"| `ai/starlake/{room}/` |" not in ARCHITECTURE} == set()


def test_the_ways_through_the_code_are_short() -> None:
    sections = ARCHITECTURE.partition("## Seven ways")[2].partition("\n## ")[0].split("\n### ")[1:]
    stops = {section.splitlines()[0]: len(re.findall(r"^\d+\. `ai/", section, re.M)) for section in sections}
    assert len(stops) == 7
    assert all(1 < count <= MOST_STOPS for count in stops.values()), stops
