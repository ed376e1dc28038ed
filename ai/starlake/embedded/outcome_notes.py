"""Notes on one ingestion, or one run of a task, which become its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common.outcomes.reject_reasons import reject_reasons
from ai.starlake.common.outcomes.table_outcomes import CheckOutcome, LoadedFile, StarlakeCounts, TableOutcome
from ai.starlake.embedded.areas.file_digests import FileDigests

if TYPE_CHECKING:
    from ai.starlake.embedded.results import JobResult
    from ai.starlake.embedded.warehouse.audit import Reject
    from ai.starlake.embedded.warehouse.warehouse import Target, Warehouse
    from ai.starlake.project import Project, Table, Task

NOT_REACHED = "it ended before its expectations were evaluated"
DONE_BEFORE = "it succeeded before under the same job id, and did not run again"
_OFF = "expectations.active is false in the application"


class OutcomeNotes:
    """Notes on one ingestion, or one run of a task, which become its outcome.

    Args:
        project: The project.
        item: The table or task.
    """

    def __init__(self, project: Project, item: Table | Task) -> None:
        self._project = project
        self._item = item
        self._checks: tuple[CheckOutcome, ...] | None = None
        self._files: FileDigests | None = None
        self.unknown = NOT_REACHED
        self.rejects: Sequence[Reject] = ()

    def reading(self, files: Sequence[Path]) -> None:
        """Record the files of an ingestion that begins."""
        self._files = FileDigests(files)

    def checked(self, checks: Sequence[CheckOutcome]) -> None:
        """Record the results of the expectations."""
        self._checks = tuple(checks)

    def outcome(self, *, job_id: str | None, duration: int, error: str | None) -> TableOutcome:
        """Return the outcome, without counts.

        Args:
            job_id: The JOBID of the audit; None if it has no row.
            duration: Milliseconds.
            error: The error.
        """
        checks, unknown = self._known_checks()
        return TableOutcome(
            self._item.full_name,
            error=error,
            checks=checks,
            checks_unknown=unknown,
            reasons=reject_reasons(reject.error for reject in self.rejects),
            files=self._files.result() if self._files else (),
            audit_id=job_id,
            duration=duration / 1000,
        )

    def _known_checks(self) -> tuple[tuple[CheckOutcome, ...] | None, str | None]:
        if self._checks is not None or not self._item.expectations:
            return self._checks or (), None
        return None, self.unknown if self._project.application.expectations.active else _OFF


def failed_outcome(project: Project, table: Table, job: JobResult) -> TableOutcome:
    """Return the outcome of an ingestion that could not begin."""
    return ingestion_outcome(OutcomeNotes(project, table), job)


def ingestion_outcome(notes: OutcomeNotes, job: JobResult) -> TableOutcome:
    """Return the outcome of an ingestion.

    Args:
        notes: The notes of its run.
        job: The result.
    """
    outcome = notes.outcome(job_id=job.job_id, duration=job.duration, error=job.error)
    lost = int(job.rejected_count > 0 and job.accepted_count == 0)
    counts = StarlakeCounts(
        job.input_count, job.accepted_count, job.rejected_count, len(job.warnings), files=True, lost_files=lost
    )
    files = outcome.files or tuple(LoadedFile(name) for name in job.files)
    return replace(outcome, counts=counts, files=files)


def row_count(warehouse: Warehouse, target: Target) -> int:
    """Return the number of rows of a table, which DuckDB knows without reading them; not for views."""
    return int(warehouse.rows(f"SELECT count(*) FROM {warehouse.place(target)}")[0][0])
