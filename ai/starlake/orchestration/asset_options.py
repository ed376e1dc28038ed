"""Options of assets: how tables and tasks are materialized. Validated together with those of the job."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ai.starlake.job import JobOptions
from ai.starlake.job.job_options import Seconds


class AssetOptions(JobOptions):
    """Options of assets, in addition to those of the job."""

    stage: bool = Field(
        default=True,
        description="whether materializing a table first stages the files that wait for it in the landing area",
    )
    partitions: Literal["schedule", "none"] = Field(
        default="schedule",
        description="which partitions tables and tasks have: the intervals of their `schedule`, or `none`",
    )
    backfill_policy: Literal["multi_run", "single_run"] = Field(
        default="multi_run",
        description="whether a backfill runs each partition by itself, or one run makes all (`single_run`); the latter "
        "holds for tasks that use the data interval",
    )
    first_partition_timeout: Seconds = Field(
        default=3600,
        description="how many seconds a partition waits while another run makes the first one of its table",
    )
    automation: Literal["eager", "none"] = Field(
        default="eager",
        description="the automation condition of tables and tasks without a schedule: `eager`, when what they read has "
        "changed, or `none`",
    )
    nothing_to_load: Literal["materialize", "skip", "fail"] = Field(
        default="materialize",
        description="what a table does for which no file waits: record a materialization without new rows, skip what "
        "is downstream, or fail",
    )
    file_sensor_tables: Annotated[int, Field(gt=0)] = Field(
        default=100,
        description="for how many tables the file sensor asks at most in a tick; the others wait for the next",
    )
    file_sensor_interval: Annotated[int, Field(gt=0)] = Field(
        default=30, description="how many seconds the file sensor waits between two ticks"
    )
    file_settle_seconds: Seconds = Field(
        default=10,
        description="how long a file must not have been written before the file sensor counts it; 0 for not at all",
    )
