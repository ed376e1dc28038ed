"""Finds the runs of another scheduler in the rows of the audit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ai.starlake.common.outcomes.audit_rows import AuditRow
from ai.starlake.orchestration.outside.outside_runs import OutsideRun, name_of_job
from ai.starlake.orchestration.outside.tracked_audit import TrackedAudit
from ai.starlake.orchestration.outside.tracking_cursor import TrackingCursor
from ai.starlake.orchestration.outside.tracking_options import TrackingOptions

Own = Callable[[Collection[str]], set[str]]
"""Returns those of some JOBIDs that are of runs of this Dagster instance."""


@dataclass(frozen=True)
class Tracked:
    """What a tick found.

    Args:
        runs: The runs to mirror now, in order.
        cursor: The cursor to keep once they are on their way.
        behind: Whether more waits than a tick takes; the next ticks go on with it.
        notes: Sentences that somebody should read.
    """

    runs: tuple[OutsideRun, ...]
    cursor: TrackingCursor
    behind: bool = False
    notes: tuple[str, ...] = ()


def baseline(audit: TrackedAudit, now: datetime, options: TrackingOptions) -> Tracked:
    """Return the cursor of the first tick: what the audit holds by now is history, and is not mirrored.

    Args:
        audit: The audit.
        now: The time of the tick.
        options: How runs are found.
    """
    since = now - timedelta(seconds=options.lateness_seconds)
    handled = tuple(row.digest for row in _all(audit, since))
    return Tracked((), TrackingCursor(since.timestamp(), now.timestamp(), handled))


def track(audit: TrackedAudit, cursor: TrackingCursor, now: datetime, own: Own, options: TrackingOptions) -> Tracked:
    """Return the runs that are to be mirrored, and the cursor of the next tick.

    Args:
        audit: The audit.
        cursor: What the tick before kept.
        now: The time of the tick.
        own: Returns those of some JOBIDs that are of this Dagster instance.
        options: How runs are found.
    """
    since = datetime.fromtimestamp(cursor.since, timezone.utc)
    rows = {row.digest: row for row in _all(audit, since) if row.digest not in cursor.handled}
    ours = own({row.job_id for row in rows.values()})
    waiting = {digest: (job_id, seen) for digest, job_id, seen in cursor.waiting}
    jobs: dict[str, list[AuditRow]] = {}
    for digest, row in rows.items():
        waiting.setdefault(digest, (row.job_id, now.timestamp()))
        jobs.setdefault(row.job_id, []).append(row)
    runs = []
    for job_id, of_job in jobs.items():
        quiet = cursor.tick - max(waiting[row.digest][1] for row in of_job) >= options.settle_seconds
        if job_id not in ours and quiet:
            key = hashlib.blake2b("".join(row.digest for row in of_job).encode(), digest_size=10).hexdigest()
            runs.append(OutsideRun(key, name_of_job(job_id, 1), (job_id,), tuple(of_job)))
    done = {row.digest for run in runs for row in run.rows} | {row.digest for job in ours for row in jobs.get(job, [])}
    left = tuple((digest, *seen) for digest, seen in waiting.items() if digest not in done)
    return Tracked(tuple(runs), TrackingCursor(cursor.since, now.timestamp(), tuple({*cursor.handled, *done}), left))


def _all(audit: TrackedAudit, since: datetime) -> list[AuditRow]:
    return list(audit.rows(since, datetime.max.replace(tzinfo=timezone.utc), limit=1_000_000))
