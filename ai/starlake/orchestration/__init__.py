"""Building blocks of the pipelines in generated DAG files."""

from typing import TYPE_CHECKING

from ai.starlake.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from ai.starlake.orchestration.dependencies import (
        StarlakeDependencies,
        StarlakeDependency,
        StarlakeDependencyType,
        TreeNodeMixin,
    )
    from ai.starlake.orchestration.facade import AbstractOrchestration, AbstractPipeline, OrchestrationFactory
    from ai.starlake.orchestration.load_schedules import (
        StarlakeDomain,
        StarlakeSchedule,
        StarlakeSchedules,
        StarlakeTable,
    )
    from ai.starlake.orchestration.orchestration_options import OrchestrationOptions
    from ai.starlake.orchestration.task_graph import (
        AbstractDependency,
        AbstractTask,
        AbstractTaskGroup,
        TaskGroupContext,
    )

__all__ = [
    "AbstractDependency",
    "AbstractOrchestration",
    "AbstractPipeline",
    "AbstractTask",
    "AbstractTaskGroup",
    "OrchestrationFactory",
    "OrchestrationOptions",
    "StarlakeDependencies",
    "StarlakeDependency",
    "StarlakeDependencyType",
    "StarlakeDomain",
    "StarlakeSchedule",
    "StarlakeSchedules",
    "StarlakeTable",
    "TaskGroupContext",
    "TreeNodeMixin",
]

__getattr__ = lazy_names(
    __name__,
    {
        "dependencies": ["StarlakeDependencies", "StarlakeDependency", "StarlakeDependencyType", "TreeNodeMixin"],
        "facade": ["AbstractOrchestration", "AbstractPipeline", "OrchestrationFactory"],
        "load_schedules": ["StarlakeDomain", "StarlakeSchedule", "StarlakeSchedules", "StarlakeTable"],
        "orchestration_options": ["OrchestrationOptions"],
        "task_graph": ["AbstractDependency", "AbstractTask", "AbstractTaskGroup", "TaskGroupContext"],
    },
)
