"""SQL expressions of tables - scripts, filters, privacy - which Starlake evaluates with Spark, on DuckDB.

Nodes of sqlglot's tree are replaced, rather than written by a dialect of our own: the compiled build of sqlglot, which
other packages may have installed, does not let Python subclass its parsers and generators.
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
    """Translate an expression in Spark's SQL to DuckDB's.

    Args:
        text: The expression.
        file_column: The column that holds the name of the row's file, for ``input_file_name()``.
        texts: The columns of strings, in lower case; beside a number they are numbers, as in Spark.

    Returns:
        The expression for DuckDB. What is not valid Spark SQL is taken as DuckDB's own.
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
    """Return the DuckDB SQL of an expression of Spark's, which is in parentheses."""
    from sqlglot import exp

    for node in list(tree.walk()):  # calls before their arguments: a lambda is written with the call that it is for
        found = without_lambda(node, _written) if node.parent is not None and node.root() is tree else None
        if found is not None:
            node.replace(exp.Var(this=found))
    for node in reversed(list(tree.walk())):  # arguments before the calls that they are for
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
    """Return the SQL of a value as a column of a type; what does not fit is null, as in Spark.

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
