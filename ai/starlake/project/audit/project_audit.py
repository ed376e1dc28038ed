"""The audit of a project."""

from __future__ import annotations

from ai.starlake.common import StarlakeError
from ai.starlake.project.audit.duckdb_audit import DuckDbSource
from ai.starlake.project.audit.queried_audit import QueriedAudit
from ai.starlake.project.databases.connections import duckdb_file, find_connection
from ai.starlake.project.models import Application
from ai.starlake.project.settings import Settings


def audit_schemas(application: Application) -> dict[str, str]:
    """Return the schema of each audit table of a project."""
    audit = application.audit
    rejected, expectations = audit.domain_rejected or audit.domain, audit.domain_expectation or audit.domain
    return {"audit": audit.domain, "rejected": rejected, "expectations": expectations}


def audit_of_project(settings: Settings) -> QueriedAudit:
    """Return the audit of a project, if it is in a DuckDB file.

    Raises:
        StarlakeError: If it cannot be reached from here; its culprit is one sentence.
    """
    application = settings.application
    if not application.audit.active:
        raise StarlakeError("the audit is switched off (audit.active)")
    connection = find_connection(application, settings.areas, *application.audit_refs)
    file = duckdb_file(connection, settings.areas)
    where = f"the audit of connection {connection.name} is not reachable from here"
    if file is None:
        raise StarlakeError(f"{where}: it is not a DuckDB file, its type is {connection.type}")
    if not file.exists():
        raise StarlakeError(f"{where}: {file} does not exist")
    return QueriedAudit(DuckDbSource(file), audit_schemas(application))
