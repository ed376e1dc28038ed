"""The SQL of a task for ``--compile``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database

_TITLES = {True: "SQL when table does not already exist", False: "SQL when table already exists"}


def section(statements: Iterable[str], *, first: bool) -> str:
    """Return the statements of one case below Starlake's title for it.

    Args:
        statements: The statements in order; empty ones are left out.
        first: True if the target does not exist yet.
    """
    title = f"-- {_TITLES[first]}"
    rule = "-" * len(title)
    kept = (statement.strip().rstrip(";") for statement in statements)
    return "\n".join([rule, title, rule, *(f"{statement};" for statement in kept if statement)])


def column_types(database: Database, select: str) -> dict[str, str | None]:
    """Return the columns of a SELECT and their types; the types are None if it reads a missing table.

    Raises:
        duckdb.Error: If not even the names are known, as for ``SELECT *`` from a missing table.
    """
    import duckdb

    try:
        return dict(database.describe(select))
    except duckdb.Error:
        names = _names(select)
        if not names:
            raise
        return dict.fromkeys(names)


def _names(select: str) -> list[str]:
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    try:
        tree = parse_one(select, read="duckdb")
    except (SqlglotError, RecursionError):
        return []
    names = tree.named_selects if isinstance(tree, exp.Query) else []
    return [] if "*" in names or "" in names else names
