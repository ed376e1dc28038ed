"""The classes that DAG files call, on Dagster: pipelines become jobs, with their schedules and sensors."""

from __future__ import annotations

import re
from functools import cached_property

from dagster import (
    Definitions,
    JobDefinition,
    OpDefinition,
    ScheduleDefinition,
    SensorDefinition,
    TimeWindowPartitionsDefinition,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.dagster.pipelines import partition_schedules, partitions, sensors
from ai.starlake.dagster.pipelines.assembly import Assembly
from ai.starlake.dagster.pipelines.in_process_runs import PipelineRuns
from ai.starlake.dagster.pipelines.op_maker import OpMaker
from ai.starlake.orchestration import AbstractOrchestration, AbstractPipeline
from ai.starlake.orchestration.freshness.policy import TriggerDataset, policy_of
from ai.starlake.orchestration.pipeline_spec import PipelineSpec

_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_TAG = 63


class DagsterOrchestration(AbstractOrchestration[OpDefinition]):
    """The pipelines of a file. After a successful ``with`` statement, the module has the variable ``defs``.

    See `AbstractOrchestration` for the arguments.
    """

    def publish(self) -> None:
        """Set the variable ``defs`` of the module, which Dagster reads."""
        self.caller_globals["defs"] = self.definitions()

    def definitions(self) -> Definitions:
        """Return the jobs of the pipelines, with their schedules and sensors."""
        pipelines = [pipeline for pipeline in self.pipelines if isinstance(pipeline, DagsterPipeline)]
        jobs = [pipeline.dag for pipeline in pipelines]
        data_sensors = [pipeline.sensor_definition for pipeline in pipelines]
        schedules = [pipeline.schedule_definition for pipeline in pipelines]
        janitors = self.job.sensors(jobs) if jobs and isinstance(self.job, StarlakeDagsterJob) else []
        return Definitions(
            jobs=jobs,
            schedules=[schedule for schedule in schedules if schedule],
            sensors=[*(sensor for sensor in data_sensors if sensor), *janitors],
        )

    def _pipeline(self, spec: PipelineSpec) -> DagsterPipeline:
        return DagsterPipeline(self, spec)


class DagsterPipeline(AbstractPipeline[OpDefinition]):
    """A pipeline that becomes a job, with its schedule or sensor, when its ``with`` statement has ended successfully.

    Args:
        orchestration: Its orchestration.
        spec: Its specification.

    Raises:
        StarlakeError: If a cron expression or an option is invalid, or if the job is not one for Dagster.
    """

    def __init__(self, orchestration: AbstractOrchestration[OpDefinition], spec: PipelineSpec) -> None:
        self._maker = OpMaker(orchestration.job, spec)
        super().__init__(orchestration, spec, self._maker)
        self._job_definition: JobDefinition | None = None
        self.partitions: TimeWindowPartitionsDefinition | None = None
        """Partitions of a scheduled pipeline: one for each tick."""
        if spec.cron:
            self.partitions = partitions.time_partitions(spec.cron, spec.options.start_date, spec.options.zone)
        self.trigger_datasets = [
            TriggerDataset(trigger.sink, trigger.cron, trigger.freshness) for trigger in spec.triggers
        ]
        """Datasets that the pipeline waits for."""
        self.computed_cron_expr: str | None = spec.cron
        """Cron expression that defines the windows of its runs: its own, or the one that its datasets share."""
        if self.trigger_datasets:
            policy = policy_of(self.trigger_datasets, spec.options, partitions.PARTITION_WINDOWS)
            self.computed_cron_expr = policy.every

    @property
    def dag(self) -> JobDefinition:
        """Return the job.

        Raises:
            StarlakeError: If the ``with`` statement of the pipeline has not ended yet.
        """
        if self._job_definition is None:
            raise StarlakeError(
                f"pipeline {self.pipeline_id} is not a job yet", fix="use it after the end of its `with` statement"
            )
        return self._job_definition

    @cached_property
    def schedule_definition(self) -> ScheduleDefinition | None:
        """Return the schedule of the job; None without a cron expression."""
        cron = self.spec.cron
        return partition_schedules.build(self.dag, cron, self.spec.options) if cron else None

    @cached_property
    def sensor_definition(self) -> SensorDefinition | None:
        """Return the sensor that starts the job when its datasets are updated; None if it waits for none."""
        found = self.trigger_datasets
        return sensors.build(self.dag, found, self.spec.options) if found else None

    @cached_property
    def runs(self) -> PipelineRuns:
        """Return the object that runs the job in this process."""
        return PipelineRuns(self.dag, self.spec.options, self.trigger_datasets, self.spec.cron)

    def assemble(self) -> None:
        """Create the job."""
        graph = Assembly(self.graph, self._maker.join).graph()
        self._job_definition = graph.to_job(
            name=self.pipeline_id,
            description=self.spec.description,
            tags={_NOT_IN_A_TAG.sub("_", tag)[:_LONGEST_TAG]: "" for tag in self.spec.tags},
            partitions_def=self.partitions,
        )
