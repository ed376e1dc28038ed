"""Sensors that look after what runs leave on Google Cloud: the only layer that works when the run's process is dead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from dagster import (
    DagsterError,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    JobDefinition,
    RunsFilter,
    RunStatusSensorContext,
    SensorDefinition,
    SkipReason,
    run_failure_sensor,
    run_status_sensor,
)

from ai.starlake.common import sanitize_id
from ai.starlake.dagster import _compat
from ai.starlake.dagster.report import DagsterReporter
from ai.starlake.executor.protocol import Execution
from ai.starlake.gcp.client.google_errors import GcpCallError

Sweep = Callable[[Execution], Sequence[str]]
"""Ends what a run left behind; says what that was."""

PATIENCE = 10.0
"""Seconds for which calls are repeated: Dagster gives a tick of a sensor one minute."""
_INTERVAL = 10
_TRIES = 3600.0
"""Seconds after the end of a run for which a sweep that an outage prevented is tried again."""
_ACTIVE = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


class SweepPreventedError(DagsterError):
    """Google Cloud does not answer: the sensor looks at the same run again at its next tick.

    Any other error would be the end of it: Dagster notes it, and goes on to the next run. One of its own kind ends the
    tick instead, and leaves the cursor of the sensor where it is.

    Args:
        run_id: The run that is to be looked after.
        error: What Google Cloud said.
    """

    def __init__(self, run_id: str, error: GcpCallError) -> None:
        super().__init__(f"what run {run_id} left is looked for again at the next tick: {error}")


@dataclass(frozen=True)
class Janitor:
    """Makes the sensors of a job.

    Args:
        sweep: Called for each run that is over.
        where: The service, in the names of the sensors.
        also_after_success: Whether a run that succeeded may leave something, as one whose last op was skipped does.
    """

    sweep: Sweep
    where: str
    also_after_success: bool = False

    def sensors(self, jobs: Iterable[JobDefinition] | None, name: str | None) -> list[SensorDefinition]:
        """The sensors, which run unless somebody stops them.

        Args:
            jobs: The jobs whose runs they look after; by default all jobs of the code location.
            name: What their names begin with: a name, or the path of a DAG file.
        """
        monitored = None if jobs is None else list(jobs)
        first = monitored[0].name if monitored else "starlake"
        prefix = sanitize_id(f"{PurePath(name).stem if name else first}_{self.where}_janitor")
        shared: dict[str, Any] = {
            "monitored_jobs": monitored,
            "default_status": DefaultSensorStatus.RUNNING,
            "minimum_interval_seconds": _INTERVAL,
        }
        text = "Deletes and cancels what runs have left on Google Cloud, after those that"
        after_failure = run_failure_sensor(f"{prefix}_after_failure", description=f"{text} failed.", **shared)
        made: list[SensorDefinition] = [after_failure(self.look_after)]
        statuses = {DagsterRunStatus.CANCELED: "were cancelled", DagsterRunStatus.SUCCESS: "succeeded"}
        for status, words in statuses.items():
            if status is DagsterRunStatus.SUCCESS and not self.also_after_success:
                continue
            after = run_status_sensor(
                run_status=status,
                name=f"{prefix}_after_{'success' if status is DagsterRunStatus.SUCCESS else 'cancellation'}",
                description=f"{text} {words}.",
                **shared,
            )
            made.append(after(self.look_after))
        return made

    def look_after(self, context: RunStatusSensorContext) -> SkipReason:
        """Looks after one run, unless another one continues it: that one needs what is there, and ends later.

        Raises:
            SweepPreventedError: If Google Cloud does not answer right now.
            StarlakeError: If it refuses, or has not answered for an hour.
        """
        run = context.dagster_run
        root = _compat.root_run_of(run) or run.run_id
        if _compat.will_be_retried(run):
            return SkipReason(f"run {run.run_id} is about to be retried, and leaves the rest to that run")
        other = _active_run(context.instance, root, run.run_id)
        if other is not None:
            return SkipReason(f"run {run.run_id} is continued by run {other}, which looks after the rest")
        execution = Execution(
            run_id=run.run_id,
            step_key="",
            report=DagsterReporter(context.log),
            root_run_id=root,
            job_name=run.job_name,
            code_location=_compat.code_location_of(run),
        )
        try:
            ended = self.sweep(execution)
        except GcpCallError as error:
            passes = error.transient or error.code == "FAILED_PRECONDITION"  # a job in a state that ends soon
            if passes and _seconds_since_the_end(context.instance, run.run_id) < _TRIES:
                raise SweepPreventedError(run.run_id, error) from None
            raise
        return SkipReason(f"run {run.run_id} left {', '.join(ended) or 'nothing'}")


def _seconds_since_the_end(instance: DagsterInstance, run_id: str) -> float:
    record = instance.get_run_record_by_id(run_id)
    return time.time() - record.end_time if record and record.end_time else 0.0


def chain_is_over(instance: DagsterInstance, root: str) -> bool | None:
    """Whether a run, and all that re-execute it, are over; None when the instance does not know it."""
    run = instance.get_run_by_id(root)
    if run is None:
        return None
    return run.is_finished and _active_run(instance, root, root) is None


def _active_run(instance: DagsterInstance, root: str, run_id: str) -> str | None:
    """Another run of the same chain of re-executions that is under way.

    All active runs are looked at, not those with the tag of the root alone: `execute_job` sets no such tag.
    """
    active = instance.get_runs(filters=RunsFilter(statuses=_ACTIVE))
    return next((run.run_id for run in active if run.run_id != run_id and _is_of(run, root)), None)


def _is_of(run: DagsterRun, root: str) -> bool:
    return run.run_id == root or _compat.root_run_of(run) == root
