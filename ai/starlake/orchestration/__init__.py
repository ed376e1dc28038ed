"""What generated DAG files build their pipelines of."""

from ai.starlake.orchestration.dependencies import StarlakeDependencies, StarlakeDependency, StarlakeDependencyType
from ai.starlake.orchestration.factory import OrchestrationFactory
from ai.starlake.orchestration.load_schedules import StarlakeDomain, StarlakeSchedule, StarlakeSchedules, StarlakeTable
from ai.starlake.orchestration.options import OrchestrationOptions
from ai.starlake.orchestration.orchestration import AbstractOrchestration
from ai.starlake.orchestration.pipeline import AbstractPipeline
from ai.starlake.orchestration.tasks import AbstractDependency, AbstractTask, AbstractTaskGroup, TaskGroupContext
from ai.starlake.orchestration.tree import TreeNodeMixin

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
