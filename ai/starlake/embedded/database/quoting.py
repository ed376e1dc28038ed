"""Quoting for SQL: identifiers and values."""

from __future__ import annotations

from collections.abc import Iterable


def identifier(name: str) -> str:
    """Quote a name for SQL.

    >>> identifier('or"der')
    '"or""der"'
    """
    return '"' + name.replace('"', '""') + '"'


def qualified(*names: str) -> str:
    """Quote the parts of a name and join them with dots.

    >>> qualified("shop", "rows")
    '"shop"."rows"'
    """
    return ".".join(identifier(name) for name in names)


def identifiers(names: Iterable[str]) -> str:
    """Quote names and join them with commas."""
    return ", ".join(identifier(name) for name in names)


def literal(value: str | int | float | bool | None) -> str:  # noqa: FBT001  any scalar has an SQL form
    """Return a scalar as a SQL literal.

    >>> literal("it's"), literal(None), literal(True), literal(3)
    ("'it''s'", 'NULL', 'true', '3')
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if "\0" in value:  # DuckDB ends a query at a zero byte
        return "(" + " || chr(0) || ".join(literal(part) for part in value.split("\0")) + ")"
    return "'" + value.replace("'", "''") + "'"
