"""Run pipelines in this process, from the command line."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timezone
from typing import Any, TypeVar

from dagster import DagsterInstance, JobDefinition, OpDefinition, TimeWindowPartitionsDefinition

from ai.starlake.common import DataInterval, StarlakeError, zone_of
from ai.starlake.dagster import _compat
from ai.starlake.dagster.pipelines import partitions as windows
from ai.starlake.dagster.pipelines.job_steps import Steps, graph_of
from ai.starlake.dagster.run_info import CONFIG_SCHEMA
from ai.starlake.dagster.run_options import section_names, steps_of, verb_of
from ai.starlake.job.sections import check_sections
from ai.starlake.orchestration.dates.run_tags import DRY_RUN_TAG, date_tags
from ai.starlake.orchestration.freshness.policy import TriggerDataset, cycle_of, policy_of
from ai.starlake.orchestration.orchestration_options import OrchestrationOptions
from ai.starlake.orchestration.pipeline_runs import PipelineGraph, RunDate, RunOptions, RunReport, Summary

DateT = TypeVar("DateT", bound=date)

_EVERY_DAY = "0 0 * * *"
_WORK = frozenset({"load", "transform"})


class PipelineRuns:
    """Runs the job of a pipeline, and describes it. See `RunnablePipeline`.

    Args:
        job: The job.
        settings: The options of the pipeline.
        datasets: The datasets that it waits for.
        cron: Its cron expression.
    """

    def __init__(
        self,
        job: JobDefinition,
        settings: OrchestrationOptions,
        datasets: Sequence[TriggerDataset] = (),
        cron: str | None = None,
    ) -> None:
        self._job = job
        self._settings = settings
        self._datasets = datasets
        self._cron = cron

    @property
    def pipeline_id(self) -> str:
        """Return its name."""
        return self._job.name

    def summary(self) -> Summary:
        """Return a summary in one line."""
        partitions = self._partitions
        sensor = (
            policy_of(self._datasets, self._settings, windows.PARTITION_WINDOWS).condition if self._datasets else None
        )
        first = _compat.first_key(partitions) if partitions else None
        return Summary(
            name=self._job.name,
            steps=sum(1 for _ in steps_of(self._job)),
            schedule=f"{self._cron} ({self._settings.zone})" if self._cron else None,
            sensor=str(sensor) if sensor else None,
            partitions=f"{_compat.count_keys(partitions)} since {first}" if partitions else None,
            loads=sum(verb_of(definition) == "load" for _, definition in steps_of(self._job)),
        )

    def section_names(self) -> frozenset[str]:
        """Return the valid names of sections of options: those of its tables, tasks and ops."""
        return section_names(self._job)

    def graph(self) -> PipelineGraph:
        """Return its steps and their order."""
        return graph_of(self._job)

    def date_of(self, timestamp: date | datetime) -> RunDate:
        """Return the date of a run for a day, or for a timestamp."""
        if self._partitions is None and isinstance(timestamp, datetime):
            return RunDate(self._located(timestamp))
        found = self.dates_between(timestamp, timestamp)
        if len(found) == 1:
            return found[0]
        raise StarlakeError(
            f"pipeline {self._job.name} has {len(found) or 'no'} partition(s) that begin at {timestamp}",
            cause=", ".join(map(str, found)) or f"it has one for each tick of {self._cron} ({self._settings.zone})",
            fix="name the time at which one begins, or use backfill for several",
        )

    def dates_between(self, first: date | datetime, last: date | datetime) -> Sequence[RunDate]:
        """Return the dates of runs from `first` to `last`, both included, in chronological order."""
        first, last = self._located(first), self._located(last)
        partitions = self._partitions
        if partitions is None:
            every = cycle_of(self._datasets, self._settings, windows.PARTITION_WINDOWS) or _EVERY_DAY
            cycles = windows.cycles(every, self._settings.zone)
            found = [windows.window_of_key(cycles, key) for key in windows.keys_between(cycles, first, last)]
            return [RunDate(window.start, DataInterval(window.start, window.end)) for window in found]
        begin, end = windows.bounds_of(partitions, first, last)
        self._check_start(partitions, begin)
        self._check_over(partitions, begin, end)
        return [_date_of_partition(partitions, key) for key in windows.keys_between(partitions, first, last)]

    def execute(self, run_date: RunDate | None = None, options: RunOptions = RunOptions()) -> RunReport:  # noqa: B008  it is immutable
        """Run it once, to the end, in this process.

        Raises:
            StarlakeError: If no partition has ended, or no instance to record the run in, or if the options have a
                section for something that the job does not have.
            KeyboardInterrupt: If the run is interrupted; everything that it started has ended by then.
        """
        check_sections(options.substitutions, self.section_names(), f"pipeline {self._job.name}")
        if run_date is None and self._partitions is not None:
            run_date = self._newest(self._partitions)
        run_id = str(uuid.uuid4())
        names = {".".join(path): verb_of(definition) in _WORK for path, definition in steps_of(self._job)}
        working = [name for name, works in names.items() if works]
        steps = Steps(names, working, dry=options.dry, listener=options.listener)
        with _instance(recorded=options.recorded and not options.dry) as instance:
            _compat.listen(instance, run_id, steps)
            result = self._job.execute_in_process(
                run_id=run_id,
                instance=instance,
                partition_key=run_date.partition if run_date else None,
                run_config=self._config(options),
                tags=_tags(run_date, dry=options.dry),
                raise_on_error=False,
            )
        if steps.interrupted:
            raise KeyboardInterrupt  # Dagster has converted it to a failure
        return RunReport(self._job.name, run_id, run_date, steps.all(), result.success)

    def _located(self, timestamp: DateT) -> DateT:
        """Return a timestamp with its time zone, by default that of the pipeline; a day unchanged."""
        if isinstance(timestamp, datetime) and timestamp.tzinfo is None:
            return timestamp.replace(tzinfo=zone_of(self._settings.zone))
        return timestamp

    @property
    def _partitions(self) -> TimeWindowPartitionsDefinition | None:
        found = self._job.partitions_def
        return found if isinstance(found, TimeWindowPartitionsDefinition) else None

    def _newest(self, partitions: TimeWindowPartitionsDefinition) -> RunDate:
        key = windows.key_completed_by(partitions, datetime.now(timezone.utc))
        if key is None:
            raise StarlakeError(
                f"pipeline {self._job.name} has no partition that is over: the first begins at {partitions.start}",
                fix="wait for it, or set the option start_date to an earlier day",
            )
        return _date_of_partition(partitions, key)

    def _check_start(self, partitions: TimeWindowPartitionsDefinition, begin: datetime) -> None:
        if begin.timestamp() < partitions.start.timestamp():
            raise StarlakeError(
                f"pipeline {self._job.name} has no partitions before {partitions.start:%Y-%m-%d %H:%M %Z}, but "
                f"{begin:%Y-%m-%d %H:%M %Z} is asked for",
                fix=f"set the option start_date to {begin:%Y-%m-%d} or earlier, or ask for later dates",
            )

    def _check_over(self, partitions: TimeWindowPartitionsDefinition, begin: datetime, end: datetime) -> None:
        """Refuse a range with a partition that has not ended, without iterating over all of them."""
        now = datetime.now(timezone.utc)
        current = windows.window_of(partitions, now)
        first = windows.first_start(partitions, max(begin, current.start, key=datetime.timestamp))
        if first.timestamp() < end.timestamp():
            key = first.strftime(partitions.fmt)
            over = windows.window_of(partitions, first).end
            raise StarlakeError(
                f"pipeline {self._job.name}: partition {key} is not over before {over:%Y-%m-%d %H:%M %Z}",
                fix="ask for earlier dates",
            )

    def _config(self, options: RunOptions) -> dict[str, Any]:
        """Return the configuration of a run: the further options of each op, and a quiet console."""
        config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        if options.substitutions:
            for path, definition in steps_of(self._job):
                if _takes_options(definition):
                    _put(config, path, {"options": dict(options.substitutions)})
        return config


def _date_of_partition(partitions: TimeWindowPartitionsDefinition, key: str) -> RunDate:
    window = windows.window_of_key(partitions, key)
    return RunDate(window.start, DataInterval(window.start, window.end), key)


def _tags(run_date: RunDate | None, *, dry: bool) -> dict[str, str]:
    dates = date_tags(run_date.logical, run_date.interval) if run_date and run_date.partition is None else {}
    return {**dates, **({DRY_RUN_TAG: "true"} if dry else {})}


def _takes_options(definition: Any) -> bool:
    return isinstance(definition, OpDefinition) and definition.config_schema.as_field() is CONFIG_SCHEMA


def _put(config: dict[str, Any], path: Sequence[str], value: Mapping[str, Any]) -> None:
    for name in path:
        config = config.setdefault("ops", {}).setdefault(name, {})
    config["config"] = dict(value)


@contextmanager
def _instance(*, recorded: bool) -> Iterator[DagsterInstance]:
    """Yield the instance of the environment, or a temporary one."""
    if not recorded:
        with DagsterInstance.ephemeral() as instance:
            yield instance
        return
    try:
        found = DagsterInstance.get()
    except Exception as error:
        raise StarlakeError(
            "there is no instance of Dagster to record the run in",
            cause=str(error),
            fix="set DAGSTER_HOME to the folder of one",
        ) from error
    with found as instance:
        yield instance
