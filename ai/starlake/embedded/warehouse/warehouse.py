"""The interface of a warehouse: a database that the tables of loads and tasks are written to.

Files are always read and checked by DuckDB; a warehouse creates, changes and fills tables. A new warehouse is a package
beside ``duckdb``: one class with these members, and a template for each write strategy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ai.starlake.common import StarlakeError

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.embedded.database.statements import Statement

Columns = Mapping[str, str]
"""Names of columns in order, and their types with DuckDB's names."""


@dataclass(frozen=True)
class Target:
    """A table or view of a warehouse, by its unquoted names."""

    schema: str
    name: str

    @property
    def label(self) -> str:
        """The name for messages."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Loss:
    """A column or field of a table that the metadata lacks, or has with another type.

    Args:
        column: The column; the path with dots for a field.
        values: Number of its values.
        kind: Its type in the database.
        wanted: The type in the metadata; None if no attribute has the name.
        is_field: True if it is a field of a struct, which is never dropped.
    """

    column: str
    values: int
    kind: str
    wanted: str | None = None
    is_field: bool = False

    def message(self, table: str, *, drop: bool, source: str = "the metadata") -> str:
        """Return a message about what happens to the column.

        Args:
            table: The table, for the message.
            drop: True if columns may be dropped.
            source: The source of the columns, for the message.
        """
        if self.wanted is not None:
            return f"the column {self.column} of {table} stays {self.kind}, but {source} has {self.wanted}"
        values = f"{self.values} value{'' if self.values == 1 else 's'}"
        if drop:
            return f"{source} lacks the column {self.column} of {table}, which a load drops with its {values}"
        return f"{source} lacks the column {self.column} of {table}, which is kept with its {values}, null in new rows"

    def hint(self, *, drop: bool) -> str:
        """Return what the user can do about it."""
        if self.wanted is not None:
            return "a value that the column cannot hold unchanged fails the load; change the column's type by hand"
        if drop:
            return "remove dropColumns to keep it"
        return "correct the name, or set dropColumns: true for the table or the application, so that loads drop it"


class Warehouse(Protocol):
    """A database for tables, with its SQL.

    Statements of write strategies, of presql and of postsql are in the warehouse's own SQL. Types of columns have
    DuckDB's names in both directions of this interface; a warehouse translates them.
    """

    @property
    def database(self) -> Database:
        """The DuckDB database that reads and checks rows for this warehouse."""
        ...

    @property
    def file(self) -> Path | None:
        """The file of the warehouse; None if it has none."""
        ...

    def mark(self, name: str) -> None:
        """Create a marker, which exists if the open transaction is committed."""
        ...

    def is_marked(self, name: str) -> bool:
        """Return True if a marker with a name exists; works after an interruption too."""
        ...

    def unmark(self, name: str) -> None:
        """Remove a marker if it exists; works after an interruption too."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Commit at the end of the block; roll back if it raises."""
        ...

    def quoted(self, *names: str) -> str:
        """Return a name for SQL, with each part quoted."""
        ...

    def place(self, target: Target) -> str:
        """Return the full name of a table for SQL, independent of the current schema and database."""
        ...

    def template(self, name: str) -> str:
        """Return a Jinja template of the package: a write strategy in lower case, ``create`` or ``macros``."""
        ...

    def create_schema(self, name: str) -> None:
        """Create a schema if it does not exist."""
        ...

    def enter(self, schema: str | None = None, *, missing_ok: bool = False) -> None:
        """Make unqualified names refer to tables of a schema.

        Args:
            schema: The schema; the initial one of the connection by default.
            missing_ok: Do nothing if the schema does not exist.
        """
        ...

    def columns(self, target: Target) -> dict[str, str]:
        """Return the columns of a table or view; empty if it does not exist."""
        ...

    def is_view(self, target: Target) -> bool:
        """Return True if a view has the name."""
        ...

    def create_statement(self, target: Target, columns: Columns) -> str:
        """Return the SQL that creates an empty table."""
        ...

    def view_statement(self, target: Target, select: str) -> str:
        """Return the SQL that creates or replaces a view."""
        ...

    def storable(self, columns: Columns) -> dict[str, str]:
        """Return the columns of a SELECT with types that the columns of a table can have."""
        ...

    def ensure(self, target: Target, columns: Columns) -> None:
        """Create a table and its schema, or add missing columns to an existing table."""
        ...

    def append(self, target: Target, columns: Columns, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows of values, in the order of the columns, into a table that `ensure` created."""
        ...

    def evolve(self, target: Target, wanted: Columns, *, added: Columns | None = None, drop: bool = False) -> None:
        """Adapt the columns of an existing table to the metadata.

        New columns are added at the end. A column that the metadata no longer has stays, unless it may be dropped;
        fields of structs always stay. A type becomes wider and a struct gets more fields if that loses nothing; any
        other change of type leaves the column unchanged, and `fitted` refuses values that it cannot hold.

        Args:
            target: The table.
            wanted: The columns in the metadata.
            added: Types to use when a column is added, where they differ from `wanted`.
            drop: True if other columns are dropped.
        """
        ...

    def drop_others(self, target: Target, wanted: Columns) -> None:
        """Drop the columns of a table that are not wanted."""
        ...

    def losses(self, target: Target, wanted: Columns) -> list[Loss]:
        """Return the columns of a table that have values and do not match the metadata."""
        ...

    def fitted(self, target: Target, select: str, incoming: Columns, *, file: str, strict: bool = True) -> str:
        """Return a SELECT whose rows the columns of a table can hold unchanged.

        Args:
            target: The table, which exists.
            select: A SELECT of the incoming rows.
            incoming: Its columns.
            file: The file of the metadata, for the message.
            strict: True if a column of fractions may not round a number either.

        Raises:
            StarlakeError: If a column would alter a value.
        """
        ...

    def rows_from(self, select: str, columns: Columns) -> str:
        """Return a SELECT in the warehouse's SQL for the rows of a SELECT on `database`.

        Call it in the transaction that writes the rows.
        """
        ...

    def require_syntax(self, statement: Statement) -> None:
        """Parse a statement on its own, because SQL around it would change the warehouse's message.

        Raises:
            SqlError: If it is not valid.
        """
        ...

    def describe(self, statement: Statement) -> dict[str, str]:
        """Return the columns of a SELECT without running it; the second column with a name gets another name.

        Raises:
            SqlError: If it is not valid.
        """
        ...

    def answer(self, statement: Statement, limit: int) -> list[tuple[Any, ...]]:
        """Return the first rows of a SELECT.

        Raises:
            SqlError: If it is not valid, or if it fails.
        """
        ...

    def run(self, statement: Statement, within: str | None = None) -> int | None:
        """Run a statement of the project.

        Args:
            statement: The statement.
            within: The SQL to run instead, which contains the statement.

        Returns:
            The number of rows that the last statement of the SQL wrote; None if it wrote none or is not known.

        Raises:
            SqlError: If it fails.
        """
        ...

    def execute(self, sql: str, values: Sequence[object] = ()) -> int | None:
        """Run SQL with values for its question marks; see `run` for the result."""
        ...

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query with values for its question marks."""
        ...


def require_kind(warehouse: Warehouse, target: Target, *, view: bool) -> None:
    """Check that the name of a target is free, or has the wanted kind: a table or a view.

    Raises:
        StarlakeError: If it has the other kind.
    """
    is_view = warehouse.is_view(target)
    quoted = warehouse.quoted(target.schema, target.name)
    if view and not is_view and warehouse.columns(target):
        raise StarlakeError(
            f"{target.label} is a table and is to be a view",
            cause="sink.materializedView asks for a view",
            fix=f"drop the table ({quoted}) if its rows are no longer needed, or leave materializedView out",
        )
    if is_view and not view:
        raise StarlakeError(
            f"{target.label} is a view and is to hold rows",
            cause="only tables hold rows",
            fix=f"drop the view ({quoted}), or set sink.materializedView: VIEW",
        )
