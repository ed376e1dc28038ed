"""Work that is done once per job id: a command that was killed after its commit is repeated with the same id.

The audit row of a job is part of the transaction of its rows, so it shows whether they are written. If the audit is off
or in another database, a table beside the rows is used instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ai.starlake.embedded.warehouse.warehouse import Target
from ai.starlake.project import WriteStrategy

if TYPE_CHECKING:
    from datetime import datetime

    from ai.starlake.embedded.warehouse.audit import AuditLog, Entry
    from ai.starlake.embedded.warehouse.warehouse import Warehouse

_LEDGER = Target("main", "zztmp_done")
_COLUMNS = {
    "item": "VARCHAR",
    "jobid": "VARCHAR",
    "paths": "VARCHAR",
    "scheduled": "TIMESTAMP",
    "rows": "BIGINT",
    "accepted": "BIGINT",
    "rejected": "BIGINT",
}


def is_repeatable(strategy: WriteStrategy, statements: Sequence[str]) -> bool:
    """Return True if writing the same rows again changes nothing.

    Args:
        strategy: The write strategy.
        statements: Other SQL that runs with it, with unknown effects.
    """
    return strategy.kind.is_repeatable and not strategy.types and not statements


class Once:
    """One job, which may be done already.

    Args:
        audit: The audit.
        warehouse: The warehouse of the rows.
        entry: The audit row of the job.
        files: PATHS of parts of the job that may have audit rows of their own.
        given: True if its job id is set by the caller; otherwise it is unique.
        scheduled: The logical date, UTC, if the command has one.
    """

    def __init__(
        self,
        audit: AuditLog,
        warehouse: Warehouse,
        entry: Entry,
        files: Sequence[str] = (),
        *,
        given: bool,
        scheduled: datetime | None,
    ) -> None:
        self._warehouse = warehouse
        self._entry = entry
        self._paths = [entry.paths, *files]
        self._given = given
        self._scheduled = scheduled
        self._audit = audit if audit.active and audit.warehouse is warehouse else None

    def earlier(self) -> tuple[int, int, int] | None:
        """Return the counts if the job is done already; None if it is not."""
        if not self._given:
            return None
        if self._audit is not None:
            return self._audit.success(self._entry, self._paths, scheduled=self._scheduled)
        if not self._warehouse.columns(_LEDGER):
            return None
        same = "item = ? AND jobid = ? AND paths = ?"
        values: list[object] = [self._item, self._entry.job_id, self._entry.paths]
        if self._scheduled is not None:
            same, values = f"{same} AND scheduled = ?", [*values, self._scheduled]
        ledger = self._warehouse.place(_LEDGER)
        rows = self._warehouse.rows(f"SELECT rows, accepted, rejected FROM {ledger} WHERE {same}", values)
        return rows[0] if rows else None

    def note(self, counts: tuple[int, int, int]) -> None:
        """Record that the job is done, in the transaction that writes the rows."""
        if not self._given or self._audit is not None:
            return
        entry, ledger = self._entry, self._warehouse.place(_LEDGER)
        self._warehouse.ensure(_LEDGER, _COLUMNS)
        self._warehouse.execute(f"DELETE FROM {ledger} WHERE item = ? AND jobid <> ?", [self._item, entry.job_id])
        row = [self._item, entry.job_id, entry.paths, self._scheduled, *counts]
        self._warehouse.append(_LEDGER, _COLUMNS, [row])

    @property
    def _item(self) -> str:
        return f"{self._entry.step} {self._entry.domain}.{self._entry.table}"
