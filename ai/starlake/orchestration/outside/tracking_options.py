"""Options of tracking: distinguishing runs of another scheduler, and the limits of a tick."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ai.starlake.job import JobOptions
from ai.starlake.job.job_options import Seconds


def _read_pattern(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return re.compile(value)
    except re.error as error:
        raise ValueError(f"it is not a valid regular expression: {error}") from None


PatternOption = Annotated[re.Pattern[str] | None, BeforeValidator(_read_pattern)]


class TrackingOptions(JobOptions):
    """Options of tracking, in addition to those of the job."""

    group_seconds: Seconds = Field(
        default=120,
        description="maximum seconds between two loads or tasks of one run, if Starlake made a JOBID for each of them",
    )
    settle_seconds: Seconds = Field(default=60, description="seconds without a new row after which a run is mirrored")
    longest_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=900,
        description="maximum seconds that the rows of a run may span; later rows are a further run, so that a run "
        "that never pauses is mirrored too",
    )
    lateness_seconds: Annotated[float, Field(ge=60, le=86_400)] = Field(
        default=3600,
        description="maximum seconds between the end of a row and its appearance in the audit",
    )
    rows_per_tick: Annotated[int, Field(gt=0, le=2000)] = Field(
        default=500, description="maximum number of rows per tick; the others wait for the next"
    )
    runs_per_tick: Annotated[int, Field(gt=0, le=200)] = Field(
        default=20, description="maximum number of runs mirrored per tick; the others wait for the next"
    )
    ignore_job_ids: PatternOption = Field(
        default=None, description="a regular expression; rows with a JOBID that it matches as a whole are not mirrored"
    )
