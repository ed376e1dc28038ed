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
        description="stage the files that wait in the landing area before a table is loaded",
    )
    partitions: Literal["schedule", "none"] = Field(
        default="schedule",
        description="partitions of tables and tasks: the intervals of their `schedule`, or `none`",
    )
    backfill_policy: Literal["multi_run", "single_run"] = Field(
        default="multi_run",
        description="division of a backfill: a run for each partition, or one for all (`single_run`); the latter "
        "holds for tasks that use the data interval",
    )
    first_partition_timeout: Seconds = Field(
        default=3600,
        description="seconds that a partition waits while another run makes the first one of its table",
    )
    automation: Literal["eager", "none"] = Field(
        default="eager",
        description="the automation condition of tables and tasks without a schedule: `eager`, when what they read has "
        "changed, or `none`",
    )
    nothing_to_load: Literal["materialize", "skip", "fail"] = Field(
        default="materialize",
        description="behavior of a table without a waiting file: record a materialization without new rows, skip what "
        "is downstream, or fail",
    )
    file_sensor_tables: Annotated[int, Field(gt=0)] = Field(
        default=100,
        description="maximum number of tables that the file sensor checks per tick; the others wait for the next",
    )
    file_sensor_interval: Annotated[int, Field(gt=0)] = Field(
        default=30, description="seconds between two ticks of the file sensor"
    )
    file_settle_seconds: Seconds = Field(
        default=10,
        description="seconds without a write after which the file sensor counts a file; 0 to count it at once",
    )
