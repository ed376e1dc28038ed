"""Starlake commands on the embedded engine, within the step's own process."""

from __future__ import annotations

from ai.starlake.dagster import require_dagster

require_dagster()

from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.executor.protocol import StarlakeExecutor
from ai.starlake.job import JobOptions

__all__ = ["StarlakeDagsterEmbeddedJob"]


class StarlakeDagsterEmbeddedJob(StarlakeDagsterJob[JobOptions]):
    """Generates ops that run each Starlake command on the embedded DuckDB engine, within the process of the step.

    What `StarlakeDagsterShellJob` does with ``starlake-embedded``, without starting an interpreter for each command.
    See `IStarlakeJob` for the arguments.
    """

    def make_executor(self) -> StarlakeExecutor:
        """Make the executor, which calls the engine."""
        from ai.starlake.embedded.embedded_executor import EmbeddedExecutor

        return EmbeddedExecutor(lock_timeout=self.settings.duckdb_lock_timeout)
