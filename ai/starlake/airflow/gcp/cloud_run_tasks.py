"""Starlake commands as executions of a Cloud Run job, run by Airflow tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ai.starlake.airflow.airflow_job import StarlakeAirflowJob
from ai.starlake.gcp.cloud_run.cloud_run_options import CloudRunOptions
from ai.starlake.job import JobOptions, StarlakePreLoadStrategy
from ai.starlake.orchestration.command_runs.executor_factories import cloud_run_executor

if TYPE_CHECKING:
    from airflow.sdk import Asset

    from ai.starlake.gcp.cloud_run.backend import CloudRunExecutor


class StarlakeAirflowCloudRunJob(StarlakeAirflowJob[CloudRunOptions]):
    """Creates tasks that run each Starlake command as an execution of a Cloud Run job.

    The entry point of the job's image has to be Starlake's launcher. One task starts the execution, waits for its end
    and cancels it when it is killed; the worker does not need gcloud.

    Args:
        filename: The file of the caller; generated DAG files pass it.
        module_name: The module of the caller, whose hooks and variables are used; generated DAG files pass it.
        pre_load_strategy: The pre-load strategy; by default the option of that name.
        options: The options, as docs/airflow.md lists them.
        project_id: The option `cloud_run_project_id`.
        outlets: Initial assets of `outlets`.
        **kwargs: Further options, which take precedence over `options`.

    Raises:
        StarlakeError: If an option is missing, or has an invalid value.
    """

    options_model: ClassVar[type[JobOptions]] = CloudRunOptions

    def __init__(
        self,
        filename: str | None = None,
        module_name: str | None = None,
        pre_load_strategy: StarlakePreLoadStrategy | str | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        project_id: str | None = None,
        outlets: Iterable[Asset] = (),
        **kwargs: Any,
    ) -> None:
        own = {"cloud_run_project_id": project_id} if project_id else {}
        super().__init__(filename, module_name, pre_load_strategy, options, outlets=outlets, **own, **kwargs)

    def make_executor(self) -> CloudRunExecutor:
        """Return the executor."""
        return cloud_run_executor(self.settings)

    @property
    def project_id(self) -> str | None:
        """Project of the Cloud Run job, if the options set it."""
        return self.settings.cloud_run_project_id

    @property
    def cloud_run_job_name(self) -> str:
        """The Cloud Run job."""
        return self.settings.cloud_run_job_name

    @property
    def cloud_run_job_region(self) -> str:
        """The region of the Cloud Run job."""
        return self.settings.region

    @property
    def cloud_run_service_account(self) -> str | None:
        """Service account to impersonate for Cloud Run."""
        return self.settings.impersonated
