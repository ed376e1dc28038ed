"""An audit in memory, which returns rows as databases do: those that are equal in the order asked for in any order."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta, timezone

from ai.starlake.common.outcomes.audit_rows import AuditRow, in_order

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=timezone.utc)


def audit_row(job_id: str, ended: datetime, *, seconds: float = 5, table: str = "shop.orders", **values) -> AuditRow:
    """Return a row of the audit."""
    domain, name = table.split(".")
    given = {
        "paths": f"file:/{name}.csv",
        "success": True,
        "counts": None,
        "message": "success",
        "step": "LOAD",
        **values,
    }
    return AuditRow(
        job_id=job_id,
        domain=domain,
        table=name,
        started=ended - timedelta(seconds=seconds),
        duration=seconds,
        **{**given, **values},
    )


class SimulatedAudit:
    """An audit in memory.

    Args:
        rows: The rows that it has.
    """

    def __init__(self, *rows: AuditRow) -> None:
        self.content: list[AuditRow] = list(rows)
        self.queries: list[str] = []
        self.rows_read = 0
        self.fails: Exception | None = None
        self._random = random.Random(0)
        self._sorted: tuple[list[AuditRow], int, list[AuditRow], list[datetime]] | None = None

    def add(self, *rows: AuditRow) -> None:
        self.content += rows

    def opened(self) -> AbstractContextManager[SimulatedAudit]:
        return nullcontext(self)

    def minutes(self, since: datetime) -> dict[datetime, int]:
        self._query("minutes")
        _, ends = self._in_order()
        return dict(Counter(end.replace(second=0, microsecond=0) for end in ends[bisect_left(ends, since) :]))

    def rows(self, since: datetime, until: datetime, *, limit: int) -> list[AuditRow]:
        self._query("rows")
        rows, ends = self._in_order()
        first, last = bisect_left(ends, since), bisect_left(ends, until)
        if last - first > limit:
            border = ends[first + limit - 1]
            certain, uncertain = bisect_left(ends, border), bisect_right(ends, border)
            missing = limit - (max(certain, first) - first)
            found = [*rows[first:certain], *self._random.sample(rows[certain:uncertain], missing)]
        else:
            found = rows[first:last]
        self.rows_read += len(found)
        return in_order(found)

    def _in_order(self) -> tuple[list[AuditRow], list[datetime]]:
        if self._sorted is None or self._sorted[0] is not self.content or self._sorted[1] != len(self.content):
            rows = sorted(self.content, key=lambda row: row.ended)
            self._sorted = self.content, len(rows), rows, [row.ended for row in rows]
        return self._sorted[2:]

    def _query(self, name: str) -> None:
        self.queries.append(name)
        if self.fails:
            raise self.fails
