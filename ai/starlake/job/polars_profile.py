"""The section of a compute profile for Polars Cloud."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ai.starlake.job.compute_sections import ComputeSection, Count, Name


class PolarsProfile(ComputeSection):
    """The compute context that a task runs on."""

    title = "Polars Cloud"

    cpus: Count | None = Field(default=None, description="CPUs of each machine")
    memory: Count | None = Field(default=None, description="memory of each machine, in GiB")
    instance_type: Name | None = Field(default=None, description="the type of the machines, instead of their sizes")
    storage: Count | None = Field(default=None, description="disk of each machine, in GiB")
    cluster_size: Count = Field(default=1, description="number of machines")
    idle_timeout_mins: Annotated[int, Field(ge=10)] = Field(
        default=60, description="Polars Cloud stops the machines after so many minutes without work"
    )
