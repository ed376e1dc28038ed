"""The audit tables of a Starlake that runs outside of Dagster, in DuckDB and in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from sqlalchemy import make_url

TABLES = {
    "audit": {
        "JOBID": "VARCHAR",
        "PATHS": "TEXT",
        "DOMAIN": "VARCHAR",
        "SCHEMA": "VARCHAR",
        "SUCCESS": "BOOLEAN",
        "COUNT": "BIGINT",
        "COUNTACCEPTED": "BIGINT",
        "COUNTREJECTED": "BIGINT",
        "TIMESTAMP": "TIMESTAMP",
        "DURATION": "BIGINT",
        "MESSAGE": "TEXT",
        "STEP": "VARCHAR",
        "DATABASE": "VARCHAR",
        "TENANT": "VARCHAR",
        "SCHEDULED_DATE": "TIMESTAMP",
    },
    "rejected": {
        "JOBID": "VARCHAR",
        "TIMESTAMP": "TIMESTAMP",
        "DOMAIN": "VARCHAR",
        "SCHEMA": "VARCHAR",
        "ERROR": "TEXT",
        "PATH": "TEXT",
    },
    "expectations": {
        "JOBID": "VARCHAR",
        "DATABASE": "VARCHAR",
        "DOMAIN": "VARCHAR",
        "SCHEMA": "VARCHAR",
        "TIMESTAMP": "TIMESTAMP",
        "NAME": "TEXT",
        "PARAMS": "TEXT",
        "SQL": "TEXT",
        "COUNT": "BIGINT",
        "EXCEPTION": "TEXT",
        "SUCCESS": "BOOLEAN",
    },
}
"""The columns as Starlake creates them: without quotes, so that PostgreSQL has their names in small letters."""
_ROWS = 1000


class OutsideAudit:
    """Audit tables that tests write; a subclass runs the SQL.

    Args:
        audit: What `open_audit` takes.
        schema: The schema of the tables.
    """

    mark = "?"

    def __init__(self, audit: str | Path, schema: str = "audit") -> None:
        self.audit = audit
        self.schema = schema

    def run(self, sql: str, values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement, and commit."""
        raise NotImplementedError

    def create(
        self, *, without: Iterable[str] = (), quoted: bool = False, times: str = "TIMESTAMP", only: str = ""
    ) -> None:
        """Create the tables as Starlake does, or as a Starlake of another kind."""
        statements = [f"CREATE SCHEMA IF NOT EXISTS {self.schema}"]
        for table, columns in TABLES.items():
            if only in ("", table):
                kinds = {name: times if kind == "TIMESTAMP" else kind for name, kind in columns.items()}
                texts = (f'"{name}" {kind}' if quoted else f"{name} {kind}" for name, kind in kinds.items())
                wanted = [text for text in texts if text.partition(" ")[0].strip('"') not in without]
                statements.append(f"CREATE TABLE IF NOT EXISTS {self.schema}.{table} ({', '.join(wanted)})")
        self.run("; ".join(statements))

    def write(self, table: str, *rows: dict[str, Any], quoted: bool = False) -> None:
        """Add rows, which have the same columns, to a table."""
        if rows:
            names = ", ".join(f'"{name}"' if quoted else name for name in rows[0])
            marks = f"({', '.join([self.mark] * len(rows[0]))})"
            for start in range(0, len(rows), _ROWS):  # one statement for many rows is far faster than one for each
                some = rows[start : start + _ROWS]
                sql = f"INSERT INTO {self.schema}.{table} ({names}) VALUES {', '.join([marks] * len(some))}"
                self.run(sql, [value for row in some for value in row.values()])


class DuckDbAudit(OutsideAudit):
    """Audit tables in a DuckDB file."""

    def run(self, sql: str, values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement in a connection of its own."""
        with duckdb.connect(str(self.audit)) as connection:
            return connection.execute(sql, values).fetchall()


class PostgresAudit(OutsideAudit):
    """Audit tables in a PostgreSQL database; its URL is one of SQLAlchemy."""

    mark = "%s"

    def run(self, sql: str, values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement in a connection of its own."""
        url = make_url(str(self.audit)).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall() if cursor.description else []


def load(
    started: datetime, table: str = "orders", domain: str = "sales", *, job: str = "job-1", seconds: float = 1.0, **more
) -> dict[str, Any]:
    """Return a row of the audit about a load, as Starlake writes it."""
    return {
        "JOBID": job,
        "PATHS": f"file:/in/{table}.csv",
        "DOMAIN": domain,
        "SCHEMA": table,
        "SUCCESS": True,
        "COUNT": 3,
        "COUNTACCEPTED": 2,
        "COUNTREJECTED": 1,
        "TIMESTAMP": started.replace(tzinfo=None),
        "DURATION": round(seconds * 1000),
        "MESSAGE": "success",
        "STEP": "LOAD",
        **more,
    }


def transform(started: datetime, task: str = "months", domain: str = "kpi", **more) -> dict[str, Any]:
    """Return a row of the audit about a task, as Starlake writes it."""
    counts = dict.fromkeys(("COUNT", "COUNTACCEPTED", "COUNTREJECTED"), -1)
    return load(started, task, domain, **{"PATHS": f"{domain}.{task}", "STEP": "TRANSFORM", **counts, **more})


def failed(row: dict[str, Any], message: str = "it failed") -> dict[str, Any]:
    """Return a row of a command that failed."""
    return {**row, "SUCCESS": False, "MESSAGE": message}


def many_loads(started: datetime, number: int, *, tables: int = 300, every: float = 1.0) -> list[dict[str, Any]]:
    """Rows of many loads, one after the other."""
    return [
        load(started + timedelta(seconds=every * place), f"table_{place % tables}", job=f"job-{place}")
        for place in range(number)
    ]


def copy_new_rows(file: Path, audit: PostgresAudit) -> int:
    """Add what is new in the audit of a DuckDB file to PostgreSQL, as a Starlake that writes there would.

    Returns:
        How many rows of ``audit`` were new.
    """
    audit.create()
    copied = 0
    with duckdb.connect(str(file), read_only=True) as connection:
        for table, columns in TABLES.items():
            own = f"database_name = current_database() AND schema_name = '{audit.schema}' AND table_name = '{table}'"
            found = connection.execute(f"SELECT upper(column_name) FROM duckdb_columns() WHERE {own}").fetchall()
            names = [name for name in columns if (name,) in found]
            if names:
                known = audit.run(f"SELECT count(*) FROM {audit.schema}.{table}")[0][0]
                selected = f"SELECT {', '.join(names)} FROM {audit.schema}.{table} ORDER BY rowid OFFSET {known}"
                rows = connection.execute(selected).fetchall()
                audit.write(table, *(dict(zip(names, row, strict=True)) for row in rows))
                copied += len(rows) if table == "audit" else 0
    return copied
