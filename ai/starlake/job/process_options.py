"""Options of jobs whose commands run as processes on the machine of the step."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from ai.starlake.job.job_options import JobOptions


def _read_executable(value: object) -> object:
    """Validate the option: a path is one string, including blanks; a command with arguments is a list."""
    return tuple(value) if isinstance(value, list) else value


class ProcessOptions(JobOptions):
    """Options of jobs whose commands run as processes on the machine of the step."""

    SL_STARLAKE_PATH: Annotated[str | tuple[str, ...], BeforeValidator(_read_executable), Field(min_length=1)] = Field(
        default="starlake",
        description="the `starlake` executable: a path, a name to look up, or a list; `starlake-embedded` is ours",
    )
