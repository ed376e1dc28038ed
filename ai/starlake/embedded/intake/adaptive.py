"""Adaptive write strategies: conditions (``types``) select the strategy of a file."""

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

from ai.starlake.common import PermanentError, StarlakeError, expressions, zone_of
from ai.starlake.common.expressions import Evaluate, Rule
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
    """Return the write strategy of an ingestion.

    Args:
        table: The table.
        files: The files; several share one strategy, see `runs`.
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
    return strategy.model_copy(update={"type": holding[0], "types": {}})


def runs(table: Table, files: Sequence[Path], zone: str) -> Iterator[tuple[Path, ...]]:
    """Split the files of a grouped table where the strategy changes, in order.

    Args:
        table: The table.
        files: Its files in loading order.
        zone: The project's time zone.
    """
    for _, run in groupby(files, key=lambda file: _type_for(table, file, zone)):
        yield tuple(run)


def _type_for(table: Table, file: Path, zone: str) -> str:
    """Return the strategy type for a file; files whose strategy cannot be determined form their own group."""
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
    """Return True if a day is the last of its month."""
    return moment.day == monthrange(moment.year, moment.month)[1]


def evaluate(condition: str, facts: Mapping[str, Any], label: str) -> bool:
    """Evaluate a condition: comparisons, ``&&``, ``||``, ``!``, arithmetic, names, ``group(n)`` and some methods.

    Args:
        condition: The condition in Scala's syntax; strings in double quotes.
        facts: The values of its names.
        label: The table, for messages.

    Raises:
        StarlakeError: If the condition is not such an expression.
    """
    python = re.sub(r"!(?!=)", " not ", condition.replace("&&", " and ").replace("||", " or "))
    rules: dict[type[ast.expr], Rule] = {
        ast.Constant: lambda node, _: node.value,
        ast.Name: lambda node, _: _fact(node, facts),
        ast.BoolOp: _boolean,
        ast.UnaryOp: _unary,
        ast.BinOp: lambda node, value: _ARITHMETIC[type(node.op)](value(node.left), value(node.right)),
        ast.Compare: _comparison,
        ast.Call: lambda node, value: _call(node, value, facts),
        ast.Attribute: _method,
    }
    try:
        return bool(expressions.evaluate(python, rules))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        # any other error may come from the name of the file
        kind = PermanentError if isinstance(error, expressions.ExpressionError) else StarlakeError
        raise kind(
            f"the condition {condition!r} of the adaptive write strategy of {label} cannot be evaluated",
            cause=str(error),
            fix=f"use comparisons, &&, ||, !, group(n), the methods {', '.join(_METHODS)} and the names "
            f"{', '.join(sorted(facts))}",
        ) from error


def _fact(node: Any, facts: Mapping[str, Any]) -> Any:
    if node.id not in facts:
        raise expressions.ExpressionError(f"the name {node.id} is not known")
    return facts[node.id]


def _boolean(node: Any, value: Evaluate) -> bool:
    values = (value(each) for each in node.values)
    return all(values) if isinstance(node.op, ast.And) else any(values)


def _unary(node: Any, value: Evaluate) -> Any:
    operand = value(node.operand)
    return not operand if isinstance(node.op, ast.Not) else -operand


def _comparison(node: Any, value: Evaluate) -> bool:
    operands = [value(each) for each in (node.left, *node.comparators)]
    return all(_COMPARISONS[type(one)](*operands[place : place + 2]) for place, one in enumerate(node.ops))


def _call(node: Any, value: Evaluate, facts: Mapping[str, Any]) -> Any:
    """Return the value of ``group(1)``, or of a string method with its arguments."""
    arguments = [value(each) for each in node.args]
    if isinstance(node.func, ast.Name) and node.func.id == "group" and len(arguments) == 1:
        return facts["group"](*arguments)
    if isinstance(node.func, ast.Attribute):
        return _method(node.func, value, arguments)
    raise expressions.ExpressionError(f"{ast.unparse(node)} is not allowed here")


def _method(node: Any, value: Evaluate, arguments: Sequence[Any] = ()) -> Any:
    method = _METHODS.get(node.attr)
    if method is None:
        raise expressions.ExpressionError(f"the method {node.attr} is not known")
    return method(value(node.value), *arguments)


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
"""Methods of Scala strings."""
