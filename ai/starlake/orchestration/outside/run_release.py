"""Release of runs without further rows for a while."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ai.starlake.common.outcomes.audit_rows import AuditRow
from ai.starlake.orchestration.outside.outside_runs import OutsideRun, name_of_group, name_of_job
from ai.starlake.orchestration.outside.tracked_audit import TrackedAudit, all_rows, identity
from ai.starlake.orchestration.outside.tracking_cursor import TrackingCursor
from ai.starlake.orchestration.outside.tracking_options import TrackingOptions
from ai.starlake.orchestration.outside.waiting_runs import WaitingRun

_NEAR = 1_000_000
"""Maximum distance of times that are read at once, in microseconds."""


@dataclass(frozen=True)
class Release:
    """Waiting runs, divided into released ones and others.

    Args:
        runs: The released ones, in the order of their end.
        over: Those that have ended, and wait for the next tick.
        open: Those that may get more rows.
        gone: Number of rows that the audit no longer has.
    """

    runs: tuple[OutsideRun, ...]
    over: tuple[WaitingRun, ...]
    open: tuple[WaitingRun, ...]
    gone: int = 0


def released(audit: TrackedAudit, cursor: TrackingCursor, options: TrackingOptions) -> Release:
    """Return the released runs, which depend on the cursor alone, and the others.

    Args:
        audit: The audit, which has their rows.
        cursor: The cursor.
        options: Time that a run waits, and number of runs to release.
    """
    over = sorted(
        (run for run in cursor.waiting if cursor.tick - run.seen >= options.settle_seconds),
        key=lambda run: (run.last, run.first, run.rows),
    )
    chosen = over[: _affordable(over, options)]
    open_runs = tuple(run for run in cursor.waiting if cursor.tick - run.seen < options.settle_seconds)
    rows = {identity(row): row for since, until in _ranges(chosen) for row in all_rows(audit, since, until)}
    found = [(run, [rows[row] for row in run.rows if row in rows]) for run in chosen]
    runs = tuple(_outside_run(run, of_run) for run, of_run in found if of_run)
    gone = sum(len(run.rows) - len(of_run) for run, of_run in found)
    return Release(runs, tuple(over[len(chosen) :]), open_runs, gone)


def _affordable(runs: Sequence[WaitingRun], options: TrackingOptions) -> int:
    rows = 0
    for number, run in enumerate(runs[: options.runs_per_tick]):
        rows += len(run.rows)
        if rows > options.rows_per_tick and number:
            return number
    return min(len(runs), options.runs_per_tick)


def _ranges(runs: Iterable[WaitingRun]) -> Iterator[tuple[int, int]]:
    """Yield the time spans in which some runs ended; adjacent ones are merged."""
    since: int | None = None
    until = 0
    for run in sorted(runs, key=lambda run: run.first):
        if since is not None and run.first > until + _NEAR:
            yield since, until
            since = None
        since = run.first if since is None else since
        until = max(until, run.last + 1)
    if since is not None:
        yield since, until


def _outside_run(run: WaitingRun, rows: Sequence[AuditRow]) -> OutsideRun:
    text = " ".join(map(str, sorted(run.rows)))
    key = hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
    ordered = tuple(sorted(rows, key=lambda row: (row.ended, row.started, row.digest)))
    name = name_of_group(ordered) if run.job is None else name_of_job(ordered[0].job_id, run.further)
    return OutsideRun(key, name, tuple(dict.fromkeys(row.job_id for row in ordered)), ordered, run.further)
