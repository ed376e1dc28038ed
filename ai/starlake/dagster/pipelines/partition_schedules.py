"""Schedules whose runs have a partition.

A tick is for the partition that ends with it: the tick of midnight on the 2nd of March is for the 1st of March.
Dagster's own schedules of partitions do the same: a run finds the data of its interval complete.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    JobDefinition,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    TimeWindowPartitionsDefinition,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import _compat
from ai.starlake.dagster.pipelines import partitions as windows
from ai.starlake.orchestration.dates.run_tags import DRY_RUN_TAG

if TYPE_CHECKING:
    from ai.starlake.dagster._compat.graphs import AssetJob
    from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

_MOST_REQUESTS = 100
"""Maximum number of runs that a tick requests to catch up; the next tick continues."""

_PAGE = 100
"""Number of runs to read at once to find the last request of a schedule."""

_DONE_OR_UNDER_WAY = [
    DagsterRunStatus.SUCCESS,
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.MANAGED,
]


def build(job: JobDefinition, cron: str, options: OrchestrationOptions) -> ScheduleDefinition:
    """Return the schedule of a job with time partitions.

    It is off until a user starts it, unless the option `default_status` is ``running``.

    With the option `catchup`, a tick requests runs of all partitions since the start date, or since the last one that
    the schedule requested, except those that were run otherwise; without it, only of the partition that ends with it.

    Args:
        job: The job; its partitions are those of the cron expression.
        cron: The cron expression.
        options: The options of the pipeline.

    Raises:
        StarlakeError: If the job has no time partitions.
    """
    partitions = job.partitions_def
    if not isinstance(partitions, TimeWindowPartitionsDefinition):
        raise StarlakeError(
            f"job {job.name} has no time-based partitions, so that its schedule cannot determine the date of a run",
            fix="set partitions_def to the result of `time_partitions`",
        )
    return schedule_of(job, partitions, cron, options, partial(_compat.partition_tags, job))


def schedule_of(
    job: JobDefinition | AssetJob,
    partitions: TimeWindowPartitionsDefinition,
    cron: str,
    options: OrchestrationOptions,
    tags: Callable[[str], Mapping[str, str]],
    made: Callable[[DagsterInstance], Collection[str]] = lambda _: (),
) -> ScheduleDefinition:
    """Return the schedule of a job, or of a job of assets, with time partitions; see `build`.

    Args:
        job: The job.
        partitions: Its partitions.
        cron: The cron expression, whose intervals they are.
        options: The options of the pipeline.
        tags: Returns the tags that assign a run to a partition. With these, Dagster need not search the code location
            for the job.
        made: Returns the partitions that need no run, in addition to those of runs of the job.
    """
    name = f"{job.name}_schedule"

    def tick(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        last = windows.key_completed_by(partitions, context.scheduled_execution_time)
        if last is None:
            yield SkipReason(f"the first partition begins at {partitions.start:%Y-%m-%d %H:%M:%S %Z} and is not over")
            return
        keys: Sequence[str] = [last]
        if options.catchup:
            keys = _to_catch_up(context.instance, job.name, name, partitions, last, made(context.instance))
        if not keys:
            yield SkipReason(f"all partitions up to {last} were run already, by hand or by a backfill")
        yield from (RunRequest(run_key=key, partition_key=key, tags=tags(key)) for key in keys)

    return ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=windows.tickable(cron),
        execution_timezone=partitions.timezone,
        execution_fn=tick,
        default_status=DefaultScheduleStatus[options.default_status.upper()],
        description=f"Starts {job.name} at {cron} ({partitions.timezone}), for the interval that ends then.",
    )


def _to_catch_up(
    instance: DagsterInstance,
    job: str,
    schedule: str,
    partitions: TimeWindowPartitionsDefinition,
    last: str,
    made: Collection[str],
) -> Sequence[str]:
    """Return the partitions up to `last` that the schedule has not requested and that have not been run otherwise.

    Oldest first, at most a hundred.
    """
    begin = _after_last_request(instance, job, schedule, partitions) or partitions.start
    keys = windows.keys_between(partitions, begin, windows.window_of_key(partitions, last).start)
    found: list[str] = []
    for index in range(0, len(keys), _MOST_REQUESTS):
        chunk = keys[index : index + _MOST_REQUESTS]
        done = {*made, *_run_otherwise(instance, job, chunk)}
        found += [key for key in chunk if key not in done]
        if len(found) >= _MOST_REQUESTS:
            break
    return found[:_MOST_REQUESTS]


def _after_last_request(
    instance: DagsterInstance, job: str, schedule: str, partitions: TimeWindowPartitionsDefinition
) -> datetime | None:
    """Return the timestamp after the last partition that the schedule requested; None if it has not requested any.

    A re-execution keeps the tag of the schedule, but is not a request of it.
    """
    filters = RunsFilter(job_name=job, tags={_compat.SCHEDULE_TAG: schedule})
    cursor: str | None = None
    while records := instance.get_run_records(filters, limit=_PAGE, cursor=cursor):
        runs = [record.dagster_run for record in records]
        keys = [run.tags.get(_compat.PARTITION_TAG) for run in runs if _compat.parent_run_of(run) is None]
        moments = [moment for key in keys if key for moment in _moments(partitions, key)]
        if moments:
            return max(moments, key=datetime.timestamp) + timedelta(seconds=1)
        cursor = runs[-1].run_id
    return None


def _run_otherwise(instance: DagsterInstance, job: str, keys: Sequence[str]) -> frozenset[str]:
    """Return the partitions that were or are run by hand or by a backfill: completely, and not as a dry run."""
    filters = RunsFilter(job_name=job, statuses=_DONE_OR_UNDER_WAY, tags={_compat.PARTITION_TAG: list(keys)})
    return frozenset(
        run.tags[_compat.PARTITION_TAG]
        for run in (record.dagster_run for record in instance.get_run_records(filters))
        if run.tags.get(DRY_RUN_TAG, "").lower() != "true"
        and (run.resolved_op_selection is None or _compat.parent_run_of(run))
    )


def _moments(partitions: TimeWindowPartitionsDefinition, key: str) -> Iterator[datetime]:
    """Yield the timestamp in a partition's key, even if the cron expression has changed since."""
    with suppress(StarlakeError):
        yield windows.start_in(partitions, key)
