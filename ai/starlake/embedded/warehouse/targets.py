"""Target tables: what they are called, which columns they have, and the SQL that makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.database.quoting import identifier, qualified

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database

_CANONICAL: dict[str, str] = {}
"""Names of types and DuckDB's own names of them, which never change."""


@dataclass(frozen=True)
class Target:
    """A table in the database, by its unquoted names."""

    schema: str
    name: str

    @property
    def quoted(self) -> str:
        """The name for SQL."""
        return qualified(self.schema, self.name)

    @property
    def label(self) -> str:
        """The name for messages."""
        return f"{self.schema}.{self.name}"

    def columns(self, database: Database) -> dict[str, str]:
        """The table's columns and their types in order; empty when there is no such table."""
        place = "database_name = ? AND schema_name = ? AND table_name = ?"
        query = f"SELECT column_name, data_type FROM duckdb_columns() WHERE {place} ORDER BY column_index"
        return dict(database.rows(query, [database.catalog, self.schema, self.name]))

    def is_view(self, database: Database) -> bool:
        """Whether a view has the name."""
        query = "SELECT count(*) FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND view_name = ?"
        return bool(database.value(query, [database.catalog, self.schema, self.name]))


def require_kind(database: Database, target: Target, *, view: bool) -> None:
    """Checks that the name of a target is free, or is that of a table, or of a view, as is wanted.

    Raises:
        StarlakeError: If it is the other of the two.
    """
    is_view = target.is_view(database)
    if view and not is_view and target.columns(database):
        raise StarlakeError(
            f"{target.label} is a table and is to become a view",
            cause="sink.materializedView asks for a view",
            fix=f"drop the table ({target.quoted}) if its rows are no longer needed, or leave materializedView out",
        )
    if is_view and not view:
        raise StarlakeError(
            f"{target.label} is a view and is to hold rows",
            cause="only tables hold rows",
            fix=f"drop the view ({target.quoted}), or set sink.materializedView: VIEW",
        )


def create(database: Database, target: Target, columns: Mapping[str, str]) -> None:
    """Creates an empty table."""
    database.execute(create_statement(target, columns))


def create_statement(target: Target, columns: Mapping[str, str]) -> str:
    """The SQL that creates an empty table."""
    body = ", ".join(f"{identifier(name)} {kind}" for name, kind in columns.items())
    return f"CREATE TABLE {target.quoted} ({body})"


def view_statement(target: Target, select: str) -> str:
    """The SQL that makes or replaces a view."""
    return f"CREATE OR REPLACE VIEW {target.quoted} AS {select}"


def canonical(database: Database, kind: str) -> str:
    """DuckDB's own name of a type: ``INTEGER`` for ``int``."""
    if kind not in _CANONICAL:
        _CANONICAL[kind] = str(database.value(f"SELECT typeof(CAST(NULL AS {kind}))"))
    return _CANONICAL[kind]


def create_schema(database: Database, name: str) -> None:
    """Creates a schema unless it exists."""
    database.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}")


def describe(database: Database, select: str) -> dict[str, str]:
    """The columns and types that a SELECT produces, without running it.

    The second column of a name gets another one, as in the table that DuckDB would make of the SELECT.
    """
    return {row[0]: row[1] for row in database.rows(f"DESCRIBE SELECT * FROM ({select}\n)")}
