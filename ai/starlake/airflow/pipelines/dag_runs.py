"""Run DAGs in this process, from the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, timezone
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from ai.starlake.airflow import _airflow_compat
from ai.starlake.airflow.pipelines import dry_steps
from ai.starlake.airflow.pipelines.dag_schedules import triggers_of
from ai.starlake.airflow.pipelines.told_steps import ToldSteps
from ai.starlake.airflow.task_runs.run_conf import section_names
from ai.starlake.common import DataInterval, StarlakeError, zone_of
from ai.starlake.job import TaskType
from ai.starlake.job.sections import check_sections
from ai.starlake.orchestration.freshness.policy import cycle_of, policy_of
from ai.starlake.orchestration.freshness.windows import CRON_WINDOWS
from ai.starlake.orchestration.pipeline_runs import (
    GraphStep,
    PipelineGraph,
    RunDate,
    RunOptions,
    RunReport,
    StepState,
    Summary,
)

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from ai.starlake.orchestration import AbstractTask
    from ai.starlake.orchestration.pipeline_spec import PipelineSpec

_EVERY_DAY = "0 0 * * *"
_MOST_INTERVALS = 10_000


class DagRuns:
    """Runs the DAG of a pipeline, and describes it. See `RunnablePipeline`.

    Args:
        dag: The DAG.
        spec: The specification of the pipeline.
        tasks: Its tasks.
    """

    def __init__(self, dag: DAG, spec: PipelineSpec, tasks: Sequence[AbstractTask[Any]]) -> None:
        self._dag = dag
        self._spec = spec
        self._tasks = tasks

    @property
    def pipeline_id(self) -> str:
        """Return its name."""
        return self._spec.pipeline_id

    def summary(self) -> Summary:
        """Return a summary in one line."""
        datasets, options = triggers_of(self._spec), self._spec.options
        return Summary(
            name=self.pipeline_id,
            steps=len(self._dag.task_dict),
            schedule=f"{self._spec.cron} ({options.zone})" if self._spec.cron else None,
            sensor=str(policy_of(datasets, options).condition) if datasets else None,
            loads=sum(task.task_type is TaskType.LOAD for task in self._tasks),
        )

    def section_names(self) -> frozenset[str]:
        """Return the valid names of sections of options: those of its tables and tasks."""
        return section_names(self._dag)

    def graph(self) -> PipelineGraph:
        """Return its steps and their order, sorted by name."""
        tasks = self._dag.task_dict
        steps = [GraphStep(name, name.rpartition(".")[2], tuple(name.split(".")[:-1])) for name in sorted(tasks)]
        edges = sorted((before, name) for name, task in tasks.items() for before in task.upstream_task_ids)
        return PipelineGraph(self.pipeline_id, steps, edges)

    def date_of(self, timestamp: date | datetime) -> RunDate:
        """Return the date of a run for a day, or for a timestamp."""
        if self._spec.cron is None and isinstance(timestamp, datetime):
            return RunDate(self._located(timestamp))
        found = self.dates_between(timestamp, timestamp)
        if len(found) == 1:
            return found[0]
        raise StarlakeError(
            f"pipeline {self.pipeline_id} has {len(found) or 'no'} interval(s) that begin at {timestamp}",
            cause=", ".join(map(str, found))
            or f"it has one for each tick of {self._every} ({self._spec.options.zone})",
            fix="name the time at which one begins, or use backfill for several",
        )

    def dates_between(self, first: date | datetime, last: date | datetime) -> Sequence[RunDate]:
        """Return the intervals that begin from `first` to `last`, both included, in chronological order.

        The logical date of a run is the end of its interval, as for scheduled runs.
        """
        begin, end = self._begin_of(first), self._end_of(last)
        ticks = CRON_WINDOWS.ticks(self._every, self._spec.options.zone, begin)
        starts = list(takewhile(lambda tick: tick.timestamp() < end.timestamp(), _few(ticks)))
        if len(starts) == _MOST_INTERVALS:
            raise StarlakeError(f"there are more than {_MOST_INTERVALS} intervals from {first} to {last}")
        windows = (CRON_WINDOWS.window_of(self._every, self._spec.options.zone, start) for start in starts)
        return [RunDate(window.end, DataInterval(window.start, window.end)) for window in windows]

    def execute(self, run_date: RunDate | None = None, options: RunOptions = RunOptions()) -> RunReport:  # noqa: B008  it is immutable
        """Run it once, to the end, in this process.

        A run that is not recorded has a temporary database.

        Raises:
            StarlakeError: If the options have a section for something that the DAG does not have.
            KeyboardInterrupt: If the run is interrupted; everything that it started has ended by then.
        """
        check_sections(options.substitutions, self.section_names(), f"pipeline {self.pipeline_id}")
        if options.dry:
            dates = run_date or RunDate(datetime.now(timezone.utc))
            steps = dry_steps.planned(self._dag, dates, options.substitutions)
            success = all(step.state is not StepState.FAILED for step in steps)
            return RunReport(self.pipeline_id, "dry-run", run_date, steps, success)
        if options.recorded:
            return self._run(run_date, options)
        with _airflow_compat.private_database(self._dag.fileloc):
            return self._run(run_date, options)

    def _run(self, run_date: RunDate | None, options: RunOptions) -> RunReport:
        logical = run_date.logical if run_date else datetime.now(timezone.utc)
        conf: dict[str, Any] = {"options": dict(options.substitutions)}
        if run_date and not self._spec.cron:
            conf["logical_datetime"] = logical.isoformat()
            if run_date.interval:
                conf["previous_logical_datetime"] = run_date.interval.start.isoformat()
        told = ToldSteps(self._working, options.listener)
        with told.by(self._dag.task_dict.values()):
            run = self._dag.test(logical_date=logical, run_after=logical, run_conf=conf)
        instances = {each.task_id: each for each in run.get_task_instances()}
        order = sorted(
            self._dag.task_dict, key=lambda name: str(getattr(instances.get(name), "start_date", None) or "~")
        )
        steps = [told.ended(name, instances.get(name)) for name in order]
        return RunReport(self.pipeline_id, str(run.run_id), run_date, steps, str(run.state) == "success")

    @property
    def _working(self) -> frozenset[str]:
        kinds = (TaskType.LOAD, TaskType.TRANSFORM)
        return frozenset(task.task.task_id for task in self._tasks if task.task_type in kinds)

    @property
    def _every(self) -> str:
        return self._spec.cron or cycle_of(triggers_of(self._spec), self._spec.options) or _EVERY_DAY

    def _located(self, timestamp: datetime) -> datetime:
        """Return a timestamp with its time zone, by default that of the pipeline."""
        return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=zone_of(self._spec.options.zone))

    def _begin_of(self, moment: date | datetime) -> datetime:
        return self._located(moment if isinstance(moment, datetime) else datetime.combine(moment, time()))

    def _end_of(self, moment: date | datetime) -> datetime:
        """Return the end of a range, exclusive."""
        if isinstance(moment, datetime):
            return self._located(moment) + timedelta(microseconds=1)
        return self._begin_of(moment + timedelta(days=1))


def _few(ticks: Iterator[datetime]) -> Iterator[datetime]:
    return (tick for _, tick in zip(range(_MOST_INTERVALS), ticks, strict=False))
