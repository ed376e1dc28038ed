"""What was found in SQL before: parsing it takes far longer than all else that is read of a project."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ai.starlake.project.assets.item_lineage import KnownColumns, Resolve, query_columns
from ai.starlake.project.assets.project_item import ItemColumn, SqlAnswers
from ai.starlake.project.lineage.sql_references import table_references


class ParsedSql:
    """Answers questions about SQL, those that it was asked before without parsing it again.

    Args:
        known: What was found before.
    """

    def __init__(self, known: SqlAnswers | None = None) -> None:
        self._known = known or SqlAnswers()
        self.used = SqlAnswers()
        """What was asked for, to be kept for the next time; what nobody asks for any more is not."""

    def tables(self, sql: str, dialect: str) -> tuple[str, ...]:
        """Return the tables that SQL reads; see `table_references`."""
        key = _digest("tables", sql, dialect)
        found = self._known.tables.get(key)
        self.used.tables[key] = found = table_references(sql, dialect) if found is None else found
        return found

    def columns(self, sql: str, dialect: str, resolve: Resolve, known: KnownColumns) -> tuple[ItemColumn, ...]:
        """Return the columns of the last query in SQL; see `query_columns`."""
        tables = [(name, resolve(name.split("."))) for name in self.tables(sql, dialect)]
        key = _digest("columns", sql, dialect, [(*each, _shape(each[1], known)) for each in tables])
        found = self._known.columns.get(key)
        self.used.columns[key] = found = query_columns(sql, dialect, resolve, known) if found is None else found
        return found


def _shape(parts: Sequence[str], known: KnownColumns) -> list[tuple[str, str]]:
    return [(column.name, column.type) for column in known.get(tuple(part.lower() for part in parts), ())]


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
