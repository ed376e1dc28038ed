"""Rows of Starlake's audit, from any database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby
from operator import itemgetter

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
        table: The SCHEMA: the name of the table or task.
        success: True if it succeeded.
        counts: Rows that a load read, accepted and rejected; None for a task, or if nothing was counted.
        started: Start time in UTC.
        duration: Seconds.
        message: ``success``, or the error.
        step: ``LOAD``, ``TRANSFORM`` or another value.
        scheduled: The logical date, UTC; None if the audit does not have it.
        ordinal: Number of preceding rows that are otherwise equal.
        ended: End time in UTC.
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
    ended: datetime = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ended", self.started + timedelta(seconds=self.duration))

    @property
    def item(self) -> tuple[str, str]:
        """Return DOMAIN and SCHEMA in lower case, because databases treat them as case-insensitive."""
        return self.domain.lower(), self.table.lower()

    @cached_property
    def digest(self) -> str:
        """Return a short string that identifies the row: equal only for the same row, however often it is read."""
        counts = self.counts and (self.counts.input, self.counts.accepted, self.counts.rejected)
        scheduled = self.scheduled and self.scheduled.timestamp()
        when = (self.started.timestamp(), self.duration, scheduled)
        what = (self.job_id, self.domain, self.table, self.step, self.paths, self.success, self.message)
        return hashlib.blake2b(repr((when, what, counts, self.ordinal)).encode(), digest_size=10).hexdigest()


def in_order(rows: Iterable[AuditRow]) -> list[AuditRow]:
    """Return rows by their end time, equal ones numbered; the order does not depend on the order of reading.

    Args:
        rows: Rows in any order; equal rows must all be included.
    """
    numbered: list[AuditRow] = []
    ordered = sorted(((_order(row), row) for row in rows), key=itemgetter(0))
    for _, group in groupby(ordered, itemgetter(0)):  # equal rows follow each other: few need comparing
        alike = [row for _, row in group]
        numbered += alike if len(alike) == 1 and not alike[0].ordinal else _numbered(alike)
    return numbered


def _numbered(rows: Iterable[AuditRow]) -> Iterator[AuditRow]:
    seen: dict[AuditRow, int] = {}
    for row in rows:
        seen[row] = seen.get(row, -1) + 1
        yield row if row.ordinal == seen[row] else replace(row, ordinal=seen[row])


def _order(row: AuditRow) -> tuple[object, ...]:
    return row.ended, row.started, row.job_id, row.domain, row.table, row.step, row.paths, row.success, row.message
