"""SQL expressions of tables - scripts, filters, privacy - which Starlake evaluates with Spark, on DuckDB.

Nodes of sqlglot's tree are replaced, instead of using a dialect of our own: in the compiled build of sqlglot, which
other packages may have installed, Python cannot subclass its parsers and generators.
"""

from __future__ import annotations

import logging
from collections.abc import Set
from typing import TYPE_CHECKING

from ai.starlake.embedded.database.quoting import identifier
from ai.starlake.embedded.spark.functions import as_duckdb, to_integer, to_moment, to_text
from ai.starlake.embedded.spark.lambdas import without_lambda

if TYPE_CHECKING:
    from sqlglot import exp

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
logger = logging.getLogger(__name__)


def translated(text: str, file_column: str, texts: Set[str] = frozenset()) -> str:
    """Translate a Spark SQL expression to DuckDB.

    Args:
        text: The expression.
        file_column: The column that holds the name of the row's file, for ``input_file_name()``.
        texts: The names of string columns, in lower case; combined with a number they are numbers, as in Spark.

    Returns:
        The expression for DuckDB. An expression that is not valid Spark SQL is returned as DuckDB's own.
    """
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    try:
        tree = parse_one(text, read="spark")
    except SqlglotError as error:
        logger.debug("not Spark SQL, taken as DuckDB's: %s (%s)", text, error)
        return f"{text}\n"  # it may end with a comment

    _read_numbers(tree, texts)
    holder = exp.Paren(this=tree)
    for node in list(holder.find_all(exp.Anonymous)):
        found = _file_name(node, file_column)
        if found is not None:
            node.replace(exp.Var(this=found))
    return rewritten(holder) or identifier(text)


def rewritten(tree: exp.Expr) -> str:
    """Return the DuckDB SQL of a Spark expression, in parentheses."""
    from sqlglot import exp

    for node in list(tree.walk()):  # calls before their arguments: a lambda is translated with its call
        found = without_lambda(node, _written) if node.parent is not None and node.root() is tree else None
        if found is not None:
            node.replace(exp.Var(this=found))
    for node in reversed(list(tree.walk())):  # arguments before their calls
        found = as_duckdb(node) if node.parent is not None else None
        if found is not None:
            node.replace(exp.Var(this=found, was=node.key))
    return str(tree.sql(dialect="duckdb", comments=False))


def _written(node: exp.Expr) -> str:
    from sqlglot import exp

    return rewritten(exp.Paren(this=node.copy()))


def _read_numbers(tree: exp.Expr, texts: Set[str]) -> None:
    from sqlglot import exp

    comparisons = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ)
    for node in list(tree.find_all(*comparisons, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)):
        for side, other in ((node.left, node.right), (node.right, node.left)):
            number = other.this if isinstance(other, exp.Neg) else other
            is_text = isinstance(side, exp.Column) and not side.table and side.name.lower() in texts
            if is_text and isinstance(number, exp.Literal) and not number.is_string:
                side.replace(exp.TryCast(this=side.copy(), to=exp.DataType.build("double")))


def converted(value: str, kind: str) -> str:
    """Return the SQL of a value cast to a column type; null if the cast fails, as in Spark.

    Args:
        value: SQL of the value.
        kind: The DuckDB type of the column.
    """
    if kind in _INTEGERS:
        return to_integer(value, kind)
    if kind.startswith("TIMESTAMP"):
        return to_moment(value, kind)
    return to_text(value) if kind == "VARCHAR" else f"TRY_CAST({value} AS {kind})"


def _file_name(node: exp.Expr, file_column: str) -> str | None:
    is_call = node.key == "anonymous" and node.name.lower() == "input_file_name"
    return identifier(file_column) if is_call else None
