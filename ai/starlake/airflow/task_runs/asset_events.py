"""The events of the assets that a task updates: none where it made nothing, and what is known of its run."""

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
    """Tell Airflow what the events of the outlets of a task are to hold, which it records when the task succeeds.

    The extra of each has what is known of the run of the command - rows read, accepted and rejected, duration, log,
    remote id, logical date - and the keys of Starlake's own files: ``source``, ``sl_uri``, ``sl_sink``, ``sl_cron``,
    ``sl_freshness`` (the parameter ``freshness`` of the task), ``ts``, ``sl_scheduled_date``. What the asset itself or
    a callback has put there stays.

    A dry run, and a load that found no file, made nothing: then no event is recorded, so that no DAG runs for it.

    Args:
        context: The context of the task.
        run: What the command did; None in a dry run.
    """
    if run is None or run.read_nothing:
        withhold(context)
        return
    of_task = cast("Mapping[str, Any]", context)
    freshness = (of_task.get("params") or {}).get("freshness")
    _record(context, {**_of_run(of_task, run.dates), "sl_sink": run.name, "sl_freshness": freshness, **run.facts()})


def record_pipeline(context: Context, dates: RunDates) -> None:
    """Tell Airflow what the events of the outlets of the last task of a pipeline are to hold.

    Args:
        context: The context of the task.
        dates: The dates of the run.
    """
    _record(context, _of_run(cast("Mapping[str, Any]", context), dates))


def withhold(context: Context) -> None:
    """Let a task that succeeds record no event of its outlets.

    Airflow asks the task for its outlets when it has succeeded. The operator that runs is a copy of the DAG's own: the
    assets that the DAG declares stay as they are.

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
    """Return a value as JSON can hold it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return value if isinstance(value, (str, int, float)) else str(value)
