"""The catalog of a DuckDB database: names of tables in SQL, and their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai.starlake.embedded.database.quoting import qualified

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.embedded.warehouse.warehouse import Target

_CANONICAL: dict[str, str] = {}
"""Names of types and DuckDB's own names for them, which never change."""


def quoted(target: Target) -> str:
    """Return the quoted name of a table for SQL."""
    return qualified(target.schema, target.name)


def columns_of(database: Database, target: Target) -> dict[str, str]:
    """Return the columns of a table or view and their types; empty if it does not exist."""
    place = "database_name = ? AND schema_name = ? AND table_name = ?"
    query = f"SELECT column_name, data_type FROM duckdb_columns() WHERE {place} ORDER BY column_index"
    return dict(database.rows(query, [database.catalog, target.schema, target.name]))


def canonical(database: Database, kind: str) -> str:
    """Return DuckDB's own name of a type: ``INTEGER`` for ``int``."""
    if kind not in _CANONICAL:
        _CANONICAL[kind] = str(database.value(f"SELECT typeof(CAST(NULL AS {kind}))"))
    return _CANONICAL[kind]
