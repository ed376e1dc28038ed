"""Open the audit of Starlake in any database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import reference_of, resolved_text
from ai.starlake.project.audit.audit_times import AuditClock
from ai.starlake.project.audit.duckdb_audit import DuckDbSource
from ai.starlake.project.audit.queried_audit import SCHEMAS, QueriedAudit
from ai.starlake.project.audit.sqlalchemy_audit import LABEL, SqlAlchemySource

if TYPE_CHECKING:
    from ai.starlake.project.audit.audit_database import AuditDatabase
    from ai.starlake.project.audit.queried_audit import AuditSession, AuditSource

_DUCKDB = ("jdbc:duckdb:", "duckdb:///", "duckdb:")


def open_audit(
    audit: Any, *, schemas: Mapping[str, str] | None = None, timezone: str = "UTC", name: str | None = None
) -> AuditDatabase:
    """Return the audit of Starlake. Nothing is opened, resolved or read yet.

    Args:
        audit: A DuckDB file, or an SQLAlchemy URL; or a secret reference to one of these: ``{"env": "AUDIT_URL"}``, a
            `dagster.EnvVar`, an object with `resolve`.
        schemas: The schemas of ``audit``, ``rejected`` and ``expectations``; ``audit`` by default.
        timezone: The time zone of the JVM that Starlake runs in: the audit's times have none. The embedded engine
            writes UTC.
        name: Display name of the database; by default its URL without user and password.

    Raises:
        StarlakeError: If no time zone has this name, or `audit` is invalid.
    """
    every = {**SCHEMAS, **(schemas or {})}
    return QueriedAudit(_source(audit, name), every, AuditClock.of(timezone))


def _source(audit: Any, name: str | None) -> AuditSource:
    if isinstance(audit, PathLike):
        return DuckDbSource(Path(audit).expanduser())
    if isinstance(audit, (bool, int, float)):
        raise StarlakeError(f"{LABEL} is {audit!r}", fix="name the DuckDB file or the URL of the database")
    read = reference_of(LABEL, audit)
    return _source_of(read, name) if isinstance(read, str) else ReferencedSource(read, name or "the audit")


def _source_of(text: str, name: str | None) -> AuditSource:
    """Return the database of a string that is not a reference."""
    if not text.strip():
        raise StarlakeError(f"{LABEL} is empty", fix="name the DuckDB file or the database that has Starlake's audit")
    prefix = next((each for each in _DUCKDB if text.startswith(each)), "")
    if prefix or ("://" not in text and not text.startswith("jdbc:")):
        file = Path(text.removeprefix(prefix).partition("?")[0] if prefix else text)
        return DuckDbSource(file.expanduser())
    if text.startswith("jdbc:"):
        raise StarlakeError(
            f"{LABEL} is one of JDBC",
            fix="write it as SQLAlchemy takes it: postgresql+psycopg://user:password@host:5432/database",
        )
    return SqlAlchemySource(text, name)


@dataclass
class ReferencedSource:
    """A database whose file or URL is a secret: it is resolved when the database is opened.

    Args:
        reference: The reference.
        name: Display name.
    """

    reference: Any
    name: str
    _source: AuditSource | None = field(default=None, init=False, repr=False, compare=False)

    @contextmanager
    def session(self) -> Iterator[AuditSession]:
        """Resolve the reference, and open its database.

        Raises:
            StarlakeError: If the reference cannot be resolved, or the database cannot be read; the error shows no
                password.
        """
        text, _ = resolved_text(self.reference, label=LABEL)
        if self._source is None:
            found = _source_of(text, self.name)
            # it resolves the reference itself, and again if its value was refused
            self._source = SqlAlchemySource(self.reference, self.name) if isinstance(found, SqlAlchemySource) else found
        with self._source.session() as session:
            yield session
