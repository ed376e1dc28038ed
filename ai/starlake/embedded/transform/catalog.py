"""Known columns of tables before a run, as empty tables of a DuckDB database in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.checking.validation import Validator
from ai.starlake.embedded.database.quoting import identifier, qualified
from ai.starlake.project import Project, Table, Task, WriteStrategy
from ai.starlake.project.databases.duckdb_plans import plan_of

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.project.lineage.sql_references import Reference

Columns = dict[str, str] | None
"""Names and types of a table's columns; None if they are not known for certain."""
Stored = dict[tuple[str, str], dict[str, str]]


class Catalog:
    """The known tables of a project, with their columns.

    Args:
        project: The project.
        database: The database for the empty tables.
    """

    def __init__(self, project: Project, database: Database) -> None:
        self._project = project
        self._database = database
        self._tasks: dict[str, Columns] = {}
        self._made: dict[tuple[str, str], bool] = {}
        self._stored: dict[Path, Stored | None] = {}
        self._schemas: set[str] = set()

    def stored(self, item: Table | Task) -> Stored | None:
        """Return the tables in the database of an item, by schema and name in lower case.

        Returns:
            None if they are unknown: another kind of database, or one that another process writes to.
        """
        try:
            connection = self._project.connection_of(item)
        except StarlakeError:
            return None
        if not connection.is_duckdb:
            return None
        plan = plan_of(connection, self._project.areas)
        if plan.file is None or plan.file not in plan.empty:
            return None
        if plan.file not in self._stored:
            self._stored[plan.file] = _read(plan.file)
        return self._stored[plan.file]

    def of_table(self, table: Table) -> Columns:
        """Return the columns of a loaded table."""
        stored = self.stored(table)
        if stored is None or not table.attributes or not _is_plain(table.metadata.write_strategy, table):
            return None
        try:
            columns = Validator(table, self._project.types).columns
        except StarlakeError:
            return None
        wanted = {column.name: column.type for column in columns if not column.attribute.ignore}
        wanted |= self._versions(table.metadata.write_strategy)
        return _with(wanted, stored.get((table.domain_final_name.lower(), table.final_name.lower()), {}))

    def note(self, task: Task, columns: Columns) -> None:
        """Record the columns of the SELECT of a task."""
        stored = self.stored(task)
        if columns is None or stored is None or not _is_plain(task.write_strategy, task):
            return
        wanted = {name: kind.replace('"NULL"', "INTEGER") for name, kind in columns.items()}
        wanted = _with(wanted, {each.final_name: "VARCHAR" for each in task.attributes})
        wanted |= self._versions(task.write_strategy)
        self._tasks[task.target.lower()] = _with(wanted, stored.get((task.domain.lower(), task.table.lower()), {}))

    def of_task(self, task: Task) -> Columns:
        """Return the columns of the table of a task that `note` recorded."""
        return self._tasks.get(task.target.lower())

    def make(self, reference: Reference, task: Task) -> bool:
        """Create the empty table that a task reads; return True if its columns are known."""
        item = reference.item
        if isinstance(item, Task):
            return self.create(item.domain, item.table, self.of_task(item))
        if item is not None:
            return self.create(item.domain_final_name, item.final_name, self.of_table(item))
        schema, _, name = reference.text.rpartition(".")
        stored = self.stored(task) or {}
        for place in (schema,) if schema else (task.domain, "main"):
            columns = stored.get((place.lower(), name.lower()))
            if columns:
                return self.create(place, name, columns)
        return False

    def make_own(self, task: Task) -> None:
        """Make the task's schema the one of unqualified names, and create its table if that is stored."""
        self._schema(task.domain)
        self._database.enter(task.domain)
        self.create(task.domain, task.table, (self.stored(task) or {}).get((task.domain.lower(), task.table.lower())))

    def create(self, schema: str, name: str, columns: Columns) -> bool:
        """Create an empty table; return True if that was possible."""
        import duckdb

        key = (schema.lower(), name.lower())
        if not columns or self._made.get(key):
            return bool(self._made.get(key))
        body = ", ".join(f"{identifier(column)} {kind}" for column, kind in columns.items())
        try:
            self._schema(schema)
            self._database.execute(f"CREATE TABLE {qualified(schema, name)} ({body})")
        except duckdb.Error:
            self._made[key] = False
        else:
            self._made[key] = True
        return self._made[key]

    def _schema(self, name: str) -> None:
        if name.lower() not in self._schemas:
            self._database.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}")
            self._schemas.add(name.lower())

    def _versions(self, strategy: WriteStrategy) -> dict[str, str]:
        """Return the columns for versions of rows."""
        if not any(kind.keeps_versions for kind in strategy.kinds):
            return {}
        application = self._project.application
        names = (
            strategy.start_ts or application.scd2_start_timestamp,
            strategy.end_ts or application.scd2_end_timestamp,
        )
        return dict.fromkeys(names, "TIMESTAMP")


def _is_plain(strategy: WriteStrategy, item: Table | Task) -> bool:
    """Return True if only the metadata and the SELECT determine the columns of a table."""
    altered = any("alter" in text.lower() or "create" in text.lower() for text in (*item.presql, *item.postsql))
    return not altered and not any(kind.is_own for kind in strategy.kinds)


def _with(wanted: dict[str, str], more: dict[str, str]) -> dict[str, str]:
    known = {name.lower() for name in wanted}
    return {**wanted, **{name: kind for name, kind in more.items() if name.lower() not in known}}


def _read(file: Path) -> Stored | None:
    import duckdb

    if not file.is_file():
        return {}
    query = (
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns()"
        " WHERE database_name = current_database() ORDER BY column_index"
    )
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            rows = connection.execute(query).fetchall()
    except duckdb.Error:
        return None
    found: Stored = {}
    for schema, table, column, kind in rows:
        found.setdefault((schema.lower(), table.lower()), {})[column] = kind
    return found
