"""DuckDB as a warehouse: tables in the database that also reads and checks the files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.embedded.database.quoting import identifier, identifiers, qualified
from ai.starlake.embedded.warehouse.duckdb import evolution
from ai.starlake.embedded.warehouse.duckdb.tables import columns_of, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.embedded.database.statements import Statement
    from ai.starlake.embedded.warehouse.warehouse import Columns, Loss, Target

_NOT_NULL = " NOT NULL"


class DuckDBWarehouse:
    """A `Warehouse` on an open DuckDB database.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @property
    def file(self) -> Path | None:
        """The file of the database; None if it is in memory."""
        return self.database.path

    def mark(self, name: str) -> None:
        """Create an empty table, which exists if the open transaction is committed."""
        self.database.execute(f"CREATE TABLE {self._marker(name)} (loaded BOOLEAN)")

    def is_marked(self, name: str) -> bool:
        """Return True if the table exists; the connection itself also takes queries after an interruption."""
        query = "SELECT count(*) FROM duckdb_tables() WHERE (database_name, schema_name, table_name) = (?, 'main', ?)"
        return self.database.connection.execute(query, [self.database.catalog, name]).fetchall() != [(0,)]

    def unmark(self, name: str) -> None:
        """Drop the table if it exists."""
        self.database.connection.execute(f"DROP TABLE IF EXISTS {self._marker(name)}")

    def _marker(self, name: str) -> str:
        return qualified(self.database.catalog, "main", name)

    def transaction(self) -> AbstractContextManager[None]:
        """Commit at the end of the block; roll back if it raises."""
        return self.database.transaction()

    def quoted(self, *names: str) -> str:
        """Return a name for SQL, each part of it in double quotes."""
        return qualified(*names)

    def place(self, target: Target) -> str:
        """Return a name that refers to the database that is written, even if another one has the name of the schema."""
        return qualified(self.database.catalog, target.schema, target.name)

    def template(self, name: str) -> str:
        """Return a template of this package."""
        return (files(__package__) / "templates" / f"{name}.j2").read_text(encoding="utf-8")

    def create_schema(self, name: str) -> None:
        """Create a schema if it does not exist."""
        self.database.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}")

    def enter(self, schema: str | None = None, *, missing_ok: bool = False) -> None:
        """Make unqualified names refer to tables of a schema."""
        query = "SELECT count(*) FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?"
        if not missing_ok or self.database.value(query, [self.database.catalog, schema]):
            self.database.enter(schema)

    def columns(self, target: Target) -> dict[str, str]:
        """Return the columns of a table or view."""
        return columns_of(self.database, target)

    def is_view(self, target: Target) -> bool:
        """Return True if a view has the name."""
        query = "SELECT count(*) FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND view_name = ?"
        return bool(self.database.value(query, [self.database.catalog, target.schema, target.name]))

    def create_statement(self, target: Target, columns: Columns) -> str:
        """Return the SQL that creates an empty table."""
        return f"CREATE TABLE {quoted(target)} ({_definitions(columns)})"

    def view_statement(self, target: Target, select: str) -> str:
        """Return the SQL that creates or replaces a view."""
        return f"CREATE OR REPLACE VIEW {quoted(target)} AS {select}"

    def storable(self, columns: Columns) -> dict[str, str]:
        """Return the columns of a SELECT as stored in a table: DuckDB stores an untyped null as INTEGER."""
        return {name: kind.replace('"NULL"', "INTEGER") for name, kind in columns.items()}

    def ensure(self, target: Target, columns: Columns) -> None:
        """Create a table and its schema, or add missing columns."""
        place = self.place(target)
        self.database.execute(f"CREATE SCHEMA IF NOT EXISTS {qualified(self.database.catalog, target.schema)}")
        self.database.execute(f"CREATE TABLE IF NOT EXISTS {place} ({_definitions(columns)})")
        found = {column[0].lower() for column in self.database.execute(f"SELECT * FROM {place} LIMIT 0").description}
        for column, kind in columns.items():
            if column.lower() not in found:
                added = f"{identifier(column)} {kind.removesuffix(_NOT_NULL)}"  # DuckDB adds no other column
                self.database.execute(f"ALTER TABLE {place} ADD COLUMN {added}")

    def append(self, target: Target, columns: Columns, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows of values: one row unchanged, several as one list per column, always by one statement."""
        into = f"INSERT INTO {self.place(target)} ({identifiers(columns)})"
        if len(rows) == 1:
            self.database.execute(f"{into} VALUES ({', '.join('?' for _ in columns)})", list(rows[0]))
            return
        lists = [f"unnest(CAST(? AS {kind.removesuffix(_NOT_NULL)}[]))" for kind in columns.values()]
        values = [[row[place] for row in rows] for place in range(len(columns))]
        self.database.execute(f"{into} SELECT {', '.join(lists)}", list(values))

    def evolve(self, target: Target, wanted: Columns, *, added: Columns | None = None, drop: bool = False) -> None:
        """Adapt the columns of an existing table to the metadata."""
        evolution.evolve(self.database, target, wanted, added=added, drop=drop)

    def drop_others(self, target: Target, wanted: Columns) -> None:
        """Drop the columns of a table that are not wanted."""
        evolution.drop_others(self.database, target, wanted)

    def losses(self, target: Target, wanted: Columns) -> list[Loss]:
        """Return the columns of a table that have values and do not match the metadata."""
        return evolution.losses(self.database, target, wanted, self.columns(target))

    def fitted(self, target: Target, select: str, incoming: Columns, *, file: str, strict: bool = True) -> str:
        """Return a SELECT whose rows a table's columns can hold unchanged; its structs have all fields of these."""
        return evolution.fitted(self.database, target, select, incoming, file=file, strict=strict)

    def rows_from(self, select: str, columns: Columns) -> str:
        """Return the SELECT unchanged: the rows are in the same database."""
        del columns
        return select

    def require_syntax(self, statement: Statement) -> None:
        """Parse a statement on its own."""
        statement.require_syntax(self.database)

    def describe(self, statement: Statement) -> dict[str, str]:
        """Return the columns of a SELECT without running it."""
        with statement.explained():
            return self.database.describe(statement.text)

    def answer(self, statement: Statement, limit: int) -> list[tuple[Any, ...]]:
        """Return the first rows of a SELECT."""
        self.require_syntax(statement)
        with statement.explained():
            return self.database.rows(f"SELECT * FROM ({statement.text}\n) LIMIT {limit}")

    def run(self, statement: Statement, within: str | None = None) -> int | None:
        """Run a statement of the project, or SQL that contains it."""
        with statement.explained(within):
            return self.execute(within or statement.text)

    def execute(self, sql: str, values: Sequence[object] = ()) -> int | None:
        """Run SQL."""
        return _count(self.database.execute(sql, list(values)))

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.database.rows(sql, list(values))


def _definitions(columns: Columns) -> str:
    return ", ".join(f"{identifier(name)} {kind}" for name, kind in columns.items())


def _count(result: DuckDBPyConnection) -> int | None:
    """Return the number of rows that the last statement wrote."""
    if [column[0] for column in result.description or ()] != ["Count"]:
        return None
    row = result.fetchone()
    return int(row[0]) if row else None
