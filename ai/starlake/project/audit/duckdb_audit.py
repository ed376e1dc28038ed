"""The audit in a DuckDB file: read by short, read-only connections."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.project.audit.audit_database import AuditBusyError, AuditUnreachableError
from ai.starlake.project.audit.dialects import DUCKDB, SqlWords
from ai.starlake.project.audit.duckdb_reading import read_only
from ai.starlake.project.audit.queried_audit import AuditColumn

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from ai.starlake.project.audit.queried_audit import AuditSession

_BUSY = re.compile(
    r"could not set lock|conflicting lock|being used by another process|different configuration|file handle conflict",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")


@dataclass(frozen=True)
class DuckDbSource:
    """A DuckDB file.

    Args:
        file: The file; a missing file is an audit without rows.
    """

    file: Path

    @property
    def name(self) -> str:
        """Return the file, with a note if it does not exist."""
        return f"the DuckDB file {self.file}{'' if self.file.exists() else ', which does not exist yet'}"

    @contextmanager
    def session(self) -> Iterator[AuditSession]:
        """Open the file for as short as possible: while it is open no process can open it for writing.

        Raises:
            AuditBusyError: If a process has it open for writing.
            AuditUnreachableError: If it cannot be read.
        """
        try:
            import duckdb
        except ImportError:
            raise AuditUnreachableError(
                f"the audit in {self.file} cannot be read",
                cause="the package duckdb is not installed",
                fix='pip install "starlake-jobs[embedded]"',
            ) from None
        if not self.file.exists():
            self._require_folder()
            yield NoSession()
            return
        try:
            with read_only(self.file) as connection:
                yield DuckDbSession(connection, self.file)
        except duckdb.Error as error:
            first_line = next(iter(str(error).splitlines()), "")
            if _BUSY.search(str(error)):
                raise AuditBusyError(
                    f"the audit in {self.file} cannot be read",
                    cause=first_line,
                    fix="wait until the command that writes the database has ended; it is read again then",
                ) from None
            raise AuditUnreachableError(f"the audit in {self.file} cannot be read", cause=first_line) from None

    def _require_folder(self) -> None:
        if not self.file.parent.is_dir():
            raise AuditUnreachableError(
                f"the audit in {self.file} cannot be read",
                cause=f"the folder {self.file.parent} does not exist",
                fix="name the DuckDB file that Starlake writes its audit to",
            )


class NoSession:
    """The session of a missing database: it has no tables."""

    words: SqlWords = DUCKDB

    def columns(self, schema: str, table: str) -> Mapping[str, AuditColumn]:
        """Return no columns."""
        del schema, table
        return {}

    def require(self, schema: str, table: str) -> None:
        """Require nothing."""

    def place(self, schema: str, table: str) -> str:
        """Return a table as SQL."""
        return f"{schema}.{table}"

    def fetch(self, sql: str, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return no rows."""
        del sql, values
        return ()


@dataclass(frozen=True)
class DuckDbSession:
    """An open DuckDB file.

    Args:
        connection: The connection.
        file: The file.
    """

    connection: DuckDBPyConnection
    file: Path
    words: SqlWords = DUCKDB
    _columns: dict[tuple[str, str], Mapping[str, AuditColumn]] = field(default_factory=dict, repr=False, compare=False)

    def columns(self, schema: str, table: str) -> Mapping[str, AuditColumn]:
        """Return the columns of a table; empty if it does not exist."""
        if (schema, table) not in self._columns:
            self._columns[schema, table] = self._found_columns(schema, table)
        return self._columns[schema, table]

    def _found_columns(self, schema: str, table: str) -> Mapping[str, AuditColumn]:
        same = "database_name = current_database() AND lower(schema_name) = lower($schema) AND table_name = $table"
        found = self.connection.execute(
            f"SELECT column_name, data_type FROM duckdb_columns() WHERE {same}",  # noqa: S608
            {"schema": schema, "table": table},
        ).fetchall()
        return {name.upper(): AuditColumn(_quoted(name), "TIME ZONE" in kind) for name, kind in found}

    def require(self, schema: str, table: str) -> None:
        """Refuse a database with other tables only: it is not the one that Starlake writes its audit to.

        Raises:
            AuditUnreachableError: If it is another database.
        """
        own = "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() LIMIT 1"
        if self.connection.execute(own).fetchall():
            raise AuditUnreachableError(
                f"the audit in {self.file} cannot be read",
                cause=f"the table {schema}.{table} does not exist, and other tables do",
                fix="name the file that Starlake writes its audit to, and the schema: audit.domain of the project",
            )

    def place(self, schema: str, table: str) -> str:
        """Return a table as SQL."""
        return f"{_quoted(schema)}.{_quoted(table)}"

    def fetch(self, sql: str, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of a query."""
        return self.connection.execute(_PARAMETER.sub(r"$\1", sql), dict(values)).fetchall()


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))
