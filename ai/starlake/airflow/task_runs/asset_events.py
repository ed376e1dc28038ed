"""Events of the assets that a task updates: none if it made nothing, with the facts of its run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from airflow.sdk import Asset, Context

from ai.starlake.airflow.task_runs.task_dates import cron_of_dag
from ai.starlake.airflow.task_runs.triggering_events import SCHEDULED_DATE
from ai.starlake.common import format_timestamp
from ai.starlake.orchestration.command_runs.command_run import CommandRun
from ai.starlake.orchestration.dates.run_dates import RunDates


def record(context: Context, run: CommandRun | None) -> None:
    """Set the content of the events of a task's outlets, which Airflow records when the task succeeds.

    The extra of each has the facts of the command's run - rows read, accepted and rejected, duration, log, remote id,
    logical date - and the keys of Starlake's own files: ``source``, ``sl_uri``, ``sl_sink``, ``sl_cron``,
    ``sl_freshness`` (the parameter ``freshness`` of the task), ``ts``, ``sl_scheduled_date``. Values of the asset
    itself or of a callback are kept.

    A dry run, and a load without files, made nothing: then no event is recorded, so that no DAG runs for it.

    Args:
        context: The context of the task.
        run: The result of the command; None in a dry run.
    """
    if run is None or run.read_nothing:
        withhold(context)
        return
    of_task = cast("Mapping[str, Any]", context)
    freshness = (of_task.get("params") or {}).get("freshness")
    _record(context, {**_of_run(of_task, run.dates), "sl_sink": run.name, "sl_freshness": freshness, **run.facts()})


def record_pipeline(context: Context, dates: RunDates) -> None:
    """Set the content of the events of the outlets of the last task of a pipeline.

    Args:
        context: The context of the task.
        dates: The dates of the run.
    """
    _record(context, _of_run(cast("Mapping[str, Any]", context), dates))


def withhold(context: Context) -> None:
    """Let a successful task record no event of its outlets.

    Airflow asks the task for its outlets after its success. The running operator is a copy of the DAG's own: the assets
    that the DAG declares stay unchanged.

    Args:
        context: The context of the task.
    """
    context["task"].outlets = []


def _record(context: Context, facts: Mapping[str, Any]) -> None:
    extra = {key: _plain(value) for key, value in facts.items() if value is not None}
    for outlet in context["task"].outlets:
        if isinstance(outlet, Asset):
            event = context["outlet_events"][outlet]
            event.extra = {"sl_uri": outlet.uri, **outlet.extra, **extra, **event.extra}


def _of_run(context: Mapping[str, Any], dates: RunDates) -> dict[str, Any]:
    return {
        "source": context["dag"].dag_id,
        "sl_cron": cron_of_dag(context),
        "ts": format_timestamp(context["ti"].start_date),
        SCHEDULED_DATE: format_timestamp(dates.logical),
    }


def _plain(value: Any) -> Any:
    """Return a JSON-compatible value."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return value if isinstance(value, (str, int, float)) else str(value)
