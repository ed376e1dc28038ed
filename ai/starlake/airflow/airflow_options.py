"""Options of jobs on Airflow, and the default arguments of their DAGs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from ai.starlake.common import StarlakeError, parse_datetime, zone_of
from ai.starlake.common.written_values import json_object
from ai.starlake.job import JobOptions, StarlakeOptions
from ai.starlake.job.job_options import Seconds
from ai.starlake.orchestration.dates.first_day import DEFAULT_START
from ai.starlake.orchestration.orchestration_options import DateOption

DEFAULT_POOL = "default_pool"
"""Pool of tasks without another one; every Airflow has it."""

DEFAULT_DAG_ARGS: Mapping[str, Any] = MappingProxyType(
    {
        "depends_on_past": False,
        "start_date": datetime.combine(DEFAULT_START, time()),  # the time zone of the DAG applies
        "email_on_failure": False,
        "email_on_retry": False,
        "retries": 1,
        "retry_delay": timedelta(minutes=5),
        "max_active_runs": 1,
    }
)
"""Default arguments of the tasks of DAGs; generated files import them."""

_DURATIONS = frozenset({"execution_timeout", "max_retry_delay", "retry_delay"})
_DATES = frozenset({"end_date", "start_date"})


class StarlakeAirflowOptions(StarlakeOptions):
    """Access to single options by name, for generated DAG files."""

    @classmethod
    def get_context_var(
        cls, var_name: str, default_value: Any = None, options: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """Return the value of an option: from the options, the environment, or the default.

        Airflow Variables are not read: a DAG file is parsed every few seconds.

        Args:
            var_name: The name of the option.
            default_value: The value if it is not found. If this is a string, the result is always a string, as
                generated DAG files expect; a mapping becomes a JSON object.
            options: The options of the job.
            **kwargs: Ignored; files for Starlake's own package may pass the arguments of a lookup.

        Raises:
            MissingEnvironmentVariable: If it is not found and has no default.
        """
        del kwargs
        given = (options or {}).get(var_name)
        if isinstance(default_value, str) and isinstance(given, (dict, list)):
            return json.dumps(given)
        return super().get_context_var(var_name, default_value, options)


def _read_arguments(value: Any) -> Any:
    read = json_object(value or {})
    return {name: _read_argument(name, entry) for name, entry in read.items()}


def _read_argument(name: str, value: Any) -> Any:
    """Convert an argument of tasks that JSON cannot represent: a duration in seconds, a date."""
    if name in _DURATIONS:
        return as_duration(name, value)
    if name in _DATES and isinstance(value, str):
        try:
            return parse_datetime(value, zone_of("UTC")).replace(tzinfo=None) if value else None
        except StarlakeError as error:
            raise ValueError(f"{name}: {error}") from None
    return value


def as_duration(name: str, value: Any) -> timedelta | None:
    """Return a duration, which may be given as a number of seconds.

    Raises:
        ValueError: If it is neither.
    """
    if value is None or isinstance(value, timedelta):
        return value
    try:
        return timedelta(seconds=float(value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is not a number of seconds") from None


ArgumentsOption = Annotated[dict[str, Any], BeforeValidator(_read_arguments)]


class AirflowOptions(JobOptions):
    """Options of jobs on Airflow, in addition to those of every job and every pipeline.

    The descriptions of the fields are shown in docs/airflow.md.
    """

    unread_options: ClassVar[frozenset[str]] = frozenset(
        {
            "airflow_api_auth",
            "airflow_api_base_url",
            "airflow_api_conn_id",
            "retry_on_failure",
            "separator",
            "use_gcloud",
        }
    )

    retries: Annotated[int, Field(ge=0)] = Field(
        default=1, description="number of retries of a failed task; by default as in `default_dag_args`"
    )
    retry_delay: Seconds = Field(
        default=300, description="seconds to wait before a retry; by default as in `default_dag_args`"
    )
    end_date: DateOption = Field(default=None, description="the day from which on no run is scheduled any more")
    default_pool: Annotated[str, Field(min_length=1)] = Field(
        default=DEFAULT_POOL, description="the pool whose slots tasks that run commands take"
    )
    default_dag_args: ArgumentsOption = Field(
        default={}, description="default arguments of tasks, as the text of a JSON object; durations in seconds"
    )
    max_active_runs: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="limit on concurrent runs of a DAG; 3, or 1 if assets start it"
    )
    pre_load_deferrable: bool = Field(
        default=True, description="let a pre-load check wait in the triggerer, so that it takes no slot"
    )
    sl_schedule_parameter_name: str = Field(
        default="sl_schedule", description="the parameter that names the scheduled date of an asset"
    )
    sl_schedule_format: str = Field(default="%Y%m%dT%H%M", description="the format of that date")

    def merged_dag_args(self, of_file: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return default arguments of tasks: those of the options, those of the file, and the common defaults.

        The variable of a generated file already has the defaults laid over the option of that name: where it equals the
        defaults, the option takes precedence.

        Args:
            of_file: The variable ``default_dag_args`` of the DAG file.
        """
        arguments = {**DEFAULT_DAG_ARGS, **(of_file or {}), **self.default_dag_args}
        if "retries" in self.model_fields_set:
            arguments["retries"] = self.retries
        if "retry_delay" in self.model_fields_set:
            arguments["retry_delay"] = timedelta(seconds=self.retry_delay)
        return arguments

    @classmethod
    def _completed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return the options with the Jinja of `sl_env_var` as references, and the pool under its name on Dagster."""
        own = {"default_pool": given["pool"]} if "pool" in given else {}
        if "sl_env_var" in given:
            own["sl_env_var"] = _without_jinja(given["sl_env_var"])
        return super()._completed({**own, **given, **{k: v for k, v in own.items() if k == "sl_env_var"}})


def _without_jinja(value: Any) -> Any:
    """Return an environment with references in place of Jinja; an invalid environment is refused later."""
    from ai.starlake.airflow.airflow_secrets import reference_of_template

    try:
        environment = json_object(value)
    except ValueError:
        return value
    return {name: reference_of_template(name, entry) for name, entry in environment.items()}


def in_zone(day: date, zone: str) -> datetime:
    """Return a day, or a time of a day, in a time zone, in the form that Airflow serializes best.

    Args:
        day: The day, which begins at midnight; or a time, whose own time zone takes precedence.
        zone: The name of the time zone.
    """
    import pendulum

    if isinstance(day, datetime):
        return pendulum.instance(day, tz=zone)
    return pendulum.datetime(day.year, day.month, day.day, tz=zone)
