"""Starlake commands as local processes, run by Airflow tasks.

The name is that of Starlake's own package: no shell is involved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ai.starlake.airflow import require_airflow

require_airflow()

from ai.starlake.airflow.airflow_job import StarlakeAirflowJob
from ai.starlake.job import JobOptions
from ai.starlake.job.process_options import ProcessOptions
from ai.starlake.orchestration.command_runs.executor_factories import shell_executor

if TYPE_CHECKING:
    from ai.starlake.executor.protocol import StarlakeExecutor

__all__ = ["StarlakeAirflowBashJob"]


class StarlakeAirflowBashJob(StarlakeAirflowJob[ProcessOptions]):
    """Creates tasks that run each Starlake command as a process on the machine of the worker.

    See `StarlakeAirflowJob` for the arguments.
    """

    options_model: ClassVar[type[JobOptions]] = ProcessOptions

    def make_executor(self) -> StarlakeExecutor:
        """Return the executor, which starts processes, and ends them with their task."""
        from ai.starlake.airflow.task_runs.task_process import run_task_process, supervisor_death_fd

        return shell_executor(self.settings, runner=run_task_process, death_fd=supervisor_death_fd)
