"""The dates of a DAG run: one logical date, the same in every task and at every attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Any

from ai.starlake.airflow.task_runs.run_conf import RunConf
from ai.starlake.airflow.task_runs.triggering_events import events_of_run, newest_scheduled_date
from ai.starlake.common import DataInterval, StarlakeError, parse_datetime
from ai.starlake.common.crons import cron_problem
from ai.starlake.orchestration.dates.run_dates import ConfiguredDates, RunDates, resolve_dates
from ai.starlake.orchestration.dates.run_tags import date_tags
from ai.starlake.orchestration.freshness.windows import slot_at, window_from

START_TASK = "start"
"""The task of a pipeline that waits for data, which decides what its run is for."""

INTERVAL_START = "sl_data_interval_start"
INTERVAL_END = "sl_data_interval_end"
LOGICAL_DATE = "sl_logical_date"


def dates_of_task(context: Mapping[str, Any], zone: tzinfo, cron: str | None = None) -> RunDates:
    """Return the dates of the run of a task.

    The order is that of Dagster's runs (see `resolve_dates`); each source has its counterpart:

    1. the partition, of a DAG whose timetable has some: the window of the cron expression that begins at its date;
       without a cron expression, the date in its key;
    2. ``logical_datetime`` and ``previous_logical_datetime`` of `dag_run.conf`;
    3. the dates that task ``start`` has decided on (Dagster's sensor tags the run with them); without that task, the
       newest date of the events that have triggered the run;
    4. the schedule: the end of the run's data interval, which is the tick that launched it (Dagster's tag of the
       scheduled time). A scheduled run and a run of a backfill always have one;
    5. the launch: `dag_run.run_after`, the only time that each run has. It doesn't change when tasks are cleared.

    A run of a DAG with a cron expression is for a tick, also when it is started by hand: 4 and 5 give the last tick at
    or before their time. Its interval is the time from the tick before to that tick. This differs from Dagster, where
    a job with a cron expression is partitioned, and its run is named by the begin of the window: on Airflow, Starlake's
    scheduled date has always been the tick itself, and DAGs that wait for each other compare it.

    Args:
        context: The context of the task.
        zone: The time zone of dates without an offset, of cron expressions, and of the result.
        cron: The cron expression of the pipeline. Left out, it is the schedule of the DAG, if that is one.

    Raises:
        StarlakeError: If the configuration of the run, or an event that has triggered it, holds a value that is not a
            date.
    """
    return resolve_dates(_TaskDates(context, zone, cron or _cron_of_dag(context)), zone)


def decided_dates(logical: datetime, interval: DataInterval | None) -> dict[str, str]:
    """Return what task ``start`` is to push as XComs, so that all tasks of the run have the dates it decided on.

    Args:
        logical: The logical date.
        interval: The data interval.
    """
    dates = {LOGICAL_DATE: logical.isoformat()}
    if interval:
        dates |= {INTERVAL_START: interval.start.isoformat(), INTERVAL_END: interval.end.isoformat()}
    return dates


@dataclass(frozen=True)
class _TaskDates:
    """The sources of the dates of a DAG run; see `DateSources`."""

    context: Mapping[str, Any]
    zone: tzinfo
    cron: str | None

    @property
    def _run(self) -> Any:
        return self.context["dag_run"]

    def partition_window(self) -> DataInterval | None:
        """Return the window of the cron expression that begins at the date of the partition."""
        date = self._partition_date
        return window_from(self.cron, str(self.zone), date) if date and self.cron else None

    def partition_key(self) -> str | None:
        """Return the date of the partition, else its key."""
        return self._partition_date.isoformat() if self._partition_date else self._key

    def configured(self, zone: tzinfo) -> ConfiguredDates:
        """Return the dates in `dag_run.conf`."""
        return RunConf.of(self.context).dates(zone)

    def tags(self) -> Mapping[str, str]:
        """Return the dates that the run was launched for: as decided by task ``start``, by events, or by the tick."""
        run = self._run
        if run.data_interval_end is None:
            return self._decided() or self._of_events()
        return self._of_time(run.data_interval_end)

    def scheduled(self) -> datetime | None:
        """Return None: what tells the tick of a run tells its interval too, and so is among the tags."""
        return None

    def launched(self) -> datetime:
        """Return the tick for which the run was launched by hand; without a cron expression, the time of launch."""
        launched: datetime = self._run.run_after
        return slot_at(self.cron, str(self.zone), launched).end if self.cron else launched

    @property
    def _key(self) -> str | None:
        key = getattr(self._run, "partition_key", None)
        return None if key is None else str(key)

    @cached_property
    def _partition_date(self) -> datetime | None:
        date: datetime | None = getattr(self._run, "partition_date", None)
        if date is None and self._key is not None:
            try:
                return parse_datetime(self._key, self.zone)
            except StarlakeError:  # a partition that is not about time
                return None
        return date

    def _decided(self) -> Mapping[str, str]:
        if START_TASK not in getattr(self.context["dag"], "task_ids", ()):
            return {}
        pulled = {
            key: self.context["ti"].xcom_pull(task_ids=START_TASK, key=key)
            for key in (LOGICAL_DATE, INTERVAL_START, INTERVAL_END)
        }
        start, end = self._read(pulled[INTERVAL_START]), self._read(pulled[INTERVAL_END])
        logical = self._read(pulled[LOGICAL_DATE]) or end
        return date_tags(logical, DataInterval(start, end) if start and end else None) if logical else {}

    def _read(self, value: Any) -> datetime | None:
        return parse_datetime(str(value), self.zone) if value is not None else None

    def _of_events(self) -> Mapping[str, str]:
        newest = newest_scheduled_date(events_of_run(self.context), self.zone)
        if newest:
            return date_tags(newest)
        return self._of_time(self._run.run_after) if self.cron else {}

    def _of_time(self, at: datetime) -> Mapping[str, str]:
        """Return the dates of the last tick at or before a time; without a cron expression, those of the run itself."""
        if self.cron:
            slot = slot_at(self.cron, str(self.zone), at)
            return date_tags(slot.end, slot)
        start = self._run.data_interval_start
        return date_tags(at, DataInterval(start, at) if start and start < at else None)


def _cron_of_dag(context: Mapping[str, Any]) -> str | None:
    """Return the schedule of the DAG, if it is a cron expression."""
    schedule = getattr(context["dag"], "schedule", None)
    return schedule if isinstance(schedule, str) and cron_problem(schedule) is None else None
