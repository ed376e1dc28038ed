"""Adaptive write strategies: which strategy applies to a file is decided by conditions (``types``)."""

from __future__ import annotations

import ast
import operator
import re
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from ai.starlake.common import StarlakeError, zone_of
from ai.starlake.project import Table, WriteStrategy

_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: operator.mod,
}


def chosen_strategy(table: Table, files: tuple[Path, ...], zone: str) -> WriteStrategy:
    """The write strategy of an ingestion.

    Args:
        table: The table.
        files: The files; several have one strategy, see `runs`.
        zone: The project's time zone, for conditions about the day.

    Returns:
        The table's strategy; an adaptive one with the type whose condition holds for the file.

    Raises:
        StarlakeError: If not exactly one condition holds, or if one cannot be evaluated.
    """
    strategy = table.metadata.write_strategy
    if not strategy.types:
        return strategy
    facts = _facts(table, files[0], zone)
    holding = [name for name, condition in strategy.types.items() if evaluate(condition, facts, table.full_name)]
    if len(holding) != 1:
        raise StarlakeError(
            f"{len(holding)} conditions of the adaptive write strategy of {table.full_name} hold for {files[0].name}",
            cause=f"holding: {', '.join(holding) or 'none'}; exactly one must",
            fix="make the conditions under writeStrategy.types exclude each other and cover every file",
        )
    chosen = strategy.model_copy(update={"type": holding[0], "types": {}})
    if not chosen.kind.is_adaptive:
        raise StarlakeError(
            f"{chosen.kind.name} cannot be a part of the adaptive write strategy of {table.full_name}",
            fix="use it alone",
        )
    return chosen


def runs(table: Table, files: Sequence[Path], zone: str) -> Iterator[tuple[Path, ...]]:
    """Splits the files of a grouped table where the strategy changes; the order stays.

    Args:
        table: The table.
        files: Its files in the order in which they are loaded.
        zone: The project's time zone.
    """
    for _, run in groupby(files, key=lambda file: _type_for(table, file, zone)):
        yield tuple(run)


def _type_for(table: Table, file: Path, zone: str) -> str:
    """The type of the strategy for a file; where it has none the name of the file, which is then alone."""
    try:
        return chosen_strategy(table, (file,), zone).effective_type
    except StarlakeError:
        return f"/{file.name}"


def _facts(table: Table, file: Path, zone: str) -> dict[str, Any]:
    now = datetime.now(zone_of(zone))
    information = file.stat()
    written = datetime.fromtimestamp(information.st_mtime, now.tzinfo)
    match = table.regex.fullmatch(file.name)
    size = information.st_size
    return {
        "group": match.group if match else lambda _key: "",
        "fileSize": size,
        **{f"fileSize{unit}": size // 1024**power for power, unit in enumerate(("B", "Ko", "Mo", "Go", "To"))},
        "isFirstDayOfMonth": now.day == 1,
        "isLastDayOfMonth": _is_last(now),
        "dayOfWeek": now.isoweekday(),
        "isFileFirstDayOfMonth": written.day == 1,
        "isFileLastDayOfMonth": _is_last(written),
        "fileDayOfWeek": written.isoweekday(),
        "true": True,
        "false": False,
    }


def _is_last(moment: datetime) -> bool:
    """Whether a day is the last of its month."""
    return moment.day == monthrange(moment.year, moment.month)[1]


def evaluate(condition: str, facts: Mapping[str, Any], label: str) -> bool:
    """Evaluates a condition: comparisons, ``&&``, ``||``, ``!``, arithmetic, names, ``group(n)`` and a few methods.

    Args:
        condition: The condition as Scala writes it; texts in double quotes.
        facts: What its names stand for.
        label: The table, for messages.

    Raises:
        StarlakeError: If the condition is something else.
    """
    python = re.sub(r"!(?!=)", " not ", condition.replace("&&", " and ").replace("||", " or "))
    try:
        return bool(_value(ast.parse(python.strip(), mode="eval").body, facts))
    except (SyntaxError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise StarlakeError(
            f"the condition {condition!r} of the adaptive write strategy of {label} cannot be evaluated",
            cause=str(error),
            fix=f"use comparisons, &&, ||, !, group(n), the methods {', '.join(_METHODS)} and the names "
            f"{', '.join(sorted(facts))}",
        ) from error


def _value(node: ast.expr, facts: Mapping[str, Any]) -> Any:
    rule = _RULES.get(type(node))
    if rule is None:
        raise ValueError(f"{ast.unparse(node)} is not allowed here")
    return rule(node, facts)


def _boolean(node: Any, facts: Mapping[str, Any]) -> bool:
    values = (_value(each, facts) for each in node.values)
    return all(values) if isinstance(node.op, ast.And) else any(values)


def _unary(node: Any, facts: Mapping[str, Any]) -> Any:
    value = _value(node.operand, facts)
    return not value if isinstance(node.op, ast.Not) else -value


def _comparison(node: Any, facts: Mapping[str, Any]) -> bool:
    operands = [_value(each, facts) for each in (node.left, *node.comparators)]
    return all(_COMPARISONS[type(one)](*operands[place : place + 2]) for place, one in enumerate(node.ops))


def _call(node: Any, facts: Mapping[str, Any]) -> Any:
    """``group(1)``, or a method of a text with its argument."""
    arguments = [_value(each, facts) for each in node.args]
    if isinstance(node.func, ast.Name) and node.func.id == "group" and len(arguments) == 1:
        return facts["group"](*arguments)
    if isinstance(node.func, ast.Attribute):
        return _method(node.func, facts, arguments)
    raise ValueError(f"{ast.unparse(node)} is not allowed here")


def _method(node: Any, facts: Mapping[str, Any], arguments: Sequence[Any] = ()) -> Any:
    method = _METHODS.get(node.attr)
    if method is None:
        raise ValueError(f"the method {node.attr} is not known")
    return method(_value(node.value, facts), *arguments)


_METHODS: Mapping[str, Callable[..., Any]] = {
    "toInt": int,
    "toLong": int,
    "length": len,
    "isEmpty": lambda text: text == "",
    "nonEmpty": lambda text: text != "",
    "equals": operator.eq,
    "equalsIgnoreCase": lambda text, other: text.lower() == other.lower(),
    "contains": operator.contains,
    "startsWith": lambda text, other: text.startswith(other),
    "endsWith": lambda text, other: text.endswith(other),
    "toLowerCase": lambda text: text.lower(),
    "toUpperCase": lambda text: text.upper(),
}
"""Methods of Scala's texts."""


_RULES: Mapping[type[ast.expr], Callable[[Any, Mapping[str, Any]], Any]] = {
    ast.Constant: lambda node, _: node.value,
    ast.Name: lambda node, facts: facts[node.id],
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.BinOp: lambda node, facts: _ARITHMETIC[type(node.op)](_value(node.left, facts), _value(node.right, facts)),
    ast.Compare: _comparison,
    ast.Call: _call,
    ast.Attribute: _method,
}
