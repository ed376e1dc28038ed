"""Protocol of executors, and the executor that starts local processes."""

from typing import TYPE_CHECKING

from ai.starlake.common.lazy_names import lazy_names
from ai.starlake.common.storage.location import Location
from ai.starlake.executor.outcomes import CheckOutcome, LoadedFile, RejectReason, StarlakeCounts, TableOutcome
from ai.starlake.executor.protocol import (
    ChecksAlone,
    CommandFailedError,
    ExecutableNotFoundError,
    Execution,
    FilesLeftError,
    RecoveryError,
    Reporter,
    ReportsTables,
    StarlakeExecutor,
    StarlakeResult,
    WriterBusyError,
)

if TYPE_CHECKING:
    from ai.starlake.executor.process.supervision import Runner, parent_death_fd, run_process
    from ai.starlake.executor.project_facts import AuditReader, FactsFactory, ProjectFacts
    from ai.starlake.executor.recovery import stranded_files
    from ai.starlake.executor.shell import ShellExecutor

__all__ = [
    "AuditReader",
    "CheckOutcome",
    "ChecksAlone",
    "CommandFailedError",
    "ExecutableNotFoundError",
    "Execution",
    "FactsFactory",
    "FilesLeftError",
    "LoadedFile",
    "Location",
    "ProjectFacts",
    "RecoveryError",
    "RejectReason",
    "Reporter",
    "ReportsTables",
    "Runner",
    "ShellExecutor",
    "StarlakeCounts",
    "StarlakeExecutor",
    "StarlakeResult",
    "TableOutcome",
    "WriterBusyError",
    "parent_death_fd",
    "run_process",
    "stranded_files",
]

__getattr__ = lazy_names(
    __name__,
    {
        "process.supervision": ["Runner", "parent_death_fd", "run_process"],
        "project_facts": ["AuditReader", "FactsFactory", "ProjectFacts"],
        "recovery": ["stranded_files"],
        "shell": ["ShellExecutor"],
    },
)
