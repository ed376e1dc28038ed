"""What generated DAG files build their pipelines of."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

# Files that make their ops themselves need none of these: the job factory alone loads faster.
_MODULES = {
    "dependencies": {"StarlakeDependencies", "StarlakeDependency", "StarlakeDependencyType", "TreeNodeMixin"},
    "facade": {"AbstractOrchestration", "AbstractPipeline", "OrchestrationFactory"},
    "load_schedules": {"StarlakeDomain", "StarlakeSchedule", "StarlakeSchedules", "StarlakeTable"},
    "orchestration_options": {"OrchestrationOptions"},
    "task_graph": {"AbstractDependency", "AbstractTask", "AbstractTaskGroup", "TaskGroupContext"},
}


def __getattr__(name: str) -> Any:
    module = next((module for module, names in _MODULES.items() if name in names), None)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
