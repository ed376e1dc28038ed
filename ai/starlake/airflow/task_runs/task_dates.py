"""Dates of a DAG run: one logical date, the same in every task and at every attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Any

from ai.starlake.airflow.task_runs.run_conf import RunConf
from ai.starlake.airflow.task_runs.triggering_events import TriggeringEvent, events_of_run, newest_scheduled_date
from ai.starlake.common import DataInterval, StarlakeError, parse_datetime, zone_of
from ai.starlake.common.crons import cron_problem
from ai.starlake.executor.process.interrupts import interrupts_held
from ai.starlake.orchestration.dates.run_dates import ConfiguredDates, RunDates, resolve_dates
from ai.starlake.orchestration.dates.run_tags import date_tags
from ai.starlake.orchestration.freshness.windows import slot_at, window_from

START_TASK = "start"
"""Task of a pipeline that waits for data, which decides on the dates of its run."""

INTERVAL_START = "sl_data_interval_start"
INTERVAL_END = "sl_data_interval_end"
LOGICAL_DATE = "sl_logical_date"


def dates_of_task(context: Mapping[str, Any], zone: tzinfo) -> RunDates:
    """Return the dates of the run of a task.

    The order is that of Dagster's runs (see `resolve_dates`); each source has its counterpart:

    1. the partition, of a DAG whose timetable has some: the window of the cron expression that begins at its date;
       without a cron expression, the date in its key;
    2. ``logical_datetime`` and ``previous_logical_datetime`` of `dag_run.conf`;
    3. of a run that assets have triggered, the dates that task ``start`` has decided on (Dagster's sensor tags the run
       with them); without that task, the newest date of the events;
    4. the schedule: the end of the run's data interval, which is the tick that launched it (Dagster's tag of the
       scheduled time). A scheduled run and a run of a backfill always have one;
    5. the launch: `dag_run.run_after`, the only time that each run has. It does not change when tasks are cleared.

    A run of a DAG with a cron expression is for a tick, also if it is started manually: 4 and 5 give the last tick at
    or before their time. Its interval is the time from the previous tick to that tick. This differs from Dagster, where
    a job with a cron expression is partitioned, and its run is named by the start of the window: on Airflow, Starlake's
    scheduled date has always been the tick itself, and DAGs that wait for each other compare it.

    Args:
        context: The context of the task.
        zone: The time zone of dates without an offset, and of the result.

    Raises:
        StarlakeError: If the configuration of the run, or a triggering event, contains a value that is not a date.
    """
    return resolve_dates(_TaskDates(context, zone, _Ticks.of_dag(context)), zone)


def decided_dates(logical: datetime, interval: DataInterval | None) -> dict[str, str]:
    """Return the XComs of task ``start``, so that all tasks of the run have its dates.

    Args:
        logical: The logical date.
        interval: The data interval.
    """
    dates = {LOGICAL_DATE: logical.isoformat()}
    if interval:
        dates |= {INTERVAL_START: interval.start.isoformat(), INTERVAL_END: interval.end.isoformat()}
    return dates


def dates_of_start(context: Mapping[str, Any], zone: tzinfo) -> RunDates | None:
    """Return the dates that task ``start`` has decided on; None if it has not, or there is no such task.

    Args:
        context: The context of a task that comes after it.
        zone: The time zone of dates without an offset.
    """
    if START_TASK not in getattr(context["dag"], "task_ids", ()):
        return None
    with interrupts_held():  # Airflow's supervisor: an unread answer would be taken for the next one
        logical, start, end = (
            None if text is None else parse_datetime(str(text), zone)
            for key in (LOGICAL_DATE, INTERVAL_START, INTERVAL_END)
            for text in [context["ti"].xcom_pull(task_ids=START_TASK, key=key)]
        )
    logical = logical or end
    return RunDates(logical, DataInterval(start, end) if start and end else None) if logical else None


def cron_of_dag(context: Mapping[str, Any]) -> str | None:
    """Return the cron expression of a DAG's schedule; None without one.

    Args:
        context: The context of a task of the DAG.
    """
    ticks = _Ticks.of_dag(context)
    return ticks.cron if ticks else None


@dataclass(frozen=True)
class _Ticks:
    """The ticks of a cron expression in its time zone."""

    cron: str
    zone: str

    @classmethod
    def of_dag(cls, context: Mapping[str, Any]) -> _Ticks | None:
        """Return the ticks of the schedule of the DAG; None unless it is a cron expression in a time zone with a name.

        The cron expression of a task's own table is not used: dates are the same in all tasks of a run.
        """
        dag = context["dag"]
        timetable = getattr(dag, "timetable", None)
        cron = getattr(timetable, "expression", None) or getattr(timetable, "summary", None)  # from Airflow's core
        zone = getattr(timetable, "timezone", None) or getattr(dag, "timezone", None)
        if not isinstance(cron, str) or cron_problem(cron) is not None:
            return None
        try:
            zone_of(str(zone))
        except StarlakeError:
            return None
        return cls(cron, str(zone))

    def slot(self, at: datetime) -> DataInterval:
        """Return the window that ends at the last tick at or before a time."""
        return slot_at(self.cron, self.zone, at)

    def window(self, start: datetime) -> DataInterval | None:
        """Return the window that begins at a tick; None if the time is not a tick."""
        return window_from(self.cron, self.zone, start)


@dataclass(frozen=True)
class _TaskDates:
    """The sources of the dates of a DAG run; see `DateSources`."""

    context: Mapping[str, Any]
    zone: tzinfo
    ticks: _Ticks | None

    def partition_window(self) -> DataInterval | None:
        """Return the window of the cron expression that begins at the date of the partition."""
        found = self.ticks.window(self._partition_date) if self._partition_date and self.ticks else None
        return DataInterval(found.start.astimezone(self.zone), found.end.astimezone(self.zone)) if found else None

    def partition_key(self) -> str | None:
        """Return the date of the partition, else its key."""
        return self._partition_date.isoformat() if self._partition_date else self._key

    def configured(self, zone: tzinfo) -> ConfiguredDates:
        """Return the dates in `dag_run.conf`."""
        return RunConf.of(self.context).dates(zone)

    def tags(self) -> Mapping[str, str]:
        """Return the dates that the run was launched for, with their interval: by data, by its schedule, manually."""
        run = self._run
        events = events_of_run(self.context)
        if events and run.data_interval_end is None:
            found = self._of_data(events)
            if found is not None:
                return date_tags(found.logical, found.interval)
        return self._of_time(run.data_interval_start, run.data_interval_end or run.run_after)

    def scheduled(self) -> datetime | None:
        """Return None: the tick of a run is among the tags, together with its interval."""
        return None

    def launched(self) -> datetime:
        """Return the launch time of the run."""
        launched: datetime = self._run.run_after
        return launched

    @property
    def _run(self) -> Any:
        return self.context["dag_run"]

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
            except StarlakeError:  # a partition without time
                return None
        return date

    def _of_data(self, events: list[TriggeringEvent]) -> RunDates | None:
        decided = dates_of_start(self.context, self.zone)
        newest = None if decided else newest_scheduled_date(events, self.zone)
        return RunDates(newest, None) if newest else decided

    def _of_time(self, start: datetime | None, at: datetime) -> Mapping[str, str]:
        """Return the dates of the last tick at or before a time; without ticks, the time itself and its interval."""
        if self.ticks:
            slot = self.ticks.slot(at)
            return date_tags(slot.end, slot)
        return date_tags(at, DataInterval(start, at) if start and start < at else None)
