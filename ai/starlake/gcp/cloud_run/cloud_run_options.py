"""Options of jobs whose commands run on Cloud Run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from ai.starlake.common.secrets import SecretReference
from ai.starlake.gcp.client.endpoints import GcpEndpoints
from ai.starlake.gcp.exposed_secrets import taken_by_cloud_run, warn_of_exposed
from ai.starlake.gcp.gcp_options import GcpOptions
from ai.starlake.job.job_options import Seconds

Name = Annotated[str, Field(min_length=1)]
DEFAULT_REGION = "europe-west1"
_LONGEST_TASK = 7 * 24 * 3600


class CloudRunOptions(GcpOptions):
    """Options of `StarlakeDagsterCloudRunJob` and `StarlakeAirflowCloudRunJob`."""

    cloud_run_project_id: Name | None = Field(
        default=None,
        description="the project; by default that of the variable GOOGLE_CLOUD_PROJECT or GCP_PROJECT, or of the"
        " credentials",
    )
    cloud_run_job_name: Name = Field(description="the Cloud Run job whose image has Starlake as its entry point")
    cloud_run_region: Name | None = Field(default=None, description=f"the region; {DEFAULT_REGION} by default")
    cloud_run_job_region: Name | None = Field(default=None, description="another name of `cloud_run_region`")
    cloud_run_container: str = Field(
        default="", description="the container that runs Starlake, where the job has several"
    )
    cloud_run_service_account: str | None = Field(
        default=None, description="the service account on whose behalf Cloud Run and Cloud Storage are called"
    )
    cloud_run_async: bool = Field(
        default=True,
        description="poll for the end of an execution; if false, one long request at a time"
        " waits for it, and its end is noticed at once",
    )
    cloud_run_async_poke_interval: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="seconds between two polls; `poll_interval` by default"
    )
    cloud_run_task_timeout: Annotated[float, Field(ge=1, le=_LONGEST_TASK)] | None = Field(
        default=None, description="timeout of a command at Google, in seconds; by default that of the job"
    )
    cloud_run_margin: Seconds = Field(
        default=600, description="seconds that an execution may take beyond that timeout, from its start to its end"
    )
    cloud_run_logs: Literal["failure", "all", "off"] = Field(
        default="failure",
        description="lines to fetch from Cloud Logging: the last ones of a command that failed, all that commands"
        " print (row counts are read from it), or nothing",
    )
    cloud_run_log_wait: Seconds = Field(
        default=15, description="seconds to wait for lines that reach Cloud Logging late"
    )
    cloud_run_secrets: Literal["reference", "value"] = Field(
        default="reference",
        description="form of whole secrets of Secret Manager in `sl_env_var` in a container: `reference`, which the"
        " service account of the Cloud Run job resolves, or as plain `value`, like all others",
    )
    cloud_run_pool: Name | None = Field(
        default="cloud_run", description="the Dagster pool of the ops; its limit keeps them within the quota of the API"
    )
    cloud_run_endpoint: str | None = Field(
        default=None, description="the address of Cloud Run; `http://...` is called in the clear, as an emulator is"
    )
    logging_endpoint: str | None = Field(default=None, description="the address of Cloud Logging")
    retry_delay_in_seconds: Seconds | None = Field(default=None, description="another name of `retry_delay`")

    @field_validator("cloud_run_job_region")
    @classmethod
    def _one_region(cls, value: str | None, info: ValidationInfo) -> str | None:
        other = info.data.get("cloud_run_region")
        if value and other and value != other:
            raise ValueError(f"cloud_run_region is {other!r}")
        return value

    @classmethod
    def _completed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return the options, with the delay under its other name."""
        own = {"retry_delay": given["retry_delay_in_seconds"]} if "retry_delay_in_seconds" in given else {}
        return super()._completed({**own, **given})

    def _check(self) -> None:
        """Warn about secrets that everyone who may view executions can read."""
        super()._check()
        if self.cloud_run_secrets == "reference":
            job = self.cloud_run_job_name
            warn_of_exposed(
                self.environment,
                f"whoever may view the executions of Cloud Run job {job} can read it there",
                "keep it in Google Secret Manager, as a secret of its own without `field`, and refer to that, as in "
                '{"google": "projects/p/secrets/s"}; or add it to the job (gcloud run jobs update --update-secrets), '
                "and remove it from sl_env_var; cloud_run_secrets: value silences this warning",
                passed_on=self.passed_on,
            )

    def passed_on(self, reference: SecretReference) -> bool:
        """Return True for a reference to a secret that Cloud Run resolves itself."""
        return self.cloud_run_secrets == "reference" and taken_by_cloud_run(self.cloud_run_endpoint)(reference)

    @property
    def region(self) -> str:
        """The region of the Cloud Run job."""
        return self.cloud_run_region or self.cloud_run_job_region or DEFAULT_REGION

    @property
    def interval(self) -> float:
        """Seconds between two polls of an execution."""
        return self.cloud_run_async_poke_interval or self.poll_interval

    @property
    def impersonated(self) -> str | None:
        """The service account to impersonate on Google Cloud."""
        return self.cloud_run_service_account or None

    @property
    def endpoints(self) -> GcpEndpoints:
        """URLs of the services."""
        return GcpEndpoints(
            cloud_run=self.cloud_run_endpoint,
            storage=self.storage_endpoint,
            logging=self.logging_endpoint,
            impersonate=self.impersonated,
        )
