"""Cached results of parsing SQL: parsing takes far longer than reading the project."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ai.starlake.project.assets.item_lineage import KnownColumns, Resolve, query_columns
from ai.starlake.project.assets.project_item import ItemColumn, SqlAnswers
from ai.starlake.project.lineage.sql_references import parse_problem, parsed_statements, referenced_tables

Statements = list[Any] | None
_TREES = 64
"""Maximum number of parsed trees to keep between the tables and the columns; a tree is a hundred times its SQL."""


class ParsedSql:
    """Parses SQL, and returns earlier results without parsing it again.

    Args:
        known: The earlier results.
    """

    def __init__(self, known: SqlAnswers | None = None) -> None:
        self._known = known or SqlAnswers()
        self._trees: dict[tuple[str, str], Statements] = {}
        self.used = SqlAnswers()
        """Results that were used, to be kept for the next time; others are dropped."""

    def tables(self, sql: str, dialect: str) -> tuple[str, ...]:
        """Return the tables that SQL reads; see `referenced_tables`."""
        key = _digest("tables", sql, dialect)
        if key not in self.used.tables:
            found = self._known.tables.get(key)
            self.used.tables[key] = self._tables(key, sql, dialect) if found is None else found
            if key in self._known.problems:
                self.used.problems[key] = self._known.problems[key]
        return self.used.tables[key]

    def problem(self, sql: str, dialect: str) -> str:
        """Return the syntax error in SQL; empty if there is none."""
        self.tables(sql, dialect)
        return self.used.problems.get(_digest("tables", sql, dialect), "")

    def columns(self, sql: str, dialect: str, resolve: Resolve, known: KnownColumns) -> tuple[ItemColumn, ...]:
        """Return the columns of the last query in SQL; see `query_columns`."""
        tables = [(name, resolve(name.split("."))) for name in self.tables(sql, dialect)]
        key = _digest("columns", sql, dialect, [(*each, _shape(each[1], known)) for each in tables])
        found = self._known.columns.get(key)
        self.used.columns[key] = found = self._columns(sql, dialect, resolve, known) if found is None else found
        return found

    def _tables(self, key: str, sql: str, dialect: str) -> tuple[str, ...]:
        statements = parsed_statements(sql, dialect)
        if statements is None:
            self.used.problems[key] = parse_problem(sql, dialect)
        self._trees[sql, dialect] = statements
        if len(self._trees) > _TREES:
            del self._trees[next(iter(self._trees))]
        return referenced_tables(statements, sql)

    def _columns(self, sql: str, dialect: str, resolve: Resolve, known: KnownColumns) -> tuple[ItemColumn, ...]:
        found = (sql, dialect) in self._trees
        # finding the columns changes the tree
        statements = self._trees.pop((sql, dialect)) if found else parsed_statements(sql, dialect)
        return query_columns(statements, dialect, resolve, known)


def _shape(parts: Sequence[str], known: KnownColumns) -> list[tuple[str, str]]:
    return [(column.name, column.type) for column in known.get(tuple(part.lower() for part in parts), ())]


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
