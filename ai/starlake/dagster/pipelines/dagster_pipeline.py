"""Pipelines as jobs of Dagster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from dagster import (
    AssetKey,
    JobDefinition,
    Nothing,
    OpDefinition,
    Out,
    ScheduleDefinition,
    SensorDefinition,
    TimeWindowPartitionsDefinition,
)

from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.dagster.pipelines import partition_schedules, partitions, sensors
from ai.starlake.dagster.pipelines.assembly import START, Assembly, ordering_inputs
from ai.starlake.dagster.pipelines.in_process_runs import PipelineRuns
from ai.starlake.job import StarlakePreLoadStrategy, TaskType
from ai.starlake.orchestration import (
    AbstractPipeline,
    AbstractTask,
    AbstractTaskGroup,
    StarlakeDependencies,
    StarlakeSchedule,
)
from ai.starlake.orchestration.freshness.policy import TriggerDataset, policy_of
from ai.starlake.orchestration.orchestration import AbstractOrchestration

_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_TAG = 63
_CARRIES_NOTHING = Out(Nothing)


class DagsterPipeline(AbstractPipeline[OpDefinition]):
    """A pipeline that becomes a job, with its schedule or sensor, when its ``with`` statement has ended well.

    Ops are ordered by inputs and outputs that carry nothing. The definition of an op or of a group's graph is named
    after the pipeline and its groups, so that files can share a code location; in the job it has its own name.

    See `AbstractPipeline` for the arguments.
    """

    def __init__(
        self,
        orchestration: AbstractOrchestration[OpDefinition],
        schedule: StarlakeSchedule | None = None,
        dependencies: StarlakeDependencies | None = None,
    ) -> None:
        super().__init__(orchestration, schedule, dependencies)
        self._job_definition: JobDefinition | None = None
        # cron expressions and options that cannot be used are told of now
        self.partitions  # noqa: B018
        self.computed_cron_expr  # noqa: B018

    @cached_property
    def partitions(self) -> TimeWindowPartitionsDefinition | None:
        """The partitions of a pipeline that the clock starts: one for each tick."""
        cron = self.cron
        return partitions.time_partitions(cron, self.settings.start_date, self.settings.zone) if cron else None

    @property
    def trigger_datasets(self) -> list[TriggerDataset]:
        """The datasets that the pipeline waits for."""
        return [TriggerDataset(trigger.sink, trigger.cron, trigger.freshness) for trigger in self.triggers]

    @cached_property
    def computed_cron_expr(self) -> str | None:
        """The cron expression whose windows its runs are for: its own, else the one that what it waits for shares."""
        datasets = self.trigger_datasets
        return policy_of(datasets, self.settings, partitions.PARTITION_WINDOWS).every if datasets else self.cron

    @property
    def dag(self) -> JobDefinition:
        """The job.

        Raises:
            StarlakeError: If the ``with`` statement of the pipeline has not ended yet.
        """
        if self._job_definition is None:
            raise StarlakeError(
                f"pipeline {self.pipeline_id} is not a job yet", fix="ask for it after the end of its `with` statement"
            )
        return self._job_definition

    @cached_property
    def schedule_definition(self) -> ScheduleDefinition | None:
        """What starts the job by the clock; None for a pipeline without cron expression."""
        cron = self.cron
        return partition_schedules.build(self.dag, cron, self.settings) if cron else None

    @cached_property
    def sensor_definition(self) -> SensorDefinition | None:
        """What starts the job when the data that it waits for is updated; None where it waits for none."""
        found = self.trigger_datasets
        return sensors.build(self.dag, found, self.settings) if found else None

    @cached_property
    def runs(self) -> PipelineRuns:
        """What runs the job in this process."""
        return PipelineRuns(self.dag, self.settings, self.trigger_datasets, self.cron)

    def assemble(self) -> None:
        """Makes the job."""
        self._job_definition = (
            Assembly(self, self._join)
            .graph()
            .to_job(
                name=self.pipeline_id,
                description=self.description,
                tags={_NOT_IN_A_TAG.sub("_", tag)[:_LONGEST_TAG]: "" for tag in self.tags},
                partitions_def=self.partitions,
            )
        )

    def _dummy_node(self, task_type: TaskType, arguments: dict[str, Any]) -> OpDefinition:
        task_id = arguments.pop("task_id")
        job = self._dagster_job
        if task_type is TaskType.END:
            # a file may be named as the one table that it makes, whose asset it must not make twice
            own = {} if self.pipeline_id in self.products else {"asset": AssetKey(self.pipeline_id)}
            return job.end_op(task_id, **{**own, **arguments})
        if task_type is TaskType.START:
            arguments = {**arguments, "ins": {}}
        return job.dummy_op(task_id, **arguments)

    def _pre_load_check(
        self, domain: str, tables: Iterable[str], strategy: StarlakePreLoadStrategy, **kwargs: Any
    ) -> OpDefinition:
        return self._dagster_job.pre_load_check(domain, tuple(sorted(tables)), strategy, **kwargs)

    def _arguments(self, task_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "ins": ordering_inputs([START]),
            "out": _CARRIES_NOTHING,
            **given,
            "task_id": self._definition_name(self._open_group, task_id),
        }

    def _native_id(self, node: OpDefinition) -> str:
        return node.name

    def _definition_name(self, group: AbstractTaskGroup, task_id: str) -> str:
        groups = [*(outer.id for outer in group.path), group.id]
        return "__".join([*groups, sanitize_id(task_id or "_")])

    def _join(self, name: str, parent: AbstractTaskGroup, ins: Iterable[str]) -> AbstractTask[OpDefinition]:
        """Makes a task that only orders, while the job is put together."""
        node = self._dagster_job.dummy_op(
            self._definition_name(parent, name), ins=ordering_inputs(ins), out=_CARRIES_NOTHING
        )
        return self._add(name, node, TaskType.EMPTY, f"the task {name}", parent)

    @property
    def _dagster_job(self) -> StarlakeDagsterJob:
        if not isinstance(self.job, StarlakeDagsterJob):
            raise StarlakeError(f"{type(self.job).__name__} makes no ops of Dagster", fix="use a StarlakeDagsterJob")
        return self.job
