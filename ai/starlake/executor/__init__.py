"""Where commands run: the protocol of executors, and the one that starts local processes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ai.starlake.common.storage.location import Location
from ai.starlake.executor.protocol import (
    CommandFailedError,
    ExecutableNotFoundError,
    Execution,
    FilesLeftError,
    RecoveryError,
    Reporter,
    StarlakeCounts,
    StarlakeExecutor,
    StarlakeResult,
    WriterBusyError,
)

if TYPE_CHECKING:
    from ai.starlake.executor.process.supervision import Runner, parent_death_fd, run_process
    from ai.starlake.executor.project_facts import FactsFactory, ProjectFacts
    from ai.starlake.executor.recovery import stranded_files
    from ai.starlake.executor.shell import ShellExecutor

__all__ = [
    "CommandFailedError",
    "ExecutableNotFoundError",
    "Execution",
    "FactsFactory",
    "FilesLeftError",
    "Location",
    "ProjectFacts",
    "RecoveryError",
    "Reporter",
    "Runner",
    "ShellExecutor",
    "StarlakeCounts",
    "StarlakeExecutor",
    "StarlakeResult",
    "WriterBusyError",
    "parent_death_fd",
    "run_process",
    "stranded_files",
]

# What is needed when a command runs is imported then: a code location that only builds jobs loads faster.
_AT_RUN_TIME = {
    "FactsFactory": "project_facts",
    "ProjectFacts": "project_facts",
    "Runner": "process.supervision",
    "parent_death_fd": "process.supervision",
    "run_process": "process.supervision",
    "stranded_files": "recovery",
    "ShellExecutor": "shell",
}


def __getattr__(name: str) -> Any:
    if name not in _AT_RUN_TIME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_AT_RUN_TIME[name]}"), name)
