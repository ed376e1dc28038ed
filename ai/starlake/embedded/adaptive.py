"""Adaptive write strategies: which strategy applies to a file is decided by conditions (contract 3.5, ``types``)."""

from __future__ import annotations

import ast
import operator
import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ai.starlake.common import StarlakeError
from ai.starlake.project import Table, WriteStrategy, WriteStrategyType

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
_SUNDAY = 7


def chosen_strategy(table: Table, files: tuple[Path, ...], zone: str) -> WriteStrategy:
    """The write strategy of an ingestion.

    Args:
        table: The table.
        files: The files; the first decides when they are grouped.
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
    if holding[0] == WriteStrategyType.SCD2.value:
        raise StarlakeError(
            f"SCD2 cannot be a part of the adaptive write strategy of {table.full_name}", fix="use it alone"
        )
    return strategy.model_copy(update={"type": holding[0], "types": {}})


def _facts(table: Table, file: Path, zone: str) -> dict[str, Any]:
    try:
        now = datetime.now(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        raise StarlakeError(
            f"the time zone {zone!r} is unknown", fix="use a name such as UTC or Europe/Paris"
        ) from None
    written = datetime.fromtimestamp(file.stat().st_mtime, ZoneInfo("UTC"))
    match = table.regex.fullmatch(file.name)
    return {
        "group": match.group if match else lambda _key: "",
        "fileSize": file.stat().st_size,
        **{f"fileSize{unit}": file.stat().st_size / size for unit, size in _UNITS.items()},
        **_day("", now),
        **_day("file", written),
        "true": True,
        "false": False,
    }


_UNITS = {"B": 1, "Ko": 1024, "Mo": 1024**2, "Go": 1024**3, "To": 1024**4}


def _day(prefix: str, moment: datetime) -> dict[str, Any]:
    last = monthrange(moment.year, moment.month)[1]
    facts = {
        "isFirstDayOfMonth": moment.day == 1,
        "isLastDayOfMonth": moment.day == last,
        "dayOfWeek": moment.isoweekday(),
        "isFirstDayOfWeek": moment.isoweekday() == 1,
        "isLastDayOfWeek": moment.isoweekday() == _SUNDAY,
        "dayOfMonth": moment.day,
        "isFirstDayOfYear": (moment.month, moment.day) == (1, 1),
        "isLastDayOfYear": (moment.month, moment.day) == (12, 31),
        "isFirstMonthOfYear": moment.month == 1,
        "isLastMonthOfYear": moment.month == 12,  # noqa: PLR2004
        "month": moment.month,
        "year": moment.year,
        "hour": moment.hour,
        "minute": moment.minute,
        "second": moment.second,
    }
    return {prefix + (name[0].upper() + name[1:] if prefix else name): value for name, value in facts.items()}


def evaluate(condition: str, facts: Mapping[str, Any], label: str) -> bool:
    """Evaluates a condition: comparisons, ``&&``, ``||``, ``!``, arithmetic, names and ``group(n)``, nothing else.

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
    except (SyntaxError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise StarlakeError(
            f"the condition {condition!r} of the adaptive write strategy of {label} cannot be evaluated",
            cause=str(error),
            fix=f"use comparisons, &&, ||, !, group(n) and the names {', '.join(sorted(facts))}",
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


def _group(node: Any, facts: Mapping[str, Any]) -> Any:
    if not isinstance(node.func, ast.Name) or node.func.id != "group" or len(node.args) != 1:
        raise ValueError(f"{ast.unparse(node)} is not allowed here")
    return facts["group"](_value(node.args[0], facts))


_RULES: Mapping[type[ast.expr], Callable[[Any, Mapping[str, Any]], Any]] = {
    ast.Constant: lambda node, _: node.value,
    ast.Name: lambda node, facts: facts[node.id],
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.BinOp: lambda node, facts: _ARITHMETIC[type(node.op)](_value(node.left, facts), _value(node.right, facts)),
    ast.Compare: _comparison,
    ast.Call: _group,
}
