"""What generated DAG files build their pipelines of."""

from ai.starlake.orchestration.dependencies import (
    StarlakeDependencies,
    StarlakeDependency,
    StarlakeDependencyType,
    TreeNodeMixin,
)
from ai.starlake.orchestration.facade import AbstractOrchestration, AbstractPipeline, OrchestrationFactory
from ai.starlake.orchestration.load_schedules import StarlakeDomain, StarlakeSchedule, StarlakeSchedules, StarlakeTable
from ai.starlake.orchestration.options import OrchestrationOptions
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
