"""What the pipelines of a file are made in."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import MutableMapping
from types import FrameType, TracebackType
from typing import Any, Generic, TypeVar

from ai.starlake.common import NameRegistry
from ai.starlake.job import IStarlakeJob
from ai.starlake.orchestration.dependencies import StarlakeDependencies
from ai.starlake.orchestration.load_schedules import StarlakeSchedule
from ai.starlake.orchestration.pipeline import AbstractPipeline
from ai.starlake.orchestration.standard_pipelines import arrange_loads, arrange_transforms
from ai.starlake.orchestration.tasks import AbstractTaskGroup

NativeT = TypeVar("NativeT")


class AbstractOrchestration(ABC, Generic[NativeT]):
    """The pipelines of a file. When its ``with`` statement has ended well, the orchestrator finds them in the module.

    Args:
        job: Makes what their tasks run.
        caller_globals: The variables of the module; by default of the one that `job` names, or of the caller.
    """

    def __init__(self, job: IStarlakeJob[NativeT], caller_globals: MutableMapping[str, Any] | None = None) -> None:
        self.job = job
        self.caller_globals = globals_of(job.module_name) if caller_globals is None else caller_globals
        self.pipelines: list[AbstractPipeline[NativeT]] = []
        self._names = NameRegistry()
        self.table_names = NameRegistry()
        """The tables that its pipelines make or wait for, by their names in the orchestrator."""

    def sl_create_pipeline(
        self, schedule: StarlakeSchedule | None = None, dependencies: StarlakeDependencies | None = None
    ) -> AbstractPipeline[NativeT]:
        """Makes a pipeline: of loads by a schedule, or of transforms by their dependencies.

        Raises:
            StarlakeError: If it is given neither or both, or if it cannot be made.
            NameCollisionError: If another pipeline has its name.
        """
        pipeline = self._pipeline(schedule, dependencies)
        label = f"schedule {schedule.name}" if schedule and schedule.name else f"pipeline {len(self.pipelines) + 1}"
        self._names.claim(pipeline.pipeline_id, len(self.pipelines), label)
        self.pipelines.append(pipeline)
        return pipeline

    def add_loads(self, schedule: StarlakeSchedule) -> AbstractPipeline[NativeT]:
        """Make the pipeline that loads the domains of a schedule; see `arrange_loads`.

        Raises:
            StarlakeError: If it cannot be made.
            NameCollisionError: If two of its tables, or two pipelines, have one name in the orchestrator.
        """
        with self.sl_create_pipeline(schedule=schedule) as pipeline:
            arrange_loads(pipeline, schedule)
        return pipeline

    def add_transforms(self, dependencies: StarlakeDependencies) -> AbstractPipeline[NativeT]:
        """Make the pipeline that runs transforms after what they depend on; see `arrange_transforms`.

        Raises:
            StarlakeError: If it cannot be made.
            NameCollisionError: If two of its transforms, or two pipelines, have one name in the orchestrator.
        """
        with self.sl_create_pipeline(dependencies=dependencies) as pipeline:
            arrange_transforms(pipeline)
        return pipeline

    def sl_create_task_group(self, group_id: str, pipeline: AbstractPipeline[NativeT]) -> AbstractTaskGroup:
        """Makes a group of tasks, within the group whose ``with`` statement is open."""
        return pipeline.new_group(group_id)

    @abstractmethod
    def _pipeline(
        self, schedule: StarlakeSchedule | None, dependencies: StarlakeDependencies | None
    ) -> AbstractPipeline[NativeT]:
        """Makes a pipeline."""

    @abstractmethod
    def publish(self) -> None:
        """Puts what was made where the orchestrator finds it. Called when the ``with`` statement has ended well."""

    def __enter__(self) -> AbstractOrchestration[NativeT]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Publishes the pipelines; an exception goes on as it is."""
        if error is None:
            self.publish()


def globals_of(module_name: str | None) -> MutableMapping[str, Any]:
    """The variables of a module that is being executed, else of the first caller outside of this package.

    The frames tell better than `sys.modules`, where a module that is loaded from a file need not be.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  the stack is the only place that tells
    outside: MutableMapping[str, Any] | None = None
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name == module_name:
            return frame.f_globals
        if outside is None and not name.startswith("ai.starlake."):
            outside = frame.f_globals
        frame = frame.f_back
    known = sys.modules.get(module_name) if module_name else None
    if known is not None:
        return vars(known)
    return {} if outside is None else outside
