"""Rows that wait until their run has ended, and their assignment to runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ai.starlake.common.outcomes.audit_rows import AuditRow
from ai.starlake.orchestration.outside.tracked_audit import ended, identity, microseconds, number_of
from ai.starlake.orchestration.outside.tracking_options import TrackingOptions

_SECOND = 1_000_000
_MADE_BY_STARLAKE = re.compile(r".*-\d{13}")


@dataclass(frozen=True)
class WaitingRun:
    """Rows of a run that may get more rows.

    Args:
        job: The number of its JOBID; None for rows with generated JOBIDs.
        further: The number of this part of the JOBID, from 1.
        first: End of its first row, in microseconds since 1970.
        last: End of its last row.
        since: Time at which its first row was found, by the clock of the sensor.
        seen: Time at which its last row was found.
        rows: The numbers that identify its rows.
    """

    job: int | None
    further: int
    first: int
    last: int
    since: float
    seen: float
    rows: tuple[int, ...]


@dataclass(frozen=True)
class LastPart:
    """The last run of a JOBID.

    Args:
        further: The number of this part, from 1.
        last: Its end, in microseconds since 1970.
    """

    further: int
    last: int


def made_by_starlake(row: AuditRow) -> bool:
    """Return True if Starlake generated the JOBID for this load or task only, because ``SL_JOB_ID`` is unset."""
    if _MADE_BY_STARLAKE.fullmatch(row.job_id) is None:
        return False
    return row.job_id.lower().startswith((f"{row.domain.lower()}-", f"{row.domain.lower()}."))


@dataclass
class _Growing:
    """A run that gets rows."""

    run: WaitingRun
    first: int
    last: int
    rows: list[int] = field(default_factory=list)

    def get(self, number: int, end: int) -> None:
        self.first, self.last = min(self.first, end), max(self.last, end)
        self.rows.append(number)

    def grown(self, now: float) -> WaitingRun:
        if not self.rows:
            return self.run
        rows = (*self.run.rows, *self.rows)
        return replace(self.run, first=self.first, last=self.last, seen=now, rows=rows)


@dataclass
class RunSorter:
    """Adds rows to waiting runs.

    Args:
        options: Options for distinguishing runs.
        now: The time of the tick, by the clock of the sensor.
        waiting: The waiting runs.
        parts: The last run of each remembered JOBID, by the number of the JOBID.
    """

    options: TrackingOptions
    now: float
    waiting: Iterable[WaitingRun]
    parts: Mapping[int, LastPart]
    _runs: dict[int | None, list[_Growing]] = field(init=False)
    _last: dict[int, LastPart] = field(init=False)

    def __post_init__(self) -> None:
        self._runs = {}
        self._last = dict(self.parts)
        for run in self.waiting:
            self._runs.setdefault(run.job, []).append(_Growing(run, run.first, run.last))

    def add(self, rows: Sequence[AuditRow]) -> None:
        """Add rows to their runs, in the order of their end."""
        for row in sorted(rows, key=lambda row: row.ended):
            job = None if made_by_starlake(row) else number_of(row.job_id)
            runs, started, end = self._runs.setdefault(job, []), microseconds(row.started), ended(row)
            for run in reversed(runs):
                if self._belongs(started, end, run):
                    break
            else:
                new = WaitingRun(job, self._further(job, started), end, end, self.now, self.now, ())
                run = _Growing(new, end, end)
                runs.append(run)
            run.get(identity(row), end)
            if job is not None:
                self._remember(job, run)

    def result(self) -> tuple[tuple[WaitingRun, ...], dict[int, LastPart]]:
        """Return the waiting runs, and the last run of each JOBID."""
        return tuple(run.grown(self.now) for runs in self._runs.values() for run in runs), self._last

    def _belongs(self, started: int, end: int, run: _Growing) -> bool:
        longest = self.options.longest_seconds
        is_full = len(run.run.rows) + len(run.rows) >= self.options.rows_per_tick
        if is_full or self.now - run.run.since > longest:
            return False
        gap = max(started - run.last, run.first - end)  # 0 or less if they overlap
        if run.run.job is None and gap > self.options.group_seconds * _SECOND:
            return False
        return max(run.last, end) - min(run.first, end) <= longest * _SECOND

    def _further(self, job: int | None, started: int) -> int:
        """Return the number of a run among the parts of its JOBID, from 1; a JOBID that is reused begins with 1."""
        last = None if job is None else self._last.get(job)
        if last is None or started - last.last > self.options.longest_seconds * _SECOND:
            return 1
        return last.further + 1

    def _remember(self, job: int, run: _Growing) -> None:
        before = self._last.get(job)
        if before is None or run.run.further >= before.further or run.last > before.last:
            self._last[job] = LastPart(run.run.further, max(run.last, before.last) if before else run.last)
