"""Runs of another scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ai.starlake.common.outcomes.audit_rows import AuditRow


@dataclass(frozen=True)
class OutsideRun:
    """A run of another scheduler, or a late part of one that is mirrored already.

    Args:
        key: Identifies it: the same rows have the same key, other rows another one.
        name: Display name: the JOBID; or the tables and the time, if Starlake generated a JOBID for each load or task.
        job_ids: The JOBIDs of its rows, each once.
        rows: Its rows, in the order of their end.
        further: 1; 2 and more for late parts of a JOBID.
    """

    key: str
    name: str
    job_ids: tuple[str, ...]
    rows: tuple[AuditRow, ...]
    further: int = 1

    @property
    def started(self) -> datetime:
        """Start of its first load or task, UTC."""
        return min(row.started for row in self.rows)

    @property
    def ended(self) -> datetime:
        """End of its last load or task, UTC."""
        return max(row.ended for row in self.rows)

    @property
    def success(self) -> bool:
        """True if all of its rows are successes."""
        return all(row.success for row in self.rows)


def name_of_group(rows: Sequence[AuditRow]) -> str:
    """Return the name of a run whose rows have generated JOBIDs, one for each load or task."""
    tables = list(dict.fromkeys(f"{row.domain}.{row.table}" for row in rows))
    others = f" and {len(tables) - 1} more" if len(tables) > 1 else ""
    return f"{tables[0]}{others} at {min(row.started for row in rows):%Y-%m-%d %H:%M:%S} UTC"


def name_of_job(job_id: str, further: int) -> str:
    """Return the name of a run whose rows have one JOBID."""
    return job_id if further == 1 else f"{job_id} (later rows {further})"
