"""Conditions over datasets: the option `dataset_triggering_strategy`."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from ai.starlake.common import StarlakeError
from ai.starlake.common.expressions import Evaluate, ExpressionError, Rule, evaluate, operands
from ai.starlake.dataset import StarlakeDataset

_ALLOWED = "neither the name of a dataset nor & or |"
_FIX = 'write any, all, or an expression such as sales.orders & (sales.customers | "my-domain.stores")'


@dataclass(frozen=True)
class Available:
    """Holds if a dataset exists.

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
    """Holds if all of its parts hold."""

    parts: tuple[Condition, ...]

    def holds(self, available: Collection[str]) -> bool:
        """Return True if the condition is met by the datasets that exist."""
        return all(part.holds(available) for part in self.parts)

    def __str__(self) -> str:
        return " & ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


@dataclass(frozen=True)
class AnyOf:
    """Holds if one of its parts holds."""

    parts: tuple[Condition, ...]

    def holds(self, available: Collection[str]) -> bool:
        """Return True if the condition is met by the datasets that exist."""
        return any(part.holds(available) for part in self.parts)

    def __str__(self) -> str:
        return " | ".join(map(str, self.parts))


Condition = Available | AllOf | AnyOf


def condition_of(strategy: str, datasets: Sequence[str]) -> Condition:
    """Return the condition for the option `dataset_triggering_strategy`.

    Args:
        strategy: ``any``, ``all``, or an expression over the datasets with ``&``, ``|`` and parentheses. A dataset is
            named as in Starlake (``domain.table``) or as its asset (``domain_table``), ignoring case, and in quotes if
            it has characters other than letters, digits, ``_`` and ``.``.
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
    """Parses one expression. It has the syntax of Python, with names and two operators only."""

    def __init__(self, text: str, datasets: Sequence[str]) -> None:
        self._text = text
        self._datasets = datasets

    def read(self) -> Condition:
        rules: dict[type[ast.expr], Rule] = {ast.BinOp: self._joined, ast.BoolOp: self._joined}
        rules |= dict.fromkeys((ast.Name, ast.Attribute, ast.Constant), self._available)
        try:
            found: Condition = evaluate(self._text.replace("&&", "&").replace("||", "|"), rules, allowed=_ALLOWED)
        except ExpressionError as error:
            raise StarlakeError(
                f"option dataset_triggering_strategy: {self._text!r} is not accepted", cause=str(error), fix=_FIX
            ) from None
        return found

    def _joined(self, node: ast.BinOp | ast.BoolOp, value: Evaluate) -> Condition:
        if not isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.And, ast.Or)):
            raise _not_a_name(node)
        parts = tuple(value(part) for part in operands(node))
        return AllOf(parts) if isinstance(node.op, (ast.BitAnd, ast.And)) else AnyOf(parts)

    def _available(self, node: ast.expr, _value: Evaluate) -> Condition:
        return Available(self._dataset(_name(node)))

    def _dataset(self, name: str) -> str:
        found = self._known[0].get(name) or self._known[1].get(name.lower()) or []
        if len(found) == 1:
            return found[0]
        if found:
            raise ExpressionError(f"{name} may be {' or '.join(found)}")
        near = difflib.get_close_matches(name, self._datasets, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ExpressionError(f"the pipeline does not depend on {name}, but on {', '.join(self._datasets)}{hint}")

    @cached_property
    def _known(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Datasets by each of their names, and by these in lower case."""
        exact: dict[str, list[str]] = {}
        lower: dict[str, list[str]] = {}
        for dataset in self._datasets:
            names = {dataset, StarlakeDataset(dataset).uri}
            for name in names:
                exact.setdefault(name, []).append(dataset)
            for name in {name.lower() for name in names}:
                lower.setdefault(name, []).append(dataset)
        return exact, lower


def _name(node: ast.expr) -> str:
    """Return the name of a dataset in the expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise _not_a_name(node)


def _not_a_name(node: ast.expr) -> ExpressionError:
    return ExpressionError(f"{ast.unparse(node)!r} is {_ALLOWED}")
