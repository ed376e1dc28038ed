"""Starlake commands on the embedded engine, within the step's own process."""

from __future__ import annotations

from functools import cached_property

from ai.starlake.dagster import require_dagster

require_dagster()

from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.executor.protocol import StarlakeExecutor

__all__ = ["StarlakeDagsterEmbeddedJob"]


class StarlakeDagsterEmbeddedJob(StarlakeDagsterJob):
    """Generates ops that run each Starlake command on the embedded DuckDB engine, within the process of the step.

    What `StarlakeDagsterShellJob` does with ``starlake-embedded``, without starting an interpreter for each command.
    See `IStarlakeJob` for the arguments.
    """

    def executor(self) -> StarlakeExecutor:
        """The executor, made once per process."""
        return self._executor

    @cached_property
    def _executor(self) -> StarlakeExecutor:
        from ai.starlake.embedded.embedded_executor import EmbeddedExecutor

        return EmbeddedExecutor()
