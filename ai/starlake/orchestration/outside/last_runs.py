"""The runs of one table or task in rows of the audit, told apart as tracking does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ai.starlake.common.outcomes.audit_rows import AuditRow
from ai.starlake.orchestration.outside.tracked_audit import identity
from ai.starlake.orchestration.outside.tracking_options import TrackingOptions
from ai.starlake.orchestration.outside.waiting_runs import RunSorter

LONGEST_LOAD = timedelta(hours=6)
"""Maximum time span of the rows of one load, if the scheduler gives it a JOBID."""


def runs_of_item(rows: Sequence[AuditRow], options: TrackingOptions) -> list[tuple[AuditRow, ...]]:
    """Return the rows of each run, in the order of their end: a load of several files has a row for each.

    Parts of one JOBID without a long pause between them are one run, however long it lasts.

    Args:
        rows: The rows of one table or task, in the order of their end.
        options: Options for distinguishing runs.
    """
    unlimited = options.model_copy(update={"rows_per_tick": len(rows) + 1})
    sorter = RunSorter(unlimited, 0, (), {})
    sorter.add(rows)
    waiting, _ = sorter.result()
    numbers: list[set[int]] = []
    last_of_job: dict[int | None, set[int]] = {}
    for run in waiting:
        if run.further > 1:
            last_of_job[run.job].update(run.rows)
        else:
            last_of_job[run.job] = set(run.rows)
            numbers.append(last_of_job[run.job])
    found = [tuple(row for row in rows if identity(row) in of_run) for of_run in numbers]
    return sorted(found, key=lambda of_run: of_run[-1].ended)
