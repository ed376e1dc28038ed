"""Starlake commands on the embedded engine, within the process of an Airflow task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai.starlake.airflow import require_airflow

require_airflow()

from ai.starlake.airflow.airflow_job import StarlakeAirflowJob
from ai.starlake.job import JobOptions
from ai.starlake.orchestration.command_runs.executor_factories import embedded_executor

if TYPE_CHECKING:
    from ai.starlake.executor.protocol import StarlakeExecutor

__all__ = ["StarlakeAirflowEmbeddedJob"]


class StarlakeAirflowEmbeddedJob(StarlakeAirflowJob[JobOptions]):
    """Creates tasks that run each Starlake command on the embedded DuckDB engine, within the process of the task.

    See `StarlakeAirflowJob` for the arguments.
    """

    def make_executor(self) -> StarlakeExecutor:
        """Return the executor, which calls the engine."""
        return embedded_executor(self.settings)
