"""Create the ops of a pipeline that its job does not create, and name all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dagster import AssetKey, Nothing, OpDefinition, Out

from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.dagster.pipelines.assembly import START, ordering_inputs
from ai.starlake.job import IStarlakeJob, StarlakePreLoadStrategy, TaskType
from ai.starlake.orchestration import AbstractTask, AbstractTaskGroup
from ai.starlake.orchestration.pipeline_spec import PipelineSpec

_CARRIES_NOTHING = Out(Nothing)


class OpMaker:
    """Creates ops for the tasks of a pipeline; see `TaskMaker`.

    Ops are ordered by inputs and outputs that carry nothing. The definition of an op is named after the pipeline and
    its groups, so that files can share a code location; in the job it has its own name.

    Args:
        job: Creates the ops.
        spec: The specification of the pipeline.

    Raises:
        StarlakeError: If the job is not one for Dagster.
    """

    def __init__(self, job: IStarlakeJob[OpDefinition], spec: PipelineSpec) -> None:
        if not isinstance(job, StarlakeDagsterJob):
            raise StarlakeError(f"{type(job).__name__} does not make ops of Dagster", fix="use a StarlakeDagsterJob")
        self._job = job
        self._spec = spec

    def arguments(self, path: Sequence[str], task_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of the job's method that creates an op; ``task_id`` is one of them."""
        return {
            "ins": ordering_inputs([START]),
            "out": _CARRIES_NOTHING,
            **given,
            "task_id": _definition_name(path, task_id),
        }

    def ordering(self, task_type: TaskType, arguments: Mapping[str, Any]) -> OpDefinition:
        """Create the first op, the last one, or one that only orders others."""
        given = dict(arguments)
        task_id = given.pop("task_id")
        if task_type is TaskType.END:
            # a file may be named like the only table that it materializes, whose asset must not be recorded twice
            name = self._spec.pipeline_id
            own = {} if name in self._spec.products else {"asset": AssetKey(name)}
            return self._job.end_op(task_id, **{**own, **given})
        if task_type is TaskType.START:
            given["ins"] = {}
        return self._job.dummy_op(task_id, **given)

    def check_id(self, domain: str, schedule: str | None) -> str:
        """Return the domain of a pre-load check with its schedule."""
        return f"{domain}_{schedule}" if schedule else domain

    def pre_load_check(
        self, domain: str, tables: Iterable[str], strategy: StarlakePreLoadStrategy, arguments: Mapping[str, Any]
    ) -> OpDefinition:
        """Create the op that decides whether a domain is loaded."""
        return self._job.pre_load_check(domain, tuple(sorted(tables)), strategy, **arguments)

    def skipping(self, upstream: OpDefinition, arguments: Mapping[str, Any]) -> None:
        """Create nothing: the op of a pre-load check itself skips downstream ops."""

    def named_by_the_job(
        self, make: Callable[..., OpDefinition | None], path: Sequence[str], given: Mapping[str, Any]
    ) -> tuple[str, OpDefinition] | None:
        """Create an op that the job names; without a name first, because only the result tells it."""
        unnamed = make(**{**self.arguments(path, "", given), "task_id": None})
        if unnamed is None:
            return None
        name = given.get("task_id") or unnamed.name
        native = make(**self.arguments(path, name, given))
        assert native is not None  # noqa: S101  as before
        return name, native

    def join(self, name: str, parent: AbstractTaskGroup, ins: Iterable[str]) -> AbstractTask[OpDefinition]:
        """Add a task that only orders to a group, while the job is assembled."""
        path = [*(outer.id for outer in parent.path), parent.id]
        op = self._job.dummy_op(_definition_name(path, name), ins=ordering_inputs(ins), out=_CARRIES_NOTHING)
        return parent.graph.add_task(name, op, TaskType.EMPTY, f"the task {name}", parent)


def _definition_name(path: Sequence[str], task_id: str) -> str:
    return "__".join([*path, sanitize_id(task_id or "_")])
