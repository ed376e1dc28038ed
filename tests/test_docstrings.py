"""The docstrings of the public API say what a caller needs: parameters, fields, results and errors."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import griffe
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"ai.starlake": ROOT, "starlake_gcp_emulator": ROOT / "packages" / "starlake-gcp-emulator" / "src"}
STARLAKE_ERROR = "ai.starlake.common.errors.StarlakeError"


class Subject(NamedTuple):
    """A function or a class, and its name for messages."""

    name: str
    node: griffe.Function | griffe.Class


def final(node: griffe.Object | griffe.Alias) -> griffe.Object:
    while isinstance(node, griffe.Alias):
        node = node.final_target
    return node


class Library:
    """Sources of some packages; nothing of them is imported, so that Airflow need not be installed."""

    def __init__(self, packages: dict[str, Path]) -> None:
        self._nodes = griffe.ModulesCollection()
        self._packages = [
            griffe.load(name, search_paths=[str(path)], modules_collection=self._nodes, allow_inspection=False)
            for name, path in packages.items()
        ]

    def _modules(self, module: griffe.Module) -> Iterator[griffe.Module]:
        yield module
        for member in module.members.values():
            if isinstance(member, griffe.Module) and not member.name.startswith("_"):
                yield from self._modules(member)

    @functools.cached_property
    def public(self) -> dict[str, griffe.Object]:
        """Names in the ``__all__`` of packages and on the pages of the API, and the bases of their classes."""
        named = [
            module[str(getattr(name, "name", name))]
            for package in self._packages
            for module in self._modules(package)
            for name in module.exports or ()
        ]
        pages = "\n".join(page.read_text("utf-8") for page in (ROOT / "docs" / "reference").glob("api-*.md"))
        named += [self._nodes[name] for name in re.findall(r"^::: (\S+)", pages, re.MULTILINE)]
        found = {node.path: node for node in map(final, named)}
        bases = {base.path: base for node in found.values() if isinstance(node, griffe.Class) for base in node.mro()}
        return bases | found

    @functools.cached_property
    def subjects(self) -> list[Subject]:
        """Public functions, classes and methods, except the tests of contract suites."""
        return [subject for path, node in sorted(self.public.items()) for subject in self._subjects(path, node)]

    def _subjects(self, name: str, node: griffe.Object) -> Iterator[Subject]:
        if isinstance(node, griffe.Function | griffe.Class):
            yield Subject(name, node)
        if isinstance(node, griffe.Class):
            for member in node.members.values():
                if not isinstance(member, griffe.Alias) and not member.name.startswith(("_", "test_")):
                    yield from self._subjects(f"{name}.{member.name}", member)

    def find(self, scope: griffe.Object, name: str) -> griffe.Object | None:
        """Return what a name, with or without dots, means in a module or a class; None outside of the library."""
        first, _, rest = name.partition(".")
        try:
            node = final(self._nodes[scope.resolve(first)])
            return final(node.all_members[rest]) if rest else node
        except (KeyError, griffe.NameResolutionError, griffe.AliasResolutionError):
            return None


@functools.cache
def functions(file: Path) -> dict[int, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the functions of a module by the number of the line of their ``def``."""
    tree = ast.parse(file.read_text("utf-8"))
    return {node.lineno: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def raises(node: ast.AST) -> Iterator[str]:
    """Yield the names in the ``raise`` statements of a function, without those of functions within it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(child, ast.Raise) and child.exc:
            yield ast.unparse(child.exc.func if isinstance(child.exc, ast.Call) else child.exc)
        yield from raises(child)


def is_starlake_error(node: griffe.Object | None) -> bool:
    return isinstance(node, griffe.Class) and STARLAKE_ERROR in {node.path, *(base.path for base in node.mro())}


def errors_of(library: Library, function: griffe.Function) -> dict[str, set[str]]:
    """Return the Starlake errors that a function raises itself, or that a function makes for it, with their bases."""
    assert isinstance(function.filepath, Path)
    lines = range(function.lineno or 0, (function.endlineno or 0) + 1)
    body = next((node for line, node in functions(function.filepath).items() if line in lines), None)
    found: dict[str, set[str]] = {}
    for name in raises(body) if body else ():  # the constructor of a dataclass has no lines
        is_own = name.startswith(("self.", "cls.")) and function.parent
        made = library.find(function.parent if is_own else function.module, name.partition(".")[2] if is_own else name)
        if isinstance(made, griffe.Function) and made.returns:
            made = library.find(made.module, str(made.returns).strip("'\""))
        if isinstance(made, griffe.Class) and is_starlake_error(made):
            found[made.name] = {made.name, *(base.name for base in made.mro())}
    return found


@functools.cache
def section(node: griffe.Object, kind: str) -> list[str]:
    """Return the names in a section of a docstring; the name of the section itself if it has none."""
    for part in node.docstring.parse("google", warnings=False) if node.docstring else ():
        if part.kind.value == kind and kind == "raises":
            return [str(each.annotation) for each in part.value]
        if part.kind.value == kind:
            return [each.name.lstrip("*") for each in part.value] or [kind]
    return []


def parameters(function: griffe.Function) -> list[str]:
    names = [parameter.name for parameter in function.parameters]
    is_bound = isinstance(function.parent, griffe.Class) and "staticmethod" not in function.labels
    return [name for name in names[is_bound:] if not name.startswith("_")]


@functools.cache
def documented(node: griffe.Function | griffe.Class) -> frozenset[str]:
    """Return the parameters and fields that a docstring describes: that of a class is for its constructor, too."""
    kinds = ("parameters",) if isinstance(node, griffe.Function) else ("parameters", "attributes")
    own = {name for kind in kinds for name in section(node, kind)}
    if isinstance(node, griffe.Function):
        return frozenset(own)
    # a string below a field, or a description for pydantic or for Dagster
    own |= {name for name, field in node.attributes.items() if field.docstring or "descri" in f"{field.annotation}"}
    own |= {name for name, field in node.attributes.items() if "description=" in f"{field.value}"}
    own |= set(section(node.members["__init__"], "parameters")) if "__init__" in node.members else set()
    return frozenset(own).union(*(documented(base) for base in node.mro()))


def wanted(node: griffe.Function | griffe.Class) -> set[str]:
    """Return the parameters of a function; for a class, those of its constructor, and its fields."""
    if isinstance(node, griffe.Function):
        return set(parameters(node))
    constructor = node.members.get("__init__")
    given = parameters(constructor) if isinstance(constructor, griffe.Function) else []
    fields = [name for name, field in node.attributes.items() if field.annotation and "property" not in field.labels]
    return {name for name in (*given, *fields) if not name.startswith("_")}


def existing(node: griffe.Function | griffe.Class) -> set[str]:
    """Return all that a docstring may describe."""
    if isinstance(node, griffe.Function):
        return {parameter.name for parameter in node.parameters}
    of_bases = set[str]().union(*(existing(base) for base in node.mro()))
    return wanted(node) | set(node.attributes) | of_bases


def is_inherited(node: griffe.Function | griffe.Class) -> bool:
    """Return True for a method with the decorator ``override`` and without a docstring of its own."""
    return not node.docstring and any("override" in str(decorator.value) for decorator in node.decorators)


def undocumented(library: Library) -> list[str]:
    return [name for name, node in library.subjects if not node.docstring and not is_inherited(node)]


def without_args(library: Library) -> list[str]:
    return [
        f"{name}: {', '.join(missing)}"
        for name, node in library.subjects
        if not is_inherited(node) and (missing := sorted(wanted(node) - documented(node)))
    ]


def without_parameter(library: Library) -> list[str]:
    return [
        f"{name}: {', '.join(unknown)}"
        for name, node in library.subjects
        if (
            unknown := sorted(
                {each for kind in ("parameters", "attributes") for each in section(node, kind)} - existing(node)
            )
        )
    ]


def without_raises(library: Library) -> list[str]:
    found = []
    for name, node in library.subjects:
        function = node.members.get("__init__") if isinstance(node, griffe.Class) else node
        if isinstance(function, griffe.Function) and not is_inherited(function):
            said = {*section(node, "raises"), *section(function, "raises")}
            found += [f"{name}: {error}" for error, names in errors_of(library, function).items() if not names & said]
    return found


def without_returns(library: Library) -> list[str]:
    """Return the functions that say neither in their first line nor in a section what they return."""
    return [
        name
        for name, node in library.subjects
        if isinstance(node, griffe.Function)
        and node.docstring
        and str(node.returns) not in ("None", "NoReturn")
        and not re.match(r"(Return|Yield)\b", node.docstring.value)
        and not re.search(r"^(Returns|Yields):$", node.docstring.value, re.MULTILINE)
    ]


RULES = {
    "has a docstring": undocumented,
    "describes its parameters and fields": without_args,
    "has the parameters that it describes": without_parameter,
    "names the errors that it raises": without_raises,
    "says what it returns": without_returns,
}


FAULTY = '''
from dataclasses import dataclass

from ai.starlake.common.errors import StarlakeError

__all__ = ["Broken", "Pair", "bad", "fine", "refused"]


class BrokenError(StarlakeError):
    """It is broken."""


def _error() -> BrokenError:
    return BrokenError("it is broken")


class Broken:
    """A thing.

    Args:
        size: Number of things.
    """

    def __init__(self, size: int, colour: str) -> None:
        if not size:
            raise BrokenError("no size")

    def show(self) -> str:
        return ""


@dataclass
class Pair:
    """Two things."""

    left: int
    """The one on the left."""
    right: int


def bad(a: int, *, b: int) -> int:
    """Add two numbers.

    Args:
        a: The first one.
        c: The third one.
    """
    return a + b


def refused() -> None:
    """Refuse."""
    raise _error()


def fine(a: int) -> int:
    """Double a number.

    Args:
        a: The number.

    Returns:
        Twice the number.

    Raises:
        StarlakeError: If it is odd.
    """
    if a % 2:
        raise StarlakeError("odd")
    return 2 * a
'''


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "faulty.py").write_text(FAULTY)
    return Library({**PACKAGES, "faulty": folder})


@pytest.fixture(scope="module")
def findings(library: Library) -> dict[str, list[str]]:
    return {rule: find(library) for rule, find in RULES.items()}


@pytest.mark.parametrize("rule", RULES)
def test_each_public_function_and_class(library: Library, findings: dict[str, list[str]], rule: str) -> None:
    assert len(library.subjects) > 500
    assert [name for name in findings[rule] if not name.startswith("faulty.")] == []


def test_the_rules_find_faults(findings: dict[str, list[str]]) -> None:
    found = {rule: [name for name in names if name.startswith("faulty.")] for rule, names in findings.items()}
    assert found == {
        "has a docstring": ["faulty.Broken.show"],
        "describes its parameters and fields": ["faulty.Broken: colour", "faulty.Pair: right", "faulty.bad: b"],
        "has the parameters that it describes": ["faulty.bad: c"],
        "names the errors that it raises": ["faulty.Broken: BrokenError", "faulty.refused: BrokenError"],
        "says what it returns": ["faulty.bad"],
    }
