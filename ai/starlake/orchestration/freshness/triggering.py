"""Conditions over datasets: the option `dataset_triggering_strategy`."""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from ai.starlake.common import StarlakeError
from ai.starlake.dataset import StarlakeDataset

_FIX = 'write any, all, or an expression such as sales.orders & (sales.customers | "my-domain.stores")'


@dataclass(frozen=True)
class Available:
    """Holds when a dataset exists.

    Args:
        name: The Starlake name of the dataset.
    """

    name: str

    def holds(self, available: Collection[str]) -> bool:
        """Return True if the condition is met by the datasets that exist."""
        return self.name in available

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class AllOf:
    """Holds when all of its parts hold."""

    parts: tuple[Condition, ...]

    def holds(self, available: Collection[str]) -> bool:
        """Return True if the condition is met by the datasets that exist."""
        return all(part.holds(available) for part in self.parts)

    def __str__(self) -> str:
        return " & ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


@dataclass(frozen=True)
class AnyOf:
    """Holds when one of its parts holds."""

    parts: tuple[Condition, ...]

    def holds(self, available: Collection[str]) -> bool:
        """Return True if the condition is met by the datasets that exist."""
        return any(part.holds(available) for part in self.parts)

    def __str__(self) -> str:
        return " | ".join(map(str, self.parts))


Condition = Available | AllOf | AnyOf


def condition_of(strategy: str, datasets: Sequence[str]) -> Condition:
    """Read the option `dataset_triggering_strategy`.

    Args:
        strategy: ``any``, ``all``, or an expression over the datasets with ``&``, ``|`` and parentheses. A dataset is
            named as in Starlake (``domain.table``) or as its asset (``domain_table``), in any case of letters, and in
            quotes when it has characters besides letters, digits, ``_`` and ``.``.
        datasets: The Starlake names of the datasets that the pipeline depends on.

    Raises:
        StarlakeError: If it is none of these, or names a dataset that the pipeline does not depend on.
    """
    word = strategy.strip().lower()
    if word in ("any", "all"):
        parts = tuple(Available(name) for name in datasets)
        return AnyOf(parts) if word == "any" else AllOf(parts)
    return _Reader(strategy, datasets).read()


class _Reader:
    """Reads one expression. It has the syntax of Python's, of which only names and two operators are accepted."""

    def __init__(self, text: str, datasets: Sequence[str]) -> None:
        self._text = text
        self._datasets = datasets

    def read(self) -> Condition:
        source = " ".join(self._text.replace("&&", "&").replace("||", "|").splitlines()).strip()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python's own, about what is refused below anyway
                tree = ast.parse(source, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise self._refusal(_reason(error, source)) from None
        try:
            return self._condition(tree.body)
        except RecursionError:
            raise self._refusal("its parentheses are nested too deep") from None

    def _condition(self, node: ast.expr) -> Condition:
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            parts = tuple(self._condition(part) for part in _operands(node, type(node.op)))
            return AllOf(parts) if isinstance(node.op, ast.BitAnd) else AnyOf(parts)
        if isinstance(node, ast.BoolOp):
            parts = tuple(self._condition(part) for part in node.values)
            return AllOf(parts) if isinstance(node.op, ast.And) else AnyOf(parts)
        return Available(self._dataset(self._name(node)))

    def _name(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Attribute):
            return f"{self._name(node.value)}.{node.attr}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        raise self._refusal(f"{ast.unparse(node)!r} is neither the name of a dataset nor & or |")

    def _dataset(self, name: str) -> str:
        found = self._known[0].get(name) or self._known[1].get(name.lower()) or []
        if len(found) == 1:
            return found[0]
        if found:
            raise self._refusal(f"{name} may be {' or '.join(found)}")
        near = difflib.get_close_matches(name, self._datasets, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise self._refusal(f"the pipeline does not depend on {name}, but on {', '.join(self._datasets)}{hint}")

    @cached_property
    def _known(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """The datasets by each of their names, and by these in lower case."""
        exact: dict[str, list[str]] = {}
        lower: dict[str, list[str]] = {}
        for dataset in self._datasets:
            names = {dataset, StarlakeDataset(dataset).uri}
            for name in names:
                exact.setdefault(name, []).append(dataset)
            for name in {name.lower() for name in names}:
                lower.setdefault(name, []).append(dataset)
        return exact, lower

    def _refusal(self, reason: str) -> StarlakeError:
        return StarlakeError(
            f"option dataset_triggering_strategy: {self._text!r} is not accepted", cause=reason, fix=_FIX
        )


def _operands(node: ast.BinOp, kind: type[ast.operator]) -> Iterator[ast.expr]:
    """Yield what one operator joins, from left to right: Python nests ``a & b & c`` to the left."""
    right: list[ast.expr] = []
    current: ast.expr = node
    while isinstance(current, ast.BinOp) and isinstance(current.op, kind):
        right.append(current.right)
        current = current.left
    yield current
    yield from reversed(right)


def _reason(error: BaseException, source: str) -> str:
    """Return why Python's parser does not take an expression. Its own words speak of Python, and differ by version."""
    place = error.offset if isinstance(error, SyntaxError) else None
    if not source or not place or place > len(source):
        return "it is not complete, or nested too deep" if source else "it is empty"
    return f"it is not understood from character {place} on: {source[place - 1 :]!r}"
