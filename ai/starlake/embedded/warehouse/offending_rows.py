"""The first rows that violate an expectation, if it counts rows of its table that match a condition."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import Token, exp

    from ai.starlake.embedded.warehouse.warehouse import Target, Warehouse
    from ai.starlake.project import Attribute, Table, Task

logger = logging.getLogger(__name__)

_MOST_ROWS = 10
_WIDTH = 100
"""Maximum characters of a value."""


def offending_rows(
    warehouse: Warehouse, target: Target, item: Table | Task, sql: str
) -> tuple[Mapping[str, str | None], ...]:
    """Return the first rows that a query counts, as shortened strings and without private columns.

    Args:
        warehouse: The warehouse of the table.
        target: The table.
        item: The table or task, whose attributes define the private columns.
        sql: The query of an expectation.

    Returns:
        The rows; empty if the query has another form than ``SELECT COUNT(*) FROM table WHERE condition``.
    """
    condition = counted_rows(sql, target)
    private = {attribute.final_name.lower() for attribute in item.attributes if _is_private(attribute)}
    columns = [name for name in warehouse.columns(target) if name.lower() not in private]
    if condition is None or not columns:
        return ()
    texts = ", ".join(f"left(CAST({warehouse.quoted(name)} AS VARCHAR), {_WIDTH + 1})" for name in columns)
    try:
        found = warehouse.rows(f"SELECT {texts} {condition}\nLIMIT {_MOST_ROWS}")
    except Exception:  # the result of the expectation is valid without them
        logger.debug("no offending rows", exc_info=True)
        return ()
    return tuple(dict(zip(columns, map(_shown, row), strict=True)) for row in found)


def _is_private(attribute: Attribute) -> bool:
    return (attribute.privacy or "NONE").upper() != "NONE" or any(map(_is_private, attribute.attributes))


def _shown(value: str | None) -> str | None:
    return value if value is None or len(value) <= _WIDTH else f"{value[:_WIDTH]}..."


def counted_rows(sql: str, target: Target) -> str | None:
    """Return the rows that a query counts, as the SQL from its FROM on; None if it has another form.

    The form is ``SELECT COUNT(*) FROM table WHERE condition``, optionally with a literal instead of the star, or an
    alias. The SQL is the query's own: no part of it is generated.

    Args:
        sql: The query.
        target: The required table.
    """
    import sqlglot
    from sqlglot import exp

    try:
        query = sqlglot.parse_one(sql, dialect="duckdb")
        tokens = sqlglot.tokenize(sql, read="duckdb")
    except sqlglot.errors.SqlglotError:
        return None
    if not isinstance(query, exp.Select) or not _only_counts(query) or not _is_about(query, target):
        return None
    return sql[_start_of_from(tokens) :]


def _only_counts(query: exp.Select) -> bool:
    from sqlglot import exp

    if {part for part, value in query.args.items() if value} - {"from", "from_"} != {"expressions", "where"}:
        return False
    if len(query.expressions) != 1:
        return False
    count = query.expressions[0].unalias()
    if not isinstance(count, exp.Count) or count.expressions:
        return False
    return isinstance(count.this, exp.Star | exp.Literal)


_NAME = {"this", "db", "catalog", "alias"}
"""Parts of a table in SQL that only identify it."""


def _is_about(query: exp.Select, target: Target) -> bool:
    from sqlglot import exp

    source = (query.args.get("from") or query.args["from_"]).this
    if not isinstance(source, exp.Table) or {part for part, value in source.args.items() if value} - _NAME:
        return False
    names = [part.name.lower() for part in source.parts]
    return names[-2:] in ([target.schema.lower(), target.name.lower()], [target.name.lower()])


def _start_of_from(tokens: list[Token]) -> int:
    from sqlglot import TokenType

    depth = 0
    for token in tokens:
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if token.token_type is TokenType.FROM and depth == 0:
            return int(token.start)
    raise AssertionError("a SELECT with a table has a FROM")
