"""Options of pipelines: their triggers and their contents. Validated together with those of the job."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AliasChoices, BeforeValidator, Field

from ai.starlake.common import StarlakeError, parse_datetime, zone_of
from ai.starlake.job import JobOptions
from ai.starlake.job.job_options import Seconds

CYCLES = {
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "weekly": "0 0 * * 0",
    "monthly": "0 0 1 * *",
    "yearly": "0 0 1 1 *",
}
"""Cron expressions of the named data cycles, from Starlake's orchestration library: a week begins on Sunday. The
schedule presets of its command line have the same names, but their weeks begin on Monday."""


def _read_date(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = "" if value is None else str(value).strip()
    if not text:
        return None
    try:
        return parse_datetime(text, zone_of("UTC")).date()
    except StarlakeError as error:
        raise ValueError(str(error)) from None


def _read_cycle(value: Any) -> Any:
    text = str(value).strip()
    if text.lower() in ("", "none"):
        return None
    cycle = CYCLES.get(text.lower(), text)
    if not is_cron(cycle):
        raise ValueError(f"use {', '.join(CYCLES)}, a cron expression, or none")
    return cycle


def is_cron(text: str) -> bool:
    """Return True if a string has the form of a cron expression: five fields, or a word such as ``@daily``."""
    fields = text.split()
    return len(fields) == 5 or (len(fields) == 1 and fields[0].startswith("@"))  # noqa: PLR2004


def _lowered(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


DateOption = Annotated[date | None, BeforeValidator(_read_date)]
CycleOption = Annotated[str | None, BeforeValidator(_read_cycle)]


class OrchestrationOptions(JobOptions):
    """Options of pipelines, in addition to those of their job.

    The descriptions of the fields are shown in docs/reference/options.md.
    """

    unread_options: ClassVar[frozenset[str]] = frozenset({"sl_include_env_vars"})

    start_date: DateOption = Field(
        default=None,
        description="the first day of partitions and of scheduled runs, `2025-01-01` when unset; updates of before it "
        "start nothing",
    )
    catchup: bool = Field(
        default=False,
        description="make up for missed ticks, and let a sensor's first tick start runs for all "
        "intervals since `start_date`",
    )
    default_status: Annotated[Literal["stopped", "running"], BeforeValidator(_lowered)] = Field(
        default="stopped",
        description="status of schedules and sensors, `running` or `stopped`, until somebody switches them",
    )
    missed_intervals: Annotated[Literal["run", "skip"], BeforeValidator(_lowered)] = Field(
        default="run",
        description="reaction to data of several intervals between two ticks of a sensor: `run` each, or "
        "`skip` all but the newest, which the tick's log names",
    )
    cron_period_frequency: Annotated[Literal["day", "week", "month", "year"], BeforeValidator(_lowered)] = Field(
        default="week", description="the period in which the ticks of cron expressions are counted to compare them"
    )
    run_dependencies_first: bool = Field(
        default=False,
        validation_alias=AliasChoices("run_dependencies_first", "load_dependencies"),
        description="run the dependencies of a transform first in its job, loads included, instead of waiting for them",
    )
    dataset_triggering_strategy: str = Field(
        default="any", description="datasets that start a pipeline: `any`, `all`, or an expression as in `a & (b | c)`"
    )
    optional_dataset_enabled: bool = Field(
        default=False, description="do not wait for datasets that are slower than the data cycle"
    )
    data_cycle_enabled: bool = Field(default=False, description="count datasets by data cycle")
    data_cycle: CycleOption = Field(
        default=None,
        description=f"the data cycle: {', '.join(f'`{name}`' for name in CYCLES)}, or a cron expression; "
        "when unset, the most frequent one of the datasets",
    )
    beyond_data_cycle_enabled: bool = Field(
        default=True, description="count an update outside of the cycle if the dataset's freshness allows it"
    )
    min_timedelta_between_runs: Seconds = Field(
        default=900, description="the least seconds from one run that data started to the next"
    )
    spark_config_name: str | None = Field(
        default=None, description="passed to the hook `get_spark_config`; by default the name of the table or task"
    )

    @property
    def zone(self) -> str:
        """Time zone of cron expressions, and of dates without an offset."""
        return self.timezone

    @property
    def tag_list(self) -> list[str]:
        """Tags of jobs, as a list."""
        return self.tags.split()
