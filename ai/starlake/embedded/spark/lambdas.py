"""Spark's functions of arrays, maps and JSON, lambdas included, as DuckDB's SQL."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

_numbers = count()


def prepared(node: exp.Expr) -> str | None:
    """SQL for a call that takes a lambda; its arguments are still Spark's. None for any other call.

    Args:
        node: The call.
    """
    from sqlglot import exp

    name = (node.name if isinstance(node, exp.Anonymous) else node.key).lower()
    write = _WITH_LAMBDAS.get(name)
    arguments = _arguments(node)
    if write is None or not any(isinstance(one, exp.Lambda) for one in arguments):
        return None
    return write(arguments)


def _arguments(node: exp.Expr) -> list[exp.Expr]:
    """The arguments of a call in the order in which they are written."""
    from sqlglot import exp

    if isinstance(node, exp.Anonymous):
        return list(node.expressions)
    keys = ("this", "initial", "merge", "finish", "expression", "query")
    return [node.args[key] for key in keys if isinstance(node.args.get(key), exp.Expression)]


def _body(function: exp.Expr, *values: str) -> str:
    """The body of a lambda, its parameters replaced by SQL."""
    from sqlglot import exp

    names = [parameter.name for parameter in function.expressions]
    known = dict(zip(names, values, strict=False))
    holder = exp.Paren(this=function.this.copy())
    for one in list(holder.find_all(exp.Identifier)):
        if one.name in known and not _is_parameter(one):
            whole = one.parent if isinstance(one.parent, exp.Column) and one.parent.this is one else one
            whole.replace(exp.Var(this=known[one.name]))
    return _written(holder.this)


def _is_parameter(node: exp.Expr) -> bool:
    from sqlglot import exp

    return isinstance(node.parent, exp.Lambda) and node.arg_key == "expressions"


def _written(node: exp.Expr) -> str:
    from sqlglot import exp

    from ai.starlake.embedded.spark.translation import rewritten

    return rewritten(exp.Paren(this=node.copy()))


def _name(prefix: str) -> str:
    return f"{prefix}{next(_numbers)}"


def _each(function: str, values: str, of: exp.Expr) -> str:
    """A list function of DuckDB over a lambda of one or two parameters; the second counts from 0 in Spark."""
    item, place = _name("x"), _name("i")
    if len(of.expressions) > 1:
        return f"{function}({values}, lambda {item}, {place}: {_body(of, item, f'CAST({place} - 1 AS INTEGER)')})"
    return f"{function}({values}, lambda {item}: {_body(of, item)})"


def _filter(arguments: list[exp.Expr]) -> str:
    return _each("list_filter", _written(arguments[0]), arguments[1])


def _transform(arguments: list[exp.Expr]) -> str:
    return _each("list_transform", _written(arguments[0]), arguments[1])


def _holds(arguments: list[exp.Expr], sought: str) -> str:
    """Whether a condition has a value for any item; null where it has not and is null for one."""
    values = _written(arguments[0])
    found = _each("list_transform", values, arguments[1])
    other = "false" if sought == "true" else "true"
    item = _name("x")
    nulls = f"len(list_filter({found}, lambda {item}: {item} IS NULL)) > 0"
    return (
        f"CASE WHEN {values} IS NULL THEN NULL WHEN list_contains({found}, {sought}) THEN {sought} "
        f"WHEN {nulls} THEN NULL ELSE {other} END"
    )


def _aggregate(arguments: list[exp.Expr]) -> str:
    values, initial = _written(arguments[0]), _written(arguments[1])
    total, item = _name("a"), _name("x")
    merge = _body(arguments[2], total, item)
    reduced = f"list_reduce({values}, lambda {total}, {item}: {merge}, {initial})"
    if len(arguments) < 4:  # noqa: PLR2004  without a last step
        return reduced
    last = _name("a")
    return f"list_transform([{reduced}], lambda {last}: {_body(arguments[3], last)})[1]"


def _zip_with(arguments: list[exp.Expr]) -> str:
    left, right, place = _written(arguments[0]), _written(arguments[1]), _name("i")
    body = _body(arguments[2], f"({left})[{place}]", f"({right})[{place}]")
    length = f"greatest(len({left}), len({right}))"
    return (
        f"CASE WHEN {left} IS NOT NULL AND {right} IS NOT NULL "
        f"THEN list_transform(range(1, {length} + 1), lambda {place}: {body}) END"
    )


def _entries(arguments: list[exp.Expr], function: str, result: str) -> str:
    """A map made of the entries of another; ``{body}`` in the result is the body of the lambda."""
    entry = _name("e")
    body = _body(arguments[1], f"{entry}.key", f"{entry}.value")
    written = result.format(body=body, entry=entry)
    return f"map_from_entries({function}(map_entries({_written(arguments[0])}), lambda {entry}: {written}))"


def _sorted(arguments: list[exp.Expr]) -> str:
    """An insertion sort, since DuckDB's sorting takes no comparator."""
    values, total, item, other = _written(arguments[0]), _name("a"), _name("x"), _name("y")
    order = _body(arguments[1], other, item)
    before = f"list_filter({total}, lambda {other}: {order} <= 0)"
    after = f"list_filter({total}, lambda {other}: {order} > 0)"
    merge = f"list_concat(list_concat({before}, [{item}]), {after})"
    return f"list_reduce({values}, lambda {total}, {item}: {merge}, ({values})[1:0])"


_WITH_LAMBDAS: dict[str, Callable[[list[exp.Expr]], str]] = {
    "aggregate": _aggregate,
    "any": lambda arguments: _holds(arguments, "true"),
    "arrayany": lambda arguments: _holds(arguments, "true"),
    "arrayall": lambda arguments: _holds(arguments, "false"),
    "arrayfilter": _filter,
    "arraysort": _sorted,
    "array_sort": _sorted,
    "exists": lambda arguments: _holds(arguments, "true"),
    "filter": _filter,
    "forall": lambda arguments: _holds(arguments, "false"),
    "map_filter": lambda arguments: _entries(arguments, "list_filter", "{body}"),
    "reduce": _aggregate,
    "transform": _transform,
    "transform_keys": lambda arguments: _entries(
        arguments, "list_transform", "{{'key': {body}, 'value': {entry}.value}}"
    ),
    "transform_values": lambda arguments: _entries(
        arguments, "list_transform", "{{'key': {entry}.key, 'value': {body}}}"
    ),
    "zip_with": _zip_with,
}
"""What stands for a call with lambdas, by its name or the key of its class."""


def json_text(node: exp.Expr) -> str:
    """The JSON of a value; null fields of structs are left out, null values of maps stay, as in Spark."""
    from sqlglot import exp

    value = node.this
    if isinstance(value, exp.Array):
        items = [json_text(exp.JSONFormat(this=one)) for one in value.expressions]
        listed = ", ',', ".join(f"coalesce({item}, 'null')" for item in items)
        return f"concat('[', {listed}, ']')"
    written = f"to_json({value.sql(dialect='duckdb')})"
    if isinstance(value, (exp.Map, exp.VarMap)) or value.args.get("is_map"):
        return f"CAST({written} AS VARCHAR)"
    return f"CAST(json_merge_patch(CAST('{{}}' AS JSON), {written}) AS VARCHAR)"


def map_of_text(text: str, pairs: str, values: str) -> str:
    """The map that is written in a text; an entry without a value has null."""
    entry = _name("e")
    parts = f"string_split_regex({entry}, {values})"
    rest = f"CASE WHEN len({parts}) > 1 THEN substr({entry}, len({parts}[1]) + 1 + "
    rest += f"len(regexp_extract(substr({entry}, len({parts}[1]) + 1), {values}))) END"
    return (
        f"map_from_entries(list_transform(string_split_regex({text}, {pairs}), "
        f"lambda {entry}: {{'key': {parts}[1], 'value': {rest}}}))"
    )
