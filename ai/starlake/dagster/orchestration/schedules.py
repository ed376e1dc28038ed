"""Schedules whose runs know what they are for.

A tick is for the partition that ends with it: the tick of midnight on the 2nd of March is for the 1st of March. So it
is with Dagster's own schedules of partitions, and a run finds the data of its interval complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from dagster import (
    DagsterInstance,
    DefaultScheduleStatus,
    JobDefinition,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    TimeWindowPartitionsDefinition,
)

from ai.starlake.common import StarlakeError, parse_datetime
from ai.starlake.dagster import _compat
from ai.starlake.dagster.orchestration import partitions as windows

if TYPE_CHECKING:
    from ai.starlake.orchestration.options import OrchestrationOptions

_MOST_REQUESTS = 100
"""How many runs a tick that catches up asks for; the next one goes on."""

_LATEST_RUNS = 25
"""How many runs are read to find how far a schedule has got; the newest is not the last where one was re-executed."""


def build(job: JobDefinition, cron: str, options: OrchestrationOptions) -> ScheduleDefinition:
    """The schedule of a job with partitions of time. It is on from the start.

    With the option `catchup`, a tick asks for the runs of all partitions since the start date, or since the last run of
    the schedule; without it, for that of the partition that ends with it.

    Args:
        job: The job; its partitions are those of the cron expression.
        cron: The cron expression.
        options: The options of the pipeline.

    Raises:
        StarlakeError: If the job has no partitions of time.
    """
    partitions = job.partitions_def
    if not isinstance(partitions, TimeWindowPartitionsDefinition):
        raise StarlakeError(
            f"job {job.name} has no partitions of time, so that its schedule cannot tell what a run is for",
            fix="give it those of `time_partitions`",
        )
    name = f"{job.name}_schedule"

    def tick(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        last = windows.key_completed_by(partitions, context.scheduled_execution_time)
        if last is None:
            yield SkipReason(f"the first partition begins at {partitions.start:%Y-%m-%d %H:%M:%S %Z} and is not over")
            return
        keys = _since_last_run(context.instance, job.name, name, partitions, last) if options.catchup else [last]
        yield from (
            # with its tags, a request is complete: Dagster need not look for the job in the code location
            RunRequest(run_key=key, partition_key=key, tags=job.get_tags_for_partition_key(key, None))
            for key in keys
        )

    return ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone=partitions.timezone,
        execution_fn=tick,
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"Starts {job.name} at {cron} ({partitions.timezone}), for the interval that ends then.",
    )


def _since_last_run(
    instance: DagsterInstance, job: str, schedule: str, partitions: TimeWindowPartitionsDefinition, last: str
) -> Sequence[str]:
    """The partitions after the last one that the schedule has started a run for, up to `last`, oldest first."""
    filters = RunsFilter(job_name=job, tags={_compat.SCHEDULE_TAG: schedule})
    records = instance.get_run_records(filters, limit=_LATEST_RUNS)
    keys = [record.dagster_run.tags.get(_compat.PARTITION_TAG) for record in records]
    moments = [moment for key in keys if key for moment in _moments(key)]
    first = max(moments, key=datetime.timestamp) + timedelta(seconds=1) if moments else partitions.start
    window = partitions.time_window_for_partition_key(last)
    return windows.keys_between(partitions, first, window.start)[:_MOST_REQUESTS]


def _moments(key: str) -> Iterator[datetime]:
    """The moment that a partition's key tells, be it one of a cron expression that has been changed since."""
    with suppress(StarlakeError):
        yield parse_datetime(key, timezone.utc)
