"""The pipelines of a file as a code location of Dagster."""

from __future__ import annotations

from dagster import Definitions, OpDefinition

from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.dagster.pipelines.dagster_pipeline import DagsterPipeline
from ai.starlake.orchestration import AbstractOrchestration, StarlakeDependencies, StarlakeSchedule


class DagsterOrchestration(AbstractOrchestration[OpDefinition]):
    """The pipelines of a file. When its ``with`` statement has ended well, the module has the variable ``defs``.

    See `AbstractOrchestration` for the arguments.
    """

    def publish(self) -> None:
        """Sets the variable ``defs`` of the module, which Dagster looks for."""
        self.caller_globals["defs"] = self.definitions()

    def definitions(self) -> Definitions:
        """The jobs of the pipelines, with what starts them and what cleans up after them."""
        pipelines = [pipeline for pipeline in self.pipelines if isinstance(pipeline, DagsterPipeline)]
        jobs = [pipeline.dag for pipeline in pipelines]
        sensors = [pipeline.sensor_definition for pipeline in pipelines]
        schedules = [pipeline.schedule_definition for pipeline in pipelines]
        janitors = self.job.sensors(jobs) if jobs and isinstance(self.job, StarlakeDagsterJob) else []
        return Definitions(
            jobs=jobs,
            schedules=[schedule for schedule in schedules if schedule],
            sensors=[*(sensor for sensor in sensors if sensor), *janitors],
        )

    def _pipeline(
        self, schedule: StarlakeSchedule | None, dependencies: StarlakeDependencies | None
    ) -> DagsterPipeline:
        return DagsterPipeline(self, schedule, dependencies)
