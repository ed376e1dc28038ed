"""Create the operators of a pipeline that its job does not create, and add all of them to the DAG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from airflow.sdk import DAG, BaseOperator, TaskGroup

from ai.starlake.airflow.airflow_job import StarlakeAirflowJob
from ai.starlake.airflow.assets import asset_of
from ai.starlake.airflow.pipelines.dag_schedules import triggers_of
from ai.starlake.airflow.task_runs.start_decision import StartDecision
from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.job import IStarlakeJob, StarlakePreLoadStrategy, TaskType
from ai.starlake.orchestration.pipeline_spec import PipelineSpec


class OperatorMaker:
    """Creates operators for the tasks of a pipeline; see `TaskMaker`.

    Each operator is created within the task group of its task, so that its id begins with the names of its groups.

    Args:
        job: Creates the operators.
        spec: The specification of the pipeline.

    Raises:
        StarlakeError: If the job is not one for Airflow.
    """

    def __init__(self, job: IStarlakeJob[BaseOperator], spec: PipelineSpec) -> None:
        if not isinstance(job, StarlakeAirflowJob):
            raise StarlakeError(
                f"{type(job).__name__} does not make operators of Airflow", fix="use a StarlakeAirflowJob"
            )
        self.job: StarlakeAirflowJob[Any] = job
        self._spec = spec
        self._groups: dict[tuple[str, ...], TaskGroup] = {}

    def put_into(self, dag: DAG) -> None:
        """Add all further operators to a DAG."""
        self._groups = {(): dag.task_group}

    def group(self, path: Sequence[str]) -> TaskGroup:
        """Return the task group of a path of names; created on first use."""
        names = tuple(path)
        if names not in self._groups:
            parent = self.group(names[:-1])
            self._groups[names] = TaskGroup(names[-1], parent_group=parent, dag=parent.dag)
        return self._groups[names]

    def arguments(self, path: Sequence[str], task_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of the job's method that creates an operator; ``task_id`` is one of them."""
        group = self.group(path[1:])
        return {
            "dag": group.dag,
            "task_group": group,
            **given,
            "task_id": sanitize_id(task_id or "_"),
        }

    def ordering(self, task_type: TaskType, arguments: Mapping[str, Any]) -> BaseOperator:
        """Create the first operator, the last one, or one that only orders others."""
        given = dict(arguments)
        task_id = given.pop("task_id")
        if task_type is TaskType.END:
            # a file may be named like the only table that it updates, whose event must not be recorded twice
            name = self._spec.pipeline_id
            own = {} if name in {uri.lower() for uri in self._spec.products} else {"outlets": [asset_of(name)]}
            return self.job.end_op(task_id, **{**own, **given})
        if task_type is TaskType.START:
            return self.job.start_op(task_id, **{**self._of_start(), **given})
        return self.job.dummy_op(task_id, **given)

    def _of_start(self) -> dict[str, Any]:
        """Return the arguments of the first task; it decides whether a data-triggered run continues."""
        datasets = triggers_of(self._spec)
        if not datasets:
            return {}
        return {"decision": StartDecision(datasets, self._spec.options), "max_active_tis_per_dag": 1}

    def check_id(self, domain: str, schedule: str | None) -> str:  # noqa: ARG002  the names of the groups contain it
        """Return the domain of a pre-load check."""
        return domain

    def pre_load_check(
        self, domain: str, tables: Iterable[str], strategy: StarlakePreLoadStrategy, arguments: Mapping[str, Any]
    ) -> BaseOperator:
        """Create the operator that decides whether a domain is loaded."""
        return self.job.pre_load_check(domain, tuple(sorted(tables)), strategy, **arguments)

    def skipping(self, upstream: BaseOperator, arguments: Mapping[str, Any]) -> BaseOperator:
        """Create the operator that skips tasks after a pre-load check if it has found nothing."""
        given = dict(arguments)
        return self.job.skip_or_start_op(given.pop("task_id"), upstream, **given)

    def named_by_the_job(
        self, make: Callable[..., BaseOperator | None], path: Sequence[str], given: Mapping[str, Any]
    ) -> tuple[str, BaseOperator] | None:
        """Create an operator that the job names."""
        native = make(**{**self.arguments(path, "", given), "task_id": given.get("task_id")})
        return None if native is None else (str(native.label), native)
