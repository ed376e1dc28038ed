"""Rows of Starlake's audit, whatever database they were read from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from ai.starlake.common.outcomes.table_outcomes import StarlakeCounts

LOAD, TRANSFORM = "LOAD", "TRANSFORM"
"""Values of the column STEP."""


@dataclass(frozen=True)
class AuditRow:
    """A row of the audit: one load of one or more files of a table, or one run of a task.

    Args:
        job_id: The JOBID. Starlake makes one per load of files unless ``SL_JOB_ID`` is set.
        paths: The files of a load, separated by commas; the name of a task.
        domain: The DOMAIN.
        table: The SCHEMA: the table's name, or the task's.
        success: Whether it succeeded.
        counts: What a load read, kept and refused; None for a task, and where nothing was counted.
        started: When it began, UTC.
        duration: Seconds that it took.
        message: ``success``, or why it failed.
        step: ``LOAD``, ``TRANSFORM``, or what else Starlake wrote.
        scheduled: The logical date, UTC; None where the audit does not have it.
        ordinal: How many rows before it are equal to it in everything else.
    """

    job_id: str
    paths: str
    domain: str
    table: str
    success: bool
    counts: StarlakeCounts | None
    started: datetime
    duration: float
    message: str
    step: str
    scheduled: datetime | None = None
    ordinal: int = 0

    @cached_property
    def ended(self) -> datetime:
        """Return when it ended, UTC."""
        return self.started + timedelta(seconds=self.duration)

    @property
    def item(self) -> tuple[str, str]:
        """Return DOMAIN and SCHEMA in lower case, in which databases do not tell names apart."""
        return self.domain.lower(), self.table.lower()

    @cached_property
    def digest(self) -> str:
        """Return a short text that identifies the row: equal only for the same row, however often it is read."""
        counts = self.counts and (self.counts.input, self.counts.accepted, self.counts.rejected)
        scheduled = self.scheduled and self.scheduled.timestamp()
        when = (self.started.timestamp(), self.duration, scheduled)
        what = (self.job_id, self.domain, self.table, self.step, self.paths, self.success, self.message)
        return hashlib.blake2b(repr((when, what, counts, self.ordinal)).encode(), digest_size=10).hexdigest()


def in_order(rows: Iterable[AuditRow]) -> list[AuditRow]:
    """Return rows by the time of their end, equal ones numbered; the same order whatever order they are read in.

    Args:
        rows: Rows as they are read; those that are equal all at once.
    """
    seen: dict[AuditRow, int] = {}
    numbered: list[AuditRow] = []
    for row in sorted(rows, key=_order):
        seen[row] = seen.get(row, -1) + 1
        numbered.append(row if row.ordinal == seen[row] else replace(row, ordinal=seen[row]))
    return numbered


def _order(row: AuditRow) -> tuple[object, ...]:
    return row.ended, row.started, row.job_id, row.domain, row.table, row.step, row.paths, row.success, row.message
