"""SQL expressions of tables - scripts, filters, privacy - which Starlake evaluates with Spark, on DuckDB."""

from __future__ import annotations

import logging

from ai.starlake.embedded.sql import identifier

logger = logging.getLogger(__name__)


def translated(text: str, file_column: str) -> str:
    """Turns an expression in Spark's SQL into DuckDB's.

    Args:
        text: The expression.
        file_column: The column that holds the name of the row's file, for ``input_file_name()``.

    Returns:
        The expression for DuckDB. What is no Spark SQL is taken as DuckDB's own.
    """
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    try:
        tree = parse_one(text, read="spark")
    except SqlglotError as error:
        logger.debug("not Spark SQL, taken as DuckDB's: %s (%s)", text, error)
        return f"{text}\n"  # it may end with a comment

    def replace(node: exp.Expression) -> exp.Expression:
        name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
        return exp.column(file_column, quoted=True) if name == "input_file_name" else node

    return tree.transform(replace).sql(dialect="duckdb", comments=False) or identifier(text)
