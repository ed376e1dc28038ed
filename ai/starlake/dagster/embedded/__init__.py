"""Starlake commands on the embedded engine, within the step's own process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ai.starlake.dagster import require_dagster

require_dagster()

from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.executor.protocol import StarlakeExecutor
from ai.starlake.job import JobOptions
from ai.starlake.orchestration.command_runs.executor_factories import embedded_executor

if TYPE_CHECKING:
    from dagster import JobDefinition, SensorDefinition

__all__ = ["StarlakeDagsterEmbeddedJob"]


class StarlakeDagsterEmbeddedJob(StarlakeDagsterJob[JobOptions]):
    """Creates ops that run each Starlake command on the embedded DuckDB engine, within the process of the step.

    Like `StarlakeDagsterShellJob` with ``starlake-embedded``, but without starting an interpreter for each command. See
    `IStarlakeJob` for the arguments.
    """

    def make_executor(self) -> StarlakeExecutor:
        """Return the executor, which calls the engine."""
        return embedded_executor(self.settings)

    def sensors(
        self, jobs: Iterable[JobDefinition] | None = None, *, name: str | None = None
    ) -> list[SensorDefinition]:
        """Return the sensors that clean up after runs: those for compute profiles of Polars Cloud.

        Args:
            jobs: Jobs whose runs are watched; all jobs of the code location by default.
            name: Part of the name of the sensors; by default the file name of this job.
        """
        from ai.starlake.dagster.polars.contexts_janitor import sensors_of_profiles

        return sensors_of_profiles(self.settings, jobs, name or self.filename)
