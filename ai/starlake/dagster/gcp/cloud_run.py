"""Starlake commands as executions of a Cloud Run job."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ai.starlake.dagster.remote import StarlakeDagsterRemoteJob
from ai.starlake.gcp.cloud_run.cloud_run_options import CloudRunOptions
from ai.starlake.job import JobOptions
from ai.starlake.orchestration.command_runs.executor_factories import cloud_run_executor

if TYPE_CHECKING:
    from ai.starlake.gcp.cloud_run.backend import CloudRunExecutor


class StarlakeDagsterCloudRunJob(StarlakeDagsterRemoteJob[CloudRunOptions]):
    """Creates ops that run each Starlake command as an execution of a Cloud Run job.

    The entry point of the job's image has to be Starlake's launcher. Ops that run commands belong to the pool of the
    option `cloud_run_pool`: with a limit there, Dagster starts no more concurrent executions than the quota allows. The
    sensors of `sensors` cancel the executions of runs that failed or were cancelled. See `IStarlakeJob` for the
    arguments.
    """

    options_model: ClassVar[type[JobOptions]] = CloudRunOptions
    service = "cloud_run"
    where = "on Google Cloud"

    def make_executor(self) -> CloudRunExecutor:
        """Return the executor."""
        return cloud_run_executor(self.settings)

    @property
    def pool(self) -> str | None:
        """Pool of the steps that run commands."""
        return self.settings.pool or self.settings.cloud_run_pool
