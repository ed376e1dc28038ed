"""The options of assets: how a table or a task is materialized. Read together with those of the job."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ai.starlake.job import JobOptions


class AssetOptions(JobOptions):
    """What assets need to know besides the options of the job."""

    stage: bool = Field(
        default=True,
        description="whether materializing a table first stages the files that wait for it in the landing area",
    )
    nothing_to_load: Literal["materialize", "skip", "fail"] = Field(
        default="materialize",
        description="what a table does for which no file waits: record a materialization without new rows, skip what "
        "is downstream, or fail",
    )
