"""Findings of ``validate`` in the database: columns with values that the metadata lacks or has with another type."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.checking.validation import Validator
from ai.starlake.embedded.warehouse.duckdb.evolution import losses
from ai.starlake.embedded.warehouse.warehouse import Target
from ai.starlake.project import Finding, Project, Severity, Table
from ai.starlake.project.databases.connections import duckdb_file

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database


def stored_findings(project: Project) -> list[Finding]:
    """Compare the tables of a project with their columns in the databases.

    Args:
        project: The project, without errors.

    Returns:
        A warning for each column that loads keep, drop or leave in another type. A missing database, or one that
        another process writes to, has none.
    """
    tables: dict[Path, list[Table]] = {}
    for domain in project.domains:
        for table in domain.tables:
            file = _file(project, table)
            if file is not None:
                tables.setdefault(file, []).append(table)
    return [finding for file, some in tables.items() for finding in _of_database(project, file, some)]


def _file(project: Project, table: Table) -> Path | None:
    try:
        connection = project.connection_of(table)
        file = duckdb_file(connection, project.areas) if connection.is_duckdb else None
    except StarlakeError:
        return None  # validate has reported it
    return file if file is not None and file.is_file() else None


def _of_database(project: Project, file: Path, tables: list[Table]) -> list[Finding]:
    import duckdb

    from ai.starlake.embedded.database.connection import Database

    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            database = Database(file, connection)
            columns = _columns(database)
            return [
                finding
                for table in tables
                if (table.domain_final_name, table.final_name) in columns
                for finding in _of_table(project, database, table, columns)
            ]
    except duckdb.Error:
        return []


def _columns(database: Database) -> dict[tuple[str, str], dict[str, str]]:
    """Return the columns of all tables by one query, however many tables there are."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    query = "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() ORDER BY column_index"
    for schema, table, column, kind in database.rows(query):
        found.setdefault((schema, table), {})[column] = kind
    return found


def _of_table(
    project: Project, database: Database, table: Table, columns: dict[tuple[str, str], dict[str, str]]
) -> Iterator[Finding]:
    if table.metadata.write_strategy.kind.replaces_table:
        return  # every load replaces the rows, and the columns with them
    target = Target(table.domain_final_name, table.final_name)
    wanted = {one.name: one.type for one in Validator(table, project.types).columns if not one.attribute.ignore}
    application, strategy = project.application, table.metadata.write_strategy
    wanted[strategy.start_ts or application.scd2_start_timestamp] = "TIMESTAMP"
    wanted[strategy.end_ts or application.scd2_end_timestamp] = "TIMESTAMP"
    for loss in losses(database, target, wanted, columns[target.schema, target.name]):
        drop = table.metadata.drop_columns and not loss.is_field
        message = loss.message(table.target, drop=drop)
        yield Finding(table.file, 0, message, loss.hint(drop=drop), Severity.WARNING)
