"""The audit in a database that SQLAlchemy supports: PostgreSQL, BigQuery, Snowflake and others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ai.starlake.common import Redactor, StarlakeError, mask_named_values
from ai.starlake.common.extras import MissingExtraError
from ai.starlake.common.secrets import resolved_text, used
from ai.starlake.project.audit.audit_database import AuditUnreachableError
from ai.starlake.project.audit.dialects import SqlWords, words_of
from ai.starlake.project.audit.queried_audit import AuditColumn

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ai.starlake.project.audit.queried_audit import AuditSession

LABEL = "the URL of the audit"
_PATIENCE = 30
"""Timeout in seconds of a query; a sensor's tick that waits for a database blocks the following ticks."""
_KNOWN_FOR = 300.0
"""Seconds for which the columns of a table are cached: finding them costs more than the query."""
_DRIVERS = {"bigquery": "sqlalchemy-bigquery", "snowflake": "snowflake-sqlalchemy", "redshift": "sqlalchemy-redshift"}
_REFUSED = ("password", "authentication", "credential", "access denied", "permission denied for database")


@dataclass
class SqlAlchemySource:
    """A database with a URL.

    Args:
        url: The URL, or a secret reference to it, which is resolved when the database is opened.
        label: Display name; by default the URL without user and password.
        known: The tables that were found, and the expiry of that information.
    """

    url: Any = field(repr=False)
    label: str | None = None
    _engines: dict[str, Engine] = field(default_factory=dict, repr=False, compare=False)
    known: dict[tuple[str, str], tuple[float, AuditTablePlace]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Return a display name, without user and password."""
        if self.label is None and isinstance(self.url, str):
            return name_of(self.url)
        return self.label or "the database of the audit"

    @contextmanager
    def session(self) -> Iterator[AuditSession]:
        """Connect, and disconnect at the end.

        Raises:
            AuditUnreachableError: If this fails; the error shows no password.
            StarlakeError: If the URL is invalid.
        """
        try:
            import sqlalchemy  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("sqlalchemy", "audit", f"an audit that is not a DuckDB file: {error}") from None
        with self.explained():
            connection = used(self.url, self._connect, refused=_is_refusal, label=LABEL)
        with connection:
            yield SqlAlchemySession(connection, self)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Convert errors within the block to one that shows no password.

        Raises:
            AuditUnreachableError: If SQLAlchemy raises an error, or a driver does, as Google's clients do.
            StarlakeError: Unchanged.
        """
        try:
            yield
        except StarlakeError:
            raise
        except Exception as error:  # noqa: BLE001  Google's client, for example, has errors of its own
            self.known.clear()  # the tables may have changed when it works again
            _, redactor = resolved_text(self.url, label=LABEL)
            raise _unreachable(self.name, redactor, error) from None

    def _connect(self, url: str) -> Connection:
        if url not in self._engines:
            self._engines.clear()
            self._engines[url] = _engine(url)
        with ExitStack() as failing:
            connection = failing.enter_context(self._engines[url].connect())
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
                connection.exec_driver_sql(f"SET statement_timeout = '{_PATIENCE}s'")
                connection.commit()
            failing.pop_all()
        return connection


def name_of(url: str) -> str:
    """Return the URL of a database without user, password and parameters."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the database of the audit"
    return f"{parts.scheme.partition('+')[0]}://{parts.hostname or ''}{port}{parts.path}"


def _engine(url: str) -> Engine:
    """Return an engine that keeps no connection: between two ticks the database can use it for others.

    So a server that was restarted in between needs no special handling either.
    """
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StarlakeError(  # its message may contain the URL
            f"{LABEL} is not one of SQLAlchemy",
            fix="write postgresql+psycopg://user:password@host:5432/database, or the path of a DuckDB file",
        ) from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    backend = parsed.get_backend_name()
    words_of("mysql" if backend == "mariadb" else backend)
    arguments = {"connect_timeout": 10} if backend == "postgresql" and "connect_timeout" not in parsed.query else {}
    try:
        return create_engine(parsed, poolclass=NullPool, connect_args=arguments)
    except NoSuchModuleError:
        package = _DRIVERS.get(backend, f"an SQLAlchemy dialect for {backend}")
        raise StarlakeError(
            f"{package} is not installed in this Python environment",
            cause=f"an audit in {backend} needs it",
            fix=f"pip install {package}" if backend in _DRIVERS else "install it",
        ) from None
    except ImportError as error:
        raise MissingExtraError(error.name or "a driver", "audit", f"an audit in {backend} needs it") from None


def _said(error: Exception) -> str:
    """Return the message of the driver; SQLAlchemy adds the statement and its parameters."""
    return str(getattr(error, "orig", None) or error)


def _is_refusal(error: Exception) -> bool:
    said = _said(error).lower()
    return any(word in said for word in _REFUSED)


def _unreachable(name: str, redactor: Redactor, error: Exception) -> AuditUnreachableError:
    said = _said(error) or type(error).__name__
    fix = "check that the server runs and is reachable from here"
    if _is_refusal(error):
        fix = "check the user and the password in the URL"
    elif "permission" in said.lower():
        fix = "let the user read the tables audit, rejected and expectations (GRANT SELECT)"
    cause = redactor.mask(mask_named_values(" ".join(said.split())))
    return AuditUnreachableError(f"the audit in {name} cannot be read", cause=cause, fix=fix)


@dataclass(frozen=True)
class AuditTablePlace:
    """A table of the audit.

    Args:
        sql: Its name, quoted.
        columns: Its columns; empty if it does not exist.
    """

    sql: str
    columns: Mapping[str, AuditColumn]


@dataclass(frozen=True)
class SqlAlchemySession:
    """An open connection.

    Args:
        connection: The connection.
        source: The database.
    """

    connection: Connection
    source: SqlAlchemySource

    @property
    def words(self) -> SqlWords:
        """Return the database's own SQL expressions."""
        dialect = self.connection.dialect.name
        return words_of("mysql" if dialect == "mariadb" else dialect)

    def columns(self, schema: str, table: str) -> Mapping[str, AuditColumn]:
        """Return the columns of a table; empty if it does not exist."""
        return self._place(schema, table).columns

    def require(self, schema: str, table: str) -> None:
        """Refuse a database without the table.

        Raises:
            AuditUnreachableError: Always.
        """
        raise AuditUnreachableError(
            f"the audit in {self.source.name} cannot be read",
            cause=f"the table {schema}.{table} does not exist, or the user may not see it",
            fix="check the database in the URL and the schema: audit.domain of the project; "
            "if Starlake never ran, its first command creates the table",
        )

    def place(self, schema: str, table: str) -> str:
        """Return a table as SQL."""
        return self._place(schema, table).sql

    def fetch(self, sql: str, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of a query."""
        from sqlalchemy import text

        with self.source.explained():
            return self.connection.execute(text(sql), dict(values)).fetchall()

    def _place(self, schema: str, table: str) -> AuditTablePlace:
        known = self.source.known
        until, place = known.get((schema, table), (0.0, None))
        if place is None or time.monotonic() > until:
            with self.source.explained():
                place = self._found(schema, table)
            if place.columns:
                known[schema, table] = (time.monotonic() + _KNOWN_FOR, place)
        return place

    def _found(self, schema: str, table: str) -> AuditTablePlace:
        """Return a table, in whatever case its names were created: with quotes, as by Spark, or without."""
        from sqlalchemy import inspect

        inspector = inspect(self.connection)
        for name in _same_name(schema, inspector.get_schema_names()):
            for own in _same_name(table, [*inspector.get_table_names(name), *inspector.get_view_names(name)]):
                columns = {
                    str(column["name"]).upper(): AuditColumn(
                        self._quoted(column["name"]), self._has_zone(column["type"])
                    )
                    for column in inspector.get_columns(own, name)
                }
                return AuditTablePlace(f"{self._quoted(name)}.{self._quoted(own)}", columns)
        return AuditTablePlace(f"{self._quoted(schema)}.{self._quoted(table)}", {})

    def _has_zone(self, kind: Any) -> bool:
        return bool(getattr(kind, "timezone", False)) or type(kind).__name__ in self.words.zoned

    def _quoted(self, name: str) -> str:
        """Return a quoted name; SQLAlchemy uses lower case for names of databases with upper-case names."""
        dialect = self.connection.dialect
        if dialect.requires_name_normalize:
            name = dialect.denormalize_name(name) or name
        return dialect.identifier_preparer.quote_identifier(name)


def _same_name(name: str, names: Sequence[str]) -> Iterator[str]:
    """Yield the names that differ only in case, the exact one first."""
    yield from sorted((each for each in names if each.lower() == name.lower()), key=lambda each: each != name)
