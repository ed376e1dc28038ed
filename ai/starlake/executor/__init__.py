"""Where commands run: the protocol of executors, and the one that starts local processes."""

from ai.starlake.executor.facts import FactsFactory, ProjectFacts
from ai.starlake.executor.process import Runner, parent_death_fd, run_process
from ai.starlake.executor.protocol import (
    CommandFailedError,
    ExecutableNotFoundError,
    Execution,
    RecoveryError,
    Reporter,
    StarlakeCounts,
    StarlakeExecutor,
    StarlakeResult,
    WriterBusyError,
)
from ai.starlake.executor.recovery import stranded_files
from ai.starlake.executor.shell import ShellExecutor
from ai.starlake.executor.storage import Location

__all__ = [
    "CommandFailedError",
    "ExecutableNotFoundError",
    "Execution",
    "FactsFactory",
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
