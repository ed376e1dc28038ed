"""Options that Dataproc and Cloud Run share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated

from pydantic import Field

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage import Files
from ai.starlake.job import JobOptions
from ai.starlake.job.job_options import Seconds


class GcpOptions(JobOptions):
    """Options of every job on Google Cloud."""

    storage_endpoint: str | None = Field(
        default=None, description="the address of Cloud Storage; see also the variable STORAGE_EMULATOR_HOST"
    )
    poll_interval: Annotated[float, Field(gt=0)] = Field(
        default=10, description="seconds between two polls of what runs on Google Cloud"
    )
    outage_tolerance: Seconds = Field(
        default=600, description="seconds for which calls that Google Cloud does not answer are repeated"
    )
    project_copy: str | None = Field(
        default=None,
        description="a folder with a copy of the project, where steps cannot read SL_ROOT; a load that is tried again"
        " needs one of them to bring back its files",
    )

    def _check(self) -> None:
        """Check that `starlake preload` writes its answer where the step can read it."""
        super()._check()
        if self.pre_load_check == "command" and not self.pre_load_not_ready_sentinel_path:
            raise StarlakeError(
                "option pre_load_not_ready_sentinel_path is missing",
                cause="with pre_load_check 'command', `starlake preload` writes a file if a domain is not ready, and "
                "the step cannot read the folders of another machine",
                fix="set it to a folder that both can access, such as gs://my-bucket/asked, or set pre_load_check to "
                "'files'",
            )

    @property
    def impersonated(self) -> str | None:
        """The service account to impersonate on Google Cloud."""
        return None

    @cached_property
    def files(self) -> Files:
        """The file layer of the job: files on Cloud Storage use this URL and account."""
        from ai.starlake.gcp.cloud_storage import CloudStorage

        storage = CloudStorage(self.storage_endpoint or None, self.impersonated)
        return Files({"gs": storage, "gcs": storage})

    def project_variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the variables with which a step reads the project: the metadata of the copy, if any.

        The areas, and everything else, stay where the command has them.
        """
        copy = self.project_copy
        if not copy:
            return dict(environment)
        metadata = environment.get("SL_METADATA") or "metadata"
        is_absolute = metadata.startswith("/") or "://" in metadata
        found = metadata if is_absolute else f"{copy.rstrip('/')}/{metadata}"
        return {**environment, "SL_ROOT": environment.get("SL_ROOT") or copy, "SL_METADATA": found}
