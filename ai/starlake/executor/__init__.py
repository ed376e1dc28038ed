"""Where commands run: the protocol of executors, and the one that starts local processes."""

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

__all__ = [
    "CommandFailedError",
    "ExecutableNotFoundError",
    "Execution",
    "RecoveryError",
    "Reporter",
    "StarlakeCounts",
    "StarlakeExecutor",
    "StarlakeResult",
    "WriterBusyError",
]
