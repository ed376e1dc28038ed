"""Reading the logs of all runs from tick to tick, each record once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from dagster import DagsterRunStatus, RunsFilter

from ai.starlake.dagster import _compat

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun, RunRecord

    from ai.starlake.dagster._compat import LogRecord

_UNDER_WAY = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_OVER = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_OVERLAP = timedelta(minutes=2)
"""Seconds of runs that are read again: a database may show a change after later ones, and clocks differ."""
_READ = "read"
"""The position in the log of a finished run that is read to its end."""
_MOST_RUNS = 200
_MOST_RECORDS = 1_000


@dataclass(frozen=True)
class ReadSoFar:
    """Progress of reading logs.

    Attributes:
        begun: Records before this timestamp are ignored.
        changed: Time of the last change of a run that was read, as a timestamp.
        positions: Positions in the logs of runs that are in progress, or ended recently.
    """

    begun: float
    changed: float
    positions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> ReadSoFar:
        """Read a cursor; without a valid one, reading starts now."""
        try:
            data = json.loads(cursor or "")
            return cls(float(data["begun"]), float(data["changed"]), dict(data["positions"]))
        except (ValueError, KeyError, TypeError):
            now = datetime.now(timezone.utc).timestamp()
            return cls(now, now)

    def written(self) -> str:
        """Return the cursor."""
        data = {"begun": self.begun, "changed": self.changed, "positions": dict(self.positions)}
        return json.dumps(data, separators=(",", ":"), sort_keys=True)


class RunReading:
    """Reads new records. A record counts as read once the next one is requested.

    Args:
        instance: The instance of Dagster.
        before: The progress so far.
    """

    def __init__(self, instance: DagsterInstance, before: ReadSoFar) -> None:
        self._instance = instance
        self.progress = before

    def records(self) -> Iterator[tuple[DagsterRun, LogRecord]]:
        """Yield the new records of runs in progress, then of those that have ended."""
        under_way = self._instance.get_run_records(RunsFilter(statuses=_UNDER_WAY), limit=_MOST_RUNS)
        kept = {record.dagster_run.run_id for record in under_way}
        for record in under_way:
            yield from self._of_run(record.dagster_run)
        since = datetime.fromtimestamp(self.progress.changed, timezone.utc) - _OVERLAP
        while ended := self._ended(since):
            for record in ended:
                run = record.dagster_run
                yield from self._of_run(run)
                kept.add(run.run_id)
                since = record.update_timestamp
                changed = max(self.progress.changed, since.timestamp())
                positions = {**self.progress.positions, run.run_id: _READ}
                self.progress = replace(self.progress, changed=changed, positions=positions)
        positions = {run_id: position for run_id, position in self.progress.positions.items() if run_id in kept}
        self.progress = replace(self.progress, positions=positions)

    def _ended(self, since: datetime) -> Sequence[RunRecord]:
        runs = RunsFilter(statuses=_OVER, updated_after=since)
        return self._instance.get_run_records(runs, limit=_MOST_RUNS, order_by="update_timestamp", ascending=True)

    def _of_run(self, run: DagsterRun) -> Iterator[tuple[DagsterRun, LogRecord]]:
        while (position := self.progress.positions.get(run.run_id)) != _READ:
            records = _compat.records_of_run(self._instance, run.run_id, position, _MOST_RECORDS)
            for record in records:
                if record.at >= self.progress.begun:
                    yield run, record
                positions = {**self.progress.positions, run.run_id: record.position}
                self.progress = replace(self.progress, positions=positions)
            if len(records) < _MOST_RECORDS:
                return
