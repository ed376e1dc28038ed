"""The options that Dataproc and Cloud Run share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from ai.starlake.job import JobOptions
from ai.starlake.job.options import Seconds


class GcpOptions(JobOptions):
    """What every job on Google Cloud can be told."""

    storage_endpoint: str | None = Field(
        default=None, description="the address of Cloud Storage; see also the variable STORAGE_EMULATOR_HOST"
    )
    poll_interval: Annotated[float, Field(gt=0)] = Field(
        default=10, description="how many seconds lie between two looks at what runs on Google Cloud"
    )
    outage_tolerance: Seconds = Field(
        default=600, description="for how many seconds calls that Google Cloud does not answer are repeated"
    )
    project_copy: str | None = Field(
        default=None,
        description="a folder with a copy of the project, where steps cannot read SL_ROOT; a load that is tried again"
        " needs one of them to bring back its files",
    )

    @property
    def impersonated(self) -> str | None:
        """The service account on whose behalf Google Cloud is called."""
        return None

    @property
    def storage_settings(self) -> Mapping[str, Mapping[str, str]]:
        """How Cloud Storage is reached."""
        named = {"endpoint": self.storage_endpoint, "impersonate": self.impersonated}
        settings = {name: value for name, value in named.items() if value}
        return {"gs": settings, "gcs": settings}
