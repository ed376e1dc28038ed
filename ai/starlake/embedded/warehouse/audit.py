"""The audit tables: jobs, rejected rows, results of expectations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ai.starlake.embedded.warehouse.warehouse import Target

if TYPE_CHECKING:
    from ai.starlake.embedded.warehouse.warehouse import Warehouse

_TABLES: Mapping[str, Mapping[str, str]] = {
    "audit": {
        "JOBID": "VARCHAR",
        "PATHS": "VARCHAR",
        "DOMAIN": "VARCHAR",
        "SCHEMA": "VARCHAR",
        "SUCCESS": "BOOLEAN",
        "COUNT": "BIGINT",
        "COUNTACCEPTED": "BIGINT",
        "COUNTREJECTED": "BIGINT",
        "TIMESTAMP": "TIMESTAMP",
        "DURATION": "BIGINT",
        "MESSAGE": "VARCHAR",
        "STEP": "VARCHAR",
        "DATABASE": "VARCHAR",
        "TENANT": "VARCHAR",
        "SCHEDULED_DATE": "TIMESTAMP NOT NULL",
    },
    "rejected": {
        "JOBID": "VARCHAR",
        "TIMESTAMP": "TIMESTAMP",
        "DOMAIN": "VARCHAR",
        "SCHEMA": "VARCHAR",
        "ERROR": "VARCHAR",
        "PATH": "VARCHAR",
        "LINE": "BIGINT",
    },
    "expectations": {
        "JOBID": "VARCHAR",
        "DATABASE": "VARCHAR",
        "DOMAIN": "VARCHAR",
        "SCHEMA": "VARCHAR",
        "TIMESTAMP": "TIMESTAMP",
        "NAME": "VARCHAR",
        "PARAMS": "VARCHAR",
        "SQL": "VARCHAR",
        "COUNT": "BIGINT",
        "EXCEPTION": "VARCHAR",
        "SUCCESS": "BOOLEAN",
    },
}
_LONGEST_MESSAGE = 8000
NOT_COUNTED = -1
"""Value of the audit's counts if nothing was counted."""


@dataclass(frozen=True)
class Entry:
    """A row of the audit.

    Args:
        job_id: Id of the job; ``SL_JOB_ID`` if set.
        paths: The files of a load, the name of a task.
        domain: The domain's name.
        table: The name of the table or task.
        step: ``LOAD`` or ``TRANSFORM``.
        started: Start time, UTC.
        duration: Milliseconds.
        scheduled: The logical date, UTC; the start unless the command sets it.
        success: True if it succeeded.
        message: ``success``, or the error.
        counts: Rows read, accepted, rejected.
    """

    job_id: str
    paths: str
    domain: str
    table: str
    step: str
    started: datetime
    duration: int
    scheduled: datetime
    success: bool = True
    message: str = "success"
    counts: tuple[int, int, int] = (NOT_COUNTED, NOT_COUNTED, NOT_COUNTED)


@dataclass(frozen=True)
class Reject:
    """A rejected row.

    Args:
        error: The error.
        file: The URI of its file.
        line: Its first line in the file; None if unknown.
    """

    error: str
    file: str
    line: int | None


class AuditLog:
    """Writes audit rows in the open transaction.

    Args:
        warehouse: The warehouse that holds the audit tables.
        schema: Their schema.
        active: True if anything is written; without an audit no schema is created either.
        tenant: Value of the column TENANT.
        elsewhere: The schemas of tables in other schemas.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        schema: str,
        *,
        active: bool = True,
        tenant: str = "",
        elsewhere: Mapping[str, str | None] | None = None,
    ) -> None:
        self.warehouse = warehouse
        self.active = active
        self._schema = schema
        self._tenant = tenant
        self._elsewhere = elsewhere or {}

    def record(self, entry: Entry) -> None:
        """Add a row to ``audit``."""
        message = entry.message.replace("'", "-").replace('"', "-")[:_LONGEST_MESSAGE]
        self._insert(
            "audit",
            [
                [
                    entry.job_id,
                    entry.paths,
                    entry.domain,
                    entry.table,
                    entry.success,
                    *entry.counts,
                    entry.started,
                    entry.duration,
                    message,
                    entry.step,
                    "",
                    self._tenant,
                    entry.scheduled,
                ]
            ],
        )

    def success(self, entry: Entry, paths: Sequence[str], *, scheduled: datetime | None) -> tuple[int, int, int] | None:
        """Return the counted rows of a recorded success under a job id; None if no success is recorded.

        Args:
            entry: The job.
            paths: The possible values of PATHS.
            scheduled: The logical date, UTC, if the command sets it.
        """
        table = self._ensured("audit")
        marks = ", ".join("?" for _ in paths)
        same = f"SUCCESS AND JOBID = ? AND DOMAIN = ? AND SCHEMA = ? AND STEP = ? AND PATHS IN ({marks})"
        values: list[object] = [entry.job_id, entry.domain, entry.table, entry.step, *paths]
        if scheduled is not None:
            same, values = f"{same} AND SCHEDULED_DATE = ?", [*values, scheduled]
        counts = "count(*), sum(COUNT), sum(COUNTACCEPTED), sum(COUNTREJECTED)"
        name = self.warehouse.place(table)
        found, *sums = self.warehouse.rows(f"SELECT {counts} FROM {name} WHERE {same}", values)[0]
        return (int(sums[0]), int(sums[1]), int(sums[2])) if found else None

    def reject(self, entry: Entry, rejects: Sequence[Reject]) -> None:
        """Add rows to ``rejected``; Starlake's table has no column LINE.

        Args:
            entry: The job that rejected the rows.
            rejects: The rows.
        """
        if self.active:
            job = [entry.job_id, entry.started, entry.domain, entry.table]
            rows = [
                [*job, f"ERR -> \n{reject.error}\n\nFILE -> {reject.file}", reject.file, reject.line]
                for reject in rejects
            ]
            self._insert("rejected", rows)  # Starlake creates the table with every load, with or without rejects

    def last_load(self, domain: str, table: str) -> datetime | None:
        """Return the start of the last recorded successful load of a table, UTC; None if no load is recorded."""
        place = self._existing("audit")
        if place is None:
            return None
        last = f"SELECT max(TIMESTAMP) FROM {place} WHERE SUCCESS AND STEP = 'LOAD' AND DOMAIN = ? AND SCHEMA = ?"
        found: datetime | None = self.warehouse.rows(last, [domain, table])[0][0]
        return found

    def loads(
        self, domain: str, table: str, *, since: datetime | None, job_id: str | None
    ) -> tuple[tuple[int, int, int], list[str]]:
        """Return the rows read, accepted and rejected by the successful loads of a table, and the recorded errors.

        Args:
            domain: The domain.
            table: The table.
            since: Earliest start of the loads, UTC.
            job_id: JOBID of the loads; all by default.
        """
        audit, rejected = self._existing("audit"), self._existing("rejected")
        if audit is None:
            return (0, 0, 0), []
        wanted: list[tuple[str, object]] = [("DOMAIN = ?", domain), ("SCHEMA = ?", table)]
        wanted += [("TIMESTAMP >= ?", since)] if since is not None else []
        wanted += [("JOBID = ?", job_id)] if job_id is not None else []
        these = f"FROM {audit} WHERE {' AND '.join(['SUCCESS', *(text for text, _ in wanted)])} AND STEP = 'LOAD'"
        values = [value for _, value in wanted]
        names = ("COUNT", "COUNTACCEPTED", "COUNTREJECTED")
        sums = ", ".join(f"CAST(coalesce(sum(greatest({name}, 0)), 0) AS BIGINT)" for name in names)
        read, accepted, refused = self.warehouse.rows(f"SELECT {sums} {these}", values)[0]
        if rejected is None:
            return (read, accepted, refused), []
        jobs = f"SELECT DISTINCT JOBID, TIMESTAMP, DOMAIN, SCHEMA {these}"
        errors = f"SELECT ERROR FROM {rejected} JOIN ({jobs}) USING (JOBID, TIMESTAMP, DOMAIN, SCHEMA)"
        return (read, accepted, refused), [str(error) for (error,) in self.warehouse.rows(errors, values)]

    def expectation(
        self, entry: Entry, *, name: str, params: str, sql: str, count: int, exception: str, success: bool
    ) -> None:
        """Add a row to ``expectations``."""
        self._insert(
            "expectations",
            [
                [
                    entry.job_id,
                    "",
                    entry.domain,
                    entry.table,
                    entry.started,
                    name,
                    params,
                    sql,
                    count,
                    exception,
                    success,
                ]
            ],
        )

    def _insert(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        if self.active:
            self.warehouse.append(self._ensured(name), _TABLES[name], rows)

    def _existing(self, name: str) -> str | None:
        """Return an audit table for SQL; None if it does not exist."""
        table = Target(self._elsewhere.get(name) or self._schema, name)
        return self.warehouse.place(table) if self.warehouse.columns(table) else None

    def _ensured(self, name: str) -> Target:
        """Return an audit table, which is created if it does not exist.

        Missing columns are added to a table of an older Starlake; they are null in its rows.
        """
        table = Target(self._elsewhere.get(name) or self._schema, name)
        self.warehouse.ensure(table, _TABLES[name])
        return table
