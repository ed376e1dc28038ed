"""Opens the audit of Starlake, whatever database it is in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ai.starlake.project.audit.audit_database import AuditDatabase
from ai.starlake.project.audit.audit_times import AuditClock
from ai.starlake.project.audit.duckdb_audit import DuckDbSource
from ai.starlake.project.audit.queried_audit import SCHEMAS, QueriedAudit


def open_audit(
    audit: str | Path, *, schemas: Mapping[str, str] | None = None, timezone: str = "UTC", name: str | None = None
) -> AuditDatabase:
    """Return the audit of Starlake. Nothing is opened or read yet.

    Args:
        audit: A DuckDB file, or the URL of a database as SQLAlchemy takes it.
        schemas: The schemas of ``audit``, ``rejected`` and ``expectations``; ``audit`` for those that are not given.
        timezone: The time zone of the JVM that Starlake runs in: its times have none. The embedded engine writes UTC.
        name: A name of the database for people; made of its URL, without the password, by default.

    Raises:
        StarlakeError: If there is no time zone of that name.
    """
    del name
    return QueriedAudit(DuckDbSource(Path(audit)), {**SCHEMAS, **(schemas or {})}, AuditClock.of(timezone))
