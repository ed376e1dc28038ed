"""The reading of all runs' logs, each record once, from tick to tick."""

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
"""A database may show a change after later ones, and clocks differ: runs of this time are read again."""
_READ = "read"
"""The position in the log of a run that is over and read to its end."""
_MOST_RUNS = 200
_MOST_RECORDS = 1_000


@dataclass(frozen=True)
class ReadSoFar:
    """How far logs are read.

    Attributes:
        begun: What was recorded before this timestamp does not count.
        changed: When the last run that is read changed, as a timestamp.
        positions: How far the logs of runs are read that are under way, or are over since a short time.
    """

    begun: float
    changed: float
    positions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> ReadSoFar:
        """Read a cursor; without one that is ours, reading begins now."""
        try:
            data = json.loads(cursor or "")
            return cls(float(data["begun"]), float(data["changed"]), dict(data["positions"]))
        except (ValueError, KeyError, TypeError):
            now = datetime.now(timezone.utc).timestamp()
            return cls(now, now)

    def written(self) -> str:
        """Write the cursor."""
        data = {"begun": self.begun, "changed": self.changed, "positions": dict(self.positions)}
        return json.dumps(data, separators=(",", ":"), sort_keys=True)


class RunReading:
    """Reads on. What is read counts as read once the next record is asked for.

    Args:
        instance: The instance of Dagster.
        before: How far logs were read.
    """

    def __init__(self, instance: DagsterInstance, before: ReadSoFar) -> None:
        self._instance = instance
        self.progress = before

    def records(self) -> Iterator[tuple[DagsterRun, LogRecord]]:
        """Yield the new records of runs that are under way, then of those that are over."""
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
