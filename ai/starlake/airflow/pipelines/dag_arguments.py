"""Arguments of a DAG, from the options of its job and the variables of its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ai.starlake.airflow.airflow_job import StarlakeAirflowJob
from ai.starlake.airflow.airflow_options import AirflowOptions, in_zone
from ai.starlake.airflow.macros import MACROS
from ai.starlake.airflow.pipelines.dag_schedules import schedule_of
from ai.starlake.orchestration.dates.first_day import first_day
from ai.starlake.orchestration.pipeline_spec import PipelineSpec

_ACTIVE_RUNS = 3
_DATES = frozenset({"start_date", "end_date"})
_OF_DAGS = frozenset({"catchup", "max_active_runs", "schedule", "tags"})
"""Arguments of DAGs that files put into the default arguments of tasks, which do not support them."""


def dag_arguments(job: StarlakeAirflowJob[Any], spec: PipelineSpec, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the DAG of a pipeline.

    Args:
        job: The job, with the options.
        spec: The specification of the pipeline.
        variables: The variables of the file: ``default_dag_args``, ``access_control``, ``user_defined_macros``,
            ``user_defined_filters``.

    Raises:
        StarlakeError: If an option is invalid.
    """
    options = job.options_of(AirflowOptions)
    defaults = options.merged_dag_args(variables.get("default_dag_args"))
    dates = {
        "start_date": first_day(spec.options.start_date, defaults.get("start_date")),
        "end_date": options.end_date or defaults.get("end_date"),
    }
    arguments: dict[str, Any] = {
        "schedule": schedule_of(spec),
        "description": spec.description,
        "tags": spec.tags,
        "catchup": spec.options.catchup,
        "max_active_runs": 1 if spec.triggers else options.max_active_runs or _ACTIVE_RUNS,
        "default_args": {name: value for name, value in defaults.items() if name not in _DATES | _OF_DAGS},
        "user_defined_macros": {**MACROS, **(variables.get("user_defined_macros") or {})},
        "user_defined_filters": variables.get("user_defined_filters") or None,
        "access_control": variables.get("access_control") or None,
        **{name: in_zone(value, spec.options.zone) for name, value in dates.items() if value},
    }
    return {name: value for name, value in arguments.items() if value is not None}
