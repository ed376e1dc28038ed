"""Rows that wait until their run is over, and which rows make a run."""

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
    """Rows of a run that may get more of them.

    Args:
        job: The number that stands for its JOBID; None for rows with JOBIDs that Starlake made one by one.
        further: The how manieth part of the JOBID it is.
        first: When the first of its rows ended, in microseconds since 1970.
        last: When the last one did.
        since: When its first row was found, by the clock of the sensor.
        seen: When the last one was.
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
        further: The how manieth part it is.
        last: When it ended, in microseconds since 1970.
    """

    further: int
    last: int


def made_by_starlake(row: AuditRow) -> bool:
    """Tell whether Starlake made the JOBID for this load or task only, as it does unless ``SL_JOB_ID`` is set."""
    begins = row.job_id.lower().startswith((f"{row.domain.lower()}-", f"{row.domain.lower()}."))
    return begins and _MADE_BY_STARLAKE.fullmatch(row.job_id) is not None


@dataclass
class RunSorter:
    """Adds rows to the runs that wait.

    Args:
        options: How runs are told apart.
        now: The time of the tick, by the clock of the sensor.
        waiting: The runs that wait and may get more rows.
        parts: The last run of each JOBID that is remembered, by the number of the JOBID.
    """

    options: TrackingOptions
    now: float
    waiting: Iterable[WaitingRun]
    parts: Mapping[int, LastPart]
    _runs: dict[int | None, list[WaitingRun]] = field(init=False)
    _last: dict[int, LastPart] = field(init=False)

    def __post_init__(self) -> None:
        self._runs = {}
        self._last = dict(self.parts)
        for run in self.waiting:
            self._runs.setdefault(run.job, []).append(run)

    def add(self, rows: Sequence[AuditRow]) -> None:
        """Add rows to the runs that they belong to, in the order in which they ended."""
        for row in sorted(rows, key=ended):
            job = None if made_by_starlake(row) else number_of(row.job_id)
            runs = self._runs.setdefault(job, [])
            at = next((at for at in reversed(range(len(runs))) if self._belongs(row, runs[at])), None)
            if at is None:
                runs.append(self._new(job, row))
            else:
                runs[at] = self._with(runs[at], row)
            if job is not None:
                self._remember(job, runs[-1 if at is None else at])

    def result(self) -> tuple[tuple[WaitingRun, ...], dict[int, LastPart]]:
        """Return the runs that wait now, and the last run of each JOBID."""
        return tuple(run for runs in self._runs.values() for run in runs), self._last

    def _belongs(self, row: AuditRow, run: WaitingRun) -> bool:
        longest = self.options.longest_seconds
        if len(run.rows) >= self.options.rows_per_tick or self.now - run.since > longest:
            return False
        if run.job is None and _gap(row, run) > self.options.group_seconds * _SECOND:
            return False
        return max(run.last, ended(row)) - min(run.first, ended(row)) <= longest * _SECOND

    def _new(self, job: int | None, row: AuditRow) -> WaitingRun:
        last = None if job is None else self._last.get(job)
        is_further = (
            last is not None and microseconds(row.started) - last.last <= self.options.longest_seconds * _SECOND
        )
        further = last.further + 1 if last is not None and is_further else 1
        return WaitingRun(job, further, ended(row), ended(row), self.now, self.now, (identity(row),))

    def _with(self, run: WaitingRun, row: AuditRow) -> WaitingRun:
        first, last = min(run.first, ended(row)), max(run.last, ended(row))
        return replace(run, first=first, last=last, seen=self.now, rows=(*run.rows, identity(row)))

    def _remember(self, job: int, run: WaitingRun) -> None:
        before = self._last.get(job)
        if before is None or run.further >= before.further or run.last > before.last:
            last = max(run.last, before.last) if before else run.last
            self._last[job] = LastPart(run.further, last)


def _gap(row: AuditRow, run: WaitingRun) -> int:
    """Return the microseconds between a load or task and a run; 0 or less if they overlap."""
    return max(microseconds(row.started) - run.last, run.first - ended(row))
