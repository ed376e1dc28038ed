"""Spark's functions for arrays, maps and JSON, including lambdas, in DuckDB's SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

_numbers = count()


Write = Callable[["exp.Expr"], str]
"""Returns the DuckDB SQL of a Spark expression."""


def without_lambda(node: exp.Expr, write: Write) -> str | None:
    """Return the DuckDB SQL of a call with a lambda; None for any other call.

    Args:
        node: The call with untranslated arguments.
        write: Translates expressions without a lambda.
    """
    from sqlglot import exp

    name = (node.name if isinstance(node, exp.Anonymous) else node.key).lower()
    rule = _WITH_LAMBDAS.get(name)
    call = _Call(_arguments(node), write)
    if rule is None or not any(isinstance(one, exp.Lambda) for one in call.arguments):
        return None
    return rule(call)


def _arguments(node: exp.Expr) -> list[exp.Expr]:
    """Return the arguments of a call in written order."""
    from sqlglot import exp

    if isinstance(node, exp.Anonymous):
        return list(node.expressions)
    keys = ("this", "initial", "merge", "finish", "expression", "query")
    return [node.args[key] for key in keys if isinstance(node.args.get(key), exp.Expression)]


@dataclass(frozen=True)
class _Call:
    """A call with lambdas among its arguments."""

    arguments: list[exp.Expr]
    write: Write

    def sql(self, place: int) -> str:
        """Return the SQL of an argument."""
        return self.write(self.arguments[place])

    def body(self, place: int, *values: str) -> str:
        """Return the SQL of the body of a lambda, with its parameters replaced by SQL."""
        from sqlglot import exp

        function = self.arguments[place]
        names = [parameter.name for parameter in function.expressions]
        known = dict(zip(names, values, strict=False))
        holder = exp.Paren(this=function.this.copy())
        for one in list(holder.find_all(exp.Identifier)):
            if one.name in known and not _is_parameter(one):
                whole = one.parent if isinstance(one.parent, exp.Column) and one.parent.this is one else one
                whole.replace(exp.Var(this=known[one.name]))
        return self.write(holder.this)

    def each(self, function: str) -> str:
        """Return a DuckDB list function over a lambda with one or two parameters; Spark counts the second from 0."""
        item, place = _name("x"), _name("i")
        if len(self.arguments[1].expressions) > 1:
            body = self.body(1, item, f"CAST({place} - 1 AS INTEGER)")
            return f"{function}({self.sql(0)}, lambda {item}, {place}: {body})"
        return f"{function}({self.sql(0)}, lambda {item}: {self.body(1, item)})"


def _is_parameter(node: exp.Expr) -> bool:
    from sqlglot import exp

    return isinstance(node.parent, exp.Lambda) and node.arg_key == "expressions"


def _name(prefix: str) -> str:
    return f"{prefix}{next(_numbers)}"


def _holds(call: _Call, sought: str) -> str:
    """Return the SQL for "any item fulfils the condition"; null if none does and one is null."""
    values = call.sql(0)
    found = call.each("list_transform")
    other = "false" if sought == "true" else "true"
    item = _name("x")
    nulls = f"len(list_filter({found}, lambda {item}: {item} IS NULL)) > 0"
    return (
        f"CASE WHEN {values} IS NULL THEN NULL WHEN list_contains({found}, {sought}) THEN {sought} "
        f"WHEN {nulls} THEN NULL ELSE {other} END"
    )


def _aggregate(call: _Call) -> str:
    values, initial = call.sql(0), call.sql(1)
    total, item = _name("a"), _name("x")
    merge = call.body(2, total, item)
    reduced = f"list_reduce({values}, lambda {total}, {item}: {merge}, {initial})"
    if len(call.arguments) < 4:  # noqa: PLR2004  without a last step
        return reduced
    last = _name("a")
    return f"list_transform([{reduced}], lambda {last}: {call.body(3, last)})[1]"


def _zip_with(call: _Call) -> str:
    left, right, place = call.sql(0), call.sql(1), _name("i")
    body = call.body(2, f"({left})[{place}]", f"({right})[{place}]")
    length = f"greatest(len({left}), len({right}))"
    return (
        f"CASE WHEN {left} IS NOT NULL AND {right} IS NOT NULL "
        f"THEN list_transform(range(1, {length} + 1), lambda {place}: {body}) END"
    )


def _entries(call: _Call, function: str, result: str) -> str:
    """Return a map made of the entries of another one; ``{body}`` in the result is the body of the lambda."""
    entry = _name("e")
    body = call.body(1, f"{entry}.key", f"{entry}.value")
    written = result.format(body=body, entry=entry)
    return f"map_from_entries({function}(map_entries({call.sql(0)}), lambda {entry}: {written}))"


def _sorted(call: _Call) -> str:
    """Return an insertion sort, because DuckDB's sorting accepts no comparator."""
    values, total, item, other = call.sql(0), _name("a"), _name("x"), _name("y")
    order = call.body(1, other, item)
    before = f"list_filter({total}, lambda {other}: {order} <= 0)"
    after = f"list_filter({total}, lambda {other}: {order} > 0)"
    merge = f"list_concat(list_concat({before}, [{item}]), {after})"
    return f"list_reduce({values}, lambda {total}, {item}: {merge}, ({values})[1:0])"


_WITH_LAMBDAS: dict[str, Callable[[_Call], str]] = {
    "aggregate": _aggregate,
    "any": lambda call: _holds(call, "true"),
    "arrayany": lambda call: _holds(call, "true"),
    "arrayall": lambda call: _holds(call, "false"),
    "arrayfilter": lambda call: call.each("list_filter"),
    "arraysort": _sorted,
    "array_sort": _sorted,
    "exists": lambda call: _holds(call, "true"),
    "filter": lambda call: call.each("list_filter"),
    "forall": lambda call: _holds(call, "false"),
    "map_filter": lambda call: _entries(call, "list_filter", "{body}"),
    "reduce": _aggregate,
    "transform": lambda call: call.each("list_transform"),
    "transform_keys": lambda call: _entries(call, "list_transform", "{{'key': {body}, 'value': {entry}.value}}"),
    "transform_values": lambda call: _entries(call, "list_transform", "{{'key': {entry}.key, 'value': {body}}}"),
    "zip_with": _zip_with,
}
"""Translations of calls with lambdas, by their name or the key of their class."""


def json_text(node: exp.Expr) -> str:
    """Return the JSON of a value; null fields of structs are left out, null values of maps stay, as in Spark."""
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
    """Return the map in a string; an entry without a value has null."""
    entry = _name("e")
    parts = f"string_split_regex({entry}, {values})"
    rest = f"CASE WHEN len({parts}) > 1 THEN substr({entry}, len({parts}[1]) + 1 + "
    rest += f"len(regexp_extract(substr({entry}, len({parts}[1]) + 1), {values}))) END"
    return (
        f"map_from_entries(list_transform(string_split_regex({text}, {pairs}), "
        f"lambda {entry}: {{'key': {parts}[1], 'value': {rest}}}))"
    )
