"""Starlake's audit: rows of its jobs, read from DuckDB, PostgreSQL and other databases."""

from ai.starlake.common.outcomes.audit_rows import AuditRow
from ai.starlake.project.audit.audit_database import AuditBusyError, AuditDatabase, AuditUnreachableError
from ai.starlake.project.audit.audit_outcomes import ItemFinder, ItemOnRecord
from ai.starlake.project.audit.opening import open_audit

__all__ = [
    "AuditBusyError",
    "AuditDatabase",
    "AuditRow",
    "AuditUnreachableError",
    "ItemFinder",
    "ItemOnRecord",
    "open_audit",
]
