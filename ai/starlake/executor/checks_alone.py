"""Evaluate the expectations of existing tables by the command ``check`` of the embedded engine."""

from __future__ import annotations

from dataclasses import replace

from ai.starlake.executor.outcomes import TableOutcome
from ai.starlake.executor.protocol import CommandFailedError, Execution, StarlakeExecutor
from ai.starlake.job import StarlakeCommand


def outcomes_of_check(
    executor: StarlakeExecutor, command: StarlakeCommand, execution: Execution
) -> tuple[TableOutcome, ...]:
    """Run a command ``check`` and return the outcomes of its tables, whatever its exit code.

    Args:
        executor: Runs it.
        command: The command.
        execution: The attempt.

    Raises:
        StarlakeError: If it reports no outcomes.
    """
    try:
        return executor.run(command, replace(execution, outcomes=True)).tables
    except CommandFailedError as error:
        if not error.tables:
            raise
        return error.tables
