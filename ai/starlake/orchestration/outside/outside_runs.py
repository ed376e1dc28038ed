"""Runs of another scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ai.starlake.common.outcomes.audit_rows import AuditRow


@dataclass(frozen=True)
class OutsideRun:
    """A run of another scheduler, or what came later of one that is mirrored already.

    Args:
        key: Identifies it: the same rows have the same key, others have another one.
        name: For people: the JOBID; the tables and the time, where Starlake made a JOBID for each load or task.
        job_ids: The JOBIDs of its rows, each once.
        rows: Its rows, those that ended first first.
        further: 1; 2 and more for what came later of a JOBID.
    """

    key: str
    name: str
    job_ids: tuple[str, ...]
    rows: tuple[AuditRow, ...]
    further: int = 1

    @property
    def started(self) -> datetime:
        """Return when the first of its loads and tasks began."""
        return min(row.started for row in self.rows)

    @property
    def ended(self) -> datetime:
        """Return when the last of its loads and tasks ended."""
        return max(row.ended for row in self.rows)

    @property
    def success(self) -> bool:
        """Tell whether all of its rows say that they succeeded."""
        return all(row.success for row in self.rows)


def name_of_group(rows: Sequence[AuditRow]) -> str:
    """Return the name of a run whose rows have JOBIDs that Starlake made, one for each load or task."""
    tables = list(dict.fromkeys(f"{row.domain}.{row.table}" for row in rows))
    others = f" and {len(tables) - 1} more" if len(tables) > 1 else ""
    return f"{tables[0]}{others} at {min(row.started for row in rows):%Y-%m-%d %H:%M:%S} UTC"


def name_of_job(job_id: str, further: int) -> str:
    """Return the name of a run whose rows have one JOBID."""
    return job_id if further == 1 else f"{job_id} (later rows {further})"
