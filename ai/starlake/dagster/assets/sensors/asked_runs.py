"""Runs that a file sensor requested: the tables that they still have to load, and the files of the request.

The tags of a run contain both. A sensor that lost its cursor reads them, and repeats nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dagster import DagsterRunStatus, RunsFilter

from ai.starlake.dagster import _compat
from ai.starlake.orchestration.preload.file_requests import Busy, FileMemory, TableRequest, digest_of
from ai.starlake.orchestration.preload.file_watch import TableName

if TYPE_CHECKING:
    from dagster import AssetKey, DagsterInstance, DagsterRun

SENSOR_TAG = "starlake/file_sensor"
FILES_TAG = "starlake/files"
_MOST_RUNS = 500
"""Maximum number of runs to read after the loss of a cursor."""
_UNDER_WAY = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class AskedRuns:
    """The runs that a file sensor requested.

    Args:
        instance: The instance of Dagster.
        sensor: The name of the sensor.
        project: Folder or URI of its project: sensors of two code locations may have the same name.
    """

    instance: DagsterInstance
    sensor: str
    project: str

    def tags(self, serial: int, requests: Sequence[TableRequest]) -> dict[str, str]:
        """Return the tags of a run.

        Args:
            serial: Number of the tick among those that requested runs.
            requests: The tables that it loads.
        """
        files = {".".join(request.table): request.digest for request in requests}
        asked = {"project": digest_of(self.project), "serial": serial, "tables": files}
        return {SENSOR_TAG: self.sensor, FILES_TAG: json.dumps(asked, separators=(",", ":"))}

    def under_way(self) -> Mapping[TableName, Busy]:
        """Return the tables of active runs."""
        return {
            table: Busy(run.run_id, digest)
            for run, _, tables in self._asked(RunsFilter(tags={SENSOR_TAG: self.sensor}, statuses=_UNDER_WAY))
            for table, digest in tables.items()
        }

    def yet_to_load(
        self, busy: Mapping[TableName, Busy], waiting: Collection[TableName], keys: Mapping[TableName, AssetKey]
    ) -> Mapping[TableName, Busy]:
        """Return the tables without those that active runs have loaded: files that wait now arrived too late for these.

        Args:
            busy: The tables of active runs.
            waiting: The tables with files.
            keys: The assets of tables.
        """
        runs = {each.run_id for table, each in busy.items() if table in waiting}
        made = {run_id: _compat.materialized_by(self.instance, run_id) for run_id in runs}
        return {table: each for table, each in busy.items() if keys.get(table) not in made.get(each.run_id, ())}

    def recovered(self, memory: FileMemory | None) -> FileMemory:
        """Return a memory completed from runs: all of it, or the part that a tick did not save.

        Args:
            memory: The memory from the cursor; None without one.
        """
        known = memory or FileMemory()
        asked, serial = set(known.asked), known.serial
        newest = RunsFilter(tags={SENSOR_TAG: self.sensor})
        if memory is not None and max(self._serials(newest), default=0) <= serial:
            return memory
        for _, number, tables in self._asked(newest, _MOST_RUNS):
            if number > known.serial:
                asked.update(tables.values())
                serial = max(serial, number)
        return replace(known, asked=frozenset(asked), serial=serial)

    def _serials(self, runs: RunsFilter) -> Iterable[int]:
        return (serial for _, serial, _ in self._asked(runs, limit=1))

    def _asked(
        self, runs: RunsFilter, limit: int | None = None
    ) -> Iterator[tuple[DagsterRun, int, Mapping[TableName, str]]]:
        """Yield runs, newest first, with their serial numbers and the hashes of the files of their tables."""
        for record in self.instance.get_run_records(runs, limit=limit):
            run = record.dagster_run
            try:
                asked = json.loads(run.tags.get(FILES_TAG, ""))
                tables = {_table(name): str(digest) for name, digest in asked["tables"].items()}
                if asked["project"] == digest_of(self.project):
                    yield run, int(asked["serial"]), tables
            except (ValueError, KeyError, TypeError, AttributeError):
                continue


def _table(name: str) -> TableName:
    domain, _, table = name.partition(".")
    return domain, table
