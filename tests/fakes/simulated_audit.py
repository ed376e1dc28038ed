"""An audit in memory, which returns rows as databases do: those that are equal in the order asked for in any order."""

from __future__ import annotations

import random
from collections import Counter
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

    def add(self, *rows: AuditRow) -> None:
        self.content += rows

    def minutes(self, since: datetime) -> dict[datetime, int]:
        self._query("minutes")
        ends = [row.ended for row in self.content]
        return dict(Counter(end.replace(second=0, microsecond=0) for end in ends if end >= since))

    def rows(self, since: datetime, until: datetime, *, limit: int) -> list[AuditRow]:
        self._query("rows")
        found = [row for row in self.content if since <= row.ended < until]
        self._random.shuffle(found)
        found = in_order(sorted(found, key=lambda row: row.ended)[:limit])
        self.rows_read += len(found)
        return found

    def _query(self, name: str) -> None:
        self.queries.append(name)
        if self.fails:
            raise self.fails
